r"""Trains a hypernetwork that denoises speech, from noisy to clean.

  inr-jax train-hypersound \
      --flagfile=experiments/configs/hypersound.flags \
      --speech_dirs=DIR,DIR --noise_dir=DIR --valid_dir=DIR --output_dir=results/training

Noise is mixed anew for every step. Interrupted and started again with the same flags, it
goes on as if nothing had happened. log.jsonl and curves.png say how it goes, model/ is
what --checkpoint of inr-jax denoise takes.
"""

import dataclasses
import sys

from absl import flags

from inr_jax.cli import app
from inr_jax.cli.flags import dataclass_flags
from inr_jax.cli.flags import devices as device_flags
from inr_jax.cli.flags import training as training_flags
from inr_jax.configs import networks, overrides
from inr_jax.configs.methods import SUCCESSORS
from inr_jax.configs.training import DENOISING_LOSS, MixingConfig, TrainingConfig
from inr_jax.errors import InputError

flags.adopt_module_key_flags(app)
flags.adopt_module_key_flags(device_flags)
flags.adopt_module_key_flags(training_flags)
flags.set_default(training_flags.SAVE_EVERY, 500)
flags.set_default(training_flags.VALIDATE_EVERY, 1000)
BAND_LIMITED_DIRS = flags.DEFINE_list(
    "band_limited_dirs",
    [],
    "Folders of speech with nothing above 6 kHz; their noise is held to it as well. "
    "--speech_weights are first those of --speech_dirs, then theirs.",
)
MODEL = flags.DEFINE_enum(
    "model", "hypersound", [*networks.MODELS, *SUCCESSORS], "What is trained."
)
MODEL_SETTINGS = flags.DEFINE_multi_string(
    "set", [], "A setting of the model as name=value, a value list as 1,2,4."
)
MIXING = dataclass_flags.define(MixingConfig, skip=("sample_rate",))
TRAINING = dataclass_flags.define(TrainingConfig, skip=("loss",))
LOSSES = dataclass_flags.define(DENOISING_LOSS, suffix="_weight")
TENSORBOARD = flags.DEFINE_bool(
    "tensorboard", False, "Also logs for TensorBoard; needs the extra of this name."
)


def main() -> int:
    import jax

    from inr_jax.io import run_dir
    from inr_jax.models import pretrained
    from inr_jax.parallel import distributed, sharding
    from inr_jax.training import loop, state, step
    from inr_jax.training.run import TrainingRun

    folder = training_flags.output_dir()
    model_config, mixing, config = configs()
    process, _ = device_flags.start()
    run_dir.keep_settings(folder, describe(model_config, mixing, config), process)
    app.start_jax()
    sound = training_flags.Sound(folder / "decoded", mixing.sample_rate)
    with distributed.process_0_first("decoded"):
        data = load_data(sound)
    model = pretrained.build(model_config, config.precision)
    run = TrainingRun(folder)
    num_devices = sharding.shardings()[1].num_devices
    if config.batch_size % num_devices:
        raise InputError(
            f"--batch_size {config.batch_size} must be a multiple of the "
            f"{num_devices} devices"
        )
    fresh = step.init(jax.random.key(data.seed), model, mixing.num_samples, config)
    if training_flags.START_FROM.value:
        known = known_params(model_config)
        fresh = state.with_params(fresh, known)
    resumed = run.resume(fresh)
    first_step = int(resumed.step)
    writer = None
    if TENSORBOARD.value and process == 0:
        writer = tensorboard(folder, first_step)

    def on_line(line):
        if process == 0:
            report(line)
        if writer:
            for name in line.keys() - {"step"}:
                writer.add_scalar(name, line[name], line["step"])

    try:
        with step.task(model, data, mixing, config, first_step) as task:
            loop.train(run, resumed, task, training_flags.intervals(), on_line)
    except FloatingPointError as error:
        raise InputError(str(error)) from None
    weights, best = run.best(fresh.ema)
    if process == 0:
        pretrained.save(folder / "model", model_config, weights, best)
        print(f"the best weights, of step {best}: {folder / 'model'}")
    distributed.wait_for_all("trained")
    return sound.exit_code


def configs():
    """Settings of the model, of the examples and of the training.

    Raises:
      InputError: they make no sense.
    """
    if MODEL.value in SUCCESSORS:
        raise InputError(
            f"{MODEL.value} is no more: {SUCCESSORS[MODEL.value]} took its place, which "
            "inr-jax train trains"
        )
    try:
        model = overrides.apply(networks.MODELS[MODEL.value](), MODEL_SETTINGS.value)
    except ValueError as error:
        raise InputError(str(error)) from None
    mixing = dataclass_flags.build(MixingConfig, MIXING, sample_rate=model.sample_rate)
    loss = dataclass_flags.build(DENOISING_LOSS, LOSSES)
    training = dataclass_flags.build(TrainingConfig, TRAINING, loss=loss)
    if mixing.num_samples != model.num_samples:
        raise InputError(
            f"--num_samples {mixing.num_samples} must be the model's, "
            f"--set=num_samples={model.num_samples}"
        )
    return model, mixing, training


def known_params(config):
    """Weights of --start_from."""
    from inr_jax.models import pretrained

    folder = training_flags.START_FROM.value
    known, params = pretrained.load(folder)
    if known.config != config:
        raise InputError(f"{folder}: weights of other settings than those of --set")
    return params


def describe(model, mixing, training) -> dict:
    """All that the weights depend on."""
    given = (
        training_flags.SPEECH_DIRS,
        BAND_LIMITED_DIRS,
        training_flags.SPEECH_WEIGHTS,
        training_flags.NOISE_DIR,
        training_flags.SEED,
        training_flags.START_FROM,
    )
    return {
        **{flag.name: flag.value for flag in given},
        "model": {"name": MODEL.value, **dataclasses.asdict(model)},
        "mixing": dataclasses.asdict(mixing),
        "training": dataclasses.asdict(training),
    }


def load_data(sound):
    """Speech and noise for training, and noisy clips of the validation."""
    from inr_jax.data import augment_numpy
    from inr_jax.training.step import Data

    folders = [(place, False) for place in training_flags.SPEECH_DIRS.value]
    folders += [(place, True) for place in BAND_LIMITED_DIRS.value]
    if not folders:
        raise InputError("--speech_dirs is missing")
    weights = training_flags.speech_weights(len(folders))
    speech = [
        augment_numpy.Speech(sound.decoded(place).samples, weight, limited)
        for (place, limited), weight in zip(folders, weights, strict=True)
    ]
    examples = sound.validation_examples()
    noise = sound.decoded(training_flags.NOISE_DIR.value).samples
    return Data(speech, noise, examples, training_flags.SEED.value)


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
    left = (TRAINING["num_steps"].value - line["step"]) / line["steps_per_s"]
    print(
        f"step {line['step']}, loss {line['loss']:.3f}, "
        f"{line['steps_per_s']:.2f} steps/s, {line['audio_hours']:.1f} h of sound, "
        f"waiting {line['waiting_share']:.1%}, {left / 60:.0f} min left",
        file=sys.stderr,
        flush=True,
    )
