import numpy as np
import pytest
import soundfile

from inr_jax import metrics
from inr_jax.data import noise
from inr_jax.enhancement import trivial


def test_lowpass_passes_below_and_stops_above_without_delay():
    n = np.arange(16_000)
    low, high = (np.sin(2 * np.pi * f * n / 16_000) for f in (1000, 6000))
    filtered = trivial.lowpass(low + high, 16_000)
    assert metrics.snr(low[500:-500], filtered[500:-500], 16_000) > 40


@pytest.mark.parametrize("name", trivial.BASELINES)
@pytest.mark.parametrize("shape", [(1,), (5, 2), (3000, 2)])
@pytest.mark.parametrize("rate", [8000, 16_000])
def test_shape_is_kept(name, shape, rate):
    x = np.random.default_rng(0).standard_normal(shape)
    assert trivial.BASELINES[name](x, rate).shape == shape


def test_published_trivial_rows(recordings):
    """Clip 8238 at 0 dB: silence reaches CBAK 1.80, a low-pass PESQ 1.094."""
    path = recordings / "data" / "seed_clips" / "8238-274553-0062.clean.flac"
    clean, rate = soundfile.read(path)
    noisy = noise.add_white(clean, 0, snr_db=0)
    silence, lowpass = (
        metrics.all_metrics(clean, trivial.BASELINES[name](noisy, rate), rate)
        for name in ("silence", "lowpass")
    )
    assert silence["ssnr"] == pytest.approx(0, abs=0.01)
    assert silence["cbak"] == pytest.approx(1.796, abs=0.01)
    assert lowpass["ssnr"] == pytest.approx(-1.66, abs=0.05)
    assert lowpass["pesq"] == pytest.approx(1.094, abs=0.005)
