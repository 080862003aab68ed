"""Separates two speakers by two gain fields that are emitted for their mixture.

  python benchmarks/separation.py --speech_dir=DIR --clean_dir=DIR \\
      --output_dir=results/separation --num_steps=2000

An experiment. HyperGain begins with the shipped weights of its trunk, emits two fields
instead of one, and is trained on mixtures of files of --speech_dir with the loss of the
better assignment of estimates to speakers (permutation invariance: Yu et al. 2017, arXiv
1607.00325). Files and clips are taken for different speakers. Each clip of --clean_dir is
mixed with the next one at the same level. Scores are of the estimates over the mixture,
beside those of the ratio mask of the two clips, an oracle: no method knows them.
Interrupted, it resumes.
"""

import dataclasses
import functools
import pathlib
import sys

from absl import flags

from inr_jax.cli import app
from inr_jax.cli.flags import outputs
from inr_jax.errors import InputError

flags.adopt_module_key_flags(app)
flags.adopt_module_key_flags(outputs)
SPEECH_DIR = flags.DEFINE_string("speech_dir", None, "Speech to train on, resampled.")
CLEAN_DIR = flags.DEFINE_string(
    "clean_dir", None, "Speech of other speakers to test on."
)
CACHE_DIR = flags.DEFINE_string("cache_dir", None, "Folder for decoded sound.")
WEIGHTS = flags.DEFINE_string("weights", "hyper_gain", "A shipped name, or a folder.")
NUM_STEPS = flags.DEFINE_integer("num_steps", 2000, "Of the training.", 1)
BATCH_SIZE = flags.DEFINE_integer("batch_size", 16, "Mixtures of a step.", 1)
SAVE_EVERY = flags.DEFINE_integer("save_every", 200, "Steps between checkpoints.", 1)
MAX_CLIPS = flags.DEFINE_integer("max_clips", 40, "Mixtures to test on.", 3)
RATE, TRAINED_S, TESTED_S = 16_000, 2.048, 4.0
LEVELS_DB = 5.0  # of the second speaker, at most so far from the first
SPEAKERS = (0, 1)


def main() -> None:
    for flag in (SPEECH_DIR, CLEAN_DIR):
        if not flag.value:
            raise InputError(f"--{flag.name} is missing")
    folder = outputs.folder()
    app.start_jax()

    from inr_jax.io import atomic, markdown, run_dir

    flags_kept = (SPEECH_DIR, WEIGHTS, BATCH_SIZE, NUM_STEPS)
    with run_dir.filled(folder, {flag.name: flag.value for flag in flags_kept}):
        voices, names = tested()  # before the training: its flag may be wrong
        params, models = trained(folder)
    rows = scores(params, models, voices, names)
    columns = tuple(rows[0])
    atomic.write_csv(folder / "separation.csv", columns, rows)
    means = {name: mean([row[name] for row in rows]) for name in columns[1:]}
    print(
        markdown.table(
            ("SI-SDR dB over the mixture", "mean", "95 %"),
            [
                (name, f"{m:.2f}", f"{m - h:.2f} to {m + h:.2f}")
                for name, (m, h) in means.items()
            ],
        )
    )


def mean(values: list[float]) -> tuple[float, float]:
    """Mean, and half of its 95 % interval by the normal distribution."""
    import numpy as np

    return float(np.mean(values)), float(1.96 * np.std(values) / len(values) ** 0.5)


def networks(config):
    """HyperGain for each speaker: one trunk, and a head of its own."""
    import flax.linen as nn

    from inr_jax.models.hyper_gain import HyperGain

    class Head(nn.Module):
        config: object

        @nn.compact
        def __call__(self, y, highs):
            return HyperGain.emit(self, y, highs)

    class OneSpeaker(HyperGain):
        speaker: int = 0

        def emit(self, y, highs):
            return Head(self.config, name=f"speaker_{self.speaker}")(y, highs)

    return [OneSpeaker(config, speaker=speaker) for speaker in SPEAKERS]


def trained(folder: pathlib.Path):
    """Weights after all steps, and the networks that take them."""
    import jax

    from inr_jax.configs.hypernetwork import default_settings
    from inr_jax.models import load_pretrained
    from inr_jax.training import hypernetwork
    from inr_jax.training.run import TrainingRun

    shipped, known = load_pretrained(WEIGHTS.value)
    models = networks(shipped.config)
    fresh = {}
    for speaker, model in enumerate(models):
        key = jax.random.key(speaker)
        fresh |= hypernetwork.fresh_params(key, model)["params"]
    params = {name: known["params"].get(name, x) for name, x in fresh.items()}
    training = dataclasses.replace(
        default_settings("hyper_gain").training,
        num_steps=NUM_STEPS.value,
        warmup_steps=NUM_STEPS.value // 20,
        decay_steps=NUM_STEPS.value // 4,
    )
    run = TrainingRun(folder)
    state = run.resume(hypernetwork.init({"params": params}, training))
    step = make_step(models, training, corpus(folder))
    while int(state.step) < NUM_STEPS.value:
        state, loss = step(state)
        if state.step % SAVE_EVERY.value == 0 or state.step == NUM_STEPS.value:
            run.save(state)
            run.append({"step": int(state.step), "loss": float(loss)})
            print(f"step {state.step}: loss {loss:.3f}", file=sys.stderr, flush=True)
    return state.ema, models


