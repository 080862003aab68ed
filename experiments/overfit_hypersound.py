"""Overfits HyperSound to a few clean clips: an upper bound of what it can represent.

  python experiments/overfit_hypersound.py --clean_dir=DIR --output_dir=results/overfit

Writes overfit.csv and overfit.png: loss and SI-SDR of the clips over steps.
"""

import dataclasses
import pathlib

from absl import flags

from inr_jax.cli import app
from inr_jax.configs import overrides
from inr_jax.configs.hypersound import HyperSoundConfig
from inr_jax.errors import InputError

flags.adopt_module_key_flags(app)
CLEAN_DIR = flags.DEFINE_string("clean_dir", None, "Folder of clean speech.")
OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder for curve and figure.")
NUM_CLIPS = flags.DEFINE_integer("num_clips", 4, "Clips of the one batch.", 1)
NUM_STEPS = flags.DEFINE_integer("num_steps", 1000, "Of AdamW.", 2)
LEARNING_RATE = flags.DEFINE_float("learning_rate", 1e-4, "Largest; it falls to 0.")
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
        if not np.any(crop):
            raise InputError(f"{clip.path}: its middle is silent; leave it out")
        made.append(np.pad(crop, (0, config.num_samples - len(crop))))
    return np.stack(made).astype(np.float32)


def curve(config, clean):
    """Trains, and yields step, loss and mean SI-SDR now and then."""
    import jax
    import numpy as np

    from inr_jax import metrics
    from inr_jax.configs.hypernetwork import default_settings
    from inr_jax.models import pretrained
    from inr_jax.parallel import precision, sharding
    from inr_jax.training import hypernetwork

    sharding.use_local_devices(1)  # one small batch
    model, num_steps = pretrained.build(config), NUM_STEPS.value
    clean = clean / np.max(np.abs(clean), axis=1, keepdims=True)
    training = dataclasses.replace(
        default_settings("hypersound").training,
        num_steps=num_steps,
        warmup_steps=num_steps // 20,
        decay_steps=num_steps - num_steps // 20,
        adam_rate=LEARNING_RATE.value,
    )

    params = hypernetwork.fresh_params(jax.random.key(0), model)
    params, fixed = hypernetwork.divide(params, training)
    state, rate = hypernetwork.init(params, training), config.sample_rate
    step = hypernetwork.compiled_step(
        clean, lambda keys, clean: (clean, clean), model, rate, training, 0, fixed
    )
    estimate = precision.jit(jax.vmap(model.apply, (None, 0)))

    def mean_si_sdr(params):
        pairs = zip(clean, np.asarray(estimate(params, clean)), strict=True)
        return float(np.mean([metrics.si_sdr(*pair, rate) for pair in pairs]))

    with app.progress("training", num_steps, "steps") as on_steps:
        for i in range(num_steps):
            is_shown = i % EVERY == 0 or i == num_steps - 1
            if is_shown:  # before the step, which takes the weights, as the loss is
                si_sdr = mean_si_sdr(state.params)
            state, measured = step(state)
            on_steps(1)
            if is_shown:
                yield {"step": i, "loss": float(measured["loss"]), "si_sdr": si_sdr}


if __name__ == "__main__":
    app.run(main)
