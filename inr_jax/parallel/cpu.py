"""How XLA compiles for CPUs: flags that have to be set before JAX starts."""

import importlib.metadata
import os

# jaxlib 0.10 runs convolutions by YNNPACK, whose gradients take 2.5 times as long as
# Eigen's (3 x 3, 48 channels, 125 frames of 33 bands: 39 to 54 against 110 to 156
# GFLOP/s on two cores of an Intel Xeon with AVX-512); products stay with YNNPACK.
_FLAGS = (
    "--xla_cpu_experimental_ynn_fusion_type=LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT",
    "--xla_cpu_prefer_vector_width=512",
)


def tune(num_devices: int | None = None) -> None:
    """Sets what makes convolutions fast; to be called before jax is imported.

    What the user set in XLA_FLAGS goes before it. Other versions of jaxlib may not know
    these flags, and stop at unknown ones, hence get none.

    Args:
      num_devices: Devices that the CPU counts as; each runs a program of its own.
    """
    given = os.environ.get("XLA_FLAGS", "")
    wanted = list(_FLAGS) if _known() else []
    if num_devices:
        wanted.append(f"--xla_force_host_platform_device_count={num_devices}")
    added = [flag for flag in wanted if flag.split("=")[0] not in given]
    os.environ["XLA_FLAGS"] = " ".join([given, *added]).strip()


def _known():
    return importlib.metadata.version("jaxlib").startswith("0.10.")
