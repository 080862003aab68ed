"""Removes noise from recordings.

  inr-jax denoise noisy.wav --output=clean.wav
  inr-jax denoise RECORDINGS/ --output=DENOISED/
  inr-jax denoise - --output=- < noisy.wav > clean.wav

Any format, rate, channel count and length that libsndfile reads; rate, channels, length,
level and format stay as they are. Run again, it leaves alone what is done already.
"""

import dataclasses
import sys

from absl import flags

from inr_jax.cli import app
from inr_jax.cli.flags import devices as device_flags
from inr_jax.cli.flags import methods
from inr_jax.errors import InputError

flags.adopt_module_key_flags(app)
flags.adopt_module_key_flags(device_flags)
flags.adopt_module_key_flags(methods)
OUTPUT = flags.DEFINE_string("output", None, "File or folder to write, or -.")
RESIDUAL = flags.DEFINE_string("residual", None, "File or folder for what was removed.")
METHOD = flags.DEFINE_string("method", "local_hypersound", "How; see the README.")
WET = flags.DEFINE_float(
    "wet", 1.0, "Share of the denoised signal in the output.", 0, 1
)
MAX_ATTENUATION_DB = flags.DEFINE_float(
    "max_attenuation_db", None, "Leaves the noise no further down than this.", 0
)
OUTPUT_RATE = flags.DEFINE_integer(
    "output_rate",
    None,
    "Hz, a multiple of 16000: the networks are evaluated on the finer grid, which "
    "adds no frequencies.",
    1,
)
flags.DEFINE_alias("noise", methods.NOISE_ESTIMATOR.name)  # its former name
SEED = flags.DEFINE_integer("seed", 0, "Of methods that draw.", 0)


def main(inputs: list[str]) -> int:
    from inr_jax.enhancement import files as denoise_files

    if not inputs or not OUTPUT.value:
        raise InputError("name what to denoise, and where to with --output")
    mix = denoise_files.DryWetMix(
        WET.value, MAX_ATTENUATION_DB.value, OUTPUT_RATE.value
    )
    if mix.output_rate and (mix.dry or RESIDUAL.value):
        raise InputError(
            "--output_rate goes without --residual, --wet and --max_attenuation_db"
        )
    jobs, problems = denoise_files.jobs(inputs, OUTPUT.value, RESIDUAL.value)
    process, num_processes = device_flags.start()
    jobs = jobs[process::num_processes]
    settings = {
        "method": METHOD.value,
        "seed": SEED.value,
        "weights": weights_digest(),
        **methods.settings(),
        **dataclasses.asdict(mix),
    }
    todo = list(denoise_files.pending(jobs, settings))
    for problem in problems:
        app.print_error(problem)
    if len(todo) < len(jobs):
        print(f"{len(jobs) - len(todo)} of {len(jobs)} files are done", file=sys.stderr)
    failed = len(problems)
    if todo:
        failed += denoise_all(todo, settings, mix)
    if num_processes > 1:
        from inr_jax.parallel import devices

        devices.wait_for_all("files")
    return app.EXIT_USAGE if failed else 0


def weights_digest() -> str | None:
    """Tells one training of a method from another."""
    from inr_jax.configs import networks
    from inr_jax.io import atomic

    if METHOD.value not in networks.MODELS:
        return None
    folder = networks.trained_dir(METHOD.value, methods.CHECKPOINT.value)
    path = folder / networks.WEIGHTS
    return atomic.sha256(path) if path.exists() else None


def denoise_all(todo, settings: dict, mix) -> int:
    """Denoises file after file; returns how many failed, each with one line."""
    from inr_jax.enhancement import files as denoise_files
    from inr_jax.enhancement import registry

    app.use_compilation_cache()
    options = methods.options(mix.output_rate)
    denoiser = registry.make(METHOD.value, options)
    reach = registry.receptive_field(METHOD.value, options)
    if mix.output_rate:
        print("a finer grid holds no new frequencies", file=sys.stderr)
    failed = 0
    with app.progress("denoising", len(todo), "files") as on_files:
        for job in todo:
            share = 0.0

            def on_share(clips):
                nonlocal share
                share += clips
                on_files(clips)

            try:
                with denoise_files.done_marker(job, settings):
                    remark = denoise_one(denoiser, reach, job, mix, on_share)
            except (InputError, OSError) as error:
                failed += 1
                app.print_error(str(error))
            else:
                if remark:
                    print(remark, file=sys.stderr)
            on_files(1 - share)
    return failed


def denoise_one(denoiser, reach, job, mix, on_share) -> str:
    """Reads, denoises and writes one file; returns a remark or nothing."""
    from inr_jax.enhancement import api, chunking
    from inr_jax.enhancement import files as denoise_files

    if reach and chunking.is_long(job):
        return chunking.denoise(denoiser, reach, job, mix, SEED.value, on_share)
    recording = denoise_files.read(job)
    ((_, estimate),) = api.denoise_recordings(
        denoiser, [recording], [SEED.value], on_share
    )
    output = mix.apply(recording.samples, estimate)
    return denoise_files.write(job, recording, output, mix)
