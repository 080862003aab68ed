"""What all scripts share."""

import re
import subprocess
import sys
import types

import pytest

from inr_jax.cli import app
from inr_jax.configs.methods import ClassicalConfig, NoSettings
from inr_jax.errors import InputError


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ("OSError(28, 'No space left', 'a/b.wav')", "error: a/b.wav: No space left\n"),
        ("OSError(28, 'No space left')", "error: No space left\n"),
        ("TimeoutError()", "error: TimeoutError\n"),
        (
            "MemoryError('Unable to allocate 9 TiB')",
            "error: this machine has too little memory for this (Unable to allocate 9 TiB)"
            + "; take smaller settings, shorter recordings or fewer of them\n",
        ),
    ],
)
def test_what_the_system_refuses_is_one_line(error, line):
    code = f"from inr_jax.cli import app\ndef main(): raise {error}\napp.run(main)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (app.EXIT_USAGE, line)


@pytest.mark.parametrize(
    ("kind", "minimum", "text", "must"),
    [
        (float, 0, "inf", "numbers of at least 0"),
        (float, 1e-12, "0", "positive numbers"),
        (int, 1, "1.5", "positive whole numbers"),
        (int, 0, "1.0", "whole numbers of at least 0"),
    ],
)
def test_lists_of_numbers(kind, minimum, text, must):
    flag = types.SimpleNamespace(name="levels", value=["2", text])
    with pytest.raises(InputError, match=f"^--levels must be {must}: 2,{text}$"):
        app.parse_numbers(flag, kind, minimum)
    flag.value = ["2", "3"]
    assert app.parse_numbers(flag, kind, minimum) == [2, 3]


def test_what_was_done_before_a_resumption_soon_counts_no_more(monkeypatch, capsys):
    """Half of the items at once, then one in five seconds: ten left for 50 seconds."""
    now = [0.0]
    monkeypatch.setattr(app.time, "monotonic", lambda: now[0])
    with app.progress("fitting", 100, "clips", num_steps=100) as on_clips:
        on_clips(50)
        for _ in range(40):
            now[0] += 5
            on_clips(1)
    last = capsys.readouterr().err.splitlines()[-1]
    done, rate, left = map(float, re.findall(r"[\d.]+", last.replace("/100", "")))
    assert (done, rate) == (89, 100 / 5)
    assert left == pytest.approx(11 * 5, abs=1)


def test_what_was_all_done_before_has_no_rate(monkeypatch, capsys):
    monkeypatch.setattr(app.time, "monotonic", iter(range(9)).__next__)
    monkeypatch.setattr(app, "_RESUMED_WITHIN_S", 5)
    with app.progress("fitting", 4, "fits", num_steps=100) as on_fits:
        on_fits(2)
        on_fits(2)
    assert capsys.readouterr().err == "fitting 4/4 fits\n"


@pytest.mark.parametrize(
    ("command", "argument", "value"),
    [
        ("denoise", "--noise_estimator=stationary", "stationary"),
        ("denoise", "--noise=tracked", "mmse_spp"),
        ("evaluate", "--noise=white", "auto"),  # the noise to add
        ("evaluate", "--estimate=white", "white"),
        ("evaluate", "--estimate=magic", None),
    ],
)
def test_former_flags_of_the_noise_estimator(command, argument, value):
    code = (
        f"from inr_jax.cli import app\nfrom inr_jax.cli.commands import {command}\n"
        "from inr_jax.cli.flags import methods\n"
        "app.run(lambda: print(methods.NOISE_ESTIMATOR.value))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, argument],
        capture_output=True,
        text=True,
        check=False,
    )
    if value is None:
        assert done.returncode == app.EXIT_USAGE
        assert "auto|white|stationary|mmse_spp|two_sided" in done.stderr
        assert done.stderr.count("\n") == 1
    else:
        assert done.stdout == f"{value}\n"


def test_flags_of_all_methods_reach_the_settings_of_one():
    code = (
        "from inr_jax.cli import app\nfrom inr_jax.cli.commands import denoise\n"
        "from inr_jax.cli.flags import methods\n"
        "app.run(lambda: print(*(methods.parse(x).config for x in ('wiener', 'noisy'))))"
    )
    flags = ("--channels=linked", "--noise_estimator=white")
    done = subprocess.run(
        [sys.executable, "-c", code, *flags],
        capture_output=True,
        text=True,
        check=False,
    )
    expected = ClassicalConfig("white", channels="linked"), NoSettings()
    assert done.stdout == "{} {}\n".format(*expected)
