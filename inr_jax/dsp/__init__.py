"""Signal processing: STFT, mel filterbanks, overlap-add, short convolutions, noise PSD."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
