"""A stream of sound, denoised by a causal HyperGain as it comes in."""

import os
import time
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from inr_jax import audio
from inr_jax.enhancement.files import DryWetMix
from inr_jax.errors import InputError
from inr_jax.live import ring
from inr_jax.models import hyper_gain, hyper_gain_stream, pretrained
from inr_jax.models.hyper_gain import HyperGain
from inr_jax.parallel import precision

WEIGHTS = "hyper_gain_live"  # the shipped ones
LOWEST_RATE, HIGHEST_RATE = 8000, 96_000  # Hz; both tested


class Stream:
    """Denoises blocks of any length, at their own rate.

      stream = Stream(48_000)
      out = stream(block)  # as many samples, `latency_samples` late

    All of the input, and then `flush`, give the estimate of the causal network of the whole
    signal. Samples that are NaN, infinite or absurdly loud count as silence. Not for
    several threads at a time.

    Attributes:
      sample_rate: Hz.
      channels: Linked: one gain for all keeps the level and time differences between them.
      hop: Samples from one computation to the next, about 16 ms.
      latency_samples: How much later a sample comes out than it went in; less than two
        hops, which is the least that blocks of any length allow.
      compile_s: Seconds that the constructor took to compile and to try the network.
      max_attenuation_db: Leaves the noise no further down than this; all the way where
        None. A change fades in within a hop, as one of `bypass` does.
      bypass: Whether the input comes out as it is, as late as the estimate.
    """

    def __init__(
        self,
        sample_rate: int,
        channels: int = 1,
        weights: str | os.PathLike | None = None,
        max_attenuation_db: float | None = None,
    ):
        """Compiles, so that the first block takes no longer than the others.

        Args:
          sample_rate: Hz, 8,000 to 96,000.
          channels: Number of channels.
          weights: Folder of those of a causal network; the shipped ones where None.
          max_attenuation_db: See the class.

        Raises:
          InputError: a rate, number of channels or attenuation that is not possible, no
            such weights, or those of another network.
        """
        sample_rate = audio.checked_rate(sample_rate)
        if not LOWEST_RATE <= sample_rate <= HIGHEST_RATE:
            raise InputError(
                f"a stream has {LOWEST_RATE} to {HIGHEST_RATE} Hz, got {sample_rate}"
            )
        if not isinstance(channels, int | np.integer) or channels < 1:
            raise InputError(f"a stream has at least one channel, got {channels!r}")
        weights = weights or WEIGHTS
        model, self._params = pretrained.load_pretrained(weights)
        if not (isinstance(model, HyperGain) and model.config.causal):
            raise InputError(f"{weights}: a stream needs weights of a causal HyperGain")
        self._config = model.config
        self.sample_rate, self.channels = sample_rate, channels
        self.hop = hyper_gain.window_of(sample_rate, model.config) // 2
        self.latency_samples = 2 * self.hop - 1
        self.max_attenuation_db, self.bypass = max_attenuation_db, False
        self.reset()
        start = time.perf_counter()
        self.step(np.zeros((self.hop, channels), np.float32))
        self.compile_s = time.perf_counter() - start
        self.reset()

    def reset(self) -> None:
        """Forgets all sound so far."""
        self._state = _init(self._config, self.hop, self.channels)
        self._dry = self._dry_share()
        self._waiting = np.zeros((0, self.channels), np.float32)
        self._ready = np.zeros((self.hop - 1, self.channels), np.float32)

    def __call__(self, block: Any) -> np.ndarray:
        """The next samples out, float32 of the shape of those that go in.

        Args:
          block: (samples,) of one channel, or (samples, channels); any number of samples.
            Floating-point numbers of full scale 1, or integers of any width, of numpy,
            JAX, torch or lists.

        Raises:
          InputError: samples that are not audio, or another number of channels.
        """
        block = audio.as_array(block)
        rows = block[:, None] if block.ndim == 1 else block
        if rows.shape[1:] != (self.channels,):
            raise InputError(
                f"blocks must be (samples, {self.channels}), got shape {block.shape}"
            )
        samples = np.concatenate([self._waiting, rows])
        whole = len(samples) - len(samples) % self.hop
        hops = [self.step(samples[i : i + self.hop]) for i in range(0, whole, self.hop)]
        self._waiting = samples[whole:]
        ready = np.concatenate([self._ready, *hops])
        self._ready = ready[len(block) :]
        return ready[: len(block)].reshape(block.shape)

    def flush(self) -> Float[np.ndarray, "latency channels"]:
        """The last `latency_samples`, as if silence went in; the stream begins anew."""
        rest = self(np.zeros((self.latency_samples, self.channels), np.float32))
        self.reset()
        return rest

    def step(
        self, block: Float[np.ndarray, "hop channels"]
    ) -> Float[np.ndarray, "hop channels"]:
        """The estimate of the hop before; for those who cut hops themselves."""
        block = ring.sound(block)
        dry = self._dry_share()
        shares = np.array([self._dry, dry], np.float32)
        self._dry = dry
        self._state, output = _step(
            self._params, self._state, block, shares, self._config
        )
        return np.asarray(output)

    def skip(self, before: Float[np.ndarray, "hop channels"]) -> None:
        """Goes on behind sound that no step was given.

        The estimate fades in over the first hop, of which half of the frames is missing.

        Args:
          before: The last hop of that sound.
        """
        block = ring.sound(before)
        self._state = self._state._replace(samples=block, overlap=np.zeros_like(block))

    def _dry_share(self):
        if self.bypass:
            return 1.0
        return DryWetMix(max_attenuation_db=self.max_attenuation_db).dry


_init = precision.in_32_bits(hyper_gain_stream.init)


@precision.jit(static_argnames="config")
def _step(params, state, block, shares, config):
    """The step, and the input mixed into the estimate by shares at both ends of the hop."""
    new, estimate = hyper_gain_stream.step(params, state, block, config)
    dry = jnp.linspace(shares[0], shares[1], len(block))[:, None]
    return new, estimate + dry * (state.samples - estimate)
