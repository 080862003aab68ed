"""Impulse responses of simulated shoebox rooms (image sources, Allen and Berkley 1979)."""

import numpy as np

LENGTH_S = 0.6
EARLY_S = 0.05  # direct sound and early reflections, what speech is understood by
_LEAST_M, _MOST_M = (3.0, 3.0, 2.3), (9.0, 8.0, 3.5)
_T60_S = (0.2, 0.9)
_DISTANCE_M = (0.3, 4.0)
_WALL_M = 0.3  # at least, from microphone and talker
_MAX_ORDER = 20


def simulate(count: int, sample_rate: int, seed: int) -> np.ndarray:
    """Impulse responses (count, samples), float16, of random rooms.

    Each begins with the direct sound; its first 50 ms have an energy of 1.

    Raises:
      ImportError: pyroomacoustics is not installed.
    """
    rng = np.random.default_rng(seed)
    responses = []
    while len(responses) < count:
        response = _draw(rng, sample_rate)
        if response is not None:
            responses.append(response)
    return np.stack(responses)


def _draw(rng, sample_rate):
    """One response, or None where the drawn room cannot be."""
    import pyroomacoustics

    size = rng.uniform(_LEAST_M, _MOST_M)
    talker = rng.uniform(_WALL_M, size - _WALL_M)
    direction = rng.normal(size=3) * (1, 1, 0.3)
    direction /= np.linalg.norm(direction)
    distance = np.exp(rng.uniform(*np.log(_DISTANCE_M)))
    microphone = talker + distance * direction
    try:
        absorption, order = pyroomacoustics.inverse_sabine(rng.uniform(*_T60_S), size)
    except ValueError:  # no walls are that dead
        return None
    if np.any(microphone < _WALL_M) or np.any(microphone > size - _WALL_M):
        return None
    room = pyroomacoustics.ShoeBox(
        size,
        fs=sample_rate,
        materials=pyroomacoustics.Material(absorption),
        max_order=min(order, _MAX_ORDER),
        air_absorption=True,
    )
    room.add_source(talker)
    room.add_microphone(microphone)
    room.compute_rir()
    return _from_direct_sound(room.rir[0][0], sample_rate)


def _from_direct_sound(response, sample_rate):
    first = np.argmax(np.abs(response) > 0.5 * np.abs(response).max())
    response, length = response[first:], round(LENGTH_S * sample_rate)
    response = np.pad(response[:length], (0, max(0, length - len(response))))
    early = response[: round(EARLY_S * sample_rate)]
    return (response / np.sqrt(np.sum(early**2))).astype(np.float16)
