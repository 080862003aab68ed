from .api import denoise as denoise
from .api import denoise_recordings as denoise_recordings
from .driver import Denoiser as Denoiser
from .driver import Estimate as Estimate
from .driver import Source as Source
from .registry import make as make
