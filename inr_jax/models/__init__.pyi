from .hyper_gain import HyperGain as HyperGain
from .hyper_siren import HyperSiren as HyperSiren
from .hypersound import HyperSound as HyperSound
from .pretrained import load_pretrained as load_pretrained
from .wave_unet import WaveUNet as WaveUNet
