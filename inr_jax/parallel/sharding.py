"""Placement of arrays on devices: one mesh axis, over which clips are split.

Clips are independent: each device runs the same program on its share of the clips of its
process.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from inr_jax.errors import InputError

_CLIPS = "clips"
_SPLIT = PartitionSpec(_CLIPS)
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
    return _on_all(function, num_devices, _SPLIT)


def put_clips(tree: Any, num_devices: int) -> Any:
    """Arrays with a leading axis of clips, placed as `over_clips` takes them."""
    if num_devices == 1 or _is_elsewhere():
        return jax.device_put(tree)
    sharding = NamedSharding(_local_mesh(num_devices), _SPLIT)
    return jax.device_put(tree, sharding)


def on_each_device(function: Callable, num_devices: int) -> Callable:
    """One program that calls `function(place, *shared)` on several devices of this process.

    These are the first ones, also within `jax.default_device`.

    Args:
      function: Of the place of a device among them, int32, and of pytrees of arrays that
        are the same on all, as from `put_on_each`.
      num_devices: Of this process.

    Returns:
      A function of what is shared, whose results have a leading axis of devices.
    """

    def here(places, shared):
        return jax.tree.map(lambda x: x[None], function(places[0], *shared))

    places = np.arange(num_devices, dtype=np.int32)
    if num_devices > 1:
        here = _on_all(here, num_devices, (_SPLIT, PartitionSpec()))
    return lambda *shared: here(places, shared)


def put_on_each(tree: Any, num_devices: int) -> Any:
    """Copies of arrays on several devices, as `on_each_device` takes them."""
    return jax.device_put(
        tree, NamedSharding(_local_mesh(num_devices), PartitionSpec())
    )


def _on_all(function: Callable, num_devices: int, in_specs: Any) -> Callable:
    # The check would take what is the same on all devices, as initial biases, for one
    # array and sum its gradients over them.
    return jax.shard_map(
        function,
        mesh=_local_mesh(num_devices),
        in_specs=in_specs,
        out_specs=_SPLIT,
        check_vma=False,
    )


def _is_elsewhere() -> bool:
    return jax.config.jax_default_device is not None


def _local_mesh(num_devices) -> Mesh:
    devices = jax.local_devices()[:num_devices]
    return jax.make_mesh(
        (num_devices,), (_CLIPS,), axis_types=(AxisType.Auto,), devices=devices
    )
