"""What HyperSound can represent at best: trained on a few clean clips alone.

  python experiments/overfit_hypersound.py --clean_dir=DIR --output_dir=results/overfit

Writes overfit.csv and overfit.png: loss and SI-SDR of the clips over steps.
"""

import pathlib

from absl import flags

from inr_jax.cli import app
from inr_jax.configs import overrides
from inr_jax.configs.networks import HyperSoundConfig
from inr_jax.configs.training import TrainingConfig
from inr_jax.errors import InputError

flags.adopt_module_key_flags(app)
CLEAN_DIR = flags.DEFINE_string("clean_dir", None, "Folder of clean speech.")
OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder for curve and figure.")
NUM_CLIPS = flags.DEFINE_integer("num_clips", 4, "Clips of the one batch.", 1)
NUM_STEPS = flags.DEFINE_integer("num_steps", 1000, "Of AdamW.", 2)
LEARNING_RATE = flags.DEFINE_float("learning_rate", 1e-4, "Largest of a cosine.")
MODEL_SETTINGS = flags.DEFINE_multi_string(
    "set", [], "A setting of HyperSound as name=value, a value list as 1,2,4."
)
EVERY = 20  # steps from one line of the curve to the next


def main() -> None:
    from inr_jax.io import atomic
    from inr_jax.plots import style
    from inr_jax.plots import training as plots

    if not (CLEAN_DIR.value and OUTPUT_DIR.value):
        raise InputError("give --clean_dir and --output_dir")
    try:
        config = overrides.apply(HyperSoundConfig(), MODEL_SETTINGS.value)
    except ValueError as error:
        raise InputError(str(error)) from None
    app.start_jax()
    lines = list(curve(config, crops(config)))
    folder = pathlib.Path(OUTPUT_DIR.value)
    atomic.write_csv(folder / "overfit.csv", ("step", "loss", "si_sdr"), lines)
    style.save(plots.overfit(lines), folder / "overfit.png")
    print(f"SI-SDR {lines[-1]['si_sdr']:.2f} dB at step {lines[-1]['step']}")


def crops(config):
    """The middle of each clip, (clips, samples)."""
    import numpy as np

    from inr_jax import audio
    from inr_jax.data import datasets

    clips = datasets.choose(datasets.find_clips(CLEAN_DIR.value), NUM_CLIPS.value, 0)
    made = []
    for clip in clips:
        samples = datasets.mono(audio.read(clip.path), config.sample_rate)
        start = max(0, len(samples) - config.num_samples) // 2
        crop = samples[start : start + config.num_samples]
        made.append(np.pad(crop, (0, config.num_samples - len(crop))))
    return np.stack(made).astype(np.float32)


def curve(config, clean):
    """Trains, and yields step, loss and mean SI-SDR now and then."""
    import jax
    import numpy as np

    from inr_jax import metrics
    from inr_jax.models import pretrained
    from inr_jax.training import step as steps

    model = pretrained.build(config)
    settings = TrainingConfig(
        batch_size=len(clean),
        num_steps=NUM_STEPS.value,
        learning_rate=LEARNING_RATE.value,
        warmup_steps=NUM_STEPS.value // 20,
    )
    state = steps.init(jax.random.key(0), model, config.num_samples, settings)
    update = steps.compiled_update(model, config.sample_rate, settings)
    estimate = jax.jit(jax.vmap(model.apply, in_axes=(None, 0)))
    with app.progress("training", NUM_STEPS.value, "steps") as on_steps:
        for step in range(NUM_STEPS.value):
            shown = step % EVERY == 0 or step == NUM_STEPS.value - 1
            estimates = np.asarray(estimate(state.params, clean)) if shown else None
            state, measured = update(state, clean, clean)
            on_steps(1)
            if shown:
                scores = map(
                    metrics.si_sdr, clean, estimates, [config.sample_rate] * len(clean)
                )
                loss, si_sdr = float(measured["loss"]), float(np.mean(list(scores)))
                yield {"step": step, "loss": loss, "si_sdr": si_sdr}


if __name__ == "__main__":
    app.run(main)
