import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inr_jax.configs.hypersound import HyperSoundConfig
from inr_jax.models import hypersound, hypersound_target
from inr_jax.models.hypersound import HyperSound
from inr_jax.nn import fourier_mlp, siren

TINY = HyperSoundConfig(
    num_samples=640,
    encoder_channels=2,
    latent_channels=4,
    strides=(4, 8),  # fewer stages compile faster
    hidden=(16, 16),
    target="siren",
    width=8,
    num_layers=2,
)
# A phase of 2,000 rad is rounded by 1e-4 in float32, then amplified: values reach 8.
ROUNDING = 1e-2
NOISY = jnp.asarray(np.random.default_rng(0).standard_normal(640), jnp.float32)


@functools.cache
def init(config):
    return jax.jit(HyperSound(config).init)(jax.random.key(0), NOISY)


def emit(config, params):
    model = HyperSound(config)
    return jax.jit(lambda p: model.apply(p, NOISY, method="emit"))(params)


@pytest.mark.parametrize(
    ("target", "count", "emitted"),
    [("nerf", 38_683_077, 34_741), ("siren", 37_997_367, 33_031)],
)
def test_the_published_shape_has_the_published_size(target, count, emitted):
    config = HyperSoundConfig(target=target)
    signal = jax.ShapeDtypeStruct((32_768,), jnp.float32)
    shapes = jax.eval_shape(HyperSound(config).init, jax.random.key(0), signal)
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == count
    bounds, _ = hypersound_target.head_bounds(config)
    assert len(bounds) == emitted
    encoder = jax.tree.leaves(shapes["params"]["encoder"])
    assert sum(leaf.size for leaf in encoder) == 21_045_792


def test_encoder_has_a_frame_every_320_samples():
    config = dataclasses.replace(TINY, norm="channel", strides=(2, 4, 5, 8))
    encoder = hypersound.Encoder(config)
    shapes = jax.eval_shape(encoder.init, jax.random.key(0), NOISY)
    for count, frames in ((640, 2), (321, 2), (320, 1)):
        found = jax.eval_shape(encoder.apply, shapes, NOISY[:count])
        assert found.shape == (frames, 4)


@pytest.mark.slow
def test_a_siren_target_begins_as_one_random_siren():
    """Layers of the spread that SIREN is built for, hardly told apart by the clip."""
    config = dataclasses.replace(HyperSoundConfig(target="siren"), norm="channel")
    config = dataclasses.replace(config, encoder_channels=2, latent_channels=4)
    model = HyperSound(config)
    signals = [jax.random.normal(jax.random.key(i), (4000,)) for i in range(2)]
    params = jax.jit(model.init)(jax.random.key(0), signals[0])
    emit_one = jax.jit(lambda x: model.apply(params, x, method="emit"))
    emitted = [emit_one(x) for x in signals]
    network = hypersound_target.siren_config(config)
    for one, other in zip(*emitted, strict=True):
        gap = jax.tree.map(lambda a, b: jnp.abs(a - b).max(), one, other)
        assert gap["kernel"] < 0.15 * one["kernel"].std()
        assert network.hidden_omega * gap["bias"] < 0.05  # of a phase, in rad
    x = jnp.linspace(-1, 1, 2000)[None]
    for i, layer in enumerate(emitted[0][:-1]):
        omega = network.hidden_omega if i else network.first_omega
        x = jnp.sin(omega * (layer["kernel"].T @ x + layer["bias"][:, None]))
        assert 0.6 < float(x.std()) < 0.8


@pytest.mark.slow
def test_emitted_siren_is_sin_of_w_omega_x_plus_b():
    """HyperSound's own rule on weights as it emits them, the plain way to write it."""
    keys = iter(jax.random.split(jax.random.key(1), 6))
    raw = [
        {
            "kernel": jax.random.normal(next(keys), sizes) / 30,
            "bias": jax.random.normal(next(keys), sizes[1:]),
        }
        for _, sizes in hypersound_target.emitted_layers(TINY)
    ]
    times = np.linspace(-1, 1, 50)
    found = hypersound_target.evaluate(
        hypersound_target.as_siren(raw, TINY), jnp.asarray(times, jnp.float32), TINY
    )
    first, hidden, last = jax.tree.map(np.float64, raw)
    x = np.sin(np.outer(times, 2000.0 * first["kernel"][0]) + first["bias"])
    x = np.sin(30.0 * x @ hidden["kernel"] + hidden["bias"])
    expected = 30.0 * x @ last["kernel"] + last["bias"]
    assert np.std(expected) > 0.1
    np.testing.assert_allclose(found, expected[:, 0], atol=ROUNDING)


def test_a_fourier_mlp_is_drawn_as_linear_layers_are():
    params = fourier_mlp.init(jax.random.key(0), width=90, num_layers=5, out_dim=2)
    assert [layer["kernel"].shape for layer in params] == (
        [(20, 90)] + [(90, 90)] * 4 + [(90, 2)]
    )
    for layer in params:
        bound = layer["kernel"].shape[0] ** -0.5
        assert float(jnp.max(jnp.abs(layer["bias"]))) <= bound
        assert 0.9 * bound < float(jnp.max(jnp.abs(layer["kernel"]))) <= bound
    values = fourier_mlp.apply(params, jnp.linspace(-1, 1, 7)[:, None])
    assert values.shape == (7, 2) and jnp.all(jnp.isfinite(values))


