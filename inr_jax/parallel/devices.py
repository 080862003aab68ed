"""The devices of a run and how arrays lie on them: one axis, split by clips.

Clips share nothing, so that each device fits its share by the program that one device
would run, and each process has clips of its own. A training holds its state on every
device of every process and splits the batch.
"""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from inr_jax.errors import InputError

_CLIPS = "clips"
# Processes that share clips end hours apart.
_PATIENCE_S = 7 * 24 * 3600
_places = itertools.count()  # names of places must not repeat
_num_used: int | None = None  # of each process; all that it has where None


def use(num_devices: int | None) -> None:
    """Has this process compute on its first `num_devices` devices; on all where None.

    Raises:
      InputError: it has fewer.
    """
    global _num_used
    found = jax.local_device_count()
    if num_devices and num_devices > found:
        raise InputError(f"--num_devices {num_devices}: there are {found}")
    _num_used = num_devices


def init_distributed(
    coordinator_address: str | None, num_processes: int | None, process_id: int | None
) -> None:
    """Makes this process one of several; to be called before any other use of jax.

    Args:
      coordinator_address: host:port of the first process, or None for all three where
        jax finds them: on TPU pods, under SLURM and Open MPI.
      num_processes: How many there are.
      process_id: Which this is.

    Raises:
      InputError: jax finds none.
    """
    try:
        jax.distributed.initialize(coordinator_address, num_processes, process_id)
    except ValueError as error:
        raise InputError(
            f"--distributed: {error} Give --coordinator_address, --num_processes and "
            "--process_id"
        ) from None


def process() -> tuple[int, int]:
    """Which process this is, and how many there are."""
    return jax.process_index(), jax.process_count()


def wait_for_all(what: str) -> None:
    """Goes on when every process has come here.

    Args:
      what: The place, the same in all.
    """
    if jax.process_count() == 1:
        return
    from orbax.checkpoint import multihost  # takes a second to import

    # Not by a collective, which on CPUs waits for half a minute only.
    multihost.sync_global_processes(
        f"{what} {next(_places)}",
        timeout=_PATIENCE_S,
        processes=set(range(jax.process_count())),
    )


def all_equal(number: int) -> bool:
    """Whether all processes have the same number."""
    wait_for_all("number")
    numbers = multihost_utils.process_allgather(np.int32(number))
    return bool(np.all(numbers == number))


def broadcast_from_process_0(number: float) -> float:
    """What the first process has of a number."""
    wait_for_all("number")
    return float(multihost_utils.broadcast_one_to_all(np.float32(number)))


@contextlib.contextmanager
def process_0_first(what: str) -> Iterator[None]:
    """Lets the first process do alone what the others then find done.

    Args:
      what: It is, the same in all.
    """
    is_first = jax.process_index() == 0
    if not is_first:
        wait_for_all(what)
    try:
        yield
    finally:
        if is_first:
            wait_for_all(what)


def count() -> int:
    """Devices that this process computes on."""
    return _num_used or jax.local_device_count()


def over_clips(function: Callable, num_devices: int) -> Callable:
    """Lifts `function` to several devices of this process, each with its share of clips.

    Args:
      function: Of pytrees of arrays, to one, all with a leading axis of clips; no clip
        may matter to another.
      num_devices: What the number of clips is a multiple of.
    """
    if num_devices == 1:
        return function
    clips = PartitionSpec(_CLIPS)
    # The check takes first biases, constant zeros, for shared by all devices and would
    # sum their gradients over them.
    return jax.shard_map(
        function,
        mesh=_local_mesh(num_devices),
        in_specs=clips,
        out_specs=clips,
        check_vma=False,
    )


def put_clips(tree: Any, num_devices: int) -> Any:
    """Arrays with a leading axis of clips, put where `over_clips` takes them."""
    if num_devices == 1:
        return jax.device_put(tree)
    sharding = NamedSharding(_local_mesh(num_devices), PartitionSpec(_CLIPS))
    return jax.device_put(tree, sharding)


def shardings() -> tuple[NamedSharding, NamedSharding]:
    """Over all processes: whole on every device, and split along the leading axis."""
    processes = range(jax.process_count())
    mesh = _mesh([d for p in processes for d in jax.local_devices(p)[: count()]])
    return NamedSharding(mesh, PartitionSpec()), NamedSharding(
        mesh, PartitionSpec(_CLIPS)
    )


def local_rows(split: NamedSharding, num_rows: int) -> list[int]:
    """Rows of an array (num_rows, ...) that lie on devices of this process."""
    indices = split.addressable_devices_indices_map((num_rows,)).values()
    slices = sorted({index[0].indices(num_rows)[:2] for index in indices})
    return [row for start, stop in slices for row in range(start, stop)]


def local_replica(tree: Any) -> Any:
    """What lies whole on every device, as arrays of this process's first one."""
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)


def _local_mesh(num_devices):
    return _mesh(jax.local_devices()[:num_devices])


def _mesh(devices) -> Mesh:
    return jax.make_mesh(
        (len(devices),), (_CLIPS,), axis_types=(AxisType.Auto,), devices=devices
    )
