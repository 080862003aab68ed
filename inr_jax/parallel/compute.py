"""Compute settings per backend: sine, precision, block and batch sizes.

CPU figures: 2 cores of AMD Zen 4, jax 0.10.2, 3 hidden layers, as fractions of the
speed of a float32 matrix product of size 2048. GPUs and TPUs are not measured yet.
"""

import dataclasses
import os
from collections.abc import Callable

import jax

from inr_jax.parallel import sharding

SINES = ("polynomial", "jnp")
PRECISIONS = ("float32", "tensorfloat32", "bfloat16")
# Each has its activations in memory.
_MOST_AT_ONCE = 4


@dataclasses.dataclass(frozen=True)
class ComputeConfig:
    """How fits run: affects speed, memory and rounding, not the method.

    Attributes:
      sine: "polynomial", `inr_jax.nn.sine`, or "jnp", `jnp.sin`. CPU: a step 256 wide
        runs at 0.85 with the first and at 0.39 with the second.
      hidden_precision: Of the matrix products of hidden layers; the first layer is
        always float32. CPU: bfloat16 is 1.1 times faster and loses 0.5 dB of a fit to
        clean speech at 16 dB (3 seeds, constant learning rate), so float32.
      block_samples: Samples of one fit whose activations are in memory at once. CPU,
        256 wide: 2048 is fastest; 1024 and above 4096 are slower.
      activations_at_once: Units times samples that fits of one batch compute together;
        fits that have more each run one after the other. CPU: arrays of 2**17, 0.5 MiB,
        stay in cache; 8 nets of 256 run at 0.56 in parallel and at 0.85 in sequence.
      batch_samples: Padded samples per device of one compiled program.
      steps_per_call: Steps per call of it; progress is reported between calls.
      num_devices: Devices of this process among which a batch is split.
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


STANDARD = ComputeConfig()  # for CPUs, and where none is given
# An array of activations has 0.5 GiB; about ten of them fit a device of 16 GiB.
_ACCELERATOR = ComputeConfig(
    block_samples=2**16,
    activations_at_once=2**27,
    batch_samples=2**22,
    steps_per_call=50,
)
BACKENDS = {"cpu": STANDARD, "gpu": _ACCELERATOR, "tpu": _ACCELERATOR}


def default_compute() -> ComputeConfig:
    """Compute settings for the backend and the devices of this process."""
    chosen = BACKENDS.get(jax.default_backend(), _ACCELERATOR)
    return dataclasses.replace(chosen, num_devices=sharding.num_local_devices())


def batches_at_once() -> int:
    """Batches of denoising that compute in threads of their own.

    XLA splits few operations among the cores of a CPU: two batches of a network (the one
    of version 0.1) on two cores took 0.65 of the time of one after the other. Other devices
    work through a queue, which one thread keeps filled.
    """
    if jax.default_backend() != "cpu" or sharding.num_local_devices() > 1:
        return 1
    return min(_MOST_AT_ONCE, os.cpu_count() or 1)


def over_fits(function: Callable, compute: ComputeConfig, width: int, num_samples: int):
    """Maps `function` over a leading axis of fits, as many at once as `compute` allows.

    Args:
      function: Of one fit; arguments and result are pytrees of arrays.
      compute: For `block_samples` and `activations_at_once`.
      width: Units of each layer.
      num_samples: Padded samples of each fit.
    """
    activations = width * min(num_samples, compute.block_samples)
    at_once = compute.activations_at_once // activations

    def lifted(*args):
        count = len(jax.tree.leaves(args)[0])
        if at_once >= count > 1:
            return jax.vmap(function)(*args)
        # matrix products are slower with a batch axis of size 1
        size = at_once if at_once > 1 else None
        return jax.lax.map(lambda one: function(*one), args, batch_size=size)

    return lifted