def test_nerf_features_are_sines_then_cosines():
    times = jnp.linspace(-1, 1, 7)[:, None]
    identity = [{"kernel": jnp.eye(20), "bias": jnp.zeros(20)}]
    found = fourier_mlp.apply(identity, times)
    np.testing.assert_allclose(found[:, 3], np.sin(8 * np.pi * times[:, 0]), atol=1e-5)
    np.testing.assert_allclose(found[:, 12], np.cos(4 * np.pi * times[:, 0]), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["nerf", "siren"])
@pytest.mark.parametrize("mode", ["target", "residual", "modulator"])
def test_gradients_reach_every_row_of_the_head(target, mode):
    config = dataclasses.replace(TINY, target=target, mode=mode)
    model, params = HyperSound(config), init(config)
    slope = jax.jit(jax.grad(lambda p: jnp.sum(model.apply(p, NOISY) ** 2)))(params)
    head = slope["params"]["head"]
    reached = jnp.abs(head["bias"]) > 0
    # a ReLU unit may sleep at the start
    assert reached.mean() > (0.9 if target == "siren" else 0.5)
    np.testing.assert_array_equal(reached, jnp.abs(head["kernel"]).max(0) > 0)


@pytest.mark.slow
def test_modes_combine_what_clips_share_with_what_is_emitted():
    plain = init(TINY)
    emitted = emit(TINY, plain)
    for mode, combine in (("residual", jnp.add), ("modulator", jnp.multiply)):
        config = dataclasses.replace(TINY, mode=mode)
        # the same emitted weights
        params = {"params": init(config)["params"] | plain["params"]}
        found = emit(config, params)
        shared = params["params"]["shared_kernel_1"]
        np.testing.assert_allclose(
            found[1]["kernel"], combine(shared, emitted[1]["kernel"]), atol=1e-6
        )


@pytest.mark.slow
def test_shared_layers_are_not_emitted():
    config = dataclasses.replace(TINY, shared_layers=(1,))
    params = init(config)
    emitted = emit(config, params)
    shared = params["params"]["shared_kernel_1"]
    np.testing.assert_array_equal(emitted[1]["kernel"], shared)
    assert params["params"]["head"]["bias"].size == 2 * 8 + 9
    assert {name for name in params["params"] if name.startswith("shared")} == {
        "shared_kernel_1",
        "shared_bias_1",
    }


@pytest.mark.slow
def test_jit_changes_nothing_and_level_is_kept():
    model, params = HyperSound(TINY), init(TINY)
    eager, compiled = model.apply(params, NOISY), jax.jit(model.apply)(params, NOISY)
    np.testing.assert_allclose(eager, compiled, atol=ROUNDING)
    quiet = jax.jit(model.apply)(params, 0.01 * NOISY)
    np.testing.assert_allclose(100 * quiet, compiled, atol=ROUNDING)


@pytest.mark.slow
def test_emitted_weights_are_of_the_form_that_siren_draws():
    emitted = emit(TINY, init(TINY))
    drawn = siren.init(jax.random.key(0), hypersound_target.siren_config(TINY))
    assert jax.tree.structure(emitted) == jax.tree.structure(drawn)
    assert [x.shape for x in jax.tree.leaves(emitted)] == [
        x.shape for x in jax.tree.leaves(drawn)
    ]


@pytest.mark.slow
def test_a_finer_grid_has_the_samples_of_the_coarse_one():
    model, params = HyperSound(TINY), init(TINY)
    apply = jax.jit(model.apply, static_argnames="upsample")
    coarse, fine = apply(params, NOISY), apply(params, NOISY, upsample=3)
    np.testing.assert_allclose(fine[::3], coarse, atol=ROUNDING)


@pytest.mark.slow
def test_finetuning_begins_with_what_was_emitted():
    config = dataclasses.replace(TINY, first_omega=30.0)
    params, tone = init(config), jnp.sin(0.1 * jnp.arange(640.0))
    emitted = HyperSound(config).apply(params, tone, method="emit")
    errors = []
    for steps in (0, 100):
        tuned = hypersound_target.finetune(emitted, tone, config, steps)
        errors.append(
            jnp.mean((hypersound_target.sound(tuned, tone, config) - tone) ** 2)
        )
    before = jnp.mean((HyperSound(config).apply(params, tone) - tone) ** 2)
    np.testing.assert_allclose(errors[0], before, rtol=1e-3)
    assert errors[1] < 0.9 * errors[0]


def test_unknown_names_are_refused():
    for name in ("target", "mode", "norm"):
        with pytest.raises(ValueError, match=f"{name} must be one of"):
            dataclasses.replace(TINY, **{name: "other"})
