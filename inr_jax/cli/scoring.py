"""Evaluations as commands run them: progress, what is printed, the exit code."""

import contextlib
import functools
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from inr_jax.cli import app
from inr_jax.cli.flags import methods as method_flags
from inr_jax.errors import InputError

if TYPE_CHECKING:  # --help answers before anything heavy loads
    from inr_jax.data.noise import Condition
    from inr_jax.evaluation.source import Source
    from inr_jax.evaluation.store import Store
    from inr_jax.evaluation.systems import System


@contextlib.contextmanager
def filled(
    store: "Store",
    source: "Source",
    settings: Mapping[str, Any],
    methods: Mapping[str, Mapping[str, Any]] | None = None,
    process: int = 0,
) -> Iterator[None]:
    """Keeps settings and files around a block that fills the folder of an evaluation.

    Args:
      store: Of the evaluation.
      source: Of the clips, all of them where several processes share the folder.
      settings: All that the rows depend on.
      methods: Settings of methods by label.
      process: Of those that share the folder; the first writes.

    Raises:
      InputError: the folder holds rows of other settings, clips or noise.
    """
    from inr_jax.evaluation import manifest
    from inr_jax.io import run_dir

    manifest.check(store, source)
    with run_dir.filled(store.folder, settings, process, methods):
        if process == 0:
            manifest.write(store, source, settings)
        yield


def run(
    store: "Store",
    source: "Source",
    systems: "Sequence[System]",
    conditions: "Sequence[Condition]",
    keep_audio: bool = True,
    dnsmos: bool = False,
) -> int:
    """Estimates and scores what is missing; with DNSMOS where it is asked for.

    Returns:
      The exit code: bad input where a file had to be left out, each with a line.

    Raises:
      InputError: there is no row, as no clip could be used; names the first. A share of
        the clips may have none.
    """
    from inr_jax.evaluation import runner
    from inr_jax.metrics import pool

    app.start_jax()
    num_labels = sum(len(system.labels) for system in systems)
    total = len(source.clips) * num_labels * len(conditions)
    with pool.ScorePool() as workers, app.progress("evaluating", total, "rows") as done:
        metrics = functools.partial(pool.metrics_of, dnsmos=dnsmos)
        place = runner.Place(store, workers, keep_audio, metrics)
        problems = runner.run(place, source, systems, conditions, done)
    clear_unfinished(store)
    if not source.is_share:
        require_rows(store, problems)
    return app.print_problems([*problems, *source.problems])


def clear_unfinished(store: "Store") -> None:
    """Removes the state of fits, which are done."""
    from inr_jax.evaluation import systems

    shutil.rmtree(store.folder / systems.UNFINISHED, ignore_errors=True)


def require_rows(store: "Store", problems: Sequence[str]) -> None:
    """Raises InputError where no clip has a row, and names the first problem."""
    if not store.rows:
        raise InputError("; the first: ".join(["no clip could be used", *problems[:1]]))


def show(
    store: "Store",
    source: "Source",
    labels: Sequence[str],
    conditions: "Sequence[Condition]",
    figures: bool = True,
    page: bool = True,
) -> None:
    """Writes and prints what there is: tables, figures, a page.

    Args:
      store: Holds rows and estimates.
      source: Of the clips.
      labels: Of methods, in the order to show.
      conditions: The same.
      figures: Whether scores are drawn.
      page: Whether estimates, which must have been kept, are drawn and can be listened
        to.
    """
    from inr_jax.evaluation import results

    summaries = results.summarise(store, labels, conditions)
    print(results.write(store, summaries))
    if figures:
        from inr_jax.evaluation import plots

        plots.write_scores(store, labels, conditions)
    if page:
        from inr_jax.evaluation import plots
        from inr_jax.evaluation.report import from_store

        plots.write_clip(store, source, labels, conditions[0])
        print(f"Listen: {from_store.write(store, source, summaries)}")


def described(methods) -> dict[str, dict]:
    """Settings of methods by label, as `config.json` records them."""
    return {method.label: method_flags.described(method) for method in methods}
