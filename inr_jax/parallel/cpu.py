"""XLA flags for CPUs, to be set before JAX starts."""

import importlib.metadata
import os

# jaxlib 0.10 runs convolutions by YNNPACK, whose gradients take 2.5 times as long as
# those of Eigen (3 x 3, 48 channels, 125 frames of 33 bands: 39 to 54 against 110 to
# 156 GFLOP/s on two cores of an Intel Xeon with AVX-512). Matrix products keep YNNPACK.
_FLAGS = (
    "--xla_cpu_experimental_ynn_fusion_type=LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT",
    "--xla_cpu_prefer_vector_width=512",
)


def tune(num_devices: int | None = None) -> None:
    """Sets XLA_FLAGS for fast convolutions; to be called before jax is imported.

    Flags that the user has set stay. Where `flags_are_known` is false, only the number of
    devices is set.

    Args:
      num_devices: Number of devices that the CPU is presented as.
    """
    given = os.environ.get("XLA_FLAGS", "")
    flags = list(_FLAGS) if flags_are_known() else []
    if num_devices:
        flags.append(f"--xla_force_host_platform_device_count={num_devices}")
    added = [flag for flag in flags if flag.split("=")[0] not in given]
    os.environ["XLA_FLAGS"] = " ".join([given, *added]).strip()


def flags_are_known() -> bool:
    """Whether jaxlib is of version 0.10; XLA aborts on flags that it does not know."""
    return importlib.metadata.version("jaxlib").startswith("0.10.")
