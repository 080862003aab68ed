"""Trains the hypernetwork of the emitted gain field, from noisy to clean speech.

  inr-jax train --speech_dirs=DIR,DIR --noise_dir=DIR \
      --valid_dir=DIR --valid_noise_dir=DIR --output_dir=results/training

Examples are made anew on the devices for every step. Interrupted and started again with
the same flags, it goes on as if nothing had happened; `--set=training.num_steps=N` may
grow meanwhile. `log.jsonl` and `curves.png` say how it goes, `model/` has the weights
that scored best on the validation clips.
"""

import dataclasses
import pathlib
import sys

from absl import flags

from inr_jax.cli import app
from inr_jax.errors import InputError
from inr_jax.parallel import cpu

flags.adopt_module_key_flags(app)
SPEECH_DIRS = flags.DEFINE_list("speech_dirs", [], "Folders of clean speech.")
SPEECH_WEIGHTS = flags.DEFINE_list(
    "speech_weights", [], "How often each of them is drawn; equally by default."
)
SPEECH_TOP_HZ = flags.DEFINE_list(
    "speech_top_hz", [], "Hz above which each of them has nothing, 0 where it has all."
)
NOISE_DIR = flags.DEFINE_string("noise_dir", None, "Folder of recorded noise.")
VALID_DIR = flags.DEFINE_string("valid_dir", None, "Speech of other speakers.")
VALID_NOISE_DIR = flags.DEFINE_string("valid_noise_dir", None, "Other recorded noise.")
OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder for log and checkpoints.")
CACHE_DIR = flags.DEFINE_string(
    "cache_dir", None, "Folder for decoded sound; in --output_dir by default."
)
NUM_ROOMS = flags.DEFINE_integer("num_rooms", 1000, "Simulated rooms.", 1)
SEED = flags.DEFINE_integer("seed", 0, "Of weights, crops, noise and rooms.", 0)
SET = flags.DEFINE_multi_string(
    "set",
    [],
    "A setting as model.NAME=VALUE, mixing.NAME=VALUE or training.NAME=VALUE.",
)
START_FROM = flags.DEFINE_string(
    "start_from", None, "Folder of trained weights of the same network to begin with."
)
NUM_DEVICES = flags.DEFINE_integer(
    "num_devices", None, "Devices that a CPU counts as; one for each core.", 1
)
STOP_AT = flags.DEFINE_integer(
    "stop_at", None, "Step to pause after, as an interruption would.", 1
)
LOG_EVERY = flags.DEFINE_integer("log_every", 50, "Steps between lines of the log.", 1)
SAVE_EVERY = flags.DEFINE_integer("save_every", 250, "Steps between checkpoints.", 1)
VALIDATE_EVERY = flags.DEFINE_integer(
    "validate_every", 1500, "Steps between validations.", 1
)


def main() -> None:
    for flag in (OUTPUT_DIR, NOISE_DIR, VALID_DIR):
        if not flag.value:
            raise InputError(f"--{flag.name} is missing")
    if not SPEECH_DIRS.value:
        raise InputError("--speech_dirs is missing")
    cpu.tune(NUM_DEVICES.value)
    import jax

    from inr_jax.io import run_dir
    from inr_jax.models import pretrained
    from inr_jax.training import hyper_gain
    from inr_jax.training import run as training_run

    settings = configs()
    folder = pathlib.Path(OUTPUT_DIR.value)
    run_dir.keep_settings(folder, described(settings), 0)
    app.use_compilation_cache()
    num_devices = jax.local_device_count()
    if settings.training.batch_size % num_devices:
        raise InputError(
            f"training.batch_size {settings.training.batch_size} must be a multiple of "
            f"the {num_devices} devices"
        )
    corpus, cases = load_data(settings, folder)
    run = training_run.TrainingRun(folder)
    fresh = hyper_gain.init(
        jax.random.key(SEED.value), settings.model, settings.training
    )
    if START_FROM.value:
        fresh = hyper_gain.with_params(fresh, known_params(settings.model))
    state = run.resume(fresh)
    step = hyper_gain.compiled_step(
        corpus, settings.model, settings.mixing, settings.training, SEED.value
    )
    every = hyper_gain.Every(LOG_EVERY.value, SAVE_EVERY.value, VALIDATE_EVERY.value)
    try:
        hyper_gain.train(
            run, state, step, cases, settings, every, report, STOP_AT.value
        )
    except FloatingPointError as error:
        raise InputError(str(error)) from None
    weights, best = run.best(fresh.ema)
    pretrained.save(folder / "model", settings.model, weights, best)
    print(f"the best weights, of step {best}: {folder / 'model'}")


