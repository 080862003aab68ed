"""Fits a SIREN to every noisy clip, keeps and scores the fits and prints the table.

  inr-jax fit --clean_dir=DIR --snr_db=0 --output_dir=results/fit --coordinates=seconds \\
      --width=64 --depth=2 --learning_rate=1e-3 --num_steps=200

Clips come from --clean_dir or --librispeech (fetched), with white noise or with that of
--noise, or from --pairs_dir. Interrupted and started again with the same flags, it
resumes. The weights of every fit are kept beside its audio in clips/NAME, as
fit.safetensors and fit.json.
"""

import pathlib

from absl import flags

from inr_jax.cli import app, scoring
from inr_jax.cli.flags import dataclass_flags, datasets, outputs
from inr_jax.cli.flags import devices as device_flags
from inr_jax.configs.fitting import LossWeights, SirenConfig
from inr_jax.configs.methods import METHODS, Method, SirenMethod
from inr_jax.errors import InputError

for _module in (app, device_flags, datasets, outputs):
    flags.adopt_module_key_flags(_module)
flags.DEFINE_alias("seed", datasets.SEEDS.name)
START_FROM = flags.DEFINE_string(
    "start_from",
    None,
    "Folder of an earlier run, whose fits of these clips are continued.",
)
# As published, but that the coordinates choose the factor of the first sine.
DEFAULT = SirenMethod(siren=SirenConfig(first_omega=None))
FIT = {
    "siren": dataclass_flags.define(DEFAULT.siren),
    "loss": dataclass_flags.define(LossWeights, suffix="_weight"),
    **dataclass_flags.define(DEFAULT, skip=("siren", "loss")),
}
# Clips that are fitted together: as many as a large accelerator has room for.
CHUNK = 1024


def main() -> int:
    from inr_jax.evaluation import siren_fits, systems
    from inr_jax.evaluation.store import Store
    from inr_jax.parallel import distributed

    method = Method(siren_fits.LABEL, "siren", config())
    folder = outputs.folder()
    condition = datasets.condition()
    source = datasets.source(condition.seed)
    process, num_processes = device_flags.start()
    start_from = datasets.resolved(START_FROM)
    settings = {**datasets.settings(), "start_from": start_from}
    settings |= {"snr_db": condition.snr_db, "seed": condition.seed}
    baselines = [Method(name, name, METHODS[name]) for name in siren_fits.LABELS[:-1]]
    described = scoring.described([*baselines, method])
    store = Store(folder, process)
    system = siren_fits.system(
        method,
        folder,
        # checkpoints are written by all processes together, and fits are not
        folder / systems.UNFINISHED if num_processes == 1 else None,
        start_from and pathlib.Path(start_from),
    )
    own = source.share(process, num_processes)
    with scoring.filled(store, source, settings, described, process):
        problems = fit(store, own, system, condition)
        distributed.wait_for_all("fits")
        store = Store(folder, process)  # with the rows of all processes
        scoring.require_rows(store, problems)
    code = app.print_problems([*problems, *own.problems])
    if process == 0:
        labels = siren_fits.LABELS
        scoring.show(store, source, labels, [condition], figures=False, page=False)
        print(f"Fits, audio and figures of each clip: {folder / 'clips'}")
    return code


def config() -> SirenMethod:
    """The fit that the flags describe.

    Raises:
      InputError: they make no sense.
    """
    value = dataclass_flags.build(DEFAULT, FIT)
    if value.stop != "fixed" and START_FROM.value:
        raise InputError("--start_from goes with --stop=fixed")
    return value


def fit(store, source, system, condition) -> list[str]:
    """Fits and scores the clips that are left; returns a line for each that is bad."""
    from inr_jax.evaluation import runner
    from inr_jax.metrics import pool

    done = set.intersection(*(set(store.done(x, condition)) for x in system.labels))
    if count := sum(clip.name in done for clip in source.clips):
        print(f"{count} of {len(source.clips)} clips are done already")
    app.start_jax()
    total, num_steps = len(source.clips), FIT["num_steps"].value
    with (
        pool.ScorePool() as workers,
        app.progress("fitting", total, "clips", num_steps) as on_clips,
    ):
        problems = runner.run(
            runner.Place(store, workers, keep_audio=False),
            source,
            [system],
            [condition],
            lambda rows: on_clips(rows / len(system.labels)),
            CHUNK,
        )
    scoring.clear_unfinished(store)
    return problems
