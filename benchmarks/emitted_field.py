"""The cost of the SIREN of each cell: HyperGain against one output for each bin.

  python benchmarks/emitted_field.py --speech_dirs=DIR,DIR --noise_dir=DIR --valid_dir=DIR \\
      --valid_noise_dir=DIR --output_dir=results/emitted_field \\
      --set=training.num_steps=240 --set=training.decay_steps=60 --set=training.batch_size=8

Takes the flags of `inr-jax train`, and trains both networks by them, alike in all but the
outputs. Interrupted, it resumes.
"""

from absl import flags

from inr_jax.cli import app
from inr_jax.cli.commands import train
from inr_jax.cli.flags import training as training_flags
from inr_jax.errors import InputError

flags.adopt_module_key_flags(train)
SCORES = ("ssnr", "si_sdr", "stoi", "pesq")


def networks():
    """The network with a SIREN for each cell, and that with an output for each bin."""
    import flax.linen as nn
    import jax.numpy as jnp

    from inr_jax.models.cell_trunk import normal
    from inr_jax.models.hyper_gain import HyperGain

    class PerBin(HyperGain):
        def emit(self, y, highs):
            count = self.config.field.cell_bins * self.config.field.outputs
            values = nn.Dense(count, kernel_init=normal(0.5, 100), name="values")(y)
            return values.reshape(len(y), -1, self.config.field.outputs)

        def on_bins(self, field, num_bins):
            above = max(0, num_bins - field.shape[1])
            padded = jnp.pad(field, ((0, 0), (0, above), (0, 0)), mode="edge")
            return padded[:, :num_bins]

    return {"siren_of_a_cell": HyperGain, "output_of_a_bin": PerBin}


def main() -> int:
    if train.NETWORK.value != "hyper_gain":
        raise InputError("--network: this is about hyper_gain alone")
    folder, settings = train.prepare()
    if settings.model.field.high_edges_hz or settings.training.trained != "all":
        raise InputError("--set: this is about the cells alone, without the highs")

    import jax

    from inr_jax.io import markdown, run_dir
    from inr_jax.training.run import TrainingRun

    sound = training_flags.Sound(folder / run_dir.DECODED, settings.mixing.sample_rate)
    trained = {}
    with run_dir.filled(folder, train.described(settings)):
        data = train.load_data(settings, sound)
        for name, kind in networks().items():
            model = kind(settings.model)
            trained[name], _ = train.train_network(
                model, settings, *data, folder / name
            )
    rows = []
    for name, weights in trained.items():
        log = TrainingRun(folder / name).log()
        last = [line for line in log if "white/pesq" in line][-1]
        noises = dict.fromkeys(key.split("/")[0] for key in last if "/" in key)
        cells = [
            " / ".join(f"{last[f'{noise}/{score}']:.3f}" for score in SCORES)
            for noise in noises
        ]
        size = sum(x.size for x in jax.tree.leaves(weights))
        rows.append((name, size, last["step"], *cells))
    titles = ("SSNR / SI-SDR / STOI / PESQ", "parameters", "steps", *noises)
    print(markdown.table(titles, rows))
    return sound.exit_code


if __name__ == "__main__":
    app.run(main)
