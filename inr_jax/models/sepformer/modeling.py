"""SepFormer (Subakan et al. 2021, arXiv 2010.13154) for one voice in noise.

A learned filterbank, a mask of its frames and the way back. The mask comes from
transformers that see the frames twice: within chunks, and across chunks at one place in
each. As SpeechBrain builds it (`dual_path.py` of release 1.1), so that its weights fit.

Signals may be padded: what lies behind `count` samples changes nothing, although the
normalisations see all of time, so that clips of many lengths share a program.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from inr_jax.configs.networks import SepformerConfig

# Sequences that pass a transformer together: what fits into the cache of a core.
SEQUENCES_AT_ONCE = 4

# Numerical floor of the normalisations, as the weights were trained with.
_LAYER_FLOOR = 1e-6
_GROUP_FLOOR = 1e-8


def positions(num_tokens: int, channels: int) -> np.ndarray:
    """What tells tokens their places (tokens, channels): sines of 1 to 1/10000 rad.

    Vaswani et al. 2017, section 3.5: sines in even channels, cosines in odd ones.
    """
    # single precision throughout, as the tables in checkpoints
    rates = np.exp(
        np.arange(0, channels, 2, dtype=np.float32)
        * np.float32(-np.log(10_000) / channels)
    )
    angles = np.arange(num_tokens, dtype=np.float32)[:, None] * rates
    return np.stack([np.sin(angles), np.cos(angles)], 2).reshape(num_tokens, channels)


def num_frames(num_samples: jax.Array | int, config: SepformerConfig):
    """Frames of the encoder that lie within so many samples; at least one."""
    frames = (num_samples - config.kernel) // config.hop + 1
    return jnp.maximum(frames, 1) if isinstance(frames, jax.Array) else max(frames, 1)


def num_chunks(frames: jax.Array | int, config: SepformerConfig):
    """Chunks that so many frames are cut into.

    Half a chunk of zeros stands before them and more than that behind.
    """
    return 2 * ((frames + config.chunk // 2) // config.chunk + 1)


class TransformerLayer(nn.Module):
    """Attention, then a perceptron of one hidden layer, each normalised and added."""

    config: SepformerConfig

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array | None) -> jax.Array:
        """Maps (sequences, tokens, channels); `mask` (1, 1, 1, tokens) of real ones."""
        attend = nn.MultiHeadDotProductAttention(
            self.config.num_heads, name="attention"
        )
        x += attend(_layer_norm("attention_norm")(x), mask=mask)
        h = nn.Dense(self.config.hidden, name="up")(_layer_norm("up_norm")(x))
        return x + nn.Dense(self.config.channels, name="down")(nn.relu(h))


class Transformer(nn.Module):
    """Layers one after the other; weights are stacked along their first axis."""

    config: SepformerConfig

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        """Maps (sequences, tokens, channels), each sequence by itself."""
        x += positions(*x.shape[1:])[None]
        layers = nn.scan(
            lambda layer, x, _: (layer(x, mask), None),
            variable_axes={"params": 0},
            split_rngs={"params": True},
            length=self.config.num_layers,
        )
        x, _ = layers(TransformerLayer(self.config, name="layers"), x, None)
        return _layer_norm("norm")(x)


class DualBlock(nn.Module):
    """A transformer within chunks, then one across them, each added to its input."""

    config: SepformerConfig

    @nn.compact
    def __call__(self, x: jax.Array, valid: jax.Array) -> jax.Array:
        """Maps chunks (chunks, frames, channels); `valid` (chunks,) are real ones."""
        real = valid[:, None, None]
        within = _in_groups(Transformer(self.config, name="intra"), x)
        x += _global_norm(3, "intra_norm")(within, mask=real)
        across = _in_groups(
            Transformer(self.config, name="inter"),
            x.swapaxes(0, 1),
            valid[None, None, None],
        )
        return x + _global_norm(3, "inter_norm")(across.swapaxes(0, 1), mask=real)


class MaskNet(nn.Module):
    """The mask of a signal's frames."""

    config: SepformerConfig

    @nn.compact
    def __call__(self, features: jax.Array, frames: jax.Array | int) -> jax.Array:
        """Factors (frames, channels), 0 or more, for features of that shape.

        Args:
          features: Of the encoder; those behind the first `frames` are padding.
          frames: How many are real.
        """
        config = self.config
        half = config.chunk // 2
        real = (jnp.arange(len(features)) < frames)[:, None]
        x = _global_norm(2, "norm")(features, mask=real)
        x = nn.Dense(config.channels, use_bias=False, name="bottleneck")(x)
        size = num_chunks(len(features), config)
        behind = (size + 1) * half - half - len(features)
        x = jnp.pad(jnp.where(real, x, 0), ((half, behind), (0, 0)))
        valid = jnp.arange(size) < num_chunks(frames, config)
        blocks = nn.scan(
            lambda block, x, _: (block(x, valid), None),
            variable_axes={"params": 0},
            split_rngs={"params": True},
            length=config.num_blocks,
        )
        x, _ = blocks(DualBlock(config, name="blocks"), overlapping(x, half), None)
        x = nn.Dense(config.channels, name="widen")(nn.PReLU(name="slope")(x))
        x = overlap_add(x)[half : half + len(features)]
        gate = nn.sigmoid(nn.Dense(config.channels, name="gate")(x))
        x = nn.tanh(nn.Dense(config.channels, name="output")(x)) * gate
        return nn.relu(nn.Dense(config.channels, use_bias=False, name="end")(x))


