"""Clips over several devices: the result of one, without communication."""

import dataclasses

import jax
import numpy as np
import pytest
from conftest import count_compiles

from inr_jax import audio
from inr_jax.configs.fitting import FitConfig, SirenConfig
from inr_jax.configs.methods import GainFieldMethod
from inr_jax.enhancement import driver, gain_denoiser
from inr_jax.errors import InputError
from inr_jax.fitting import batch, early_stopping
from inr_jax.parallel import bucketing, distributed, sharding
from inr_jax.parallel.compute import ComputeConfig

RATE = 16_000
# two clips a device and batch, one after the other
ONE = ComputeConfig(batch_samples=2048, activations_at_once=1, steps_per_call=5)
FIT = FitConfig(SirenConfig(8, 1, 100.0), learning_rate=1e-3, num_steps=10)
GAIN = GainFieldMethod(
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
    denoiser = gain_denoiser.denoiser(GAIN, compute=compute)
    noisy = [
        audio.Recording(np.asarray(x, np.float32)[:, None], rate)
        for x, rate in zip(clips(), RATES, strict=True)
    ]
    found = driver.run(denoiser, noisy, keys)
    return {f"gain {e.position}": e.samples[:, 0] for e in found}


def stopped(compute):
    keys = [jax.random.clone(key) for key in KEYS]
    config = dataclasses.replace(FIT, num_steps=early_stopping.STEPS_PER_LOOK)
    rest = RATES, [0.1] * 11, config, "sure"
    found = early_stopping.fit_batch(keys, clips(), *rest, compute=compute)
    return {f"stopped {i}": fit.estimate for i, fit in found}


def on(num_devices):
    return dataclasses.replace(ONE, num_devices=num_devices)


@pytest.fixture(scope="module")
def found():
    """Estimates by name, by number of devices."""
    return {n: siren(on(n)) | gain(on(n)) | stopped(on(n)) for n in (1, 4)}


@pytest.mark.slow
def test_several_devices_give_what_one_gives(found):
    """To 1e-5, the last batch filled up or not; what only fills it counts nowhere."""
    assert len(found[1]) == 1 + 3 * 11
    for name, alone in found[1].items():
        np.testing.assert_allclose(found[4][name], alone, atol=1e-5, err_msg=name)
    assert found[4]["steps"] == 11 * FIT.num_steps


def test_the_compiled_fit_moves_nothing_between_devices():
    """The text would tell: it does so for a mean over clips."""
    fit = batch.program(8, 1024, RATE, FIT, on(4))
    clips = sharding.put_clips(np.ones(8), 4)
    mean = jax.jit(jax.numpy.mean).lower(clips).compile().as_text()
    assert "num_partitions=4" in fit and "while" in fit
    assert not [name for name in COLLECTIVES if name in fit]
    assert "all-reduce" in mean


@pytest.mark.slow
def test_a_fit_compiles_once_for_each_number_of_devices(found):
    with count_compiles() as compiled:
        for num_devices in found:
            siren(on(num_devices))
    assert not compiled


def test_on_a_device_of_its_own_nothing_is_split():
    """As on the CPU, where an accelerator has too little memory."""
    (device, *_) = jax.local_devices()[1:]
    double = sharding.over_clips(lambda x: 2 * x, 4)
    clips = np.ones(8, np.float32)
    assert len(double(sharding.put_clips(clips, 4)).devices()) == 4
    with jax.default_device(device):
        double = jax.jit(sharding.over_clips(lambda x: 2 * x, 4))
        assert double(sharding.put_clips(clips, 4)).devices() == {device}


@pytest.mark.parametrize("count", [1, 4])
def test_each_device_has_its_place_and_what_is_shared(count):
    shared = sharding.put_on_each(np.arange(3), count)
    summed = jax.jit(sharding.on_each_device(lambda place, x: place + x, count))(shared)
    np.testing.assert_array_equal(summed, np.arange(count)[:, None] + np.arange(3))
    assert len(summed.devices()) == count


def test_slots_are_a_multiple_of_the_devices():
    lengths = [1000] * 11 + [5000]
    batches = bucketing.plan(lengths, [RATE] * 12, max_samples=2048, num_devices=4)
    assert [len(batch.clips) for batch in batches] == [8, 8, 4]
    assert [batch.num_clips for batch in batches] == [8, 3, 1]
    own = [i for batch in batches for i in batch.clips[: batch.num_clips]]
    assert sorted(own) == list(range(12))


def test_devices_that_are_not_there():
    with pytest.raises(InputError, match="9 devices asked for, this process has 4"):
        sharding.use_local_devices(9)
    assert sharding.num_local_devices() == 1


def test_a_process_alone_is_the_first_of_one():
    assert distributed.process() == (0, 1)
