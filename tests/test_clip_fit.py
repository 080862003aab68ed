"""A fit as an object: evaluated at any time and rate, saved, loaded and fitted on."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from inr_jax.configs.fitting import FitConfig, SirenConfig
from inr_jax.errors import InputError
from inr_jax.fitting import batch, clip_fit

RATE = 8000
WHOLE = FitConfig(SirenConfig(16, 1), coordinates="seconds", num_steps=20)
SEGMENTS = dataclasses.replace(WHOLE, segment_s=0.05)


def tone(num_samples=1500):
    return 0.3 * np.sin(np.arange(num_samples) / 7).astype(np.float32)


def fitted(config, start_from=None, names=None):
    starts = start_from and [start_from]
    found = batch.fit_batch(
        *([jax.random.key(0)], [tone()], [RATE], config),
        start_from=starts,
        names=names,
    )
    ((_, fit),) = found
    return fit


@pytest.fixture(scope="module", params=[WHOLE, SEGMENTS], ids=["whole", "segments"])
def fit(request):
    return fitted(request.param)


@pytest.mark.slow
def test_at_its_own_samples_it_is_the_estimate(fit):
    np.testing.assert_allclose(fit(np.arange(1500) / RATE), fit.estimate, atol=1e-5)
    np.testing.assert_allclose(fit.at_rate(RATE), fit.estimate, atol=1e-5)


def test_a_finer_grid_passes_through_the_same_samples(fit):
    fine = fit.at_rate(3 * RATE)
    assert fine.shape == (4500,) and np.all(np.isfinite(fine))
    np.testing.assert_allclose(fine[::3], fit.estimate, atol=1e-5)
    # and between them it is a tone, not steps
    between = (fit.estimate[1:] + fit.estimate[:-1]) / 2
    assert np.max(np.abs(fine[1:-3:3] - between)) < 0.1


def test_times_may_be_in_any_order(fit):
    times = np.random.default_rng(0).permutation(np.arange(4499) / (3 * RATE))
    in_order = fit(np.sort(times))
    np.testing.assert_allclose(
        fit(times), in_order[np.argsort(np.argsort(times))], atol=1e-6
    )


def test_saved_and_loaded_it_is_the_same(fit, tmp_path):
    fit.save(tmp_path / "a.b")
    assert {p.name for p in tmp_path.iterdir()} == {"a.b.safetensors", "a.b.json"}
    for path in ("a.b", "a.b.json", "a.b.safetensors"):
        again = clip_fit.load_fit(tmp_path / path)
        assert again.config == fit.config and again.num_params == fit.num_params
        np.testing.assert_allclose(again.estimate, fit.estimate, atol=1e-5)
        for one, other in zip(again.segments, fit.segments, strict=True):
            np.testing.assert_array_equal(one.losses, other.losses)


def test_times_outside_of_the_clip_are_refused(fit):
    for time in (-0.01, 1500 / RATE, np.nan):
        with pytest.raises(ValueError, match="from 0 to 0.1875 s"):
            fit([0.0, time])
    assert fit([]).shape == (0,)
    for rate in (0, -1):
        with pytest.raises(InputError, match="sample_rate must be a positive whole"):
            fit.at_rate(rate)


def test_a_segment_is_no_longer_than_its_clip():
    config = dataclasses.replace(SEGMENTS, segment_s=1e308)
    assert clip_fit.segment_length(config, 1500, RATE) == 1500


def test_rates_may_be_numpy_s():
    """Whose products are small."""
    fit = fitted(dataclasses.replace(WHOLE, num_steps=1))
    fine = fit.at_rate(np.int16(3 * RATE))
    np.testing.assert_array_equal(fine, fit.at_rate(3 * RATE))


def test_printed_it_shows_no_weights(fit):
    assert "num_samples=1500" in repr(fit) and "array" not in repr(fit)


def test_a_fit_goes_on_where_it_was_saved(fit, tmp_path):
    fit.save(tmp_path / "fit")
    on = fitted(fit.config, clip_fit.load_fit(tmp_path / "fit"))
    for before, after in zip(fit.segments, on.segments, strict=True):
        # the first loss is that of the weights that it began with
        assert (
            after.losses[0] < before.losses[-1] and after.losses[-1] < after.losses[0]
        )


def test_it_goes_on_from_the_same_network_and_clip_alone(fit):
    other = dataclasses.replace(fit.config, siren=SirenConfig(8, 1))
    with pytest.raises(InputError, match="signal 0: .* has width = 16, not 8; they"):
        fitted(other, fit)
    with pytest.raises(InputError, match="tone: .* has num_samples = 1400, not 1500"):
        fitted(fit.config, dataclasses.replace(fit, num_samples=1400), names=["tone"])
    with pytest.raises(InputError, match="has coordinates = seconds, not unit"):
        fitted(dataclasses.replace(fit.config, coordinates="unit"), fit)


def test_fits_of_a_vmap_are_taken_one_by_one(tmp_path):
    keys = jax.random.split(jax.random.key(0), 2)
    signals = np.stack([tone(), -tone()])
    fits = jax.vmap(lambda *one: clip_fit.fit(*one, RATE, WHOLE))(keys, signals)
    one = "2 fits as one pytree; take one of them, jax.tree.map"
    for use in (
        lambda: fits([0.0]),
        lambda: fits.estimate,
        lambda: fits.save(tmp_path / "fits"),
    ):
        with pytest.raises(InputError, match=one):
            use()
    assert not list(tmp_path.iterdir())
    second = jax.tree.map(lambda leaf: leaf[1], fits)
    alone = clip_fit.fit(keys[1], signals[1], RATE, WHOLE)
    np.testing.assert_allclose(second.estimate, alone.estimate, atol=1e-4)
    second.save(tmp_path / "fit")
    again = clip_fit.load_fit(tmp_path / "fit")
    np.testing.assert_allclose(again.estimate, second.estimate, atol=1e-5)


@pytest.mark.parametrize(
    "signal, message",
    [
        ([0.1, np.nan], "signal: holds NaN"),
        (np.zeros(0), "signal: must be .* not empty"),
    ],
)
def test_a_signal_that_cannot_be_fitted_is_refused(signal, message):
    with pytest.raises(InputError, match=message):
        clip_fit.fit(jax.random.key(0), signal, RATE, WHOLE)


@pytest.mark.parametrize(
    "change, reason",
    [
        (lambda folder: (folder / "f.json").unlink(), "are both needed"),
        (lambda folder: (folder / "f.safetensors").unlink(), "are both needed"),
        (lambda folder: (folder / "f.safetensors").write_bytes(b"no"), "no saved fit"),
        (lambda folder: _change(folder, format=9), "format 9 is not 1"),
        (lambda folder: _change(folder, config={}), "does not fit the config"),
        (lambda folder: _change(folder, sha256="0"), "not those that its .json"),
        (lambda folder: _other_weights(folder), "not those that its .json"),
    ],
)
def test_what_is_no_fit_is_one_line(tmp_path, change, reason):
    fitted(WHOLE).save(tmp_path / "f")
    change(tmp_path)
    with pytest.raises(InputError, match=reason) as refused:
        clip_fit.load_fit(tmp_path / "f")
    assert str(refused.value).count(str(tmp_path)) == 1


def _other_weights(folder):
    """Those of a later save that was killed before its settings."""
    fitted(dataclasses.replace(WHOLE, num_steps=2)).save(folder / "g")
    (folder / "g.safetensors").replace(folder / "f.safetensors")


def _change(folder, **values):
    path = folder / "f.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
