"""Trains HyperSound, from noisy to clean speech: `inr-jax train --network=hypersound`.

Also takes the flags of version 0.1, or says what took the place of one; a --set name
without a prefix is one of the model.
"""

import dataclasses

from absl import flags

from inr_jax.cli import app
from inr_jax.cli.commands import train
from inr_jax.configs.fitting import LossWeights
from inr_jax.errors import InputError

flags.adopt_module_key_flags(train)
flags.set_default(train.NETWORK, "hypersound")
# The settings that each of those flags sets.
SETTINGS = {
    "num_steps": ("training.num_steps",),
    "batch_size": ("training.batch_size",),
    "warmup_steps": ("training.warmup_steps",),
    "learning_rate": ("training.adam_rate",),
    "weight_decay": ("training.weight_decay",),
    "max_gradient_norm": ("training.max_gradient_norm",),
    "ema_decay": ("training.ema_decay",),
    "num_samples": ("mixing.num_samples", "model.num_samples"),
    "snr_range_db": ("mixing.snr_range_db",),
    **{
        f"{loss.name}_weight": (f"training.loss.{loss.name}",)
        for loss in dataclasses.fields(LossWeights)
    },
}
_KINDS = "--set=mixing.noise_shares=N,N,... has the shares of all kinds of noise"
_LIMITS = "--speech_dirs with --speech_top_hz"
_ONE_PROCESS = "a training is one process, with all devices of its machine"
# Those without such a setting, and what took their place.
GONE = {
    "model": "--network",
    "schedule": "--set=training.optimizer and training.decay_steps",
    "level_range_db": "nothing: the peak of every noisy example is 1",
    **dict.fromkeys(("white", "coloured", "recorded", "babble", "clean"), _KINDS),
    "rumble": "--set=mixing.rumble_share",
    **dict.fromkeys(("band_limited_dirs", "band_limit_hz"), _LIMITS),
    "precision": "nothing: trainings compute in 32 bits",
    "tensorboard": "log.jsonl and curves.png in --output_dir",
    **dict.fromkeys(
        ("distributed", "coordinator_address", "num_processes", "process_id"),
        _ONE_PROCESS,
    ),
}
PLAIN = {
    flag: flags.DEFINE_string(flag, None, f"As --set of {' and '.join(names)}.")
    for flag, names in SETTINGS.items()
}
FORMER = {
    flag: flags.DEFINE_string(flag, None, f"Removed; instead: {text}.")
    for flag, text in GONE.items()
}


def main() -> int:
    for flag, given in FORMER.items():
        if given.value is not None:
            raise InputError(f"--{flag} was removed; instead: {GONE[flag]}")
    given = [
        text if "." in text.split("=")[0] else f"model.{text}"
        for text in train.SET.value
    ]
    given += [
        f"{name}={PLAIN[flag].value}"
        for flag, names in SETTINGS.items()
        for name in names
        if PLAIN[flag].value is not None
    ]
    flags.FLAGS[train.SET.name].value = given
    return train.main()


if __name__ == "__main__":
    app.run(main)
