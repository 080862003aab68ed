import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inr_jax.configs.fitting import DnpConfig
from inr_jax.enhancement import dnp
from inr_jax.fitting.siren import Signal
from inr_jax.models.wave_unet import WaveUNet

TINY = DnpConfig(num_levels=3, num_filters=4, num_steps=52)
RNG = np.random.default_rng(0)
NOISY = (0.1 * RNG.standard_normal(1111)).astype(np.float32)


@pytest.fixture
def golden(recordings):
    """A tiny configuration of the original, 60 steps, recorded in double precision."""
    return np.load(recordings / "reference" / "dnp_tiny_golden.npz")


def named(golden, kind):
    """Its weights, or their gradients, under our names."""
    params = {}

    def conv(theirs, ours):
        params[ours] = {
            "kernel": golden[f"{kind}.{theirs}.weight"].transpose(2, 1, 0),
            "bias": golden[f"{kind}.{theirs}.bias"],
        }

    def norm(theirs, ours):
        params[f"{ours}_scale"] = golden[f"{kind}.{theirs}.weight"]
        params[f"{ours}_shift"] = golden[f"{kind}.{theirs}.bias"]

    for i in range(3):
        conv(f"encoder.{i}", f"down_{i}")
        norm(f"ebatch.{i}", f"down_norm_{i}")
        conv(f"decoder.{i}", f"up_{2 - i}")
        norm(f"dbatch.{i}", f"up_norm_{2 - i}")
    conv("middle.0", "middle_0")
    norm("middle.1", "middle_norm_0")
    conv("out.0", "out")
    return {"params": params}


def fitted(golden, num_steps):
    """State and losses of our steps from its weights, and outputs of the network."""
    dtype = jnp.zeros(()).dtype
    noise = jnp.asarray(golden["input"], dtype)
    params = jax.tree.map(lambda x: jnp.asarray(x, dtype), named(golden, "init"))
    fresh = dnp.init(jax.random.key(0), len(noise), TINY)
    opt_state = jax.tree.map(lambda x: jnp.asarray(x, x.dtype), fresh.opt_state)
    state = fresh._replace(params=params, opt_state=opt_state, input_noise=noise)
    signal = Signal(jnp.asarray(golden["target"], dtype), len(noise))
    step = jax.jit(lambda s, i: dnp.update(s, i, signal, TINY))
    output = jax.jit(lambda params: WaveUNet(TINY).apply(params, noise, len(noise)))
    losses, outputs = [], []
    for i in range(num_steps):
        outputs.append(output(state.params))
        state, loss = step(state, i)
        losses.append(float(loss))
    return state, np.array(losses), outputs


@pytest.mark.slow
def test_first_steps_are_the_original_s(golden):
    _, losses, outputs = fitted(golden, 3)
    np.testing.assert_allclose(outputs[0], golden["out0"], atol=1e-4)
    np.testing.assert_allclose(outputs[1], golden["out1"], atol=1e-4)
    np.testing.assert_allclose(losses, golden["loss"][:3], atol=1e-6)


@pytest.mark.slow
def test_gradients_are_the_original_s(golden):
    params = jax.tree.map(jnp.asarray, named(golden, "init"))

    def loss(params):
        output = WaveUNet(TINY).apply(params, golden["input"], 4096)
        return jnp.mean((output - golden["target"]) ** 2)

    found, wanted = jax.jit(jax.grad(loss))(params), named(golden, "grad0")
    assert jax.tree.structure(found) == jax.tree.structure(wanted)
    for x, y in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-4 * max(1e-3, np.abs(y).max()))


@pytest.mark.slow
def test_sixty_steps_in_double_precision_are_the_original_s(golden):
    """Rounding grows to percents over these steps, so single precision cannot tell."""
    with jax.enable_x64(True):
        state, losses, outputs = fitted(golden, 60)
    np.testing.assert_allclose(outputs[59], golden["out59"], atol=1e-4)
    np.testing.assert_allclose(losses, golden["loss"], rtol=1e-4)
    np.testing.assert_allclose(state.score.T, golden["diff_sum"], rtol=1e-3)
    found = dnp.attenuation(np.asarray(state.score)).T
    np.testing.assert_allclose(found, golden["atten_map"], atol=1e-4)


