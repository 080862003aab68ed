import numpy as np
import pytest

from inr_jax import figures


def signals(num_samples):
    n = np.arange(num_samples)
    loud = 0.5 * np.sin(2 * np.pi * 1000 * n / 16_000)
    return {"clean": loud, "noisy": 0.1 * loud, "siren": np.zeros(num_samples)}


def test_panels_share_the_scale_of_the_first_signal():
    figure = figures.mel_spectrograms(signals(16_000), 16_000, "x")
    peaks = [float(p.collections[0].get_array().max()) for p in figure.axes[:3]]
    np.testing.assert_allclose(peaks, [0, -20, -100], atol=1e-3)
    assert [p.get_title() for p in figure.axes[:3]] == ["clean", "noisy", "siren"]


def test_waveforms_keep_their_level_and_share_one_axis():
    figure = figures.waveforms(signals(1600), 16_000, "x")
    together, *alone = figure.axes
    assert len(together.lines) == 3
    for panel, wave in zip(alone, signals(1600).values(), strict=True):
        np.testing.assert_array_equal(panel.lines[0].get_ydata(), wave)
        assert panel.get_ylim() == together.get_ylim()
    gains = [panel.get_title(loc="left") for panel in alone]
    assert gains == ["clean, gain 1.00", "noisy, gain 0.10", "siren, gain 0.00"]


@pytest.mark.parametrize("num_samples", [1, 700, 50_000])
@pytest.mark.parametrize("draw", [figures.mel_spectrograms, figures.waveforms])
@pytest.mark.filterwarnings("ignore:n_fft=2048 is too large")
def test_any_length_is_drawn(tmp_path, num_samples, draw):
    figure = draw(signals(num_samples), 8000, "x")
    figures.save(figure, tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 5000
