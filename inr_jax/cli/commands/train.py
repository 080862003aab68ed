r"""Trains a hypernetwork that denoises speech, from noisy to clean.

  inr-jax train --speech_dirs=DIR,DIR --noise_dir=DIR \
      --valid_dir=DIR --valid_noise_dir=DIR --output_dir=results/training

Examples are made anew on the devices for every step. Interrupted and started again with
the same flags, it resumes from its last checkpoint; `--set=training.num_steps=N` may
grow meanwhile. `log.jsonl` and `curves.png` say how it goes, `model/` has the weights
that scored best on the validation clips.
"""

import dataclasses
import functools
import sys

from absl import flags

from inr_jax.cli import app
from inr_jax.cli.flags import training as training_flags
from inr_jax.configs.hypernetwork import NETWORKS, default_settings
from inr_jax.errors import InputError
from inr_jax.parallel import cpu

flags.adopt_module_key_flags(app)
flags.adopt_module_key_flags(training_flags)
SPEECH_TOP_HZ = flags.DEFINE_list(
    "speech_top_hz",
    [],
    "Hz above which each of --speech_dirs has nothing, 0 where it has all.",
)
NETWORK = flags.DEFINE_enum(
    "network",
    "hyper_gain",
    list(NETWORKS),
    "Which hypernetwork: it emits a gain field, a SIREN of time for each window, or one "
    "network for a clip.",
)
NUM_ROOMS = flags.DEFINE_integer("num_rooms", 1000, "Simulated rooms.", 1)
SET = flags.DEFINE_multi_string(
    "set",
    [],
    "A setting as model.NAME=VALUE, mixing.NAME=VALUE or training.NAME=VALUE.",
)
NUM_DEVICES = flags.DEFINE_integer(
    "num_devices", None, "Devices to use; on a CPU, how many it is presented as.", 1
)
STOP_AT = flags.DEFINE_integer(
    "stop_at", None, "Step to pause after, with a validation.", 1
)


def main() -> int:
    folder, settings = prepare()
    from inr_jax.io import run_dir
    from inr_jax.models import pretrained

    model = pretrained.build(settings.model)
    sound = training_flags.Sound(folder / run_dir.DECODED, settings.mixing.sample_rate)
    with run_dir.filled(folder, described(settings)):
        data = load_data(settings, sound)
        weights, best = train_network(model, settings, *data, folder)
    pretrained.save(folder / "model", settings.model, weights, best)
    print(f"the best weights, of step {best}: {folder / 'model'}")
    return sound.exit_code


def prepare():
    """Checks the flags and starts JAX; returns the output folder and the settings."""
    folder = training_flags.output_dir()
    if not training_flags.SPEECH_DIRS.value:
        raise InputError("--speech_dirs is missing")
    cpu.tune(NUM_DEVICES.value)

    from inr_jax.parallel import sharding

    settings = configs()
    training_flags.look_into_folders()
    app.start_jax()
    if NUM_DEVICES.value:
        sharding.use_local_devices(NUM_DEVICES.value)
    num_devices = sharding.num_local_devices()
    if settings.training.batch_size % num_devices:
        raise InputError(
            f"training.batch_size {settings.training.batch_size} must be a multiple of "
            f"the {num_devices} devices"
        )
    if training_flags.START_FROM.value:
        known_params(settings.model)  # before hours of decoding
    return folder, settings


def train_network(model, settings, corpus, examples, folder):
    """The best weights of a network by validation, and their step."""
    import jax

    from inr_jax.data import augment
    from inr_jax.training import hypernetwork, loop, validation
    from inr_jax.training.run import TrainingRun

    training, seed = settings.training, training_flags.SEED.value
    run = TrainingRun(folder)
    params = hypernetwork.fresh_params(jax.random.key(seed), model)
    if training_flags.START_FROM.value:
        # those of the bands above the cells may be new
        params = {"params": params["params"] | known_params(settings.model)}
    params, fixed = hypernetwork.divide(params, training)
    fresh = hypernetwork.init(params, training)
    rate = settings.mixing.sample_rate
    mixed = functools.partial(augment.examples, config=settings.mixing)
    task = loop.Task(
        hypernetwork.compiled_step(corpus, mixed, model, rate, training, seed, fixed),
        min(training.num_steps, STOP_AT.value or training.num_steps),
        training.batch_size * settings.mixing.num_samples / rate,
        lambda params: hypernetwork.denoise_examples(
            hypernetwork.together(params, fixed), examples, model
        ),
        examples,
        metrics=validation.METRICS[training.trained],
    )
    try:
        loop.train(run, run.resume(fresh), task, training_flags.intervals(), report)
    except FloatingPointError as error:
        raise InputError(str(error)) from None
    weights, best = run.best(fresh.ema)
    return hypernetwork.together(weights, fixed), best


