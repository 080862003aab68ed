"""SepFormer (Subakan et al. 2021, arXiv 2010.13154) for one voice in noise.

Encoder (learned filterbank), mask network and decoder. The mask network is dual-path:
its transformers attend within chunks of frames, then across chunks. Architecture and
weights are those of SpeechBrain (`dual_path.py` of release 1.1).

Signals may be padded behind `num_samples`, which changes nothing although
normalisations are global over time: clips of many lengths share a compiled program.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from inr_jax.configs.sepformer import SepformerConfig
from inr_jax.dsp.stft import frame, overlap_add

# Sequences in one pass of a transformer; their activations fit into the cache of a
# core.
SEQUENCES_AT_ONCE = 4

# Epsilons of the normalisations, those of the training.
_LAYER_EPSILON = 1e-6
_GLOBAL_EPSILON = 1e-8


def positional_encoding(
    num_tokens: int, channels: int
) -> Float[np.ndarray, "{num_tokens} {channels}"]:
    """Sinusoidal positional encoding (Vaswani et al. 2017, section 3.5).

    Sines in even channels, cosines in odd ones.
    """
    # in float32 throughout, as the tables of the checkpoints
    rates = np.exp(
        np.arange(0, channels, 2, dtype=np.float32)
        * np.float32(-np.log(10_000) / channels)
    )
    angles = np.arange(num_tokens, dtype=np.float32)[:, None] * rates
    return np.stack([np.sin(angles), np.cos(angles)], 2).reshape(num_tokens, channels)


def num_frames(num_samples: jax.Array | int, config: SepformerConfig):
    """Whole frames of the encoder in `num_samples`; at least one."""
    frames = (num_samples - config.kernel) // config.hop + 1
    return jnp.maximum(frames, 1) if isinstance(frames, jax.Array) else max(frames, 1)


def num_chunks(frames: jax.Array | int, config: SepformerConfig):
    """Number of chunks of `frames` frames, with 50 % overlap and zero-padded.

    The padding is half a chunk before and at least as much behind.
    """
    return 2 * ((frames + config.chunk // 2) // config.chunk + 1)


class TransformerLayer(nn.Module):
    """Pre-norm transformer layer: self-attention and a feed-forward network."""

    config: SepformerConfig

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "sequences tokens channels"],
        mask: Bool[Array, "1 1 1 tokens"] | None,
    ) -> Float[Array, "sequences tokens channels"]:
        """Maps sequences of tokens; `mask` is true for valid tokens."""
        attend = nn.MultiHeadDotProductAttention(
            self.config.num_heads, name="attention"
        )
        x += attend(_layer_norm("attention_norm")(x), mask=mask)
        h = nn.Dense(self.config.hidden, name="up")(_layer_norm("up_norm")(x))
        return x + nn.Dense(self.config.channels, name="down")(nn.relu(h))


class Transformer(nn.Module):
    """A stack of layers, scanned: weights have a leading axis of layers."""

    config: SepformerConfig

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "sequences tokens channels"],
        mask: Bool[Array, "1 1 1 tokens"] | None = None,
    ) -> Float[Array, "sequences tokens channels"]:
        """Maps sequences of tokens, each independently."""
        x += positional_encoding(*x.shape[1:])[None]
        layers = nn.scan(
            lambda layer, x, _: (layer(x, mask), None),
            variable_axes={"params": 0},
            split_rngs={"params": True},
            length=self.config.num_layers,
        )
        x, _ = layers(TransformerLayer(self.config, name="layers"), x, None)
        return _layer_norm("norm")(x)


class DualBlock(nn.Module):
    """Dual-path block: intra-chunk, then inter-chunk transformer, both residual."""

    config: SepformerConfig

    @nn.compact
    def __call__(
        self, x: Float[Array, "chunks frames channels"], valid: Bool[Array, " chunks"]
    ) -> Float[Array, "chunks frames channels"]:
        """Maps chunks; `valid` is false for chunks of padding."""
        mask = valid[:, None, None]
        within = _in_groups(Transformer(self.config, name="intra"), x)
        x += _global_norm(3, "intra_norm")(within, mask=mask)
        across = _in_groups(
            Transformer(self.config, name="inter"),
            x.swapaxes(0, 1),
            valid[None, None, None],
        )
        return x + _global_norm(3, "inter_norm")(across.swapaxes(0, 1), mask=mask)


class MaskNet(nn.Module):
    """Predicts the mask of a signal's features."""

    config: SepformerConfig

    @nn.compact
    def __call__(
        self, features: Float[Array, "padded channels"], frames: Int[ArrayLike, ""]
    ) -> Float[Array, "padded channels"]:
        """Mask, 0 or more.

        Args:
          features: Of the encoder; those behind the first `frames` are padding.
          frames: Number of valid frames.
        """
        config = self.config
        half = config.chunk // 2
        mask = (jnp.arange(len(features)) < frames)[:, None]
        x = _global_norm(2, "norm")(features, mask=mask)
        x = nn.Dense(config.channels, use_bias=False, name="bottleneck")(x)
        size = num_chunks(len(features), config)
        behind = (size + 1) * half - half - len(features)
        x = jnp.pad(jnp.where(mask, x, 0), ((half, behind), (0, 0)))
        valid = jnp.arange(size) < num_chunks(frames, config)
        blocks = nn.scan(
            lambda block, x, _: (block(x, valid), None),
            variable_axes={"params": 0},
            split_rngs={"params": True},
            length=config.num_blocks,
        )
        x, _ = blocks(
            DualBlock(config, name="blocks"), frame(x, config.chunk, half), None
        )
        x = nn.Dense(config.channels, name="widen")(nn.PReLU(name="slope")(x))
        x = overlap_add(x, half)[half : half + len(features)]
        gate = nn.sigmoid(nn.Dense(config.channels, name="gate")(x))
        x = nn.tanh(nn.Dense(config.channels, name="output")(x)) * gate
        return nn.relu(nn.Dense(config.channels, use_bias=False, name="end")(x))


