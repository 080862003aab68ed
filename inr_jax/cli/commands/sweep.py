"""Sweeps omega, rate, steps, width and depth of SIRENs: quality against clean speech.

  inr-jax sweep --clean_dir=DIR --max_clips=2 --widths=32,64 --depths=1,3 \\
      --num_steps=500 --every=50 --output_dir=results/sweep

Every clip is fitted clean and in noise. All fits of one width and depth run as one
batch; interrupted and started again with the same flags, it resumes in the midst of fits.
"""

from absl import flags

from inr_jax.cli import app, scoring
from inr_jax.cli.flags import datasets, outputs
from inr_jax.configs.fitting import COORDINATES as COORDINATE_RULES
from inr_jax.errors import InputError

for _module in (app, datasets, outputs):
    flags.adopt_module_key_flags(_module)
flags.DEFINE_alias("seed", datasets.SEEDS.name)
flags.set_default(datasets.MAX_SECONDS, 2.0)
WIDTHS = flags.DEFINE_list("widths", ["32", "64"], "Units of each sine layer.")
DEPTHS = flags.DEFINE_list("depths", ["1", "3"], "Hidden sine layers after the first.")
FIRST_OMEGAS = flags.DEFINE_list(
    "first_omegas", ["300", "1000", "3000"], "Factors in the first sine."
)
LEARNING_RATES = flags.DEFINE_list("learning_rates", ["1e-4", "1e-3"], "Of Adam.")
NUM_STEPS = flags.DEFINE_integer("num_steps", 500, "Full-batch steps of Adam.", 1)
EVERY = flags.DEFINE_integer("every", 50, "Steps from one score to the next.", 1)
COORDINATES = flags.DEFINE_enum(
    "coordinates", "unit", COORDINATE_RULES, "As in inr-jax fit."
)


def main() -> int:
    from inr_jax.evaluation import runner, sweep, systems
    from inr_jax.io import atomic, run_dir
    from inr_jax.metrics import pool

    folder = outputs.folder()
    if NUM_STEPS.value % EVERY.value:
        raise InputError("--num_steps must be a multiple of --every")
    grid = sweep.Grid(
        COORDINATES.value,
        NUM_STEPS.value,
        EVERY.value,
        app.parse_numbers(WIDTHS, int),
        app.parse_numbers(DEPTHS, int, 0),
        app.parse_numbers(FIRST_OMEGAS),
        app.parse_numbers(LEARNING_RATES),
    )
    condition = datasets.condition()
    source = datasets.source(condition.seed)
    examples, problems = sweep.load(source, condition)
    settings = {**datasets.settings(), **grid._asdict()}
    settings |= {"snr_db": condition.snr_db, "seed": condition.seed}
    sweep.require_settings(folder)
    with run_dir.filled(folder, settings):
        store = sweep.open_store(folder, condition)
        app.start_jax()
        total = sweep.num_fits(examples, grid)
        with (
            pool.ScorePool() as workers,
            app.progress("fitting", total, "fits", NUM_STEPS.value) as on_fits,
        ):
            place = runner.Place(store, workers, False, lambda rate: sweep.SCORES)
            unfinished = folder / systems.UNFINISHED
            sweep.run(place, examples, grid, unfinished, on_fits)
    scoring.clear_unfinished(store)
    lines = sweep.lines(store)
    atomic.write_csv(folder / sweep.CSV, sweep.COLUMNS, lines)
    show(folder, lines)
    return app.print_problems([*problems, *source.problems])


def show(folder, rows: list[dict]) -> None:
    """Writes the table of the best fits and the curves of all, means over clips."""
    from inr_jax.io import atomic
    from inr_jax.plots import style, sweep

    curves = sweep.mean_over_clips(rows)
    text = sweep.table_of_best(curves)
    atomic.write_text(folder / "sweep.md", text)
    for ending in ("png", "svg"):
        style.save(sweep.draw(curves), folder / f"sweep.{ending}")
    print(text + f"\nAll scores: {folder / 'sweep.csv'}; curves: {folder}/sweep.png")
