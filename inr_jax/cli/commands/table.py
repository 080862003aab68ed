r"""Compares the paper's Table 1 with evaluations in white noise at 0 dB.

  inr-jax evaluate --clean_dir=DIR --output_dir=results/evaluation \
      --methods=noisy,silence,lowpass,wiener,log_mmse,siren,gain_field,hyper_gain
  inr-jax table --evaluations=results/evaluation --output_dir=OUT

Writes table1.md and table1.csv: means beside the paper's, and differences from noisy with
95 % intervals. Rows that were not evaluated are marked as not run.
Evaluations of excerpts (--max_seconds) and of whole clips are in tables of their own.
"""

import pathlib
from typing import TYPE_CHECKING

from absl import flags

from inr_jax.cli import app
from inr_jax.cli.flags import outputs
from inr_jax.errors import InputError

if TYPE_CHECKING:  # --help answers before anything heavy loads
    from inr_jax.evaluation.paper_table import Evaluation

for _module in (app, outputs):
    flags.adopt_module_key_flags(_module)
EVALUATIONS = flags.DEFINE_list(
    "evaluations", [], "Folders that evaluate wrote, of other methods or lengths."
)


def main() -> None:
    from inr_jax.evaluation import paper_table
    from inr_jax.io import atomic

    folder = outputs.folder()
    if not all(EVALUATIONS.value or [""]):
        raise InputError("--evaluations is missing")
    by_length = {}
    for folder_of_one in dict.fromkeys(EVALUATIONS.value):
        length, evaluation = read(pathlib.Path(folder_of_one))
        by_length.setdefault(length, []).append(evaluation)
    tables = {  # whole clips last
        length: paper_table.compare(by_length[length])
        for length in sorted(by_length, key=lambda x: (x is None, x))
    }
    text = "\n".join(
        f"{paper_table.caption(length)}\n\n{paper_table.markdown(one)}"
        for length, one in tables.items()
    )
    lines = [
        {**line, "max_seconds": length if line["source"] == "inr_jax" else None}
        for length, one in tables.items()
        for line in one.lines
    ]
    columns = (*paper_table.COLUMNS, "max_seconds")
    atomic.write_csv(folder / "table1.csv", columns, lines)
    atomic.write_text(folder / "table1.md", text)
    print(text)


def read(folder: pathlib.Path) -> "tuple[float | None, Evaluation]":
    """Seconds of each clip that an evaluation is of, None where of whole clips; and it.

    Raises:
      InputError: the folder holds none, or a part of one.
    """
    from inr_jax.evaluation.paper_table import Evaluation
    from inr_jax.io import atomic, run_dir

    path = folder / "scores.csv"
    if not path.exists():
        raise InputError(f"{path}: not there; run inr-jax evaluate first")
    settings = run_dir.read_settings(folder)
    if (count := settings.get("num_shards")) not in (None, 1):
        raise InputError(
            f"{folder}: one of {count} shards; join them by inr-jax evaluate --merge"
        )
    seconds = settings.get("max_seconds")
    if seconds is not None and not (isinstance(seconds, int | float) and seconds > 0):
        raise InputError(
            f"{folder / run_dir.NAME}: max_seconds is {seconds!r}, not above 0"
        )
    methods = run_dir.read_methods(folder)
    rows = atomic.read_csv(path)
    return seconds, Evaluation(str(folder), rows, methods)