class Sepformer(nn.Module):
    """Denoises one signal; the output is at another level than the input."""

    config: SepformerConfig

    def setup(self):
        config = self.config
        self.encoder = nn.Dense(config.channels, use_bias=False)
        self.masknet = MaskNet(config)
        self.decoder = nn.Dense(config.kernel, use_bias=False)

    def __call__(
        self,
        noisy: Float[Array, " samples"],
        num_samples: Int[ArrayLike, ""] | None = None,
    ) -> Float[Array, " samples"]:
        """Denoised signal, zero behind the last whole frame.

        Args:
          noisy: Samples.
          num_samples: Valid samples, what follows is padding; all by default.
        """
        size = noisy.shape[0]
        frames = num_frames(size if num_samples is None else num_samples, self.config)
        features = self.encode(noisy)
        features = jnp.where(jnp.arange(len(features))[:, None] < frames, features, 0)
        estimate = self.decode(features * self.masknet(features, frames))
        return jnp.pad(estimate[:size], (0, max(0, size - len(estimate))))

    def encode(
        self, noisy: Float[Array, " samples"]
    ) -> Float[Array, "frames channels"]:
        """Features of a signal, 0 or more."""
        hop = self.config.hop
        length = hop * (num_frames(noisy.shape[0], self.config) + 1)
        whole = jnp.pad(noisy[:length], (0, max(0, length - noisy.shape[0])))
        return nn.relu(self.encoder(frame(whole, self.config.kernel, hop)))

    def decode(
        self, features: Float[Array, "frames channels"]
    ) -> Float[Array, " samples"]:
        """The signal of features, (frames + 1) * hop samples."""
        return overlap_add(self.decoder(features), self.config.hop)


def _in_groups(transformer, x, mask=None):
    """Maps (sequences, tokens, channels) a few sequences at a time."""
    num_groups = -(-len(x) // SEQUENCES_AT_ONCE)
    size = -(-len(x) // num_groups)
    padded = jnp.pad(x, ((0, num_groups * size - len(x)), (0, 0), (0, 0)))
    run = nn.scan(
        lambda module, carry, group: (carry, module(group, mask)),
        variable_broadcast="params",
        split_rngs={"params": False},
    )
    _, output = run(transformer, None, padded.reshape(num_groups, size, *x.shape[1:]))
    return output.reshape(-1, *x.shape[1:])[: len(x)]


# Two-pass variances: the difference of squares would lose precision.
def _layer_norm(name):
    return nn.LayerNorm(_LAYER_EPSILON, use_fast_variance=False, name=name)


def _global_norm(rank, name):
    """Global layer norm: statistics over channels and time, affine per channel."""
    return nn.LayerNorm(
        _GLOBAL_EPSILON,
        reduction_axes=tuple(range(rank)),
        feature_axes=-1,
        use_fast_variance=False,
        name=name,
    )