def corpus(folder):
    """Decoded speech, a sound for each file."""
    from inr_jax.data import augment, decoded_cache

    cache = CACHE_DIR.value or folder / "decoded"
    files = decoded_cache.load(SPEECH_DIR.value, cache, RATE).files
    if len(files) < 2:
        raise InputError(f"{SPEECH_DIR.value}: two files at least")
    return augment.sounds(files, [len(file) for file in files])


def make_step(models, training, sounds):
    """`step(state)`, to the next state and the loss before it."""
    import jax
    import jax.numpy as jnp

    from inr_jax.data import augment
    from inr_jax.training import hypernetwork
    from inr_jax.training import state as states

    count = int(RATE * TRAINED_S)

    def loss_of(params, key, sounds):
        files_key, crops_key, level_key = jax.random.split(key, 3)
        keys = jax.random.split(files_key)
        first = jax.random.categorical(keys[0], sounds.logits)
        others = jnp.where(jnp.arange(len(sounds.logits)) == first, -jnp.inf, 0)
        second = jax.random.categorical(keys[1], sounds.logits + others)
        files = jnp.stack([first, second])
        keys = jax.random.split(crops_key, len(models))
        crops = jax.vmap(augment.crop, (0, None, 0, None))
        voices = crops(keys, sounds, files, count)
        voices /= jnp.sqrt(jnp.mean(voices**2, axis=1, keepdims=True)) + 1e-4
        level = jax.random.uniform(level_key, minval=-LEVELS_DB, maxval=LEVELS_DB)
        voices = voices.at[1].multiply(10 ** (level / 20))
        return best_assignment(separate(models, params, jnp.sum(voices, 0)), voices)

    @functools.partial(jax.jit, donate_argnums=0)
    def step(state, sounds):
        keys = jax.random.fold_in(jax.random.key(0), state.step)
        keys = jax.random.split(keys, BATCH_SIZE.value)

        def mean_loss(params):
            return jnp.mean(jax.vmap(loss_of, (None, 0, None))(params, keys, sounds))

        loss, gradient = jax.value_and_grad(mean_loss)(state.params)
        optimizer = hypernetwork.optimizer(training)
        new = states.apply_gradient(state, gradient, optimizer, training.ema_decay)
        return new, loss

    return functools.partial(step, sounds=jax.device_put(sounds))


def separate(models, params, mixture):
    """Estimates (speakers, samples)."""
    import jax.numpy as jnp

    from inr_jax.training import hypernetwork

    return jnp.stack(
        [hypernetwork.denoise(model, params, mixture, RATE) for model in models]
    )


def best_assignment(estimates, voices):
    """Mean negative SNR in units of 10 dB, of the better assignment."""
    import jax.numpy as jnp

    from inr_jax.losses.snr import negative_snr

    def of(order):
        pairs = zip(estimates, voices[jnp.array(order)], strict=True)
        return sum(negative_snr(*pair, voices.shape[1], RATE) for pair in pairs) / 2

    return jnp.minimum(of((0, 1)), of((1, 0)))


def scores(params, models, voices, names) -> list[dict]:
    """SI-SDR over the mixture, of both speakers of each mixture, by the better order."""
    import jax
    import numpy as np

    from inr_jax import metrics

    program = jax.jit(functools.partial(separate, models))
    rows = []
    for i, name in enumerate(names):
        pair = voices[[i, (i + 1) % len(names)]]
        mixture = np.sum(pair, axis=0)

        def gain(estimates, pair=pair, mixture=mixture):
            before = [metrics.si_sdr(voice, mixture, RATE) for voice in pair]
            after = max(
                np.mean(
                    [
                        metrics.si_sdr(v, e, RATE)
                        for v, e in zip(pair, order, strict=True)
                    ]
                )
                for order in (estimates, estimates[::-1])
            )
            return round(float(after - np.mean(before)), 3)

        emitted = np.asarray(program(params, mixture))
        row = {"mixture": name, "two fields": gain(emitted)}
        rows.append({**row, "ratio mask of the clips": gain(ratio_masked(pair))})
    return rows


def tested():
    """Clips (clips, samples) of one level, and their names."""
    import numpy as np

    from inr_jax import audio
    from inr_jax.data import datasets

    voices, clips = [], datasets.find_clips(CLEAN_DIR.value)[: MAX_CLIPS.value]
    if len(clips) < 3:  # two are one mixture, not two
        raise InputError(f"{CLEAN_DIR.value}: three clips at least")
    for clip in clips:
        voice = datasets.mono(audio.read(clip.path), RATE)[: int(RATE * TESTED_S)]
        voice = np.pad(voice, (0, int(RATE * TESTED_S) - len(voice)))
        voices.append(0.05 * voice / (np.sqrt(np.mean(voice**2)) + 1e-6))
    return np.stack(voices).astype(np.float32), [clip.name for clip in clips]


def ratio_masked(pair):
    """Estimates by the share of each clip in the power of a bin."""
    import numpy as np

    from inr_jax.dsp.stft import istft, sine_window, stft

    window = sine_window(512)
    spectra = np.stack([np.asarray(stft(voice, window, 256)) for voice in pair])
    power = np.abs(spectra) ** 2
    masked = power / (power.sum(axis=0) + 1e-12) * spectra.sum(axis=0)
    return np.stack([np.asarray(istft(x, window, 256, pair.shape[1])) for x in masked])


if __name__ == "__main__":
    app.run(main)
