from . import coords as coords
from . import fourier_mlp as fourier_mlp
from . import gain_field as gain_field
from . import sine as sine
from . import siren as siren
from . import window_siren as window_siren
