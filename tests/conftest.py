"""Strict settings of JAX, commands run in this process, fixtures of recordings."""

import concurrent.futures
import contextlib
import io
import os
import pathlib
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from unittest import mock

import hypothesis
import numpy as np
import pytest
from absl import flags, logging

REPOSITORY = pathlib.Path(__file__).parent.parent
# Programs that several tests and scripts need compile once.
COMPILED = REPOSITORY / ".pytest_cache" / "compiled"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(COMPILED))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")

import jax

if os.environ.get("INR_JAX_CHECK_SHAPES", "1") == "1":
    import jaxtyping

    # Arguments and results against the shapes that signatures state; not where what is
    # given is checked anyway.
    CHECKED = ["inr_jax.dsp", "inr_jax.losses", "inr_jax.nn"]
    CHECKED += [f"inr_jax.fitting.{name}" for name in ("clip_fit", "siren")]
    ENHANCEMENT = ("classical", "dnp", "external", "gain_field", "levels", "neural")
    CHECKED += [f"inr_jax.enhancement.{name}" for name in (*ENHANCEMENT, "trivial")]
    jaxtyping.install_import_hook(CHECKED, "beartype.beartype")

import inr_jax
from inr_jax.parallel import cpu, sharding

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)
# Four that the processor counts as, for tests of sharding; all others use one.
jax.config.update("jax_num_cpu_devices", 4)
sharding.use_local_devices(1)
flags.FLAGS.mark_as_parsed()
# Ctrl-C interrupts, also where the tests were started in the background, which ignores it.
signal.signal(signal.SIGINT, signal.default_int_handler)
# The same examples in every run, however busy the machine is.
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True)
hypothesis.settings.load_profile("repeatable")

# Fixtures of the tests that open a report, and of those that need sound devices.
pytest_plugins = ("browser", "sound_server")

CLIPS = REPOSITORY / "experiments" / "clips"


def pytest_configure(config: pytest.Config) -> None:
    """Without optimizations, XLA's former emitters compile in half the time.

    Not where optimized tests run as well: their programs may be slower by these.
    """
    without = config.option.markexpr in ("not slow", "slow and not optimized")
    if without and cpu.flags_are_known():
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_use_fusion_emitters=false".strip()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Most programs of the tests take longer to compile than to run, in other processes too."""
    quickly = item.get_closest_marker("optimized") is None
    jax.config.update("jax_disable_most_optimizations", quickly)
    os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = str(int(quickly))
    return (yield)


@pytest.fixture(scope="session")
def run_command() -> Callable[..., tuple[int, str, str]]:
    """Runs a command of `inr-jax` in this process: exit code, stdout and stderr."""

    def main():
        from inr_jax.cli import commands

        commands.main()

    def run(*argv) -> tuple[int, str, str]:
        done = in_process(main, "inr-jax", *map(str, argv))
        return done.returncode, done.stdout, done.stderr

    return run


def run_script(
    name: str, *args: str, expect: int | None = 0
) -> subprocess.CompletedProcess:
    """Runs a script in this process; an exception fails, as a traceback would.

    Args:
      name: Of a script in experiments/, or a path from the root of the repository.
      args: Of the command.
      expect: Exit code; any where None.
    """
    path = str(REPOSITORY / (name if "/" in name else f"experiments/{name}"))

    def main():
        runpy.run_path(path, run_name="__main__")

    done = in_process(main, path, *args)
    assert expect in (done.returncode, None), done.stderr
    return done


def run_process(name: str, *args: str, expect: int = 0) -> subprocess.CompletedProcess:
    """As `run_script`, but in a process of its own, as a user runs it."""
    path = name if "/" in name else f"experiments/{name}"
    done = subprocess.run(
        [sys.executable, REPOSITORY / path, *args],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        check=False,
    )
    assert done.returncode == expect, done.stderr
    assert "Traceback" not in done.stderr
    return done


