r"""Scores methods on noisy clips: every metric, paired 95 % intervals, figures, a page.

  inr-jax evaluate --clean_dir=DIR --snr_db=0,5,10 \
      --methods=noisy,wiener,gain_field,gain_field:num_fields=1 \
      --output_dir=results/evaluation

A method has its settings after colons, as siren:siren.width=64:num_steps=200. Killed and
started again with the same flags, it resumes after the last row. Of a large set each
machine does a share with --num_shards and --shard_index, or with --distributed, into
shard_0, shard_1 and so on of --output_dir; --merge joins them.
"""

import functools
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from absl import flags

from inr_jax.cli import app, scoring
from inr_jax.cli.flags import datasets, outputs
from inr_jax.cli.flags import devices as device_flags
from inr_jax.cli.flags import methods as method_flags
from inr_jax.errors import InputError

if TYPE_CHECKING:  # --help answers before anything heavy loads
    from inr_jax.configs import methods
    from inr_jax.evaluation import systems
    from inr_jax.evaluation.source import Source

for _module in (app, device_flags, method_flags, datasets, outputs):
    flags.adopt_module_key_flags(_module)
METHODS = flags.DEFINE_list(
    "methods",
    ["noisy", "silence", "lowpass", "wiener", "log_mmse", "gain_field"],
    "In the order of the table, each as name:setting=value:setting=value.",
)
flags.DEFINE_alias("estimate", method_flags.NOISE_ESTIMATOR.name)  # its former name
AUDIO = flags.DEFINE_bool(
    "audio", True, "Keeps estimates; the page and --rescore need them."
)
REPORT = flags.DEFINE_bool("report", True, "Draws figures, writes a page to listen to.")
DNSMOS = flags.DEFINE_bool(
    "dnsmos", False, "Adds DNSMOS, and a row of the clean clips to compare it with."
)
RESCORE = flags.DEFINE_bool(
    "rescore", False, "Scores the kept estimates anew, without denoising."
)
NUM_SHARDS = flags.DEFINE_integer("num_shards", 1, "Shares of the clips.", 1)
SHARD_INDEX = flags.DEFINE_integer("shard_index", 0, "Which of them to do, from 0.", 0)
MERGE = flags.DEFINE_list("merge", [], "Folders of all shards, to join instead.")


def main() -> int:
    from inr_jax.evaluation import results, systems
    from inr_jax.evaluation.store import Store
    from inr_jax.metrics.dnsmos import require_packages
    from inr_jax.parallel import distributed

    methods = asked()
    folder, index, count = shard()
    conditions = datasets.conditions()
    is_done = bool(MERGE.value) or RESCORE.value  # what is scored lies there
    scored = [] if is_done else denoisers(methods, folder)
    if DNSMOS.value:
        require_packages()
    source = clips()
    settings = datasets.settings()
    if MERGE.value:
        results.merge(
            [pathlib.Path(path) for path in MERGE.value],
            *(folder, source, settings),
            [m.label for m in methods] if flags.FLAGS[METHODS.name].present else (),
            conditions if datasets.condition_is_given() else (),
        )
    elif count > 1:
        source = source.share(index, count)
    settings |= {"num_shards": count, "shard_index": index}
    store = Store(folder)
    if RESCORE.value and not store.rows:
        raise InputError(f"{folder}: holds no scores")
    with_dnsmos = has_dnsmos(store)
    labels = [method.label for method in methods]
    described = scoring.described(methods)
    if is_done:
        labels, described, conditions = found(store, labels, described, conditions)
    if with_dnsmos:
        labels.append(systems.CLEAN)
        scored += [] if MERGE.value else [systems.clean()]
    code = 0
    with scoring.filled(store, source, settings, described):
        if RESCORE.value:
            rescore(store, source, with_dnsmos)
        if scored:
            code = scoring.run(
                store, source, scored, conditions, AUDIO.value, with_dnsmos
            )
    drawn = REPORT.value and count == 1
    page = drawn and AUDIO.value
    scoring.show(store, source, labels, conditions, drawn, page)
    distributed.wait_for_all("rows")
    return code


def asked() -> list["methods.Method"]:
    """The methods that the flag names, each once.

    Raises:
      InputError: it names none, an unknown one, or one that changes the rate.
    """
    if not METHODS.value:
        raise InputError("--methods names no method")
    parsed = [method_flags.parse(text) for text in dict.fromkeys(METHODS.value)]
    for method in parsed:
        if getattr(method.config, "output_rate", None):
            raise InputError(f"{method.label}: scores are at the rate of the clips")
    return parsed


def denoisers(
    chosen: Sequence["methods.Method"], folder: pathlib.Path
) -> list["systems.System"]:
    """What denoises; the state of fits under way lies in a folder."""
    from inr_jax.evaluation import systems

    # checkpoints are written by all processes together, and fits are not
    alone = not device_flags.DISTRIBUTED.value
    return systems.make(chosen, folder / systems.UNFINISHED if alone else None)


def found(store, labels, described, conditions) -> tuple[list, dict, list]:
    """Methods, their settings and conditions to show: of the rows where no flag says."""
    from inr_jax.data.noise import Condition
    from inr_jax.evaluation import systems
    from inr_jax.io import run_dir

    if not flags.FLAGS[METHODS.name].present:
        there = dict.fromkeys(row["method"] for row in store.rows)
        labels = [label for label in there if label != systems.CLEAN]
        described = run_dir.read_methods(store.folder)
    if not datasets.condition_is_given():
        conditions = list(dict.fromkeys(map(Condition.of_row, store.rows)))
    return labels, described, conditions


def clips() -> "Source":
    """The clips that the flags name, to merge shards as well."""
    try:
        return datasets.source()
    except InputError as error:
        if not MERGE.value:
            raise
        raise InputError(f"--merge needs the flags of the shards: {error}") from None


def shard() -> tuple[pathlib.Path, int, int]:
    """The folder of this share of the clips, which it is, and how many there are."""
    folder = outputs.folder()
    if SHARD_INDEX.value >= NUM_SHARDS.value:
        raise InputError("--shard_index must be below --num_shards")
    process, num_processes = device_flags.start()
    if num_processes == 1:
        return folder, SHARD_INDEX.value, NUM_SHARDS.value
    if MERGE.value or NUM_SHARDS.value > 1:
        raise InputError("--distributed goes without --merge and --num_shards")
    return folder / f"shard_{process}", process, num_processes


def has_dnsmos(store) -> bool:
    """Whether rows have DNSMOS: those that are there do, or it is asked for.

    Raises:
      InputError: it is asked for, and rows that are there lack it.
    """
    there = {"dnsmos_ovrl" in row for row in store.rows}
    if DNSMOS.value and False in there and not RESCORE.value:
        raise InputError(
            f"{store.folder}: has rows without DNSMOS; --rescore adds it, from the "
            "estimates that were kept"
        )
    return DNSMOS.value or True in there


def rescore(store, source, with_dnsmos) -> None:
    """Scores what was kept anew."""
    from inr_jax.evaluation import runner
    from inr_jax.metrics import pool

    with (
        pool.ScorePool() as workers,
        app.progress("scoring", len(store.rows), "rows") as on_rows,
    ):
        metrics = functools.partial(pool.metrics_of, dnsmos=with_dnsmos)
        place = runner.Place(store, workers, metrics=metrics)
        runner.rescore(place, source, on_rows)
