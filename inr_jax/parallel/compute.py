"""Compute settings of each kind of device: sine, precision, block and batch sizes.

CPU figures: 2 cores of AMD Zen 4, jax 0.10.2, shares of a float32 product of 2048 cubed,
3 hidden layers. GPUs and TPUs: chosen by what they are known for, not measured yet.
"""

import dataclasses
from collections.abc import Callable

import jax

from inr_jax.parallel import sharding

SINES = ("polynomial", "jnp")
PRECISIONS = ("float32", "tensorfloat32", "bfloat16")


@dataclasses.dataclass(frozen=True)
class ComputeConfig:
    """How fits run: changes speed and memory, and rounding, never the method.

    Attributes:
      sine: "polynomial", `inr_jax.nn.sine`, or "jnp", `jnp.sin`. CPU: a step 256 wide
        runs at .85 of the matrix product with the first, at .39 with the second.
      hidden_precision: What products of hidden layers round their factors to; the first
        layer never rounds. CPU: bfloat16 is 1.1 times faster and costs .5 dB of a fit
        to clean speech at 16 dB (3 seeds, constant rate), so float32.
      block_samples: Samples whose activations are alive at once in one fit. CPU, 256
        wide: 2048 ran fastest; 1024 and above 4096 were slower.
      activations_at_once: Units times samples that fits of one batch advance together;
        where one fit has more, fits run one after the other. CPU: 2**17, half a MiB an
        array, stays in cache; 8 nets of 256 ran at .56 of the product side by side, at
        .85 in turn.
      batch_samples: Padded samples that one compiled program takes on each device.
      steps_per_call: Steps of one call of it; progress and losses come between calls.
      num_devices: Of this process, which share the clips of a batch.
    """

    sine: str = "polynomial"
    hidden_precision: str = "float32"
    block_samples: int = 2048
    activations_at_once: int = 2**17
    batch_samples: int = 2**17
    steps_per_call: int = 10
    num_devices: int = 1

    def __post_init__(self):
        for name, known in (("sine", SINES), ("hidden_precision", PRECISIONS)):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} must be one of {', '.join(known)}, "
                    f"got {getattr(self, name)!r}"
                )
        for name, value in dataclasses.asdict(self).items():
            if isinstance(value, int) and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")


STANDARD = ComputeConfig()  # of a CPU, and wherever none are given
# An array of activations is half a GiB; about ten are alive: fits a card of 16 GiB.
_ACCELERATOR = ComputeConfig(
    block_samples=2**16,
    activations_at_once=2**27,
    batch_samples=2**22,
    steps_per_call=50,
)
BACKENDS = {"cpu": STANDARD, "gpu": _ACCELERATOR, "tpu": _ACCELERATOR}


def default_compute() -> ComputeConfig:
    """Compute settings of the devices that this process computes on."""
    chosen = BACKENDS.get(jax.default_backend(), _ACCELERATOR)
    return dataclasses.replace(chosen, num_devices=sharding.num_local_devices())


def over_fits(function: Callable, compute: ComputeConfig, width: int, num_samples: int):
    """Lifts `function` to a leading axis of fits: as many at once as `compute` says.

    Args:
      function: Of one fit; arguments and result are pytrees of arrays.
      compute: For `block_samples` and `activations_at_once`.
      width: Units of each layer.
      num_samples: Padded samples of each fit.
    """
    alive = width * min(num_samples, compute.block_samples)
    at_once = compute.activations_at_once // alive

    def lifted(*args):
        count = len(jax.tree.leaves(args)[0])
        if at_once >= count > 1:
            return jax.vmap(function)(*args)
        # a batch of one would multiply slower than none
        size = at_once if at_once > 1 else None
        return jax.lax.map(lambda one: function(*one), args, batch_size=size)

    return lifted