def in_process(main: Callable[[], None], *argv: str) -> subprocess.CompletedProcess:
    """Calls what starts a process, and leaves this one as it was.

    Scores are computed here as well, not in worker processes.

    Args:
      main: Reads `sys.argv` and ends by returning or by SystemExit.
      argv: Program and arguments.
    """
    out, err, code = io.StringIO(), io.StringIO(), 0
    log = logging.get_absl_handler().python_handler
    with (
        mock.patch.object(sys, "argv", list(argv)),
        mock.patch.dict(os.environ),
        mock.patch.object(log, "stream", err),
        mock.patch.object(concurrent.futures, "ProcessPoolExecutor", _one_thread),
        _own_flags(),
        _same_jax(),
        contextlib.chdir(REPOSITORY),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
            if isinstance(code, str):
                print(code, file=err)
                code = 1
    return subprocess.CompletedProcess(argv, code, out.getvalue(), err.getvalue())


def _one_thread(*_, **__):
    return concurrent.futures.ThreadPoolExecutor(1)


# absl knows modules that define flags for others by their ids, which must stay taken.
_past_modules: list[dict] = []


@contextlib.contextmanager
def _own_flags() -> Iterator[None]:
    """Flags of the command alone: the modules that define them are imported anew."""
    before, modules, package = _flags_of_commands(), _take_modules(), inr_jax.cli
    _forget(before)
    try:
        yield
    finally:
        _forget(_flags_of_commands())
        _past_modules.append(_take_modules())
        sys.modules.update(modules)
        inr_jax.cli = package
        for module, flag in before:
            flags.FLAGS[flag.name] = flag
            flags.FLAGS.register_flag_by_module(module, flag)
        flags.FLAGS.unparse_flags()
        flags.FLAGS.mark_as_parsed()


def _flags_of_commands() -> list[tuple[str, flags.Flag]]:
    """Those of our modules and scripts, each with its module."""
    places = ("inr_jax.cli", "__main__", sys.argv[0])
    by_module = flags.FLAGS.flags_by_module_dict()
    return [(m, f) for m in by_module if m.startswith(places) for f in by_module[m]]


def _forget(defined: list[tuple[str, flags.Flag]]) -> None:
    for _, flag in defined:
        if flag.name in flags.FLAGS:
            delattr(flags.FLAGS, flag.name)


def _take_modules() -> dict:
    """Takes the modules of the command line out of `sys.modules`."""
    names = [name for name in sys.modules if name.startswith("inr_jax.cli")]
    return {name: sys.modules.pop(name) for name in names}


@contextlib.contextmanager
def _same_jax() -> Iterator[None]:
    """One device and the tests' compilation cache again, whatever a command chose."""
    names = (
        "jax_compilation_cache_dir",
        "jax_persistent_cache_min_compile_time_secs",
    )
    before = {name: getattr(jax.config, name) for name in names}
    try:
        yield
    finally:
        sharding.use_local_devices(1)
        for name, value in before.items():
            jax.config.update(name, value)


@contextlib.contextmanager
def count_compiles() -> Iterator[list[str]]:
    """Gathers an entry for each program that XLA is asked for, kept on disk or not.

    Raises:
      AssertionError: JAX tells of no programs any more, by this name.
    """
    compiled = []

    def listen(event, *_, **__):
        if "backend_compile" in event:
            compiled.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        jax.jit(lambda x: x + 1)(np.float32(0))  # a new function: it is compiled
        assert compiled
        compiled.clear()
        yield compiled
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def is_drawn(path: pathlib.Path) -> bool:
    """Whether a figure shows anything; of a vector graphic, that it draws lines."""
    from matplotlib import image

    if path.suffix == ".png":
        return np.ptp(image.imread(path)[..., :3]) > 0.5
    content = path.read_bytes()
    if path.suffix == ".svg":
        return b"<path" in content and content.rstrip().endswith(b"</svg>")
    return content.startswith(b"%PDF") and b"%%EOF" in content[-16:]


@pytest.fixture
def recordings() -> pathlib.Path:
    """Folder with data/ (LibriSpeech, VoiceBank) and reference/ (golden scores)."""
    folder = os.environ.get("INR_JAX_TEST_DATA")
    if not folder or not pathlib.Path(folder).is_dir():
        pytest.skip("needs recordings: INR_JAX_TEST_DATA names no folder")
    return pathlib.Path(folder)


@pytest.fixture
def speech() -> np.ndarray:
    """A shipped sentence, float64, 16 kHz."""
    import soundfile

    return soundfile.read(CLIPS / "forecast.flac")[0]
