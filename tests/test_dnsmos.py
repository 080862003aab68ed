"""DNSMOS, where the packages that carry its networks are installed."""

import importlib.util

import numpy as np
import pytest

from inr_jax import audio, metrics
from inr_jax.data import noise
from inr_jax.errors import InputError
from inr_jax.metrics import pool
from inr_jax.metrics.dnsmos import NAMES

needs_networks = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("onnxruntime", "speechmos"))),
    reason="needs the extra dnsmos",
)


@needs_networks
def test_noise_lowers_it_and_a_short_signal_is_one_of_many(speech):
    clean = metrics.dnsmos(speech, 16_000)
    noisy = metrics.dnsmos(noise.add_white(speech, 0, 5.0), 16_000)
    assert tuple(clean) == NAMES
    assert all(1 < noisy[name] < clean[name] < 5 for name in NAMES)


@needs_networks
@pytest.mark.parametrize("seconds", [3.0, 17.1])
def test_values_are_those_of_the_package(speech, seconds):
    """Above 16 s the script leaves windows out."""
    package = pytest.importorskip("speechmos.dnsmos")
    signal = np.resize(speech, int(16_000 * seconds)).astype(np.float32)
    expected = package.run(signal, 16_000)
    found = metrics.dnsmos(signal, 16_000)
    for name in NAMES:
        theirs = expected[name.removeprefix("dnsmos_") + "_mos"]
        assert found[name] == pytest.approx(float(theirs), abs=1e-4)


@needs_networks
def test_what_has_none_says_why(speech):
    for signal, rate, reason in (
        (speech, 48_000, "not defined at 48000 Hz"),
        (0 * speech, 16_000, "estimate is silent"),
        (speech[:0], 16_000, "estimate is silent"),
        (np.append(speech, np.nan), 16_000, "NaN"),
    ):
        found = metrics.dnsmos(signal, rate)
        assert all(
            np.isnan(value) and reason in value.reason for value in found.values()
        )


@needs_networks
def test_a_row_has_it_of_any_rate(speech):
    low = speech[:, None]
    high = audio.resample(low, 16_000, 44_100)
    names = pool.metrics_of(44_100, dnsmos=True)[-4:]
    assert names == NAMES == pool.metrics_of(16_000, dnsmos=True)[-4:]
    first, second = (
        pool.score(pool.Job("a", "b", 0, x, x, rate, names))
        for x, rate in ((low, 16_000), (high, 44_100))
    )
    assert second["dnsmos_ovrl"] == pytest.approx(first["dnsmos_ovrl"], abs=0.05)


def test_without_the_package_a_line_says_what_to_install(speech, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'inr_jax\[dnsmos\]'"):
        metrics.dnsmos(speech, 16_000)
