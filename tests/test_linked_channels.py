"""One gain for all channels: the differences between them stay."""

import numpy as np
import pytest
import tiny_weights

import inr_jax
from inr_jax.data import noise

RATE = 16_000
# a fit of fewer steps than for listening
GAIN_FIELD = {"method": "gain_field", "num_steps": 50}
LINKED = (
    {"method": "hyper_gain"},
    {"method": "wiener"},
    {"method": "log_mmse"},
    pytest.param(GAIN_FIELD, marks=pytest.mark.slow),
)


@pytest.fixture(params=LINKED, ids=lambda settings: settings["method"])
def settings(request, tmp_path):
    """Of a method; a tiny network stands for a large one."""
    if request.param["method"] != "hyper_gain":
        return request.param
    weights = tiny_weights.save(tmp_path / "weights", tiny_weights.CONFIG)
    return {**request.param, "weights": str(weights)}


def stereo(speech):
    """Speech at the left, in noise of its own in each channel."""
    speech = speech[:RATE]
    clean = np.stack([speech, 0.5 * np.roll(speech, 8)], axis=1)
    return noise.add_white(clean, 0, 10.0)


def test_what_two_channels_share_keeps_its_level_difference(speech, settings):
    noisy = noise.add_white(speech[:RATE], 0, 5.0)
    both = np.stack([noisy, -0.3 * noisy], axis=1)
    found = inr_jax.denoise(both, RATE, **settings, channels="linked")
    np.testing.assert_allclose(found[:, 1], -0.3 * found[:, 0], atol=1e-6)
    assert np.std(found[:, 0] - noisy) > 0.1 * np.std(noisy)


def test_one_channel_is_linked_to_nothing(speech, settings):
    noisy = noise.add_white(speech[:RATE], 0, 5.0)
    expected = inr_jax.denoise(noisy, RATE, **settings)
    found = inr_jax.denoise(noisy, RATE, **settings, channels="linked")
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_independent_channels_are_denoised_as_if_alone(speech, settings):
    both = stereo(speech)
    found = inr_jax.denoise(both, RATE, **settings)
    alone = inr_jax.denoise(both[:, 0], RATE, **settings)
    np.testing.assert_allclose(found[:, 0], alone, atol=1e-6)
    linked = inr_jax.denoise(both, RATE, **settings, channels="linked")
    assert np.max(np.abs(linked - found)) > 1e-3


def test_a_method_without_a_gain_links_nothing(speech):
    with pytest.raises(inr_jax.InputError, match="siren has no setting 'channels'"):
        inr_jax.denoise(stereo(speech), RATE, "siren", channels="linked")