def known_params(config) -> dict:
    """Weights of --start_from by name, of a network that differs in its highs at most.

    Those of other highs are left out.

    Raises:
      InputError: there are none, or they are of another network.
    """
    from inr_jax.models import pretrained

    folder = training_flags.START_FROM.value
    try:
        known, params = pretrained.load(folder)
    except InputError as error:
        raise InputError(f"--start_from: {error}") from None
    if _without_highs(known.config) != _without_highs(config):
        raise InputError(f"{folder}: weights of other settings of the network")
    weights = dict(params["params"])
    if known.config != config:
        weights.pop("highs", None)
    return weights


def _without_highs(config):
    """Settings of a network but for the bands above the cells of a gain field."""
    if not hasattr(config, "field"):
        return config
    field = dataclasses.replace(config.field, high_edges_hz=())
    return dataclasses.replace(config, field=field)


def configs():
    """Settings of model, examples and training, of the flags."""
    from inr_jax.configs import overrides

    try:
        settings = overrides.apply(default_settings(NETWORK.value), SET.value)
    except ValueError as error:
        raise InputError(f"--set: {error}") from None
    if settings.training.trained == "highs":
        if NETWORK.value != "hyper_gain":
            raise InputError(
                "training.trained: highs are of --network=hyper_gain alone"
            )
        if not settings.model.field.num_high_bands:
            raise InputError(
                "training.trained: the network has no bands above its cells; name their "
                "edges by model.field.high_edges_hz"
            )
    for name in ("sample_rate", "num_samples"):
        given = getattr(settings.mixing, name)
        needed = getattr(settings.model, name, given)
        if needed != given:
            raise InputError(f"mixing.{name} must be that of the network, {needed}")
    return settings


def described(settings) -> dict:
    """All that the weights depend on, but for how long the training lasts."""
    given = (
        training_flags.SPEECH_DIRS,
        training_flags.SPEECH_WEIGHTS,
        SPEECH_TOP_HZ,
        training_flags.NOISE_DIR,
        training_flags.VALID_DIR,
        training_flags.VALID_NOISE_DIR,
        NUM_ROOMS,
        training_flags.SEED,
        training_flags.START_FROM,
    )
    settings = dataclasses.asdict(settings)
    training = settings["training"]
    if training["optimizer"] != "one_cycle":
        del training["num_steps"], training["decay_steps"]
    if (
        training["optimizer"] == "muon"
    ):  # so that trainings begun before it was one resume
        del training["optimizer"]
    if not settings["mixing"]["speed_share"]:  # as for those before it was one
        del settings["mixing"]["speed_range"]
    return {**{flag.name: flag.value for flag in given}, **settings}


def load_data(settings, sound):
    """The corpus of the examples, and the noisy clips of the validation."""
    import numpy as np

    from inr_jax.data import augment

    speech_dirs = training_flags.SPEECH_DIRS.value
    noise_dir = training_flags.NOISE_DIR.value
    weights = training_flags.speech_weights(len(speech_dirs))
    top_hz = [0] * len(speech_dirs)
    if SPEECH_TOP_HZ.value:
        top_hz = app.parse_numbers(SPEECH_TOP_HZ, minimum=0)
    if len(top_hz) != len(speech_dirs):
        raise InputError("--speech_top_hz: give a number for each folder, or none")
    rooms = load_rooms(sound.cache, settings.mixing)  # may lack a package
    examples = sound.validation_examples()
    speech = [sound.decoded(folder).samples for folder in speech_dirs]
    noise = sound.decoded(noise_dir).files
    # long recordings are drawn more often, as they vary, but not by their length
    draws = [len(piece) ** 0.5 for piece in noise]
    top = [hz or np.inf for hz in top_hz]
    corpus = augment.Corpus(
        augment.sounds(speech, weights, top),
        augment.sounds(noise, draws),
        rooms,
    )
    return corpus, examples


def load_rooms(cache, mixing):
    """Impulse responses of simulated rooms, from the cache where they are there."""
    import numpy as np

    from inr_jax.data import rooms
    from inr_jax.io import atomic

    if not mixing.room_share:  # none is ever drawn
        return np.ones((1, 1), np.float16)
    count, seed, rate = NUM_ROOMS.value, training_flags.SEED.value, mixing.sample_rate
    path = cache / f"rooms_{count}_{seed}_{rate}.npy"
    if not path.exists():
        try:
            responses = rooms.simulate(count, rate, seed)
        except ImportError:
            raise InputError(
                "rooms are simulated by pyroomacoustics: pip install 'inr_jax[rooms]'"
            ) from None
        with atomic.replacing(path) as part, open(part, "wb") as file:
            np.save(file, responses)
    return np.load(path)


def report(line: dict) -> None:
    """Prints a line of the log."""
    shown = {name: value for name, value in line.items() if name != "step"}
    text = ", ".join(f"{name} {value:.3f}" for name, value in shown.items())
    print(f"step {line['step']}: {text}", file=sys.stderr, flush=True)
