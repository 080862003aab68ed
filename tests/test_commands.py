"""`python -m inr_jax`, which is also the command `inr-jax` of the wheel."""

import subprocess
import sys
import tomllib

import numpy as np
import pytest
from conftest import CLIPS, REPOSITORY

import inr_jax
from inr_jax import audio, metrics
from inr_jax.cli import commands
from inr_jax.data import datasets
from inr_jax.fitting import clip_fit
from inr_jax.io import atomic


def run(*args, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "inr_jax", *args],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
    )


@pytest.mark.parametrize("args", [(), ("--help",)])
def test_alone_it_lists_its_commands(run_command, args):
    code, out, _ = run_command(*args)
    assert code == 0
    for name in commands.COMMANDS:
        assert f"\n  {name} " in out


def test_it_knows_its_version(run_command):
    assert run_command("--version")[:2] == (0, f"inr-jax {inr_jax.__version__}\n")


def test_an_unknown_command_is_one_line(run_command):
    code, _, err = run_command("denoize")
    assert code == 2
    assert err.startswith("error: there is no command 'denoize': demo, denoise, ")
    assert len(err.splitlines()) == 1


def test_help_is_that_of_the_command():
    done = run("denoise", "--help")
    assert done.stdout.startswith("Removes noise from recordings.")
    assert "--residual" in done.stdout and "runpy" not in done.stdout


def test_a_command_works_in_any_folder(run_command, tmp_path):
    source = str(CLIPS / "letter.flac")
    done = run("denoise", source, "--output=out.wav", "--method=wiener", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.wav").exists()
    code, _, err = run_command("denoise", source, "--method=wiener")
    assert code == 2 and "--output" in err


def test_the_wheel_has_the_command_and_every_folder():
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    assert settings["project"]["scripts"]["inr-jax"] == "inr_jax.cli.commands:main"
    folders = {
        ".".join(path.parent.relative_to(REPOSITORY).parts)
        for path in (REPOSITORY / "inr_jax").rglob("__init__.py")
    }
    listed = set(settings["tool"]["setuptools"]["packages"])
    carried = settings["tool"]["setuptools"]["package-dir"]
    assert set(carried) == {"inr_jax.clips", "inr_jax.trained"}
    assert folders == listed - set(carried)
    data = settings["tool"]["setuptools"]["package-data"]["inr_jax.clips"]
    clips = {p for pattern in data for p in datasets.shipped_clips().glob(pattern)}
    assert clips == set((REPOSITORY / carried["inr_jax.clips"]).iterdir())


@pytest.mark.slow
@pytest.mark.optimized
def test_the_demo_denoises_scores_and_fits_what_is_shipped(tmp_path):
    done = run("demo", f"--output_dir={tmp_path}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = atomic.read_csv(tmp_path / "scores.csv")
    assert len(rows) == 5 * 4
    scores = {method: [] for method in ("noisy", "gain_field", "hyper_gain")}
    for row in rows:
        if row["method"] in scores:
            scores[row["method"]].append(float(row["si_sdr"]))
    noisy, gain_field, trained = map(np.mean, scores.values())
    assert noisy < gain_field - 4 and noisy < trained - 6
    assert (tmp_path / "report" / "index.html").exists()
    fit = clip_fit.load_fit(tmp_path / "siren" / "forecast.safetensors")
    clean = audio.read(CLIPS / "forecast.flac").samples[: 3 * 16_000, 0]
    assert metrics.snr(clean, fit.estimate, 16_000) > 15
    for said in ("| hyper_gain |", "Listen: ", "forecast.safetensors"):
        assert said in done.stdout
