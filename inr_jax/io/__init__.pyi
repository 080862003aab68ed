from . import atomic as atomic
from . import checkpoints as checkpoints
from . import markdown as markdown
from . import provenance as provenance
from . import run_dir as run_dir
from . import weights as weights
