"""What HyperSound can represent at best: trained on a few clean clips alone.

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
        made.append(np.pad(crop, (0, config.num_samples - len(crop))))
    return np.stack(made).astype(np.float32)


def curve(config, clean):
    """Trains, and yields step, loss and mean SI-SDR now and then."""
    import jax
    import numpy as np

    from inr_jax import losses, metrics
    from inr_jax.configs.hypernetwork import default_settings
    from inr_jax.models import pretrained
    from inr_jax.parallel import precision
    from inr_jax.training import hypernetwork
    from inr_jax.training import state as states

    model, num_steps = pretrained.build(config), NUM_STEPS.value
    clean = clean / np.max(np.abs(clean), axis=1, keepdims=True)
    training = dataclasses.replace(
        default_settings("hypersound").training,
        num_steps=num_steps,
        warmup_steps=num_steps // 20,
        decay_steps=num_steps - num_steps // 20,
        adam_rate=LEARNING_RATE.value,
    )

    def error(params, clean):
        estimate, rate = model.apply(params, clean), config.sample_rate
        loss = losses.total(estimate, clean, len(clean), rate, training.loss)
        return loss, estimate

    def mean_error(params, clean):
        loss, estimates = jax.vmap(error, in_axes=(None, 0))(params, clean)
        return loss.mean(), estimates

    @precision.jit(donate_argnums=0)
    def update(state, clean):
        slope = jax.value_and_grad(mean_error, has_aux=True)
        (loss, estimates), gradient = slope(state.params, clean)
        optimizer = hypernetwork.optimizer(training)
        state = states.apply_gradient(state, gradient, optimizer, training.ema_decay)
        return state, loss, estimates

    params = hypernetwork.fresh_params(jax.random.key(0), model)
    state = hypernetwork.init(params, training)
    rates = [config.sample_rate] * len(clean)
    with app.progress("training", num_steps, "steps") as on_steps:
        for step in range(num_steps):
            state, loss, estimates = update(state, clean)
            on_steps(1)
            if step % EVERY == 0 or step == num_steps - 1:
                scores = map(metrics.si_sdr, clean, np.asarray(estimates), rates)
                si_sdr = float(np.mean(list(scores)))
                yield {"step": step, "loss": float(loss), "si_sdr": si_sdr}


if __name__ == "__main__":
    app.run(main)
