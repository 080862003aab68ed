"""SepFormer against what SpeechBrain's own model gives with the same weights."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import speechbrain_oracle

from inr_jax.configs.sepformer import SepformerConfig
from inr_jax.models.sepformer import modeling
from inr_jax.models.sepformer import params as sepformer_mapping
from inr_jax.models.sepformer.modeling import Sepformer

TINY = SepformerConfig(**speechbrain_oracle.TINY)


def agree(model, params, noisy, features, mask, estimate, atol):
    @jax.jit
    def run(params):
        found = model.apply(params, noisy, method="encode")
        frames = len(features)
        masknet = lambda module, *args: module.masknet(*args)
        mask = model.apply(params, features, frames, method=masknet)
        return found, mask, model.apply(params, noisy)

    *found, signal = run(params)
    np.testing.assert_allclose(found[0], features, atol=atol)
    np.testing.assert_allclose(found[1], mask, atol=atol)
    assert signal.shape == noisy.shape
    np.testing.assert_allclose(signal[: len(estimate)], estimate, atol=atol)
    assert not np.any(signal[len(estimate) :])
    assert np.abs(estimate).max() > 1e-3  # else nothing would be compared


@pytest.fixture(scope="module")
def golden():
    with np.load(speechbrain_oracle.DATA) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def params(golden):
    return sepformer_mapping.to_params(golden, TINY)


@pytest.mark.slow
def test_speechbrain_tiny(golden, params):
    """Made by SpeechBrain 1.1.2."""
    expected = [golden[f"_{name}"] for name in ("features", "mask", "estimate")]
    agree(Sepformer(TINY), params, golden["_noisy"], *expected, atol=2e-6)


@pytest.mark.slow
def test_speechbrain_reference(recordings):
    """Another width, chunk and number of heads, two signals."""
    path = recordings / "reference" / "sepformer_tiny_golden.npz"
    if not path.exists():
        pytest.skip(f"needs {path.name}")
    config = SepformerConfig(
        channels=16, chunk=20, num_layers=2, num_heads=4, hidden=32
    )
    with np.load(path) as arrays:
        params = sepformer_mapping.to_params(dict(arrays), config)
        for i, noisy in enumerate(arrays["_x"]):
            features, mask = arrays["_enc"][i].T, arrays["_mask"][0, i].T
            expected = (features, mask, arrays["_y"][i])
            agree(Sepformer(config), params, noisy, *expected, atol=2e-6)


@pytest.fixture(scope="module")
def run(params):
    """The model with its weights, compiled for each length once."""
    return functools.partial(jax.jit(Sepformer(TINY).apply), params)


@pytest.mark.slow
@pytest.mark.parametrize("count", [17, 367, 368])
def test_padding_changes_nothing(golden, run, count):
    """Chunks are added at 368 samples: 45 frames and 5 before them fill five chunks."""
    signal = golden["_noisy"][:count]
    padded = np.pad(signal, (0, 1003 - count), constant_values=9)
    found = run(padded, count)
    np.testing.assert_allclose(found[:count], run(signal), atol=1e-6)
    assert not np.any(found[count:])


@pytest.mark.slow
def test_many_signals_by_vmap(golden, params, run):
    noisy, counts = golden["_noisy"], np.array([1003, 367])
    lifted = jax.vmap(Sepformer(TINY).apply, (None, 0, 0))
    found = jax.jit(lifted)(params, np.stack([noisy, noisy[::-1]]), counts)
    np.testing.assert_allclose(found[0], run(noisy, 1003), atol=1e-6)
    np.testing.assert_allclose(found[1], run(noisy[::-1], 367), atol=1e-6)


@pytest.mark.slow
def test_groups_of_sequences_change_nothing(golden, params, run, monkeypatch):
    expected = run(golden["_noisy"])
    monkeypatch.setattr(modeling, "SEQUENCES_AT_ONCE", 7)
    found = jax.jit(Sepformer(TINY).apply)(params, golden["_noisy"])
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_level_of_the_output_is_that_of_the_input(golden, run):
    noisy = golden["_noisy"]
    np.testing.assert_allclose(run(8 * noisy), 8 * run(noisy), atol=1e-5)


def test_number_of_parameters():
    model = Sepformer(SepformerConfig())
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros(4000))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 25_613_569


@pytest.fixture(scope="module")
def full():
    """SpeechBrain's model of full size, and its weights here."""
    try:
        speechbrain_oracle.load()
    except ImportError:
        pytest.skip("needs torch and speechbrain")
    config = SepformerConfig()
    parts = speechbrain_oracle.build(config)
    tensors = speechbrain_oracle.tensors(parts)
    params = sepformer_mapping.to_params(tensors, config)
    return config, parts, jax.tree.map(jnp.asarray, params)


def noise(seconds):
    rng = np.random.default_rng(0)
    return 0.1 * rng.standard_normal(round(16_000 * seconds)).astype(np.float32)


@pytest.mark.slow
def test_full_size_layer_by_layer(full):
    config, parts, params = full
    blocks = params["params"]["masknet"]["blocks"]
    seen = {}

    def keep(name):
        def hook(module, args, output):
            output = output[0] if isinstance(output, tuple) else output
            seen[name] = args[0].numpy(), output.numpy()

        return hook

    for b, block in enumerate(parts["masknet"].dual_mdl):
        block.register_forward_hook(keep(("block", b)))
        for way in ("intra", "inter"):
            layers = getattr(block, f"{way}_mdl").mdl.layers
            for i, layer in enumerate(layers):
                layer.register_forward_hook(keep((way, b, i)))
    speechbrain_oracle.run(parts, noise(0.5))
    assert len(seen) == 2 * (1 + 2 * 8)
    layer = jax.jit(modeling.TransformerLayer(config).apply, static_argnums=2)
    for (way, *place), (x, expected) in seen.items():
        if way == "block":
            x, expected = (a[0].transpose(2, 1, 0) for a in (x, expected))
            own = jax.tree.map(lambda leaf: leaf[place[0]], blocks)  # noqa: B023
            found = modeling.DualBlock(config).apply(
                {"params": own}, x, np.ones(len(x), bool)
            )
        else:
            own = jax.tree.map(lambda leaf: leaf[tuple(place)], blocks[way]["layers"])  # noqa: B023
            found = layer({"params": own}, x, None)
        error = np.abs(found - expected).max()
        assert error < 1e-4 * np.abs(expected).max(), (way, place, error)


@pytest.mark.slow
def test_full_size_whole(full):
    config, parts, params = full
    noisy = noise(4)
    expected = speechbrain_oracle.run(parts, noisy)["estimate"]
    found = jax.jit(Sepformer(config).apply)(params, noisy)[: len(expected)]
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
