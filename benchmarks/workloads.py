"""What `accelerator.py` times: fits, denoising and training at the sizes in use."""

import functools
import itertools

import jax
import numpy as np
import reference_steps
from measuring import REPETITIONS, Stopwatch, Timing, matrix_product, timed

import inr_jax
from inr_jax.configs.fitting import FitConfig, SirenConfig
from inr_jax.configs.hypernetwork import Settings
from inr_jax.data import augment
from inr_jax.fitting.batch import fit_batch
from inr_jax.models import pretrained
from inr_jax.nn import siren
from inr_jax.parallel.compute import ComputeConfig
from inr_jax.training import hypernetwork

RATE = 16_000
STEPS, SOUND = "steps x clips", "s of sound"


def multiply(size: int, watch: Stopwatch) -> Timing:
    """GFLOP of a float32 product of square matrices."""
    run, gflop = matrix_product(size)
    return timed(run, gflop, "GFLOP", watch)


class _EnoughError(Exception):
    """Breaks off fits whose time is known."""


def fit(
    signals: list[np.ndarray],
    config: SirenConfig,
    compute: ComputeConfig,
    watch: Stopwatch,
) -> Timing:
    """Steps of fits, times clips: calls of `compute.steps_per_call` steps of a batch."""
    clip_steps = []

    def on_steps(done):
        clip_steps.append(done)
        if watch.lap():
            raise _EnoughError

    num_steps = (REPETITIONS + 2) * compute.steps_per_call
    try:
        _fit_all(signals, FitConfig(config, num_steps=num_steps), compute, on_steps)
    except _EnoughError:
        pass
    return watch.timing(clip_steps[-1], STEPS)


def snr_after(
    signal: np.ndarray,
    config: SirenConfig,
    compute: ComputeConfig,
    num_steps: int,
    num_seeds: int = 3,
) -> float:
    """SNR in dB of fits to a signal of peak 1 after so many steps, mean over seeds."""
    signals = [signal] * num_seeds
    fits = _fit_all(signals, FitConfig(config, num_steps=num_steps), compute)
    last = [segment.losses[-1] for _, fit in fits for segment in fit.segments]
    return float(np.mean(10 * np.log10(np.mean(signal**2) / last)))


def _fit_all(signals, config, compute, on_steps=lambda clip_steps: None):
    keys = list(jax.random.split(jax.random.key(0), len(signals)))
    rates = [RATE] * len(signals)
    return list(fit_batch(keys, signals, rates, config, on_steps, compute=compute))


def fit_in_pytorch(
    signal: np.ndarray, config: SirenConfig, num_steps: int, watch: Stopwatch
) -> Timing:
    """Steps of one clip in eager PyTorch, on a device like that of JAX.

    Raises:
      ImportError: PyTorch is not installed.
      RuntimeError: it has no such device.
    """
    import torch

    backend = jax.default_backend()
    if (
        backend not in ("cpu", "gpu")
        or backend == "gpu"
        and not torch.cuda.is_available()
    ):
        raise RuntimeError(f"PyTorch sees no {backend}")
    params = siren.init(jax.random.key(0), config)
    step = reference_steps.pytorch(
        params,
        np.repeat(signal[None], num_steps, axis=0),
        config,
        device="cuda" if backend == "gpu" else "cpu",
    )
    return timed(step, num_steps, STEPS, watch)


def denoise(clips: np.ndarray, method: str, watch: Stopwatch) -> Timing:
    """Seconds of sound, of a folder of noisy clips (clips, samples) in batches.

    The clips are channels of one recording, which are denoised in the same batches as
    clips of a folder, without the reading of files.
    """

    def run():
        inr_jax.denoise(clips.T, RATE, method)

    return timed(run, clips.size / RATE, SOUND, watch)


def train(speech: list[np.ndarray], settings: Settings, watch: Stopwatch) -> Timing:
    """Seconds of sound, of steps of the training of HyperGain, mixing included."""
    model = pretrained.build(settings.model)
    params = hypernetwork.fresh_params(jax.random.key(0), model)
    params, fixed = hypernetwork.divide(params, settings.training)
    state = hypernetwork.init(params, settings.training)
    mixed = functools.partial(augment.examples, config=settings.mixing)
    step = hypernetwork.compiled_step(
        *(_corpus(speech), mixed, model, RATE, settings.training, 0, fixed)
    )

    def run():
        nonlocal state
        state, measured = step(state)
        jax.block_until_ready((state, measured))

    count = settings.training.batch_size * settings.mixing.num_samples
    return timed(run, count / RATE, SOUND, watch)


def mix(speech: list[np.ndarray], settings: Settings, watch: Stopwatch) -> Timing:
    """Seconds of sound, of the noisy examples of a training step alone."""
    corpus, mixing = jax.device_put(_corpus(speech)), settings.mixing
    num_examples = settings.training.batch_size
    examples = jax.jit(lambda keys, corpus: augment.examples(keys, corpus, mixing))
    seeds = itertools.count()

    def run():
        keys = jax.random.split(jax.random.key(next(seeds)), num_examples)
        jax.block_until_ready(examples(keys, corpus))

    return timed(run, num_examples * mixing.num_samples / RATE, SOUND, watch)


def _corpus(speech):
    """Speech, noise and rooms as a training has them, a few of each."""
    rng = np.random.default_rng(0)
    speech = [np.int16(32767 * clip) for clip in speech]
    noise = [np.int16(3000 * rng.standard_normal(10 * RATE)) for _ in range(8)]
    fading = np.exp(-np.arange(RATE // 2) / (0.05 * RATE))
    rooms = 0.1 * fading * rng.standard_normal((64, len(fading)))
    rooms[:, 0] = 1
    return augment.Corpus(
        augment.sounds(speech, [1] * len(speech)),
        augment.sounds(noise, [1] * len(noise)),
        rooms.astype(np.float16),
    )
