import numpy as np
import pytest

import inr_jax
from inr_jax import metrics
from inr_jax.data import noise
from inr_jax.dsp import noise_psd
from inr_jax.enhancement import classical, registry

RATE = 16_000


@pytest.fixture
def noisy(speech):
    return noise.add_white(speech, seed=0, snr_db=0)


@pytest.mark.parametrize("method", [classical.wiener, classical.log_mmse])
@pytest.mark.parametrize("estimate", noise_psd.ESTIMATORS)
def test_denoises(speech, noisy, method, estimate):
    """White noise at 0 dB; 6 to 9 dB were measured."""
    assert metrics.si_sdr(speech, method(noisy, RATE, estimate), RATE) > 5


@pytest.mark.parametrize("method", [classical.wiener, classical.log_mmse])
def test_shape_level_and_channels(noisy, method):
    both = method(np.stack([noisy, 100 * noisy], axis=1), RATE)
    assert both.shape == (len(noisy), 2)
    np.testing.assert_allclose(both[:, 0], method(noisy, RATE), atol=1e-6)
    np.testing.assert_allclose(both[:, 1], 100 * both[:, 0], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("method", [classical.wiener, classical.log_mmse])
@pytest.mark.parametrize("signal", [np.zeros(4000), np.ones(1), np.ones(600)])
def test_silence_and_short_signals(method, signal):
    found = method(signal, RATE)
    assert found.shape == signal.shape and np.isfinite(found).all()


def test_gains_in_steady_state():
    """A ratio that stays: the fixed points of the decision-directed recursion.

    Wiener: xi = .98 (xi / (1 + xi))^2 r + .02 (r - 1), solved by iteration.
    """
    for ratio in (0.5, 4.0, 20.0):
        gains = classical.decision_directed(
            np.full((2000, 1), ratio), lambda prior, _: prior / (1 + prior)
        )
        prior = 1.0
        for _ in range(2000):
            speech = (prior / (1 + prior)) ** 2 * ratio
            prior = max(0.98 * speech + 0.02 * max(ratio - 1, 0), 10**-2.5)
        np.testing.assert_allclose(gains[-1, 0], prior / (1 + prior), rtol=1e-6)


def test_another_prior_counts_as_much():
    """Of 16 times the decision-directed prior of the first frame: 4 times that."""
    priors = []

    def rule(prior, _):
        priors.append(prior)
        return prior / (1 + prior)

    posterior = np.full((1, 1), 3.0)
    classical.decision_directed(posterior, rule)
    classical.decision_directed(posterior, rule, 16 * priors[0][None])
    np.testing.assert_allclose(priors[1], 4 * priors[0])


def test_log_mmse_gain_at_known_values():
    """exp(E1(v) / 2) xi / (1 + xi): E1(1) = .219384; and above the Wiener gain."""
    gain = classical.log_mmse_gain(np.array([1.0]), np.array([2.0]))
    np.testing.assert_allclose(gain, 0.5 * np.exp(0.2193839344 / 2), rtol=1e-6)


def test_windows_of_a_long_recording_make_the_whole(noisy, monkeypatch):
    for name in ("wiener", "log_mmse"):
        whole = getattr(classical, name)(noisy, RATE)
        denoised = inr_jax.denoise(noisy, RATE, name)
        np.testing.assert_allclose(denoised, whole, atol=1e-6)
    whole = classical.wiener(noisy, RATE)
    monkeypatch.setattr(registry, "CLASSICAL_WINDOW_S", 0.7)
    parts = inr_jax.denoise(noisy, RATE, "wiener")
    assert 15 < metrics.snr(whole, parts, RATE) < 100  # the windows are heard of
