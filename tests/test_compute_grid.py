"""What `accelerator.py` recommends, from figures that are made up."""

import dataclasses
import itertools

import compute_grid
import measuring
import pytest

from inr_jax.parallel.compute import ComputeConfig

DEFAULT = ComputeConfig(num_devices=4)
SPEED = {
    ("hidden_precision", "float32"): 10.0,
    ("hidden_precision", "tensorfloat32"): 20.0,
    ("hidden_precision", "bfloat16"): 30.0,
    ("sine", "polynomial"): 10.0,
    ("sine", "jnp"): 10.2,
    ("block_samples", 2048): 100.0,
    ("block_samples", 4096): 110.0,
    ("block_samples", 8192): 120.0,
    ("steps_per_call", 250): 1000.0,
}


@pytest.mark.parametrize(
    "snr_db, precision",
    [
        ({"float32": 16.0, "tensorfloat32": 15.95, "bfloat16": 15.5}, "tensorfloat32"),
        ({"float32": 16.0, "tensorfloat32": 15.0, "bfloat16": 15.5}, "float32"),
        ({"float32": 16.0, "bfloat16": 16.1}, "bfloat16"),
        ({"bfloat16": 16.1}, "float32"),
        ({}, "float32"),
    ],
)
def test_the_fastest_values_that_cost_no_accuracy(snr_db, precision):
    """2 % are noise; what is not compared with its default stays."""
    wanted = {"hidden_precision": precision, "block_samples": 8192}
    found = compute_grid.recommended(DEFAULT, SPEED, snr_db)
    assert found == dataclasses.replace(DEFAULT, **wanted)


def test_every_factor_begins_with_its_default():
    found = list(compute_grid.factors(DEFAULT, {"block_samples": (1024, 2048, 4096)}))
    assert found[:3] == [
        ("hidden_precision", name) for name in ("float32", "tensorfloat32", "bfloat16")
    ]
    assert [v for f, v in found if f == "block_samples"] == [2048, 1024, 4096]


def test_settings_as_python():
    settings = dataclasses.replace(DEFAULT, sine="jnp", block_samples=4096)
    text = compute_grid.as_python(settings)
    assert text == "ComputeConfig(sine='jnp', block_samples=4096)"
    assert dataclasses.replace(eval(text), num_devices=4) == settings


def test_a_stopwatch_takes_five_calls_or_one_when_it_is_late(monkeypatch):
    clock = itertools.count(step=2.0)
    monkeypatch.setattr(measuring.time, "perf_counter", lambda: next(clock))
    for until, count in ((float("inf"), 5), (0.0, 1)):
        timing = measuring.timed(lambda: next(clock), 3, "", measuring.Stopwatch(until))
        assert timing.seconds == [4.0] * count
        assert timing.compile_s == 0 and timing.per_s == 0.75
