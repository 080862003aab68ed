"""DNSMOS: ratings of listeners, predicted by networks without a reference.

The networks come with the package speechmos: `pip install 'inr_jax[dnsmos]'`.
"""

import functools
import importlib.util
import pathlib

import numpy as np

from inr_jax.dsp.mel import mel_power
from inr_jax.errors import InputError
from inr_jax.io import onnx_session
from inr_jax.metrics.value import Signal, Undefined, Value, require_not_silent

# Speech, background and overall quality of P.835, and the overall one of P.808.
NAMES = ("dnsmos_sig", "dnsmos_bak", "dnsmos_ovrl", "dnsmos_p808")
SAMPLE_RATE = 16_000
_WINDOW_S = 9.01
_WINDOW = int(_WINDOW_S * SAMPLE_RATE)
_HOP = SAMPLE_RATE
# From what the P.835 network gives to the scale of listeners, as published.
_POLYNOMIALS = (
    (-0.08397278, 1.22083953, 0.0052439),
    (-0.13166888, 1.60915514, -0.39604546),
    (-0.06766283, 1.11546468, 0.04602535),
)
_loaded = functools.cache(onnx_session.load)


def dnsmos(estimate: Signal, sample_rate: int) -> dict[str, Value]:
    """DNSMOS P.835 and P.808 (Reddy et al. 2021 and 2022) of one signal, 1 to 5.

    As the authors' script computes them: means over windows of 9.01 s, one every second;
    a shorter signal is repeated. They depend on the level.

    Args:
      estimate: (samples,), of full scale 1.
      sample_rate: 16,000 Hz.

    Returns:
      The values of `NAMES`; NaN with a reason at other rates and for silence.

    Raises:
      InputError: the packages speechmos and onnxruntime are not installed.
    """
    require_packages()
    estimate = np.asarray(estimate, np.float32)
    try:
        if sample_rate != SAMPLE_RATE:
            raise Undefined(f"DNSMOS is not defined at {sample_rate} Hz")
        if not np.all(np.isfinite(estimate)):
            raise Undefined("estimate holds NaN or infinite samples")
        require_not_silent("estimate", estimate)
    except Undefined as undefined:
        return {name: Value(np.nan, str(undefined)) for name in NAMES}
    scores = np.mean([_of_window(window) for window in _windows(estimate)], axis=0)
    return {name: Value(score) for name, score in zip(NAMES, scores, strict=True)}


def require_packages() -> None:
    """Raises InputError where what computes DNSMOS is not installed."""
    for network in ("sig_bak_ovr", "model_v8"):
        _network(network)


def _windows(signal):
    while len(signal) < _WINDOW:
        signal = np.concatenate([signal, signal])
    count = int(len(signal) // SAMPLE_RATE - _WINDOW_S) + 1
    for i in range(count):
        start, stop = i * _HOP, int((i + _WINDOW_S) * _HOP)
        # rounding makes some a sample too short, which the script leaves out
        if stop - start == _WINDOW:
            yield signal[start:stop]


def _of_window(window):
    """(4,), in the order of `NAMES`."""
    (p835,) = _run("sig_bak_ovr", window)
    ((p808,),) = _run("model_v8", _log_mel(window[:-160]))
    fitted = [np.polyval(p, x) for p, x in zip(_POLYNOMIALS, p835, strict=True)]
    return [*fitted, p808]


def _run(network, features):
    session = _network(network)
    name = session.get_inputs()[0].name
    return session.run(None, {name: features[None].astype(np.float32)})[0]


def _log_mel(window):
    """(frames, 120): 1 at the peak, 0 at 40 dB below it, -1 at 80 dB and further."""
    power = np.maximum(mel_power(window, SAMPLE_RATE, 321, 160, 120), 1e-10)
    level = 10 * np.log10(power / np.max(power))
    return (np.maximum(level, -80) + 40).T / 40


def _network(name):
    spec = importlib.util.find_spec("speechmos")  # importing it needs more packages
    if spec is None:
        raise InputError(
            "DNSMOS is computed by networks of speechmos: pip install 'inr_jax[dnsmos]'"
        )
    folder = pathlib.Path(spec.submodule_search_locations[0]) / "dnsmos_models"
    return _loaded(folder / f"{name}.onnx")