def test_gains_of_its_score_are_the_original_s(golden):
    found = dnp.attenuation(golden["diff_sum"])
    np.testing.assert_allclose(found, golden["atten_map"], atol=1e-9)
    np.testing.assert_allclose(dnp.lsa_gain(found), golden["lsa_mask"], atol=1e-9)


@pytest.mark.parametrize("mask", list(dnp.GAINS))
def test_masked_sound_is_the_original_s(golden, mask):
    found = dnp.apply_mask(golden["target"], golden["diff_sum"].T, mask, 16_000)
    inner = slice(512, -512)  # its ends blow up where the windows sum to nothing
    np.testing.assert_allclose(found[inner], golden[mask][inner], atol=1e-4 * 0.03)


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_open_masks_pass_speech_and_no_hum_at_any_rate(rate):
    """What is below 90 Hz goes."""
    for hertz, low, high in ((20, -np.inf, -8), (220, -1, 0.1), (1000, -0.1, 0.1)):
        tone = np.sin(2 * np.pi * hertz / rate * np.arange(rate))
        score = np.zeros((dnp.num_frames(rate), dnp.WINDOW // 2 + 1))
        inner = dnp.apply_mask(tone, score, "wiener", rate)[rate // 4 : rate // 2]
        gain_db = 10 * np.log10(np.mean(inner**2) / np.mean(tone**2))
        assert low < gain_db < high, hertz


def test_published_size():
    shapes = jax.eval_shape(
        lambda key: dnp.init(key, 1024, DnpConfig()), jax.random.key(0)
    )
    sizes = [leaf.size for leaf in jax.tree.leaves(shapes.params)]
    assert sum(sizes) == 9_279_602


def plain_network(params, x):
    """What the network computes, in loops."""

    def conv(x, name):
        kernel, bias = params[name]["kernel"], params[name]["bias"]
        reach = len(kernel) // 2
        padded = np.pad(x, ((reach, reach), (0, 0)))
        parts = [padded[i : i + len(x)] @ k for i, k in enumerate(kernel)]
        return sum(parts) + bias

    def layer(x, kind, i):
        x = conv(x, f"{kind}_{i}")
        x = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5)
        x = x * params[f"{kind}_norm_{i}_scale"] + params[f"{kind}_norm_{i}_shift"]
        return np.where(x > 0, x, 0.1 * x)

    def upsampled(x):
        places = np.clip(np.arange(2 * len(x)) / 2 - 0.25, 0, len(x) - 1)
        columns = [np.interp(places, np.arange(len(x)), c) for c in x.T]
        return np.stack(columns, axis=1)

    entry = x = x[:, None]
    skips = []
    for i in range(3):
        x = layer(x, "down", i)
        skips.append(x)
        x = x[::2]
    x = layer(x, "middle", 0)
    for i in (2, 1, 0):
        x = layer(np.concatenate([upsampled(x), skips[i]], axis=1), "up", i)
    return np.tanh(conv(np.concatenate([x, entry], axis=1), "out"))[:, 0]


def random_params():
    init = jax.jit(WaveUNet(TINY).init, static_argnums=2)
    fresh = init(jax.random.key(1), jnp.zeros(64), 64)
    return jax.tree.map(
        lambda x: x + 0.2 * RNG.standard_normal(x.shape, np.float32), fresh
    )


@pytest.mark.slow
@pytest.mark.parametrize("padding", [0, 128])
def test_network_is_the_plain_one_whatever_is_behind(padding):
    params, signal = random_params(), RNG.standard_normal(256, np.float32)
    padded = np.pad(signal.astype(np.float64), (0, padding), constant_values=3.0)
    with jax.enable_x64(True):
        network = jax.jit(WaveUNet(TINY).apply, static_argnums=2)
        found = network(params, jnp.asarray(padded), 256)[:256]
    plain = jax.tree.map(np.asarray, params["params"])
    expected = plain_network(plain, signal.astype(np.float64))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_score_is_the_plain_one_whatever_is_behind():
    maps = np.abs(RNG.standard_normal((12, 9, 7))).astype(np.float32)
    plain, score = np.zeros((6, 7)), jnp.zeros((9, 7))
    for before, now in itertools.pairwise(maps):
        plain += np.abs(now - before)[:6] / (now[:6].astype(float) + 1.2e-7)
        plain = np.maximum(plain, np.percentile(plain, 10))
        plain = np.minimum(plain, np.percentile(plain, 90))
        score = dnp.accumulate(score, jnp.asarray(before), jnp.asarray(now), 6)
    np.testing.assert_allclose(score[:6], plain, rtol=1e-4)


def test_open_gains_give_the_clip_back_and_the_tail_stays():
    score = np.zeros((5, 257))  # nothing fluctuated
    low = np.sin(2 * np.pi * np.arange(1111) / 16)  # in none of the removed bins
    found = dnp.apply_mask(low, score, "wiener", 16_000)
    # beside the ends the removed bins hold something
    np.testing.assert_allclose(found[300:700], low[300:700], atol=1e-3)
    np.testing.assert_allclose(found, low, atol=0.2)
    score[2:, :] = 1
    found = dnp.apply_mask(low, score, "lsa", 16_000)
    np.testing.assert_array_equal(found[1024:], low[1024:])
    assert np.max(np.abs(found)) < 1.1  # no blow-up at the ends
    assert np.std(found[900:1000]) < 0.1 * np.std(low)


def fits(signals, checkpoint_dir=None, on_clips=lambda clips: None):
    keys = list(jax.random.split(jax.random.key(0), 3))[: len(signals)]
    return dict(dnp.fit_batch(keys, signals, TINY, on_clips, checkpoint_dir))


@pytest.fixture(scope="module")
def uninterrupted():
    return fits([NOISY, NOISY[:900], NOISY[:300]])


def test_a_clip_too_short_for_the_network_is_named_and_counts_once(monkeypatch):
    warnings, counted = [], []
    monkeypatch.setattr(dnp.logging, "warning", lambda *args: warnings.append(args))
    key, config = jax.random.key(0), DnpConfig(num_levels=20, num_steps=1)
    found = dnp.fit_batch([key], [NOISY], config, counted.append, names=["a.wav"])
    next(found)
    assert counted == [1]
    (warning,) = warnings
    assert warning[0] % warning[1:] == (
        "a.wav: too short for 20 levels; it stays as it is"
    )


@pytest.mark.slow
def test_clips_of_any_length(uninterrupted):
    assert [len(uninterrupted[i].score) for i in range(3)] == [5, 4, 0]
    np.testing.assert_array_equal(
        dnp.apply_mask(NOISY[:300], uninterrupted[2].score, "lsa", 16_000),
        NOISY[:300],
    )
    assert uninterrupted[0].losses[-1] < 0.9 * uninterrupted[0].losses[0]
    (alone,) = fits([NOISY]).values()
    np.testing.assert_allclose(alone.score, uninterrupted[0].score, rtol=1e-5)


@pytest.mark.slow
def test_a_longer_fit_has_the_scores_of_shorter_ones(uninterrupted):
    key = jax.random.split(jax.random.key(0), 3)[0]
    steps = (TINY.num_steps - 2, 3)
    ((_, fit),) = dnp.fit_batch([key], [NOISY], TINY, earlier=steps)
    assert list(fit.scores) == [*steps, TINY.num_steps]
    np.testing.assert_allclose(fit.score, uninterrupted[0].score, rtol=1e-5)
    shorter = dataclasses.replace(TINY, num_steps=steps[0])
    ((_, short),) = dnp.fit_batch([key], [NOISY], shorter)
    assert np.any(short.score) and np.any(short.score != fit.score)
    np.testing.assert_allclose(fit.scores[steps[0]], short.score, rtol=1e-5)
    assert not np.any(fit.scores[3])  # fluctuations do not count yet


@pytest.mark.slow
def test_a_fit_goes_on_where_it_was_killed(uninterrupted, tmp_path, monkeypatch):
    monkeypatch.setattr("inr_jax.fitting.driver.SAVE_EVERY_S", 0.0)
    done = 0

    def killed(clips):
        nonlocal done
        done += clips
        if done > 0.5:
            raise KeyboardInterrupt

    signals = [NOISY, NOISY[:900]]
    with pytest.raises(KeyboardInterrupt):
        fits(signals, tmp_path / "fits", killed)
    steps = []
    again = fits(signals, tmp_path / "fits", steps.append)
    assert max(steps) > 0.3  # those that were found
    for i in range(2):
        np.testing.assert_array_equal(again[i].score, uninterrupted[i].score)
        np.testing.assert_array_equal(again[i].losses, uninterrupted[i].losses)
    assert not (tmp_path / "fits").exists()
