r"""Compares the paper's Table 1 with evaluations in white noise at 0 dB.

  inr-jax evaluate --clean_dir=DIR --output_dir=results/evaluation \
      --methods=noisy,silence,lowpass,wiener,log_mmse,siren,gain_field,hyper_gain
  inr-jax table --evaluations=results/evaluation --output_dir=OUT

Writes table1.md and table1.csv. Rows that were not evaluated are marked as not run.
Evaluations of excerpts (--max_seconds) and of whole clips are in tables of their own.
"""

import pathlib

from absl import flags

from inr_jax.cli import app
from inr_jax.cli.flags import outputs
from inr_jax.errors import InputError

for _module in (app, outputs):
    flags.adopt_module_key_flags(_module)
EVALUATIONS = flags.DEFINE_list(
    "evaluations", [], "Folders that evaluate wrote, of other methods or lengths."
)


def main() -> None:
    from inr_jax.evaluation import paper_table
    from inr_jax.io import atomic, run_dir

    folder = outputs.folder()
    if not EVALUATIONS.value:
        raise InputError("--evaluations is missing")
    by_length = {}
    for evaluation in EVALUATIONS.value:
        path = pathlib.Path(evaluation) / "scores.csv"
        if not path.exists():
            raise InputError(f"{path}: not there; run inr-jax evaluate first")
        length = run_dir.read_settings(path.parent).get("max_seconds")
        by_length.setdefault(length, []).extend(atomic.read_csv(path))
    tables = {}
    # whole clips last
    for length in sorted(by_length, key=lambda x: (x is None, x)):
        try:
            tables[length] = paper_table.lines(by_length[length])
        except KeyError as error:
            raise InputError(f"scores.csv has no column {error}") from None
        except ValueError as error:
            raise InputError(str(error)) from None
    text = "\n\n".join(
        f"{paper_table.caption(length)}\n\n{paper_table.markdown(lines)}"
        for length, lines in tables.items()
    )
    lines = [
        {**line, "max_seconds": length if line["source"] == "inr_jax" else None}
        for length, lines in tables.items()
        for line in lines
    ]
    columns = (*paper_table.COLUMNS, "max_seconds")
    atomic.write_csv(folder / "table1.csv", columns, lines)
    atomic.write_text(folder / "table1.md", text)
    print(text)
