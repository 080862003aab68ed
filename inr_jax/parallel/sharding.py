"""Placement of arrays on devices: one mesh axis, over which clips are split.

Fits of different clips are independent: each device runs the same program on its share
of the clips of its process. Training replicates its state on every device of every
process and splits the batch.
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

    Args:
      function: Maps pytrees of arrays to one, all with a leading axis of clips, each
        clip independently of the others.
      num_devices: Divides the number of clips.
    """
    if num_devices == 1:
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
    if num_devices == 1:
        return jax.device_put(tree)
    sharding = NamedSharding(_local_mesh(num_devices), PartitionSpec(_CLIPS))
    return jax.device_put(tree, sharding)


def shardings() -> tuple[NamedSharding, NamedSharding]:
    """Over all processes: replicated on every device, and split along axis 0."""
    processes = range(jax.process_count())
    mesh = _mesh(
        [d for p in processes for d in jax.local_devices(p)[: num_local_devices()]]
    )
    return NamedSharding(mesh, PartitionSpec()), NamedSharding(
        mesh, PartitionSpec(_CLIPS)
    )


def local_rows(split: NamedSharding, num_rows: int) -> list[int]:
    """Indices of the rows of an array (num_rows, ...) on devices of this process."""
    indices = split.addressable_devices_indices_map((num_rows,)).values()
    slices = sorted({index[0].indices(num_rows)[:2] for index in indices})
    return [row for start, stop in slices for row in range(start, stop)]


def local_replica(tree: Any) -> Any:
    """Replicated arrays, as arrays on the first device of this process."""
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)


def _local_mesh(num_devices):
    return _mesh(jax.local_devices()[:num_devices])


def _mesh(devices) -> Mesh:
    return jax.make_mesh(
        (len(devices),), (_CLIPS,), axis_types=(AxisType.Auto,), devices=devices
    )
