"""Trains a hypernetwork that denoises speech, from noisy to clean.

  inr-jax train-hypersound \
      --flagfile=experiments/configs/local_hypersound.flags \
      --speech_dirs=DIR,DIR --noise_dir=DIR --valid_dir=DIR --output_dir=results/training

Noise is mixed anew for every step. Interrupted and started again with the same flags, it
goes on as if nothing had happened. log.jsonl and curves.png say how it goes, model/ is
what --checkpoint of denoise.py takes.
"""

import dataclasses
import pathlib
import sys

from absl import flags

from inr_jax.cli import app
from inr_jax.cli.flags import devices as device_flags
from inr_jax.cli.flags import training as training_flags
from inr_jax.errors import InputError

flags.adopt_module_key_flags(app)
flags.adopt_module_key_flags(device_flags)
flags.adopt_module_key_flags(training_flags)
DIRS = {
    name: flags.DEFINE_list(name, [], text)
    for name, text in {
        "speech_dirs": "Folders of clean speech.",
        "band_limited_dirs": "Folders of speech with nothing above 6 kHz; their noise "
        "is held to it as well.",
    }.items()
}
WEIGHTS = flags.DEFINE_list(
    "speech_weights",
    [],
    "How often each folder is drawn, first --speech_dirs, then --band_limited_dirs; "
    "equally by default.",
)
NOISE_DIR = flags.DEFINE_string("noise_dir", None, "Folder of recorded noise.")
VALID_DIR = flags.DEFINE_string("valid_dir", None, "Speech of other speakers.")
VALID_NOISE_DIR = flags.DEFINE_string("valid_noise_dir", None, "Other recorded noise.")
OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder for log and checkpoints.")
CACHE_DIR = flags.DEFINE_string(
    "cache_dir", None, "Folder for decoded sound; in --output_dir by default."
)
SEED = flags.DEFINE_integer("seed", 0, "Of weights, crops and noise.", 0)
LOG_EVERY = flags.DEFINE_integer("log_every", 50, "Steps between lines of the log.", 1)
SAVE_EVERY = flags.DEFINE_integer("save_every", 500, "Steps between checkpoints.", 1)
VALIDATE_EVERY = flags.DEFINE_integer(
    "validate_every", 1000, "Steps between validations.", 1
)


TENSORBOARD = flags.DEFINE_bool(
    "tensorboard", False, "Also logs for TensorBoard; needs the extra of this name."
)


START_FROM = flags.DEFINE_string(
    "start_from",
    None,
    "Folder of a trained model to go on from, of the same settings or with fewer layers.",
)


def main() -> None:
    import jax

    from inr_jax.io import run_dir
    from inr_jax.models import pretrained
    from inr_jax.parallel import distributed, sharding
    from inr_jax.training import loop
    from inr_jax.training import run as training_run
    from inr_jax.training import step as training

    for flag in (OUTPUT_DIR, NOISE_DIR, VALID_DIR):
        if not flag.value:
            raise InputError(f"--{flag.name} is missing")
    folder = pathlib.Path(OUTPUT_DIR.value)
    model_config, mixing_config, config = training_flags.configs()
    process, _ = device_flags.start()
    settings = describe(model_config, mixing_config, config)
    run_dir.keep_settings(folder, settings, process)
    app.use_compilation_cache()
    with distributed.process_0_first("decoded"):
        data = load_data(mixing_config, folder)
    model = pretrained.build(model_config, config.precision)
    run = training_run.TrainingRun(folder)
    num_devices = sharding.shardings()[1].num_devices
    if config.batch_size % num_devices:
        raise InputError(
            f"--batch_size {config.batch_size} must be a multiple of the "
            f"{num_devices} devices"
        )
    num_samples = mixing_config.num_samples
    fresh = training.init(jax.random.key(SEED.value), model, num_samples, config)
    if START_FROM.value:
        known = known_params(model_config, fresh.params)
        fresh = training.with_params(fresh, known)
    every = loop.Every(LOG_EVERY.value, SAVE_EVERY.value, VALIDATE_EVERY.value)
    state = run.resume(fresh)
    writer = None
    if TENSORBOARD.value and process == 0:
        writer = tensorboard(folder, int(state.step))

    def on_line(line):
        report(line)
        if writer:
            for name in line.keys() - {"step"}:
                writer.add_scalar(name, line[name], line["step"])

    try:
        loop.train(run, state, model, data, mixing_config, config, every, on_line)
    except FloatingPointError as error:
        raise InputError(str(error)) from None
    weights, step = run.best(fresh.ema)
    if process == 0:
        pretrained.save(folder / "model", model_config, weights, step)
        print(f"the best weights, of step {step}: {folder / 'model'}")
    distributed.wait_for_all("trained")


