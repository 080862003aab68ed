"""What a Python user would pick today, to compare with: RNNoise and noisereduce.

Neither is needed for anything else; `pip install -e '.[peers]'` installs both.
"""

import importlib

import numpy as np

from inr_jax import audio
from inr_jax.errors import InputError

RNNOISE_RATE = 48_000
_RNNOISE_FRAME = 480
_RNNOISE_DELAY = 960  # samples, 20 ms


def rnnoise(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """RNNoise (Valin 2018, arXiv 1709.08243), the weights of the package pyrnnoise.

    Resampled to 48 kHz and back, the delay of 20 ms taken out.

    Args:
      samples: (samples,).
      sample_rate: In Hz.

    Raises:
      InputError: the package is not installed.
    """
    library = _package("pyrnnoise.rnnoise")
    fine = audio.resample(np.asarray(samples, np.float32), sample_rate, RNNOISE_RATE)
    count = len(fine) + _RNNOISE_DELAY
    padded = np.pad(fine, (0, _RNNOISE_DELAY + -count % _RNNOISE_FRAME))
    frames = np.clip(padded * 32768, -32768, 32767).astype(np.int16)
    state = library.create()
    try:
        found = [
            library.process_mono_frame(state, frame)[0]
            for frame in frames.reshape(-1, _RNNOISE_FRAME)
        ]
    finally:
        library.destroy(state)
    delayed = np.concatenate(found).astype(np.float32) / 32768
    denoised = delayed[_RNNOISE_DELAY:count]
    return audio.resample(denoised, RNNOISE_RATE, sample_rate)[: len(samples)]


def noisereduce(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Spectral gating (Sainburg 2019), the package noisereduce at its defaults.

    Args:
      samples: (samples,).
      sample_rate: In Hz.

    Raises:
      InputError: the package is not installed.
    """
    return _package("noisereduce").reduce_noise(y=samples, sr=sample_rate)


def noisereduce_stationary(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Like `noisereduce`, its thresholds the same over the whole clip."""
    library = _package("noisereduce")
    return library.reduce_noise(y=samples, sr=sample_rate, stationary=True)


def _package(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.split(".")[0]
        raise InputError(
            f"{package} is not installed; pip install -e '.[peers]'"
        ) from None
