from . import fourier_conv as fourier_conv
from . import magnitudes as magnitudes
from . import mel as mel
from . import noise_psd as noise_psd
from . import overlap_add as overlap_add
from . import stft as stft
