"""The paper's Table 1 beside the same rows of evaluations in white noise at 0 dB.

  inr-jax evaluate --clean_dir=DIR --output_dir=results/evaluation \
      --methods=noisy,silence,lowpass,wiener,log_mmse,siren,gain_field,local_hypersound
  inr-jax table --evaluations=results/evaluation --output_dir=OUT

Writes table1.md and table1.csv. What was not evaluated stands there as not run.
"""

import pathlib

from absl import flags

from inr_jax.cli import cli
from inr_jax.errors import InputError

flags.adopt_module_key_flags(cli)
EVALUATIONS = flags.DEFINE_list(
    "evaluations", [], "Folders that evaluate.py wrote, each with other methods."
)
OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder for the table.")


def main() -> None:
    from inr_jax.evaluation import table1
    from inr_jax.io import files

    if not EVALUATIONS.value or not OUTPUT_DIR.value:
        raise InputError("--evaluations or --output_dir is missing")
    rows = []
    for folder in EVALUATIONS.value:
        path = pathlib.Path(folder) / "scores.csv"
        if not path.exists():
            raise InputError(f"{path}: not there; run evaluate.py first")
        rows += files.read_csv(path)
    try:
        lines = table1.lines(rows)
    except ValueError as error:
        raise InputError(str(error)) from None
    text = table1.markdown(lines)
    folder = pathlib.Path(OUTPUT_DIR.value)
    files.write_csv(folder / "table1.csv", table1.COLUMNS, lines)
    files.write_text(folder / "table1.md", text)
    print(text)
