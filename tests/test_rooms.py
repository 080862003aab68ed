"""Simulated rooms: responses begin with the direct sound, whose beginning has energy 1."""

import importlib.util

import numpy as np
import pytest

from inr_jax.data import rooms

RATE = 16_000
EARLY = round(rooms.EARLY_S * RATE)


@pytest.mark.skipif(
    not importlib.util.find_spec("pyroomacoustics"), reason="needs pyroomacoustics"
)
def test_rooms_begin_with_the_direct_sound():
    found = rooms.simulate(3, RATE, 0)
    assert (
        found.shape == (3, round(rooms.LENGTH_S * RATE)) and found.dtype == np.float16
    )
    energy = np.sum(np.float64(found[:, :EARLY]) ** 2, axis=1)
    np.testing.assert_allclose(energy, 1, atol=1e-2)
    assert np.all(np.argmax(np.abs(found), axis=1) < 0.01 * RATE)
    assert np.all(np.abs(found[:, EARLY:]).max(axis=1) > 0)
    np.testing.assert_array_equal(rooms.simulate(3, RATE, 0), found)
    assert not np.array_equal(rooms.simulate(3, RATE, 1), found)


@pytest.mark.parametrize("first", [0, 7, 300])
def test_what_comes_before_the_direct_sound_is_cut(first):
    response = np.zeros(2000)
    response[[first, first + 100, first + EARLY + 10]] = 2, -0.5, 0.5
    found = rooms._from_direct_sound(response, RATE)
    scale = np.sqrt(2**2 + 0.5**2)
    places = [0, 100, EARLY + 10]
    np.testing.assert_allclose(
        found[places], np.array([2, -0.5, 0.5]) / scale, rtol=1e-3
    )
    assert np.count_nonzero(found) == 3
