"""Fits a SIREN to every noisy clip, scores the fits and prints the table.

Example, on the clips of this repository:

  inr-jax fit --flagfile=experiments/configs/quick.flags

Clips come from --clean_dir (white noise is added), --pairs_dir (recorded noise) or
--librispeech (fetched). Interrupted and started again with the same flags, it goes on.
The weights of every fit are kept beside its audio, in fit.safetensors and fit.json.
"""

import dataclasses
import pathlib

from absl import flags

from inr_jax.cli import app
from inr_jax.cli.flags import devices as device_flags
from inr_jax.configs import fitting
from inr_jax.errors import InputError

flags.adopt_module_key_flags(app)
flags.adopt_module_key_flags(device_flags)
CLEAN_DIR = flags.DEFINE_string("clean_dir", None, "Folder of clean speech.")
PAIRS_DIR = flags.DEFINE_string("pairs_dir", None, "Folder with clean/ and noisy/.")
LIBRISPEECH = flags.DEFINE_enum(
    "librispeech", None, ["dev-clean", "test-clean"], "Subset to fetch and use."
)
OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder for all results.")
MAX_CLIPS = flags.DEFINE_integer(
    "max_clips", None, "Clips to draw with --seed; all by default.", lower_bound=1
)
MAX_SECONDS = flags.DEFINE_float(
    "max_seconds", None, "Only the beginning of each clip.", lower_bound=0.01
)
SNR_DB = flags.DEFINE_float("snr_db", None, "Level of white noise, dB; 0 by default.")
SIGMA = flags.DEFINE_float(
    "sigma", None, "Level of white noise, full scale 1, instead of --snr_db.", 0
)
SEED = flags.DEFINE_integer("seed", 0, "Of noise, weights and choice of clips.", 0)
NUM_STEPS = flags.DEFINE_integer("num_steps", 1000, "Full-batch steps of Adam.")
LEARNING_RATE = flags.DEFINE_float("learning_rate", 1e-4, "Of Adam.")
SCHEDULE = flags.DEFINE_enum(
    "schedule", "constant", fitting.SCHEDULES, "Of the rate; cosine ends at 0."
)
STOP = flags.DEFINE_enum(
    "stop",
    "fixed",
    ["fixed", "discrepancy", "sure"],
    "At the last step, or where a rule tells from the noisy clip: where the residual has "
    "the energy of the noise, or where Stein's risk estimate is least.",
)
SEGMENT_S = flags.DEFINE_float(
    "segment_s", None, "A SIREN for each segment of so many seconds, not for the clip."
)
WIDTH = flags.DEFINE_integer("width", 256, "Units of each sine layer.")
DEPTH = flags.DEFINE_integer("depth", 3, "Hidden sine layers after the first.")
FIRST_OMEGA = flags.DEFINE_float(
    "first_omega",
    None,
    "Factor in the first sine. By default 3000 per half clip for --coordinates=unit, "
    "and a set share of the Nyquist frequency, in rad/s, for seconds.",
)
HIDDEN_OMEGA = flags.DEFINE_float("hidden_omega", 30.0, "Factor in the other sines.")
COORDINATES = flags.DEFINE_enum(
    "coordinates",
    "unit",
    fitting.COORDINATES,
    "unit: the clip spans [-1, 1], as published; seconds: bandwidth free of length.",
)
START_FROM = flags.DEFINE_string(
    "start_from", None, "Folder of an earlier run, whose fits of these clips go on."
)
LOSSES = {
    field.name: flags.DEFINE_float(
        f"{field.name}_weight", field.default, f"Weight of the {field.name} loss."
    )
    for field in dataclasses.fields(fitting.LossWeights)
}
METHODS = ("noisy", "silence", "lowpass", "siren")


def main() -> int:
    from inr_jax.evaluation import runs
    from inr_jax.metrics import pool as scoring
    from inr_jax.parallel import devices

    config = fit_config()
    if STOP.value != "fixed" and config.segment_s:
        raise InputError("--stop tells when to stop whole clips, without --segment_s")
    if STOP.value != "fixed" and START_FROM.value:
        raise InputError("--start_from goes with --stop=fixed")
    clips, problems = find_clips()
    process, num_processes = device_flags.start()
    run = runs.Run(output_dir(), settings(config), METHODS, process)
    clips = clips[process::num_processes]
    todo = [clip for clip in clips if clip.name not in run.done]
    if len(todo) < len(clips):
        print(f"{len(clips) - len(todo)} of {len(clips)} clips are done already")
    examples = load(todo, problems)
    for problem in problems:
        app.print_error(problem)
    app.use_compilation_cache()
    with (
        scoring.ScorePool() as pool,
        app.progress("fitting", len(examples), "clips", config.num_steps) as on_clips,
    ):
        # checkpoints are written by all processes together, and fits are not
        unfinished = run.folder / "unfinished" if num_processes == 1 else None
        for example, estimate in fits(examples, config, on_clips, unfinished):
            finish(run, pool, example, estimate)
    devices.wait_for_all("fits")
    if clips and not run.done:
        raise InputError("no clip could be read")
    if process == 0:
        print(f"{run.table()}\nAudio and figures of each clip: {run.folder / 'clips'}")
    return app.EXIT_USAGE if problems else 0


