from . import clips as clips
from . import style as style
from . import sweep as sweep
from . import training as training
