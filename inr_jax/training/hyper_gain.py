"""Trains the hypernetwork of the gain field: examples, gradients and update on devices.

Each device makes its share of the examples and their gradients by a program of its own;
the first sums them up and updates. There is no collective between programs, which on
a CPU of few cores wait for each other for ever.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax
from optax.contrib import MuonDimensionNumbers, muon

from inr_jax import losses
from inr_jax.configs.augment import AugmentConfig
from inr_jax.configs.hyper_gain import HyperGainConfig, HyperGainTraining, Settings
from inr_jax.data import augment
from inr_jax.dsp.stft import istft, sine_window, stft
from inr_jax.metrics.pool import ScorePool
from inr_jax.models import hyper_gain
from inr_jax.plots import style
from inr_jax.plots import training as training_curves
from inr_jax.training import run as training_run
from inr_jax.training import validation
from inr_jax.training.loop import Every
from inr_jax.training.step import State


def schedule(rate: float, config: HyperGainTraining) -> optax.Schedule:
    """Learning rate over steps: linear warm-up, constant, linear decay to 0."""
    steady = config.num_steps - config.warmup_steps - config.decay_steps
    parts = [
        optax.linear_schedule(0.0, rate, config.warmup_steps),
        optax.constant_schedule(rate),
        optax.linear_schedule(rate, 0.0, config.decay_steps),
    ]
    ends = [config.warmup_steps, config.warmup_steps + steady]
    return optax.join_schedules(parts, ends)


def optimiser(config: HyperGainTraining) -> optax.GradientTransformation:
    """Muon for kernels of convolutions and dense layers, Adam for the rest."""
    return optax.chain(
        optax.clip_by_global_norm(config.max_gradient_norm),
        muon(
            schedule(config.muon_rate, config),
            adam_learning_rate=schedule(config.adam_rate, config),
            weight_decay=config.weight_decay,
            muon_weight_dimension_numbers=_matrices,
        ),
    )


def _matrices(params):
    """Which weights Muon sees as matrices, and which of their axes are the output."""

    def of(path, x):
        dense = x.ndim == 2 and path[-1].key == "kernel"
        if x.ndim == 4 or dense:
            last = x.ndim - 1
            return MuonDimensionNumbers(tuple(range(last)), (last,))
        return None

    return jax.tree_util.tree_map_with_path(of, params)


def denoise(
    params, noisy: jax.Array, model: hyper_gain.HyperGain, window: int
) -> jax.Array:
    """The estimate (samples,) of a noisy signal at the rate that `window` is meant for."""
    hop, window = window // 2, sine_window(window)
    spectrum = stft(noisy, window, hop)
    field = model.apply(params, spectrum)
    outputs = hyper_gain.outputs_on_bins(field, spectrum.shape[1], model.config)
    estimate = hyper_gain.enhance(spectrum, outputs)
    return istft(estimate, window, hop, len(noisy))


# One program for all validations of a training.
_estimate = jax.jit(denoise, static_argnames=("model", "window"))


def init(key: jax.Array, config: HyperGainConfig, training: HyperGainTraining) -> State:
    """A fresh state."""

    @jax.jit
    def fresh(key):
        bins = config.field.num_cells * config.field.cell_bins
        params = hyper_gain.HyperGain(config).init(
            key, jnp.zeros((4, bins), jnp.complex64)
        )
        # a copy: the state is donated, and one buffer cannot be given away twice
        ema = jax.tree.map(jnp.copy, params)
        return State(
            params, ema, optimiser(training).init(params), jnp.zeros((), jnp.int32)
        )

    return fresh(key)


def with_params(state: State, params) -> State:
    """A fresh state that begins with these weights."""
    return state._replace(params=params, ema=jax.tree.map(jnp.copy, params))


def compiled_step(
    corpus: augment.Corpus,
    model_config: HyperGainConfig,
    mixing: AugmentConfig,
    training: HyperGainTraining,
    seed: int,
) -> Callable[[State], tuple[State, dict[str, jax.Array]]]:
    """`step(state)` over all devices of this process; takes the state's memory over.

    Returns:
      A function to the next state and `loss`, its terms and `gradient_norm` before it.
    """
    found = jax.local_devices()
    share = training.batch_size // len(found)
    copies = [jax.device_put(corpus, device) for device in found]
    model = hyper_gain.HyperGain(model_config)
    window = round(2 * model_config.field.hop_s * mixing.sample_rate)

    def terms_of(params, noisy, clean):
        estimate = denoise(params, noisy, model, window)
        return losses.terms(
            estimate, clean, len(clean), mixing.sample_rate, training.loss
        )

    @jax.jit
    def gradients(params, step, part, corpus):
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), step), part)
        noisy, clean = augment.examples(jax.random.split(key, share), corpus, mixing)

        def mean_loss(params):
            terms = jax.vmap(terms_of, (None, 0, 0))(params, noisy, clean)
            means = jax.tree.map(jnp.mean, terms)
            return sum(means.values()), means

        (loss, terms), gradient = jax.value_and_grad(mean_loss, has_aux=True)(params)
        return {"loss": loss, **terms}, gradient

    @jax.jit(donate_argnums=0)
    def update(state, parts):
        mean = jax.tree.map(lambda *x: sum(x) / len(x), *parts)
        measured, gradient = mean
        updates, opt_state = optimiser(training).update(
            gradient, state.opt_state, state.params
        )
        params = optax.apply_updates(state.params, updates)
        # a short memory at first, or the mean would keep what initialisation drew
        decay = jnp.minimum(training.ema_decay, (1 + state.step) / (10 + state.step))
        ema = optax.incremental_update(params, state.ema, 1 - decay)
        measured["gradient_norm"] = optax.tree.norm(gradient)
        return State(params, ema, opt_state, state.step + 1), measured

    def step(state):
        parts = [
            gradients(*jax.device_put((state.params, state.step, i), device), copy)
            for i, (device, copy) in enumerate(zip(found, copies, strict=True))
        ]
        return update(state, jax.device_put(parts, found[0]))

    return step


def train(
    run: training_run.TrainingRun,
    state: State,
    step: Callable[[State], tuple[State, dict[str, jax.Array]]],
    cases: Sequence[validation.Case],
    settings: Settings,
    every: Every,
    on_line: Callable[[dict], None],
    stop_at: int | None = None,
) -> None:
    """Steps from where `state` is to the last one of the settings, or to `stop_at`.

    Args:
      run: Keeps log and checkpoints.
      state: As from `run.resume`; its memory is taken over.
      step: As from `compiled_step`.
      cases: Noisy clips of other speakers.
      settings: Of model, examples and training.
      every: When to log, save and validate; all at the last step, too.
      on_line: Called with each line of the log.
      stop_at: Step after which to pause.

    Raises:
      FloatingPointError: a term of the loss was not finite; names step and term.
    """
    mixing, last = settings.mixing, settings.training.num_steps
    last = min(last, stop_at or last)
    audio_s = settings.training.batch_size * mixing.num_samples / mixing.sample_rate
    meter = training_run.Meter()
    with ScorePool() as pool:
        for done in range(int(state.step) + 1, last + 1):
            state, measured = step(state)
            meter.add(measured)
            jax.block_until_ready(measured)
            if done % every.log == 0 or done == last:
                line = meter.line(done, audio_s, 0.0)
                run.append(line)
                on_line(line)
                meter.reset()
            if done % every.validate == 0 or done == last:
                meter.require_finite(done)
                line, score = validate(run, state, cases, settings, pool)
                on_line(line)
                run.save_if_best(state, score)
            if done % every.save == 0 or done == last:
                meter.require_finite(done)
                run.save(state)


def validate(run, state, cases, settings, pool) -> tuple[dict, float]:
    """Scores the running mean of the weights; the log's line and what counts of it."""
    rate = settings.mixing.sample_rate
    window = round(2 * settings.model.field.hop_s * rate)
    model = hyper_gain.HyperGain(settings.model)
    estimates = {
        i: np.asarray(_estimate(state.ema, case.noisy, model, window))
        for i, case in enumerate(cases)
    }
    scores = validation.means(validation.submit(estimates, cases, rate, pool))
    line = {"step": int(state.step), **scores}
    run.append(line)
    style.save(training_curves.draw(run.log()), run.folder / "curves.png")
    return line, training_curves.selection_score(scores)