def fit_config() -> fitting.FitConfig:
    """The fit that the flags describe."""
    try:
        return fitting.FitConfig(
            fitting.SirenConfig(
                WIDTH.value, DEPTH.value, FIRST_OMEGA.value, HIDDEN_OMEGA.value
            ),
            fitting.LossWeights(**{name: flag.value for name, flag in LOSSES.items()}),
            COORDINATES.value,
            LEARNING_RATE.value,
            SCHEDULE.value,
            NUM_STEPS.value,
            SEGMENT_S.value,
        )
    except ValueError as error:
        raise InputError(str(error)) from None


def output_dir() -> str:
    if not OUTPUT_DIR.value:
        raise InputError("--output_dir is missing")
    return OUTPUT_DIR.value


def noise_level() -> dict[str, float]:
    if PAIRS_DIR.value and (SNR_DB.value is not None or SIGMA.value is not None):
        raise InputError("--snr_db and --sigma make no sense with --pairs_dir")
    if SNR_DB.value is not None and SIGMA.value is not None:
        raise InputError("give --snr_db or --sigma, not both")
    if SIGMA.value is not None:
        return {"sigma": SIGMA.value}
    return {"snr_db": 0.0 if SNR_DB.value is None else SNR_DB.value}


def source() -> flags.FlagHolder:
    """The one flag that says where clips come from."""
    given = [flag for flag in (CLEAN_DIR, PAIRS_DIR, LIBRISPEECH) if flag.value]
    if len(given) != 1:
        raise InputError("give one of --clean_dir, --pairs_dir and --librispeech")
    return given[0]


def settings(config: fitting.FitConfig) -> dict:
    """All that the results depend on."""
    place = source().value
    if source() is not LIBRISPEECH:
        place = str(pathlib.Path(place).resolve())
    return {
        "clips": place,
        "max_clips": MAX_CLIPS.value,
        "max_seconds": MAX_SECONDS.value,
        "seed": SEED.value,
        "noise": "recorded" if PAIRS_DIR.value else noise_level(),
        "fit": dataclasses.asdict(config),
        "stop": STOP.value,
        **({"start_from": START_FROM.value} if START_FROM.value else {}),
    }


def find_clips():
    """The clips to do, and one line for each file that cannot be used."""
    from inr_jax.data import datasets, librispeech

    noise_level()
    problems = []
    if source() is PAIRS_DIR:
        clips, problems = datasets.find_pairs(PAIRS_DIR.value)
    elif source() is LIBRISPEECH:
        clips = datasets.find_clips(librispeech.fetch(LIBRISPEECH.value))
    else:
        clips = datasets.find_clips(CLEAN_DIR.value)
    return datasets.choose(clips, MAX_CLIPS.value, SEED.value), problems


def load(clips, problems: list[str]):
    """Reads clips and adds noise; what cannot be read goes to `problems`."""
    from inr_jax.data import datasets

    level = {} if PAIRS_DIR.value else noise_level()
    examples = []
    for clip in clips:
        try:
            examples.append(
                datasets.load(clip, SEED.value, max_seconds=MAX_SECONDS.value, **level)
            )
        except InputError as error:
            problems.append(str(error))
    return examples


def fits(examples, config: fitting.FitConfig, on_clips, unfinished):
    """Yields each example with its estimate (samples, channels), as fits finish."""
    from inr_jax.audio import audio
    from inr_jax.data import noise
    from inr_jax.enhancement import api, registry
    from inr_jax.fitting import clip_fit

    owners = [(e.name, c) for e in examples for c in range(e.noisy.shape[1])]
    start_from = None
    if START_FROM.value:
        start_from = [clip_fit.load(kept(START_FROM.value, *of)) for of in owners]
    siren = registry.make(
        "siren",
        registry.Options(
            fit=config,
            stop=STOP.value,
            keep_fit=lambda i, fit: fit.save(kept(OUTPUT_DIR.value, *owners[i])),
            start_from=start_from,
            checkpoint_dir=unfinished,
        ),
    )
    noisy = [audio.Recording(e.noisy, e.sample_rate, name=e.name) for e in examples]
    seeds = [noise.clip_seed(SEED.value, e.name) for e in examples]
    for i, estimate in api.denoise_recordings(siren, noisy, seeds, on_clips):
        yield examples[i], estimate


def kept(folder: str, name: str, channel: int) -> pathlib.Path:
    """Where the fit of a channel of a clip is, without the ends of its two files."""
    end = f"_{channel + 1}" if channel else ""
    return pathlib.Path(folder) / "clips" / name / f"fit{end}"


def finish(run, pool, example, estimate) -> None:
    """Writes audio and figures of one clip, then its scores."""
    from inr_jax.audio import audio
    from inr_jax.enhancement import trivial
    from inr_jax.metrics import pool as scoring
    from inr_jax.plots import clips as clip_figures
    from inr_jax.plots import style

    signals = {"clean": example.clean, "noisy": example.noisy, "siren": estimate}
    folder = run.folder / "clips" / example.name
    for name, samples in signals.items():
        audio.write(folder / f"{name}.wav", samples, example.sample_rate, "FLOAT")
    first = {name: samples[:, 0] for name, samples in signals.items()}
    for name, draw in (
        ("mel", clip_figures.mel_spectrograms),
        ("waveform", clip_figures.waveforms),
    ):
        figure = draw(first, example.sample_rate, example.name)
        style.save(figure, folder / f"{name}.png")
    estimates = {
        name: method(example.noisy, example.sample_rate)
        for name, method in trivial.BASELINES.items()
    }
    estimates["siren"] = estimate
    name, clean, rate = example.name, example.clean, example.sample_rate
    jobs = [
        scoring.Job(name, m, SEED.value, clean, estimates[m], rate) for m in METHODS
    ]
    run.add(example, pool.score(jobs))
