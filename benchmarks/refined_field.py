"""What it brings to fit the weights that HyperGain emits on, to the noisy clip alone.

  python benchmarks/refined_field.py --clean_dir=DIR --snr_db=0 --max_seconds=4 \\
      --output_dir=results/refined_field

Clips come as those of `inr-jax evaluate`. Phases, output weights and biases of the gain
field begin as they were emitted, and Adam lowers Stein's unbiased risk estimate (Stein 1981)
of the clip, for the noise PSD that is found in it. Scores after each number of --steps.
"""

import itertools

from absl import flags

from inr_jax.cli import app, scoring
from inr_jax.cli.flags import datasets, methods, outputs
from inr_jax.errors import InputError

for _module in (app, datasets, outputs):
    flags.adopt_module_key_flags(_module)
STEPS = flags.DEFINE_list("steps", ["0", "3", "10", "30"], "Of Adam, ascending.")
LEARNING_RATE = flags.DEFINE_float("learning_rate", 1e-2, "Of Adam.", 0)
DNSMOS = flags.DEFINE_bool(
    "dnsmos", False, "Adds DNSMOS, and a row of the clean clips."
)
flags.declare_key_flag(methods.WEIGHTS.name)
FITTED = ("phases", "weights", "bias")


def main() -> int:
    from inr_jax.evaluation import systems
    from inr_jax.evaluation.store import Store

    steps = app.parse_numbers(STEPS, int, 0)
    if steps != sorted(set(steps)):
        raise InputError("--steps: give numbers in ascending order")
    folder, conditions, source = (
        outputs.folder(),
        datasets.conditions(),
        datasets.source(),
    )
    settings = datasets.settings() | {
        flag.name: flag.value for flag in (STEPS, LEARNING_RATE, methods.WEIGHTS)
    }
    refined = system(steps)
    scored = [refined, *([systems.clean()] if DNSMOS.value else [])]
    store = Store(folder)
    with scoring.filled(store, source, settings):
        code = scoring.run(store, source, scored, conditions, False, DNSMOS.value)
    labels = [label for one in scored for label in one.labels]
    scoring.show(store, source, labels, conditions, False, False)
    return code


def system(steps: list[int]):
    """A row for each number of steps of one fit."""
    import jax
    import numpy as np

    from inr_jax.evaluation.systems import Output, System
    from inr_jax.models import hyper_gain, load_pretrained

    model, params = load_pretrained(methods.WEIGHTS.value or "hyper_gain")
    labels = tuple(f"hyper_gain:refine_steps={count}" for count in steps)
    program = jax.jit(refined, static_argnames=("model", "window", "steps"))

    def run(examples, seeds, on_clips):
        del seeds
        for i, example in enumerate(examples):
            window = hyper_gain.window_of(example.sample_rate, model.config)
            channels = [
                program(
                    model, params, noisy, noise_psd_of(noisy, window), window, steps
                )
                for noisy in example.noisy.T
            ]
            for label, samples in zip(labels, np.stack(channels, axis=2), strict=True):
                yield Output(label, i, samples)
                on_clips(1 / len(steps))

    steps = tuple(steps)
    return System(labels, run)


def noise_psd_of(noisy, window: int):
    """Noise PSD (frames, bins) at the frames of HyperGain.

    Found at frames twice as dense, which the estimators are made for.
    """
    import numpy as np

    from inr_jax.dsp import noise_psd
    from inr_jax.dsp.stft import sine_window, stft

    spectrum = np.asarray(stft(noisy, sine_window(window), window // 4))
    power = np.abs(spectrum) ** 2
    # of the frames at half the distance the second one is the first of HyperGain
    found = np.broadcast_to(noise_psd.estimate(power), power.shape)[1::2]
    return found.astype(np.float32)


def refined(model, params, noisy, noise, window, steps):
    """Estimates (len(steps), samples) after so many steps each."""
    import jax
    import jax.numpy as jnp
    import optax

    from inr_jax.dsp.stft import istft, sine_window, stft
    from inr_jax.models import hyper_gain

    shape = sine_window(window)
    spectrum = stft(noisy, shape, window // 2)
    power = jnp.abs(spectrum) ** 2
    emitted = model.apply(params, power)
    near = hyper_gain.with_neighbours(spectrum, model.config)
    optimizer = optax.adam(LEARNING_RATE.value)

    def outputs_of(fitted):
        return model.on_bins(emitted._replace(**fitted), spectrum.shape[1])

    def total_risk(fitted):
        outputs = outputs_of(fitted)
        estimate = hyper_gain.enhance(near, outputs, model.config)
        risks = risk(estimate, spectrum, outputs, noise, model.config.causal)
        return jnp.sum(risks) / jnp.sum(power)

    def step(state, _):
        fitted, adam = state
        updates, adam = optimizer.update(jax.grad(total_risk)(fitted), adam)
        return (optax.apply_updates(fitted, updates), adam), None

    fitted = {name: getattr(emitted, name) for name in FITTED}
    state, found = (fitted, optimizer.init(fitted)), []
    for before, after in itertools.pairwise((0, *steps)):
        state, _ = jax.lax.scan(step, state, length=after - before)
        estimate = hyper_gain.enhance(near, outputs_of(state[0]), model.config)
        found.append(istft(estimate, shape, window // 2, len(noisy)))
    return jnp.stack(found)


def risk(estimate, noisy, outputs, noise, causal):
    """Stein's unbiased estimate of |estimate - clean|^2 of STFT bins.

    For complex Gaussian noise of PSD `noise`, and gains that do not depend on the clip.
    What is left of the divergence is the gate, and the taps by how the noise of their
    frames is correlated with that of this one: by sine windows that overlap by half,
    (-1)^k / pi in bin k of the frames before and after.
    """
    import jax.numpy as jnp
    import numpy as np

    from inr_jax.nn import gain_field

    gate, taps = gain_field.split(outputs)
    count, bins = taps.shape[-1], np.arange(taps.shape[1])
    lags = np.arange(count) - (count - 1 if causal else count // 2)
    correlation = np.where(
        np.abs(lags) == 1, (-1.0) ** bins[:, None] / np.pi, lags == 0
    )
    slope = gate * (1 + jnp.sum(taps.real * correlation[None], axis=-1))
    return jnp.abs(estimate - noisy) ** 2 + 2 * noise * slope - noise


if __name__ == "__main__":
    app.run(main)
