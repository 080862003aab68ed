"""Streaming networks in ONNX files, run frame by frame with their state.

The first input and output are the frames: spectra (1, bins, 1, 2), real and imaginary, or
(1, samples) of a waveform. All others are state, in the same order, of zeros at first.
Those of `inr-jax export` state their rate and delay.
"""

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from inr_jax.configs.methods import OnnxMethod
from inr_jax.errors import InputError
from inr_jax.io import onnx_session

if TYPE_CHECKING:
    import onnxruntime


@dataclasses.dataclass(frozen=True)
class Network:
    """A streaming network.

    Attributes:
      session: Runs a frame.
      rate: Hz.
      window: Of the STFT, where it takes spectra.
      delay: Samples by which its estimates are late, beyond those of the STFT.
    """

    session: "onnxruntime.InferenceSession"
    rate: int
    window: str
    delay: int

    def denoise(
        self, samples: Float[np.ndarray, " samples"], sample_rate: int
    ) -> Float[np.ndarray, " samples"]:
        """The estimate of a signal at the rate of the network."""
        del sample_rate  # the driver has resampled to it
        delay, count = self.delay, len(samples)
        padded = np.pad(samples, (0, delay)).astype(np.float32)
        shape = self.session.get_inputs()[0].shape
        by_spectra = len(shape) == 4
        run = self._spectra if by_spectra else self._waveform
        return run(padded, shape[1])[delay : delay + count]

    def _spectra(self, samples, num_bins):
        from scipy import signal as scipy_signal  # takes half a second to import

        size = 2 * (num_bins - 1)
        window = scipy_signal.windows.hann(size, sym=False)
        if self.window == "sqrt_hann":
            window = np.sqrt(window)
        # no phase shift: that of an FFT of each frame, as networks are trained
        stft = scipy_signal.ShortTimeFFT(window, size // 2, self.rate, phase_shift=None)
        padded = np.pad(samples, (0, size))
        spectrum = stft.stft(padded)
        frames = np.stack([spectrum.real, spectrum.imag], -1).astype(np.float32)
        frames = frames.transpose(1, 0, 2)[:, None, :, None, :]
        found = np.concatenate(list(self._run(frames)), 2)[0]
        return stft.istft(found[..., 0] + 1j * found[..., 1], k1=len(padded))

    def _waveform(self, samples, hop):
        frames = np.pad(samples, (0, -len(samples) % hop)).reshape(-1, 1, hop)
        return np.concatenate(list(self._run(frames)), 1)[0]

    def _run(self, frames: np.ndarray) -> Iterator[np.ndarray]:
        """The output of each frame, one after another."""
        first, *others = self.session.get_inputs()
        state = {x.name: np.zeros(x.shape, np.float32) for x in others}
        for frame in frames:
            found, *new = self.session.run(None, {first.name: frame, **state})
            state = dict(zip(state, new, strict=True))
            yield found


def load(config: OnnxMethod) -> Network:
    """The network of a file.

    Raises:
      InputError: there is no file, it is no network, or its inputs and outputs are not
        those of a streaming one.
    """
    if not config.path:
        raise InputError("onnx needs a file: onnx:path=FILE")
    session = onnx_session.load(config.path)
    given, found = map(_shapes, (session.get_inputs(), session.get_outputs()))
    if given != found or None in given or not _is_frame(given[0]):
        raise InputError(
            f"{config.path}: no streaming network: needs frames (1, bins, 1, 2) or "
            "(1, samples) and state, inputs and outputs of 32-bit floats and of the same "
            f"fixed shapes; those of inputs are {given}, of outputs {found}"
        )
    said = {"sample_rate": 16_000, "delay": 0}
    said |= session.get_modelmeta().custom_metadata_map
    try:
        rate, delay = int(said["sample_rate"]), int(said["delay"])
    except ValueError as error:
        raise InputError(f"{config.path}: its sample_rate or delay: {error}") from None
    if rate < 1 or delay < 0:
        raise InputError(f"{config.path}: its sample_rate is {rate}, its delay {delay}")
    delay = delay if config.delay is None else config.delay
    return Network(session, config.rate or rate, config.window, delay)


def _shapes(tensors) -> list[tuple[int, ...] | None]:
    """None for one that is not of fixed shape and 32-bit floats."""
    return [
        tuple(x.shape)
        if x.type == "tensor(float)" and all(isinstance(n, int) for n in x.shape)
        else None
        for x in tensors
    ]


def _is_frame(shape):
    is_spectrum = len(shape) == 4 and shape[::2] == (1, 1) and shape[3] == 2
    is_waveform = len(shape) == 2 and shape[0] == 1
    return is_spectrum or is_waveform
