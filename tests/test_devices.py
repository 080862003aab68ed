"""Clips over several devices: the result of one, and no word between them."""

import dataclasses
import os
import subprocess
import sys

import jax
import numpy as np
import pytest

from inr_jax.configs.fitting import FitConfig, GainFieldConfig, SirenConfig
from inr_jax.enhancement import gain_denoiser
from inr_jax.errors import InputError
from inr_jax.fitting import batch, early_stopping
from inr_jax.parallel import bucketing, devices
from inr_jax.parallel.compute import ComputeConfig

RATE = 16_000
# two clips a device and batch, one after the other
ONE = ComputeConfig(batch_samples=2048, activations_at_once=1, steps_per_call=5)
FIT = FitConfig(SirenConfig(8, 1, 100.0), learning_rate=1e-3, num_steps=10)
GAIN = GainFieldConfig(
    SirenConfig(8, 1, 1.0, 10.0), num_fields=2, num_steps=3, num_bins=64
)
KEYS, RATES = [jax.random.key(i) for i in range(11)], [RATE] * 11
COLLECTIVES = ("all-reduce", "all-gather", "collective-permute", "all-to-all")
COLLECTIVES += ("reduce-scatter", "collective-broadcast")


def clips():
    """Eleven, so that no number of devices divides them."""
    rng = np.random.default_rng(0)
    return [
        np.float32(rng.uniform(0.1, 2) * rng.standard_normal(900 + 10 * i))
        for i in range(11)
    ]


def siren(compute):
    """The estimate of every clip, and the steps that were reported."""
    keys, told = [jax.random.clone(key) for key in KEYS], []
    found = batch.fit_batch(keys, clips(), RATES, FIT, told.append, compute=compute)
    estimates = {f"siren {i}": fit.estimate for i, fit in found}
    return {"steps": np.array(sum(told)), **estimates}


def gain(compute):
    keys = [jax.random.clone(key) for key in KEYS]
    found = gain_denoiser.denoise_many(keys, clips(), RATES, GAIN, compute=compute)
    return {f"gain {i}": estimate for i, estimate in found}


def stopped(compute):
    keys = [jax.random.clone(key) for key in KEYS]
    config = dataclasses.replace(FIT, num_steps=early_stopping.EVERY)
    found = early_stopping.fit_batch(
        keys, clips(), RATES, [0.1] * 11, config, "sure", compute=compute
    )
    return {f"stopped {i}": stopped.estimate for i, stopped in found}


def on_eight_devices(code, *args):
    """Runs code beside this module with eight devices that are one processor."""
    code = (
        "import sys; sys.path.insert(0, 'tests')\nfrom test_devices import *\n" + code
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, args)],
        env=os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def on(num_devices):
    return dataclasses.replace(ONE, num_devices=num_devices)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Estimates by number of devices, programs, text of a fit and, to compare, a mean."""
    path = tmp_path_factory.mktemp("devices") / "found.npz"
    text = on_eight_devices(
        "import conftest, warnings; warnings.simplefilter('error', UserWarning)\n"
        "np.savez(\n"
        "    sys.argv[1],\n"
        "    **{f'{n} {k}': v for n in (1, 4, 8) for k, v in siren(on(n)).items()},\n"
        "    **{f'{n} {k}': v for n in (1, 8) for k, v in gain(on(n)).items()},\n"
        "    **{f'{n} {k}': v for n in (1, 8) for k, v in stopped(on(n)).items()},\n"
        ")\n"
        "with conftest.count_compiles() as compiled: [siren(on(n)) for n in (1, 4, 8)]\n"
        "print(len(compiled), 'PART')\n"
        "print(batch.program(8, 1024, RATE, FIT, on(4)), 'PART')\n"
        "x = devices.put_clips(np.ones(8), 8)\n"
        "print(jax.jit(jax.numpy.mean).lower(x).compile().as_text())",
        path,
    )
    return dict(np.load(path)), *text.split("PART")


@pytest.mark.parametrize("num_devices", [4, 8])
def test_several_devices_give_what_one_gives(found, num_devices):
    """To 1e-5, the last batch filled up or not; what only fills it counts nowhere."""
    named = found[0]
    several = [name for name in named if name.startswith(f"{num_devices} ")]
    assert len(several) >= 11
    for name in several:
        alone = named["1 " + name.split(" ", 1)[1]]
        np.testing.assert_allclose(named[name], alone, atol=1e-5, err_msg=name)
    assert named[f"{num_devices} steps"] == 11 * FIT.num_steps


def test_the_compiled_fit_moves_nothing_between_devices(found):
    """The text would tell: it does so for a mean over clips."""
    _, _, fit, mean = found
    assert "num_partitions=4" in fit and "while" in fit
    assert not [name for name in COLLECTIVES if name in fit]
    assert "all-reduce" in mean


def test_a_fit_compiles_once_for_each_number_of_devices(found):
    """Again on 1, 4 and 8 devices, it compiles nothing."""
    assert int(found[1]) == 0


def test_slots_are_a_multiple_of_the_devices():
    lengths = [1000] * 11 + [5000]
    batches = bucketing.plan(lengths, [RATE] * 12, max_samples=2048, num_devices=4)
    assert [len(batch.clips) for batch in batches] == [8, 8, 4]
    assert [batch.num_clips for batch in batches] == [8, 3, 1]
    own = [i for batch in batches for i in batch.clips[: batch.num_clips]]
    assert sorted(own) == list(range(12))


def test_devices_that_are_not_there():
    with pytest.raises(InputError, match="--num_devices 9: there are 1"):
        devices.use(9)
    assert devices.count() == 1


def test_rows_of_one_process_are_all():
    replicated, split = devices.shardings()
    assert devices.local_rows(split, 5) == list(range(5))
    whole = jax.device_put(np.arange(3), replicated)
    np.testing.assert_array_equal(devices.local_replica(whole), np.arange(3))
    assert devices.process() == (0, 1)
