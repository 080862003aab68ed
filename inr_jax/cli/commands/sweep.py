"""Sweeps omega, rate, steps, width and depth of SIRENs: quality against clean speech.

  inr-jax sweep --clean_dir=DIR --max_clips=2 --widths=32,64 --depths=1,3 \\
      --num_steps=500 --every=50 --output_dir=results/sweep

Every clip is fitted clean and in noise. All fits of one width and depth run as one
batch; interrupted and started again, finished widths and depths are not done again.
"""

import itertools

from absl import flags

from inr_jax.cli import app
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
    from inr_jax.evaluation import sweep
    from inr_jax.io import atomic, run_dir
    from inr_jax.metrics import pool

    folder = outputs.folder()
    if NUM_STEPS.value % EVERY.value:
        raise InputError("--num_steps must be a multiple of --every")
    grid = sweep.Grid(
        COORDINATES.value,
        NUM_STEPS.value,
        EVERY.value,
        app.parse_numbers(FIRST_OMEGAS),
        app.parse_numbers(LEARNING_RATES),
    )
    widths, depths = app.parse_numbers(WIDTHS, int), app.parse_numbers(DEPTHS, int, 0)
    condition = datasets.condition()
    source = datasets.source(condition.seed)
    examples, problems = sweep.load(source, condition)
    settings = {**datasets.settings(), **grid._asdict()}
    settings |= {"snr_db": condition.snr_db, "seed": condition.seed}
    run_dir.keep_settings(folder, {**settings, "widths": widths, "depths": depths})
    path = folder / "sweep.csv"
    rows = atomic.read_csv(path) if path.exists() else []
    done = {(row["width"], row["depth"]) for row in rows}
    app.start_jax()
    with pool.ScorePool() as workers:
        rows = rows or sweep.noisy_rows(examples, condition.seed, workers)
        for width, depth in itertools.product(widths, depths):
            if (str(width), str(depth)) in done:
                continue
            count = sweep.num_fits(examples, grid)
            with app.progress("fitting", count, "fits", NUM_STEPS.value) as on_fits:
                rows += sweep.rows_of_shape(
                    examples, condition.seed, width, depth, grid, workers, on_fits
                )
            atomic.write_csv(path, sweep.COLUMNS, rows)
    show(folder, rows)
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
