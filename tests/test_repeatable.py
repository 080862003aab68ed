"""The same seed gives the same sound, bit for bit, in a process of its own."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

CODE = """
import hashlib, numpy as np, inr_jax
from inr_jax.configs import fitting
from inr_jax.enhancement import registry

fit = fitting.FitConfig(fitting.SirenConfig(width=32, depth=1), num_steps=40)
options = registry.Options(fit=fit)
noisy = 0.1 * np.random.default_rng(0).standard_normal(8000)
for method, seed in (("siren", 0), ("siren", 1), ("local_hypersound", 0)):
    found = inr_jax.denoise(noisy, 16_000, method, seed, options)
    print(hashlib.sha256(found.tobytes()).hexdigest())
"""


def hashes():
    """Of one SIREN with two seeds and of the shipped network; all compiled anew."""
    settings = os.environ | {
        "JAX_PLATFORMS": "cpu",
        "JAX_ENABLE_COMPILATION_CACHE": "0",
    }
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True,
        text=True,
        check=True,
        env=settings,
    )
    return done.stdout.split()


def test_cpu_results_repeat_bit_for_bit():
    first = hashes()
    assert len(set(first)) == 3
    assert hashes() == first
