"""Removes noise from recordings.

  inr-jax denoise noisy.wav --output=clean.wav
  inr-jax denoise RECORDINGS/ --output=DENOISED/
  inr-jax denoise - --output=- < noisy.wav > clean.wav

Any format, rate, channel count and length that libsndfile or FFmpeg reads, videos too, of
which the sound is denoised; rate, channels, length, level and format stay as they are, or
the extension of the output names another format. Tags, dates, cover art, cue points and
chapters stay too. Run again, it leaves alone what is done already; siren and dnp resume in
the midst of a fit.
"""

import dataclasses
import shutil
import sys
import time

from absl import flags

from inr_jax.cli import app, denoised
from inr_jax.cli.flags import devices as device_flags
from inr_jax.cli.flags import methods
from inr_jax.configs.methods import DEFAULT, METHODS
from inr_jax.errors import InputError
from inr_jax.io import standard_streams

flags.adopt_module_key_flags(app)
flags.adopt_module_key_flags(device_flags)
flags.adopt_module_key_flags(methods)
OUTPUT = flags.DEFINE_string("output", None, "File or folder to write, or -.")
OUTPUT_FORMAT = flags.DEFINE_string(
    "output_format",
    None,
    "Extension of what is written into a folder or to standard output, such as flac; that "
    "of the input by default.",
)
RESIDUAL = flags.DEFINE_string("residual", None, "File or folder for what was removed.")
METHOD = flags.DEFINE_string(
    "method",
    DEFAULT,
    f"One of {', '.join(METHODS)}; with settings as name:setting=value.",
)
WET = flags.DEFINE_float(
    "wet", 1.0, "Share of the denoised signal in the output.", 0, 1
)
MAX_ATTENUATION_DB = flags.DEFINE_float(
    "max_attenuation_db", None, "Largest attenuation of the noise in dB.", 0
)
OUTPUT_RATE = flags.DEFINE_integer(
    "output_rate",
    None,
    "Hz, a multiple of 16000: the networks are evaluated on the finer grid, which "
    "adds no frequencies.",
    1,
)
flags.DEFINE_alias("noise", methods.NOISE_ESTIMATOR.name)  # its former name
KEEP_TIMES = flags.DEFINE_bool(
    "keep_times", False, "Outputs get the file times of their inputs."
)
SEED = flags.DEFINE_integer(
    "seed", 0, "Seed of methods that use random numbers.", 0, 2**63 - 1
)
JSON = flags.DEFINE_bool(
    "json",
    False,
    "Prints a JSON object for each file and one of all, a line each, on standard output; "
    "on standard error where that gets the sound.",
)


def main(inputs: list[str]) -> int:
    from inr_jax.enhancement import files

    if not inputs or not OUTPUT.value:
        raise InputError("name what to denoise, and where to with --output")
    mix = files.DryWetMix(WET.value, MAX_ATTENUATION_DB.value)
    method = methods.parse_one(METHOD.value)
    if OUTPUT_RATE.value:
        method = method._replace(config=with_output_rate(method))
    if getattr(method.config, "output_rate", None) and (mix.dry or RESIDUAL.value):
        raise InputError(
            "--output_rate goes without --residual, --wet and --max_attenuation_db"
        )
    jobs, left_out = files.jobs(
        inputs, OUTPUT.value, RESIDUAL.value, OUTPUT_FORMAT.value
    )
    process, num_processes = device_flags.start()
    jobs = jobs[process::num_processes]
    settings = {
        **methods.described(method),
        "seed": SEED.value,
        **dataclasses.asdict(mix),
        **({"keep_times": True} if KEEP_TIMES.value else {}),
    }
    todo = list(files.pending(jobs, settings))
    left = set(todo)
    already = [job for job in jobs if job not in left]
    todo, blocked = files.writable(todo)
    piped = OUTPUT.value == files.PIPE
    if piped:
        standard_streams.standard_output()
    objects = (sys.stderr if piped else sys.stdout) if JSON.value else None
    report = denoised.Report(left_out, already, objects)
    if already:
        print(f"{len(already)} of {len(jobs)} files are done", file=sys.stderr)
    for outcome in blocked:
        report.add(outcome)
    start = time.monotonic()
    if todo:
        # checkpoints are written by all processes together, and files are not
        unfinished = files.unfinished(jobs) if num_processes == 1 else None
        denoise(todo, settings, mix, method, report, unfinished)
    report.finish(time.monotonic() - start)
    if num_processes > 1:
        from inr_jax.parallel import distributed

        distributed.wait_for_all("files")
    return report.exit_code


def with_output_rate(method):
    """The settings of a method, --output_rate among them."""
    if not hasattr(method.config, "output_rate"):
        raise InputError(
            f"{method.name} has no output rate of its own; resample its output"
        )
    return dataclasses.replace(method.config, output_rate=OUTPUT_RATE.value)


def denoise(todo, settings: dict, mix, method, report, unfinished) -> None:
    """Denoises files and reports what became of each; fits resume from `unfinished`."""
    from inr_jax.enhancement import files, registry

    app.start_jax()
    denoiser = registry.make(method.name, method.config, unfinished)
    if denoiser.output_rate:
        print("a finer grid restores no frequencies above 8 kHz", file=sys.stderr)
    with app.progress("denoising", len(todo), "files") as on_files:
        for outcome in files.denoise(
            denoiser, todo, settings, mix, SEED.value, on_files, KEEP_TIMES.value
        ):
            report.add(outcome)
    if unfinished:
        shutil.rmtree(unfinished, ignore_errors=True)
