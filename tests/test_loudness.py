import numpy as np
import pytest

from inr_jax.audio import loudness


def tone(seconds, rate=48_000, level=1.0, channels=1):
    n = np.arange(round(seconds * rate))
    wave = level * np.sin(2 * np.pi * 997 * n / rate)
    return np.repeat(wave[:, None], channels, axis=1)


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100, 48_000])
def test_a_full_tone_has_the_loudness_that_the_recommendation_states(rate):
    """-3.01 LUFS for 997 Hz at full scale in one channel."""
    assert loudness.integrated(tone(3, rate), rate) == pytest.approx(-3.01, abs=0.03)


def test_level_and_channels_count_as_power():
    quiet = loudness.integrated(tone(3, level=0.1), 48_000)
    assert quiet == pytest.approx(-23.01, abs=0.03)
    assert loudness.integrated(tone(3, channels=2), 48_000) == pytest.approx(
        0, abs=0.03
    )


def test_the_ear_hears_little_of_low_tones():
    n = np.arange(3 * 48_000)
    rumble = np.sin(2 * np.pi * 30 * n / 48_000)[:, None]
    assert loudness.integrated(rumble, 48_000) < -10


def test_pauses_are_gated_out():
    """Silence by the absolute gate, a tone 30 dB down by the relative one."""
    speech = tone(4, level=0.5)
    alone = loudness.integrated(speech, 48_000)
    for pause in (np.zeros_like(speech), speech / 31.6):
        together = loudness.integrated(np.concatenate([speech, pause]), 48_000)
        assert together == pytest.approx(alone, abs=0.2)


def test_silence_has_none_and_a_short_sound_has_some():
    assert loudness.integrated(np.zeros((16_000, 1)), 16_000) == -np.inf
    assert loudness.integrated(tone(0.1), 48_000) == pytest.approx(-3, abs=0.5)
