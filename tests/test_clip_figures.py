import numpy as np
import pytest
from conftest import is_drawn

from inr_jax.evaluation import plots
from inr_jax.plots import clips, style


def signals(num_samples):
    n = np.arange(num_samples)
    loud = 0.5 * np.sin(2 * np.pi * 1000 * n / 16_000)
    return {"clean": loud, "noisy": 0.1 * loud, "siren": np.zeros(num_samples)}


def test_spectrograms_share_the_scale_of_the_first_signal():
    figure = clips.mel_spectrograms(signals(16_000), 16_000, "x")
    *panels, _ = figure.axes  # one colour bar
    meshes = [panel.collections[0] for panel in panels]
    peaks = [float(mesh.get_array().max()) for mesh in meshes]
    np.testing.assert_allclose(peaks, [0, -20, -100], atol=1e-3)
    assert [panel.get_title() for panel in panels] == ["clean", "noisy", "siren"]
    assert {mesh.get_clim() for mesh in meshes} == {(-80, 0)}
    assert {panel.get_xlim() for panel in panels} == {(0, 1)}


def test_spectrograms_show_a_tone_at_its_frequency():
    figure = clips.mel_spectrograms(signals(16_000), 16_000, "x")
    mesh = figure.axes[0].collections[0]
    band = int(np.argmax(mesh.get_array().mean(axis=1)))
    low, high = mesh.get_coordinates()[band : band + 2, 0, 1]
    assert low - 20 < 1000 < high + 20


def test_waveforms_keep_their_level_and_the_quieter_stands_in_front():
    figure = clips.waveforms(signals(16_000), 16_000, "x")
    titles = [panel.get_title() for panel in figure.axes]
    assert titles == ["noisy, gain 0.10", "siren, gain 0.00"]
    for panel, levels in zip(figure.axes, ([0.5, 0.05], [0.5, 0.05, 0]), strict=True):
        drawn = [shape.get_paths()[0].vertices[:, 1] for shape in panel.collections]
        assert [shape.max() for shape in drawn] == pytest.approx(levels)
        assert [shape.min() for shape in drawn] == pytest.approx(np.negative(levels))
        assert panel.get_xlim() == (0, 1)
        assert panel.get_ylim() == figure.axes[0].get_ylim()


def test_the_lowest_panel_of_every_column_tells_the_time():
    silence = {name: np.zeros(1600) for name in "abcdefghijk"}
    figure = clips.mel_spectrograms(silence, 16_000, "x")
    *panels, _ = figure.axes
    named = [panel.get_title() for panel in panels if panel.get_xlabel()]
    assert named == ["i", "j", "k"]


@pytest.mark.parametrize("num_samples", [1, 700, 50_000])
@pytest.mark.parametrize("draw", [clips.mel_spectrograms, clips.waveforms])
def test_any_length_is_drawn(tmp_path, num_samples, draw):
    figure = draw(signals(num_samples), 8000, "x")
    style.save(figure, tmp_path / "x.png")
    assert is_drawn(tmp_path / "x.png")


def test_the_clip_that_stands_for_the_others():
    def rows(*values):
        noisy = [
            {"clip": str(i), "method": "noisy", "pesq": v} for i, v in enumerate(values)
        ]
        return [*noisy, {"clip": "x", "method": "wiener", "pesq": 1.0}]

    assert plots.median_clip(rows(3.0, 1.0, 2.0), "noisy") == "2"
    assert plots.median_clip(rows(4.0, 1.0, 3.0, 2.0), "noisy") == "3"
    assert plots.median_clip(rows(np.nan, 2.0), "noisy") == "1"
    assert plots.median_clip(rows(np.nan), "noisy") is None
