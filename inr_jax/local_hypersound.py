"""Local HyperSound: a hypernetwork that emits a small SIREN for every frame.

HyperSound (Szatkowski et al. 2022, arXiv 2211.01839) emits one set of weights for a
whole clip. Here each frame of `LocalConfig.window` samples, half overlapping, has a
target network of its own: a SIREN of local time tau in [-1, 1] without hidden layers,

    s(tau) = sum_k a_k sin(omega_k tau + phi_k),

whose sines are shared and whose output weights a_k are emitted. Frames are weighted by a
sine window and added up. The sines are the harmonics of the frame, so that the noisy
frame has exact weights of its own; what is emitted is these, combined over neighbouring
frames by complex factors (deep filtering, Mack and Habets 2019, arXiv 1904.08369) and
scaled by a gate: factors of 0 and open gates give a signal back as it was.
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from inr_jax import siren
from inr_jax.configs import SirenConfig
from inr_jax.model_configs import LocalConfig

TARGET = SirenConfig(width=1, depth=0, first_omega=1.0)  # the width follows the window

# Power below which a bin tells nothing, full scale 1: far under 16-bit rounding.
_POWER_FLOOR = 1e-10

# Frames and bins that the small convolutions see, one after the other.
LOCAL_SIZES = (5, 3)

# Frames whose exact weights an emitted weight combines.
FILTER_FRAMES = 3


@functools.cache
def shared_sines(window: int) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies in rad per unit of tau, and phases, of a target's `window` sines.

    Cosines of harmonics 0 to window/2, then sines of harmonics 1 to window/2 - 1.
    """
    harmonics = np.arange(window // 2 + 1)
    harmonics = np.concatenate([harmonics, harmonics[1:-1]])
    phases = np.where(np.arange(window) <= window // 2, np.pi / 2, 0)
    return np.pi * harmonics, phases


def local_times(num_samples: int) -> np.ndarray:
    """Local times (samples,) in [-1, 1) of a window that holds so many samples."""
    return 2 * np.arange(num_samples) / num_samples - 1


def target_params(weights: jax.Array) -> siren.Params:
    """The SIREN of one frame, as from `siren.init`, for `siren.apply` with `TARGET`.

    Args:
      weights: Emitted output weights (window,).
    """
    omega, phase = shared_sines(weights.shape[0])
    return [
        {"kernel": jnp.asarray(omega[None], jnp.float32), "bias": jnp.asarray(phase)},
        {"kernel": weights[:, None], "bias": jnp.zeros(1)},
    ]


def analyse(signal: jax.Array, window: int) -> jax.Array:
    """Weights (frames, window) of the targets that give back a signal (samples,).

    Frame k begins at sample (k - 1) * window/2 of the signal, zeros stand before and
    behind it; there are ceil(samples / hop) + 1 frames.
    """
    hop = window // 2
    num_pieces = -(-signal.shape[0] // hop)
    padded = jnp.pad(signal, (hop, (num_pieces + 1) * hop - signal.shape[0]))
    pieces = padded.reshape(-1, hop)
    frames = jnp.concatenate([pieces[:-1], pieces[1:]], axis=1)
    return (frames * _frame_window(window)) @ _projection(window)


def synthesise(weights: jax.Array, num_samples: int, hop: int) -> jax.Array:
    """The signal (num_samples,) of targets (frames, window), `hop` samples apart.

    A `hop` above half the window evaluates the targets on a finer grid: at another rate.
    """
    times = local_times(2 * hop)[:, None].astype(np.float32)
    evaluate = jax.vmap(lambda one: siren.apply(target_params(one), times, TARGET))
    frames = evaluate(weights)[:, :, 0] * _frame_window(2 * hop)
    pieces = frames.reshape(-1, 2, hop)
    return (pieces[1:, 0] + pieces[:-1, 1]).reshape(-1)[:num_samples]


def _frame_window(num_samples: int) -> np.ndarray:
    """cos(pi tau / 2): squares of neighbours sum to 1 on any grid."""
    return np.cos(np.pi / 2 * local_times(num_samples)).astype(np.float32)[None]


@functools.cache
def _projection(window: int) -> np.ndarray:
    """Matrix (samples, sines) from a windowed frame to the weights that give it."""
    omega, phase = shared_sines(window)
    sines = np.sin(local_times(window)[:, None] * omega + phase)
    return (sines / np.sum(sines**2, axis=0)).astype(np.float32)


class LocalHyperSound(nn.Module):
    """The hypernetwork, for one signal: noisy samples in, denoised samples out.

    Two paths meet at every bin. One sees whole frames over a second: blocks in the manner
    of ConvNeXt (Liu et al. 2022), a depthwise dilated convolution over frames, then a
    perceptron of one hidden layer, added to what came in. The other sees the bins around,
    by small convolutions over frames and bins that are the same at every frequency.
    """

    config: LocalConfig
    dtype: str = "float32"

    @nn.compact
    def __call__(
        self,
        noisy: jax.Array,
        first: jax.Array | int = 0,
        last: jax.Array | int | None = None,
        finer: int = 1,
    ) -> jax.Array:
        """Denoised signal (finer * samples,), by evaluating the targets.

        Args:
          noisy: (samples,); what lies outside of `first` and `last` is padding.
          first: First sample of the signal, a multiple of the hop.
          last: Sample after its end; the end of the array by default.
          finer: Samples of the output for each one of the input.
        """
        weights = self.emit(noisy, first, last)
        return synthesise(weights, finer * noisy.shape[0], finer * self.config.hop)

    @nn.compact
    def emit(self, noisy, first=0, last=None) -> jax.Array:
        """Output weights (frames, window) of the targets of a signal (samples,)."""
        config = self.config
        weights = analyse(noisy, config.window)
        starts = config.hop * jnp.arange(len(weights))[:, None]
        last = noisy.shape[0] if last is None else last
        # as if frames ended where the signal does, whatever padding is around it
        valid = (starts >= first) & (starts - config.hop < last)
        cosines, sines = _as_pairs(weights)
        num_bins = cosines.shape[1]
        # of the order of 1 for speech
        level = jnp.log10(cosines**2 + sines**2 + _POWER_FLOOR) / 2 + 2
        near = level[:, :, None]
        for i, size in enumerate(LOCAL_SIZES):
            near = self._local(near, valid, size, config.local_channels, f"local_{i}")
        x = self._dense(config.channels, "stem")(level).astype(jnp.float32)
        for i, dilation in enumerate(config.dilations):
            x += self._block(jnp.where(valid, x, 0), i, dilation)
        x = nn.RMSNorm(name="spread_norm")(x)
        wide = self._dense(num_bins * config.local_channels, "spread")(x)
        wide = wide.astype(jnp.float32).reshape(*near.shape)
        both = jnp.concatenate([near, wide], axis=2)
        both = self._local(both, valid, 3, 2 * config.local_channels, "joint")
        num_maps = 1 + 2 * FILTER_FRAMES
        maps = self._dense(num_maps, "head", nn.initializers.normal(0.05))(both)
        gate, *taps = jnp.moveaxis(maps.astype(jnp.float32), 2, 0)
        cosines, sines = _filter(cosines, sines, taps, config.causal)
        gate = nn.sigmoid(gate + 1)
        return _as_weights(gate * cosines, gate * sines)

    def _local(self, x, valid, size, channels, name):
        """A square convolution over (frames, bins, channels), zeros beyond the ends."""
        back = size - 1 if self.config.causal else size // 2
        conv = nn.Conv(
            channels,
            (size, size),
            padding=[(back, size - 1 - back), (size // 2, size // 2)],
            dtype=self.dtype,
            name=name,
        )
        x = conv(jnp.where(valid[:, :, None], x, 0))
        return nn.silu(x.astype(jnp.float32))

    def _block(self, x, i, dilation):
        config = self.config
        taps = self.param(
            f"taps_{i}",
            nn.initializers.normal(config.kernel**-0.5),
            (config.kernel, config.channels),
        )
        x = nn.RMSNorm(name=f"norm_{i}")(_depthwise(x, taps, dilation, config.causal))
        x = nn.silu(self._dense(config.expansion * config.channels, f"up_{i}")(x))
        return self._dense(config.channels, f"down_{i}")(x).astype(jnp.float32)

    def _dense(self, features, name, kernel_init=nn.linear.default_kernel_init):
        return nn.Dense(features, dtype=self.dtype, kernel_init=kernel_init, name=name)


def _depthwise(x, taps, dilation, causal):
    """Each channel of (frames, channels) filtered over frames, zeros beyond the ends."""
    count = len(taps)
    before = (count - 1) * dilation if causal else (count // 2) * dilation
    padded = jnp.pad(x, ((before, (count - 1) * dilation - before), (0, 0)))
    return sum(
        padded[i * dilation : i * dilation + len(x)] * taps[i][None]
        for i in range(count)
    )


def _filter(cosines, sines, taps, causal):
    """Each bin plus a complex combination of its own frame and its neighbours."""
    before = FILTER_FRAMES - 1 if causal else FILTER_FRAMES // 2
    margin = ((before, FILTER_FRAMES - 1 - before), (0, 0))
    padded = [jnp.pad(x, margin) for x in (cosines, sines)]
    for i in range(FILTER_FRAMES):
        real, imaginary = taps[2 * i : 2 * i + 2]
        near_cosines, near_sines = (x[i : i + len(real)] for x in padded)
        cosines += real * near_cosines - imaginary * near_sines
        sines += imaginary * near_cosines + real * near_sines
    return cosines, sines


def _as_pairs(weights):
    """Weights of cosines and of sines, (frames, window // 2 + 1) each."""
    cosines, sines = jnp.split(weights, [weights.shape[1] // 2 + 1], axis=1)
    return cosines, jnp.pad(sines, ((0, 0), (1, 1)))


def _as_weights(cosines, sines):
    return jnp.concatenate([cosines, sines[:, 1:-1]], axis=1)