class Sepformer(nn.Module):
    """One signal: noisy samples in, denoised samples out, at a level of its own."""

    config: SepformerConfig

    def setup(self):
        config = self.config
        self.encoder = nn.Dense(config.channels, use_bias=False)
        self.masknet = MaskNet(config)
        self.decoder = nn.Dense(config.kernel, use_bias=False)

    def __call__(
        self, noisy: jax.Array, count: jax.Array | int | None = None
    ) -> jax.Array:
        """Denoised signal (samples,); zeros stand where no whole frame lies.

        Args:
          noisy: (samples,).
          count: Samples of the signal; what lies behind them is padding. All by
            default.
        """
        size = noisy.shape[0]
        frames = num_frames(size if count is None else count, self.config)
        features = self.encode(noisy)
        features = jnp.where(jnp.arange(len(features))[:, None] < frames, features, 0)
        found = self.decode(features * self.masknet(features, frames))
        return jnp.pad(found[:size], (0, max(0, size - len(found))))

    def encode(self, noisy: jax.Array) -> jax.Array:
        """Features (frames, channels), 0 or more, of a signal (samples,)."""
        hop = self.config.hop
        length = hop * (num_frames(noisy.shape[0], self.config) + 1)
        whole = jnp.pad(noisy[:length], (0, max(0, length - noisy.shape[0])))
        return nn.relu(self.encoder(overlapping(whole, hop)))

    def decode(self, features: jax.Array) -> jax.Array:
        """The signal ((frames + 1) * hop,) of features (frames, channels)."""
        return overlap_add(self.decoder(features))


def overlapping(x: jax.Array, hop: int) -> jax.Array:
    """Cuts (length, ...) into pieces (pieces, 2 * hop, ...) that overlap by half."""
    halves = x.reshape(-1, hop, *x.shape[1:])
    return jnp.concatenate([halves[:-1], halves[1:]], axis=1)


def overlap_add(pieces: jax.Array) -> jax.Array:
    """Adds up pieces (pieces, 2 * hop, ...) where they overlap: (length, ...)."""
    first, second = jnp.split(pieces, 2, axis=1)
    ends = ((0, 1), *((0, 0),) * (first.ndim - 1))
    total = jnp.pad(first, ends) + jnp.pad(second, (ends[0][::-1], *ends[1:]))
    return total.reshape(-1, *total.shape[2:])


def _in_groups(transformer, x, mask=None):
    """A few sequences of (sequences, tokens, channels) after the other."""
    num_groups = -(-len(x) // SEQUENCES_AT_ONCE)
    size = -(-len(x) // num_groups)
    padded = jnp.pad(x, ((0, num_groups * size - len(x)), (0, 0), (0, 0)))
    run = nn.scan(
        lambda module, carry, group: (carry, module(group, mask)),
        variable_broadcast="params",
        split_rngs={"params": False},
    )
    _, found = run(transformer, None, padded.reshape(num_groups, size, *x.shape[1:]))
    return found.reshape(-1, *x.shape[1:])[: len(x)]


# Variances in two passes: a difference of squares would lose digits.
def _layer_norm(name):
    return nn.LayerNorm(_LAYER_FLOOR, use_fast_variance=False, name=name)


def _global_norm(rank, name):
    """Over channels and time together, scaled and shifted channel by channel."""
    return nn.LayerNorm(
        _GROUP_FLOOR,
        reduction_axes=tuple(range(rank)),
        feature_axes=-1,
        use_fast_variance=False,
        name=name,
    )
