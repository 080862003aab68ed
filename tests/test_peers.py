"""The packages that others use: only where they are installed."""

import numpy as np
import pytest

from inr_jax import metrics
from inr_jax.data import noise
from inr_jax.enhancement import external


@pytest.mark.parametrize("name", ["rnnoise", "noisereduce", "noisereduce_stationary"])
def test_peers_denoise_without_delay(name, speech):
    pytest.importorskip("pyrnnoise" if name == "rnnoise" else "noisereduce")
    noisy = noise.add_white(speech, 0, 5.0)
    found = getattr(external, name)(noisy, 16_000)
    assert found.shape == noisy.shape and np.all(np.isfinite(found))
    assert metrics.lag(speech, found, 16_000) == 0
    assert metrics.si_sdr(speech, found, 16_000) > 5