def known_params(config):
    """Weights of --start_from."""
    from inr_jax.models import pretrained

    known, params = pretrained.load(START_FROM.value)
    if known.config != config:
        raise InputError(
            f"{START_FROM.value}: weights of other settings of the network"
        )
    return params


def configs():
    """Settings of model, examples and training, of the flags."""
    from inr_jax.configs import overrides
    from inr_jax.configs.hyper_gain import Settings

    try:
        return overrides.apply(Settings(), SET.value)
    except ValueError as error:
        raise InputError(f"--set: {error}") from None


def described(settings) -> dict:
    """All that the weights depend on, but for how long the training lasts."""
    places = (SPEECH_DIRS, SPEECH_WEIGHTS, SPEECH_TOP_HZ, NOISE_DIR, NUM_ROOMS, SEED)
    places += (START_FROM,)
    settings = dataclasses.asdict(settings)
    for name in ("num_steps", "decay_steps"):
        del settings["training"][name]
    return {**{flag.name: flag.value for flag in places}, **settings}


def load_data(settings, folder):
    """The corpus of the examples, and the noisy clips of the validation."""
    import numpy as np

    from inr_jax.data import augment, rooms
    from inr_jax.data import decoded_cache as corpus
    from inr_jax.io import atomic
    from inr_jax.training import validation

    rate = settings.mixing.sample_rate
    cache = pathlib.Path(CACHE_DIR.value or folder / "decoded")
    places = SPEECH_DIRS.value
    weights = (
        app.parse_numbers(SPEECH_WEIGHTS) if SPEECH_WEIGHTS.value else [1] * len(places)
    )
    top_hz = [0] * len(places)
    if SPEECH_TOP_HZ.value:
        top_hz = app.parse_numbers(SPEECH_TOP_HZ, minimum=0)
    if not len(places) == len(weights) == len(top_hz):
        raise InputError("give a number for each of --speech_dirs, or none")
    speech = [corpus.load(place, cache, rate, counting(place)) for place in places]
    noise = corpus.load_files(NOISE_DIR.value, cache, rate, counting(NOISE_DIR.value))
    made = cache / f"rooms_{NUM_ROOMS.value}_{SEED.value}_{rate}.npy"
    if not made.exists():
        try:
            responses = rooms.simulate(NUM_ROOMS.value, rate, SEED.value)
        except ImportError:
            raise InputError(
                "rooms are simulated by pyroomacoustics: pip install 'inr_jax[rooms]'"
            ) from None
        with atomic.replacing(made) as aside, open(aside, "wb") as file:
            np.save(file, responses)
    # long recordings are drawn more often, as they vary, but not by their length
    draws = [len(piece) ** 0.5 for piece in noise]
    top = [hz or np.inf for hz in top_hz]
    data = augment.Corpus(
        augment.sounds(speech, weights, top),
        augment.sounds(noise, draws),
        np.load(made),
    )
    cases = validation.cases(VALID_DIR.value, VALID_NOISE_DIR.value, rate)
    return data, cases


def counting(place):
    """Prints how many files of a folder are decoded."""

    def on_file(done, total):
        if done % 500 == 0 or done == total:
            print(f"decoded {done}/{total} files of {place}", file=sys.stderr)

    return on_file


def report(line: dict) -> None:
    """Prints a line of the log."""
    shown = {name: value for name, value in line.items() if name != "step"}
    told = ", ".join(f"{name} {value:.3f}" for name, value in shown.items())
    print(f"step {line['step']}: {told}", file=sys.stderr, flush=True)
