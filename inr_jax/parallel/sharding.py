"""Placement of arrays on devices: one mesh axis, over which clips are split.

Clips are independent: each device runs the same program on its share of the clips of its
process.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from inr_jax.errors import InputError

_CLIPS = "clips"
_num_used: int | None = None  # devices of this process; None for all


def use_local_devices(num_devices: int | None) -> None:
    """Restricts this process to its first `num_devices` devices; None lifts that.

    Raises:
      InputError: it has fewer.
    """
    global _num_used
    available = jax.local_device_count()
    if num_devices and num_devices > available:
        raise InputError(
            f"{num_devices} devices asked for, this process has {available}"
        )
    _num_used = num_devices


def num_local_devices() -> int:
    """Number of devices that this process computes on."""
    return _num_used or jax.local_device_count()


def over_clips(function: Callable, num_devices: int) -> Callable:
    """Splits the clips that `function` maps among several devices of this process.

    Within `jax.default_device` all are on that one, as on the CPU for want of memory.

    Args:
      function: Maps pytrees of arrays to one, all with a leading axis of clips, each
        clip independently of the others.
      num_devices: Divides the number of clips.
    """
    if num_devices == 1 or _is_elsewhere():
        return function
    clips = PartitionSpec(_CLIPS)
    # The check would take initial biases, constant zeros, for replicated arrays and sum
    # their gradients over the devices.
    return jax.shard_map(
        function,
        mesh=_local_mesh(num_devices),
        in_specs=clips,
        out_specs=clips,
        check_vma=False,
    )


def put_clips(tree: Any, num_devices: int) -> Any:
    """Arrays with a leading axis of clips, placed as `over_clips` takes them."""
    if num_devices == 1 or _is_elsewhere():
        return jax.device_put(tree)
    sharding = NamedSharding(_local_mesh(num_devices), PartitionSpec(_CLIPS))
    return jax.device_put(tree, sharding)


def _is_elsewhere() -> bool:
    return jax.config.jax_default_device is not None


def _local_mesh(num_devices) -> Mesh:
    devices = jax.local_devices()[:num_devices]
    return jax.make_mesh(
        (num_devices,), (_CLIPS,), axis_types=(AxisType.Auto,), devices=devices
    )
