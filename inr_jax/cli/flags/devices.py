"""Flags of the scripts that compute on devices: how many, and of which machines."""

from absl import flags

from inr_jax.errors import InputError

NUM_DEVICES = flags.DEFINE_integer(
    "num_devices", None, "Devices of each process to use; all by default.", 1
)
DISTRIBUTED = flags.DEFINE_bool(
    "distributed",
    False,
    "Several processes, started with the same flags, share the work. TPU pods and SLURM "
    "need no more than this.",
)
COORDINATOR_ADDRESS = flags.DEFINE_string(
    "coordinator_address", None, "HOST:PORT of the first process."
)
NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "Number of processes.", 1)
PROCESS_ID = flags.DEFINE_integer(
    "process_id", None, "Number of this process, from 0.", 0
)


def start() -> tuple[int, int]:
    """Opens the devices that the flags describe, and connects to the other processes.

    Returns:
      Which process this is, and how many there are.

    Raises:
      InputError: the flags make no sense, or no cluster is found without them.
    """
    given = (COORDINATOR_ADDRESS, NUM_PROCESSES, PROCESS_ID)
    set_by_hand = [flag.name for flag in given if flag.value is not None]
    if set_by_hand and not DISTRIBUTED.value:
        raise InputError(f"--{set_by_hand[0]} goes with --distributed")
    if set_by_hand and len(set_by_hand) < len(given):
        names = ", ".join(f"--{flag.name}" for flag in given)
        raise InputError(f"give all of {names}, or none where they are found")
    if not (DISTRIBUTED.value or NUM_DEVICES.value):
        return 0, 1
    from inr_jax.parallel import distributed, sharding

    if DISTRIBUTED.value:
        try:
            distributed.init_distributed(*(flag.value for flag in given))
        except InputError as error:
            names = ", ".join(f"--{flag.name}" for flag in given)
            raise InputError(f"--distributed: {error} Give {names}") from None
    try:
        sharding.use_local_devices(NUM_DEVICES.value)
    except InputError as error:
        raise InputError(f"--num_devices: {error}") from None
    return distributed.process()
