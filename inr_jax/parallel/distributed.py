"""Several processes that share one job: start-up and barriers."""

import itertools

import jax

from inr_jax.errors import InputError

# Processes that share clips can end hours apart.
_BARRIER_TIMEOUT_S = 7 * 24 * 3600
_barriers = itertools.count()  # names of barriers must not repeat


def init_distributed(
    coordinator_address: str | None, num_processes: int | None, process_id: int | None
) -> None:
    """Makes this process one of several; to be called before any other use of jax.

    Args:
      coordinator_address: host:port of process 0. All three arguments may be None where
        jax detects the cluster: on TPU pods, under SLURM and Open MPI.
      num_processes: Number of processes.
      process_id: Of this process, from 0.

    Raises:
      InputError: no cluster is detected, or the address has no port.
    """
    if coordinator_address and ":" not in coordinator_address:
        raise InputError(
            f"the coordinator's address is {coordinator_address!r}, not HOST:PORT"
        )
    try:
        jax.distributed.initialize(coordinator_address, num_processes, process_id)
    except ValueError as error:
        raise InputError(str(error)) from None


def process() -> tuple[int, int]:
    """Index of this process, and the number of processes."""
    return jax.process_index(), jax.process_count()


def wait_for_all(name: str) -> None:
    """Returns when every process has reached this barrier.

    Args:
      name: Of the barrier, the same in all processes.
    """
    if jax.process_count() == 1:
        return
    from orbax.checkpoint import multihost  # takes a second to import

    # Not by a collective, which on CPUs times out after half a minute.
    multihost.sync_global_processes(
        f"{name} {next(_barriers)}",
        timeout=_BARRIER_TIMEOUT_S,
        processes=set(range(jax.process_count())),
    )
