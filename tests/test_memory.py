"""Memory does not grow with the number or the length of clips."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import tiny_weights
from conftest import REPOSITORY

from inr_jax import audio

pytestmark = pytest.mark.slow


def printed(code):
    """What a program of its own prints, run beside the benchmarks' `measuring`."""
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY / "benchmarks",
    ).stdout.strip()


FIT = """
import jax, numpy as np
from inr_jax.configs import fitting
import measuring
from inr_jax.fitting.batch import fit_batch

count, loss = {count}, fitting.LossWeights(**{loss})
noise = np.random.default_rng(0).uniform(-1, 1, (count, 15 * 16_000))
config = fitting.FitConfig(fitting.SirenConfig(depth=1), loss, num_steps=1)
keys = list(jax.random.split(jax.random.key(0), count))
for _ in fit_batch(keys, list(noise), [16_000] * count, config):
    pass
print(measuring.peak_mib())
"""


@pytest.mark.parametrize(
    "count, loss, limit_mib", [(12, {}, 600), (1, {"stft": 1, "mel": 1}, 1200)]
)
@pytest.mark.optimized
def test_clips_of_15_seconds_256_wide(count, loss, limit_mib):
    """Far below 2 GiB; 40 clips and 3 hidden layers instead of 1: 457 and 787 MiB."""
    code = FIT.format(count=count, loss=loss)
    assert float(printed(code)) < limit_mib


@pytest.fixture
def model_folder(tmp_path):
    """Of a network that is small beside any recording."""
    return tiny_weights.save(tmp_path, tiny_weights.CONFIG)


LONG = """
from inr_jax.configs import methods
from inr_jax.enhancement import files, registry
import measuring

settings = methods.HyperGainMethod("{folder}")
denoiser = registry.make("hyper_gain", settings)
peaks = []
for name in ("minutes", "hour"):
    (job,), _ = files.jobs(["{folder}/" + name + ".flac"], "{folder}/out.flac", None)
    (done,) = files.denoise(denoiser, [job], {{}}, files.DryWetMix())
    assert not done.error, done.error
    peaks.append(measuring.peak_mib())
print(peaks[1] - peaks[0])
"""


def test_a_long_file(model_folder):
    """An hour at 22.05 kHz takes no more than twenty minutes do.

    The forty minutes between are 200 MiB if held, and their estimate as much; the heap
    settles after about ten minutes.
    """
    second = np.zeros((22_050, 1), np.float32)
    for name, seconds in (("minutes", 1200), ("hour", 3600)):
        with audio.open_writer(model_folder / f"{name}.flac", 22_050, 1) as add:
            for _ in range(seconds):
                add(second)
    code = LONG.format(folder=model_folder)
    assert float(printed(code)) < 100
    assert soundfile.info(model_folder / "out.flac").frames == 3600 * 22_050


SOAK = """
import jax, numpy as np
from inr_jax import audio
from inr_jax.configs import methods
from inr_jax.enhancement import api, registry
import measuring
from inr_jax.parallel import bucketing

trained = registry.make("hyper_gain", methods.HyperGainMethod("{folder}"))
compiled = []
jax.monitoring.register_event_duration_secs_listener(
    lambda name, *_, **__: compiled.append(name) if "backend_compile" in name else None
)
rng = np.random.default_rng(0)
sizes = sorted({{bucketing.bucket_size(n) for n in range(800, {longest})}})
# one of each bucket, then any
lengths = [min(size, {longest}) for size in sizes]
lengths += [int(n) for n in rng.integers(800, {longest}, {count})]
noise = rng.standard_normal(({longest}, 1)).astype(np.float32)
curve = []
for i, length in enumerate(lengths):
    for method in (registry.make("wiener"), trained):
        clip = audio.Recording(noise[:length], 16_000)
        (found,) = api.denoise_recordings(method, [clip], [i])
        assert found.samples.shape == (length, 1)
    if i + 1 >= len(sizes) and (i + 1 - len(sizes)) % ({count} // 4) == 0:
        curve.append((measuring.reset_peak(), len(compiled)))
print([round(mib) for mib, _ in curve], [n for _, n in curve], len(sizes))
"""


def test_many_clips_of_random_length(model_folder):
    """After one of each length nothing grows; a program for each bucket, few others."""
    code = SOAK.format(folder=model_folder, count=60, longest=4096)
    memory, compiled, buckets = (
        json.loads(part) for part in re.findall(r"\[.*?\]|\d+$", printed(code))
    )
    assert memory[-1] < memory[0] + 20
    assert compiled[-1] == compiled[0] <= buckets + 10
