"""A report in a headless Chromium, opened from disk as a reader opens it: fixtures."""

import shutil

import numpy as np
import pytest
from conftest import CLIPS

from inr_jax import audio
from inr_jax.data import noise
from inr_jax.evaluation import tables
from inr_jax.evaluation.report import page as report

CONDITIONS = ("white, 0 dB, seed 0", "white, 5 dB, seed 0")
METHODS = ("noisy", "quiet", "log_mmse")
EVIL = '<img src=x onerror="window.harmed = 1"> \'"&'
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = ("--no-sandbox", "--autoplay-policy=no-user-gesture-required")
# Keeps every sound that the page makes, to look at.
KEEP_SOUNDS = """
window.sounds = [];
window.Audio = class extends Audio {
  constructor(...given) { super(...given); window.sounds.push(this); }
};
"""


@pytest.fixture(scope="session")
def launch():
    """Starts a Chromium with more flags; all end with the session."""
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="needs playwright: pip install -e '.[test]'"
    )
    binary = next(filter(None, map(shutil.which, BROWSERS)), None)
    if binary is None:
        pytest.skip(f"needs a Chromium: none of {', '.join(BROWSERS)} is installed")
    with sync_api.sync_playwright() as driver:
        yield lambda *flags: driver.chromium.launch(
            executable_path=binary, args=[*FLAGS, *flags]
        )


@pytest.fixture(scope="session")
def browser(launch):
    opened = launch()
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def index(tmp_path_factory):
    """A report of three clips in two conditions."""
    return report.write(
        tmp_path_factory.mktemp("page") / "report",
        EVIL,
        [table_row(c, i) for c in CONDITIONS for i in range(len(METHODS))],
        [
            clip(path, c)
            for c in CONDITIONS
            for path in sorted(CLIPS.glob("*.flac"))[:3]
        ],
        f"First.\n\n{EVIL}",
    )


def table_row(condition, position):
    """SSNR and over-attenuation rise with the position, STOI falls; noisy lacks COVL; the
    rest is alike.
    """
    row = {"condition": condition, "method": METHODS[position], "clips": 3}
    row |= dict.fromkeys((key for key, *_ in tables.SHOWN), 1.0)
    row |= {"ssnr": position - 1.5 + 10 * CONDITIONS.index(condition)}
    row |= {"covl": (np.nan, 2.0, 1.0)[position]}
    row |= {"over_attenuation": 0.2 + position / 10}
    row |= {"stoi": 0.9 - position / 10, "ssnr_low": 0.5, "ssnr_high": 1.5}
    return row


def clip(path, condition):
    recording = audio.read(path)
    clean = recording.samples[: 3 * recording.sample_rate]
    noisy = noise.add_white(clean, 0, snr_db=0)
    takes = [("noisy", noisy), ("quiet", clean / 4), ("log_mmse", 0.8 * noisy)]
    scored = [
        report.Take(method, samples, dict.fromkeys(["ssnr", "stoi"], float(i)))
        for i, (method, samples) in enumerate(takes)
    ]
    name = f"{path.stem} {EVIL}" if path.stem == "forecast" else path.stem
    scored.insert(0, report.Take("clean", clean, {}))
    return report.ClipReport(name, condition, recording.sample_rate, scored)


@pytest.fixture(scope="session")
def tab(browser):
    """A tab, and lists of what it complains of and asks for."""
    opened = browser.new_page()
    complaints, requests = [], []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda request: requests.append(request.url))
    opened.add_init_script(KEEP_SOUNDS)
    return opened, complaints, requests


@pytest.fixture
def page(tab, index):
    """The page, which must end without an error and without a request to a network."""
    opened, complaints, requests = tab
    complaints.clear()
    requests.clear()
    opened.set_viewport_size({"width": 1280, "height": 900})
    opened.goto(index.as_uri())
    yield opened
    assert complaints == []
    assert requests and all(url.startswith(("file:", "data:")) for url in requests)


def running(page):
    """Sources and volumes of the sounds that are heard."""
    return page.evaluate(
        "sounds.filter((s) => !s.paused && !s.muted)"
        ".map((s) => [s.src.split('/').at(-1), s.volume])"
    )


def plays(page, take, clip=0):
    """Waits until this take, and no other, is heard."""
    page.wait_for_function(
        "(name) => { const on = sounds.filter((s) => !s.paused);"
        " return on.length === 1 && !on[0].muted && on[0].src.endsWith(name)"
        " && on[0].currentTime > 0.05 && !on[0].error; }",
        arg=f"{clip:04d}-{take:02d}.flac",
        timeout=10_000,
    )


def built(page, takes):
    """Waits until the page has so many takes; an opened clip builds its own a bit later."""
    page.wait_for_function(
        "(count) => document.querySelectorAll('.take').length === count", arg=takes
    )


def column(page, position):
    return page.locator(f"#table tbody tr > :nth-child({position})").all_inner_texts()
