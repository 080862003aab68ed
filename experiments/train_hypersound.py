"""Trains HyperSound, from noisy to clean speech: `inr-jax train --network=hypersound`.

Also takes flags of version 0.1; a --set name without a prefix is one of the model.
"""

from absl import flags

from inr_jax.cli import app
from inr_jax.cli.commands import train

flags.adopt_module_key_flags(train)
flags.set_default(train.NETWORK, "hypersound")
# The settings that each of those flags sets.
SETTINGS = {
    "num_steps": ("training.num_steps",),
    "batch_size": ("training.batch_size",),
    "warmup_steps": ("training.warmup_steps",),
    "learning_rate": ("training.adam_rate",),
    "num_samples": ("mixing.num_samples", "model.num_samples"),
}
PLAIN = {
    flag: flags.DEFINE_string(flag, None, f"As --set of {' and '.join(names)}.")
    for flag, names in SETTINGS.items()
}


def main() -> int:
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