def known_params(model_config, fresh):
    """Weights of --start_from, among fresh ones of layers behind its own."""
    from inr_jax.models import mask_net, pretrained

    known, params = pretrained.load(START_FROM.value)
    settings = dataclasses.asdict(model_config)
    for name, value in dataclasses.asdict(known.config).items():
        wanted = settings.get(name)
        behind = isinstance(value, tuple) and wanted and wanted[: len(value)] == value
        if wanted != value and not behind:
            raise InputError(
                f"{START_FROM.value}: has {name} {value}, --set asks for {wanted}"
            )
    try:
        return mask_net.expand_params(params, fresh)
    except ValueError as error:
        raise InputError(f"{START_FROM.value}: {error}") from None


def describe(model, mixing, training) -> dict:
    """All that the weights depend on."""
    places = {name: flag.value for name, flag in DIRS.items()}
    return {
        **places,
        "speech_weights": WEIGHTS.value,
        "noise_dir": NOISE_DIR.value,
        "seed": SEED.value,
        "start_from": START_FROM.value,
        "model": {"name": training_flags.MODEL.value, **dataclasses.asdict(model)},
        "mixing": dataclasses.asdict(mixing),
        "training": dataclasses.asdict(training),
    }


def load_data(mixing_config, folder):
    """Speech and noise for training, and the cases of validation."""
    from inr_jax.data import decoded_cache, mixing
    from inr_jax.training import loop, validation

    cache = CACHE_DIR.value or folder / "decoded"
    rate = mixing_config.sample_rate

    def decoded(place):
        def on_file(done, total):
            if done % 500 == 0 or done == total:
                print(f"decoded {done}/{total} files of {place}", file=sys.stderr)

        return decoded_cache.load(place, cache, rate, on_file)

    places = [(d, False) for d in DIRS["speech_dirs"].value]
    places += [(d, True) for d in DIRS["band_limited_dirs"].value]
    weights = app.parse_numbers(WEIGHTS) if WEIGHTS.value else [1.0] * len(places)
    if not places or len(weights) != len(places):
        raise InputError("give --speech_dirs, and a weight for each folder or none")
    speech = [
        mixing.Speech(decoded(place), weight, limited)
        for (place, limited), weight in zip(places, weights, strict=True)
    ]
    cases = validation.cases(VALID_DIR.value, VALID_NOISE_DIR.value, rate)
    return loop.Data(speech, decoded(NOISE_DIR.value), cases, SEED.value)


def tensorboard(folder, step: int):
    """Writes beside the log; what an interrupted run wrote behind `step` goes."""
    try:
        import tensorboardX
    except ImportError:
        raise InputError(
            "--tensorboard: pip install -e '.[tensorboard]' first"
        ) from None
    return tensorboardX.SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)


def report(line: dict) -> None:
    """Prints a line of the log."""
    if "loss" not in line:
        shown = [f"{name} {value:.3f}" for name, value in line.items()]
        print(", ".join(shown), file=sys.stderr, flush=True)
        return
    left = (training_flags.TRAINING["num_steps"].value - line["step"]) / line[
        "steps_per_s"
    ]
    print(
        f"step {line['step']}, loss {line['loss']:.3f}, "
        f"{line['steps_per_s']:.2f} steps/s, {line['audio_hours']:.1f} h of sound, "
        f"waiting {line['waiting_share']:.1%}, {left / 60:.0f} min left",
        file=sys.stderr,
        flush=True,
    )
