"""The strictest session jax offers, and recordings where they are at hand."""

import contextlib
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from absl import flags

REPOSITORY = pathlib.Path(__file__).parent.parent
# Programs that several tests and scripts need compile once.
COMPILED = REPOSITORY / ".pytest_cache" / "compiled"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(COMPILED))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")

import jax

from inr_jax.configs.networks import MaskNetConfig

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)
flags.FLAGS.mark_as_parsed()

# Fixtures of the tests that open a report.
pytest_plugins = ("browser",)

CLIPS = REPOSITORY / "experiments" / "clips"


def run_script(name: str, *args: str, expect: int = 0) -> subprocess.CompletedProcess:
    """Runs a script as a user does: an exit code, never a traceback.

    Args:
      name: Of a script in experiments/, or a path from the root of the repository.
      args: Of the command.
      expect: Exit code.
    """
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


@contextlib.contextmanager
def count_compiles():
    """Gives a list that gets an entry for each program that XLA compiles in the block.

    Programs that the cache on disk holds count as well.
    """
    compiled = []

    def listener(name, *_, **__):
        if "backend_compile" in name:
            compiled.append(name)

    jax.monitoring.register_event_duration_secs_listener(listener)
    try:
        yield compiled
    finally:
        jax.monitoring.unregister_event_duration_listener(listener)


# A network of every kind of layer that compiles fast.
TINY = MaskNetConfig(
    window=32,
    channels=8,
    kernel=3,
    dilations=(1, 2),
    band_channels=4,
    band_dilations=(1,),
)


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
