"""Noisy examples from clean speech and noise, made on the device for every step.

An example is a pure function of a key and of the decoded corpus, so that a training that
was interrupted sees what it would have seen, and an accelerator waits for no host. Noise
is recorded or synthetic; rooms, recording chains and faults of recordings follow.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax import random as jr
from jax.scipy.signal import fftconvolve
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from inr_jax.configs.augment import NOISE_KINDS, AugmentConfig
from inr_jax.data.rooms import EARLY_S
from inr_jax.errors import InputError

# Crops quieter than this against full scale are drawn again, a few times.
_QUIET_RMS = 0.01
_DRAWS = 3
# Pauses of digital zeros get noise of this deviation.
_DITHER = 1e-5
# Smooth random spectra: so many points, evenly on a logarithmic axis from 40 Hz.
_CURVE_POINTS = 7
_BABBLE_VOICES = (3, 8)
# Sounds are played at other speeds in steps of 1 / _PHASES, by a windowed sinc that
# reaches so many samples to each side.
_PHASES = 1000
_SIDE_TAPS = 8
_RUMBLE_HZ = (15.0, 60.0)
_TELEPHONE_HZ = (300.0, 3400.0)
# A gate hears so long, and closes so far below the loudest speech.
_GATE_S, _GATE_DB = 0.1, (-45.0, -25.0)


class Sounds(NamedTuple):
    """Decoded sounds end to end, and how they are drawn.

    Attributes:
      samples: int16 (samples,).
      starts: First sample of each sound, int32 (sounds,).
      lengths: Samples of each, int32 (sounds,).
      logits: Logarithm of how often each is drawn, up to a constant (sounds,).
      top_hz: What lies above is missing in each (sounds,).
    """

    samples: jax.Array
    starts: jax.Array
    lengths: jax.Array
    logits: jax.Array
    top_hz: jax.Array


class Corpus(NamedTuple):
    """What examples are made from.

    Attributes:
      speech: Sources of clean speech, each a "sound" of many utterances.
      noise: Recordings of noise.
      rooms: Impulse responses that begin with the direct sound, (rooms, samples).
    """

    speech: Sounds
    noise: Sounds
    rooms: jax.Array


def sounds(
    pieces: Sequence[np.ndarray],
    weights: Sequence[float],
    top_hz: Sequence[float] | None = None,
) -> Sounds:
    """Sounds of int16 arrays (samples,), drawn in proportion to `weights`.

    Raises:
      InputError: they are too long, all together.
    """
    if (total := sum(map(len, pieces))) >= 2**31:
        raise InputError(
            f"{total} samples of sound: more than 2^31 (37 hours at 16 kHz) have no "
            "place; give fewer files"
        )
    lengths = np.array([len(piece) for piece in pieces], np.int32)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int32)
    top = np.full(len(pieces), np.inf) if top_hz is None else np.array(top_hz)
    return Sounds(
        np.concatenate(pieces),
        starts,
        lengths,
        np.log(np.asarray(weights, np.float32)),
        top.astype(np.float32),
    )


def examples(
    keys: jax.Array, corpus: Corpus, config: AugmentConfig
) -> tuple[jax.Array, jax.Array]:
    """Noisy and clean examples (keys, samples), one after the other.

    In turn, as only the branches of the kinds that are drawn are computed so.
    """
    return lax.map(lambda key: example(key, corpus, config), keys)


def example(
    key: jax.Array, corpus: Corpus, config: AugmentConfig
) -> tuple[jax.Array, jax.Array]:
    """One noisy example and its clean target, (samples,); the peak of the noisy one is 1
    before it is clipped.
    """
    keys = jr.split(key, 5)
    clean, top_hz = _speech(keys[0], corpus, config)
    clean = _equalised(keys[1], clean, config)
    reverberant, target = _in_room(keys[2], clean, corpus, config)
    noise = _noise(keys[3], corpus, config)
    noise *= _rms(target)
    return _recorded(keys[4], reverberant, target, noise, top_hz, config)


def _speech(key, corpus, config):
    """A crop that is not quiet (samples,), and the bandwidth of its source in Hz."""
    draw_key, dither_key, if_key, speed_key = jr.split(key, 4)

    def draw(key):
        source_key, crop_key = jr.split(key)
        source = jr.categorical(source_key, corpus.speech.logits)
        found = crop(crop_key, corpus.speech, source, config.num_samples)
        return source, crop_key, _rms(found) > _QUIET_RMS

    sources, crop_keys, loud = lax.map(draw, jr.split(draw_key, _DRAWS))
    chosen = jnp.argmax(loud)
    speed = _log_uniform(speed_key, *config.speed_range)
    speed = jnp.where(jr.bernoulli(if_key, config.speed_share), speed, 1.0)
    source = sources[chosen]
    found = crop(crop_keys[chosen], corpus.speech, source, config.num_samples, speed)
    dither = _DITHER * jr.normal(dither_key, (config.num_samples,))
    # what is slowed has nothing up to the Nyquist frequency
    nyquist = config.sample_rate / 2
    top_hz = jnp.where(speed < 1, nyquist, jnp.inf)
    top_hz = jnp.minimum(corpus.speech.top_hz[source], top_hz) * speed
    return found + dither, top_hz


def crop(
    key: jax.Array,
    of: Sounds,
    which: Int[ArrayLike, ""],
    num_samples: int,
    speed: Float[ArrayLike, ""] = 1.0,
) -> Float[Array, " {num_samples}"]:
    """A random crop of a sound, repeated where the sound is shorter, full scale 1.

    Args:
      key: Draws where it begins.
      of: Sounds.
      which: Of the sounds.
      num_samples: Of the crop.
      speed: Samples of the sound for a sample of the crop: pitch, formants and tempo
        change alike. Rounded to thousandths; at 1 the samples are the sound's own.
    """
    length = of.lengths[which]
    first = jr.randint(key, (), 0, length)
    index = jnp.arange(num_samples)

    def samples(place):
        place = of.starts[which] + (first + place) % length
        return of.samples[place].astype(jnp.float32) / 32768

    def resampled():
        # integers, as a float32 of some seconds has too few bits for the fraction
        whole, phase = jnp.divmod(jnp.round(speed * _PHASES).astype(jnp.int32), _PHASES)
        base = index * whole + index * phase // _PHASES
        fraction = index * phase % _PHASES / _PHASES
        cutoff = jnp.minimum(1.0, 1 / speed)

        def with_tap(k, total):
            gain = cutoff * _windowed_sinc(fraction - k, cutoff)
            return total + gain * samples(base + k)

        # a loop, as a program of all taps in a row takes longer to compile
        first_tap, end = 1 - _SIDE_TAPS, 1 + _SIDE_TAPS
        return lax.fori_loop(first_tap, end, with_tap, jnp.zeros(num_samples))

    return lax.cond(speed == 1, lambda: samples(index), resampled)


def _windowed_sinc(place, cutoff):
    """Low-pass `place` samples from its centre; `cutoff` in Nyquist frequencies."""
    window = jnp.cos(jnp.pi / 2 * place / _SIDE_TAPS) ** 2
    return window * jnp.sinc(cutoff * place)


def _equalised(key, clean, config):
    if_key, curve_key = jr.split(key)
    return lax.cond(
        jr.bernoulli(if_key, config.equalised_share),
        lambda x: _filtered(x, _curve(curve_key, 3.0, config)),
        lambda x: x,
        clean,
    )


def _in_room(key, clean, corpus, config):
    """Reverberant speech, and its direct sound with early reflections, the target."""
    if_key, room_key = jr.split(key)
    size = 2 * config.num_samples
    early = jnp.arange(corpus.rooms.shape[1]) < EARLY_S * config.sample_rate

    def reverberant(x):
        spectrum = jnp.fft.rfft(x, size)
        response = corpus.rooms[jr.randint(room_key, (), 0, len(corpus.rooms))]
        response = response.astype(jnp.float32)
        return tuple(
            jnp.fft.irfft(spectrum * jnp.fft.rfft(h, size))[: len(x)]
            for h in (response, response * early)
        )

    here = jr.bernoulli(if_key, config.room_share)
    return lax.cond(here, reverberant, lambda x: (x, x), clean)


def _noise(key, corpus, config):
    """Noise (samples,) at the drawn ratio to speech of deviation 1."""
    keys = jr.split(key, 8)
    logits = jnp.log(jnp.array(config.noise_shares))
    branches = [_KINDS[name] for name in NOISE_KINDS]
    kind = jr.categorical(keys[0], logits)
    noise = lax.switch(
        kind, [lambda k, f=f: f(k, corpus, config) for f in branches], keys[1]
    )
    noise = lax.cond(
        jr.bernoulli(keys[2], config.moving_share),
        lambda x: x * _envelope(keys[3], 5.0, 5, config),
        lambda x: x,
        noise,
    )
    noise /= jnp.maximum(_rms(noise), 1e-3)
    over_db = jr.uniform(keys[4], minval=-10.0, maxval=10.0)
    rumble = jr.bernoulli(keys[5], config.rumble_share) * _decibels(over_db)
    noise += rumble * jnp.maximum(_rms(noise), 1e-3) * _rumble(keys[6], config)
    noise /= jnp.maximum(_rms(noise), 1e-3)
    low, high = config.snr_range_db
    return noise * _decibels(-jr.uniform(keys[7], minval=low, maxval=high))


def _white(key, corpus, config):
    del corpus
    return jr.normal(key, (config.num_samples,))


def _coloured(key, corpus, config):
    white_key, curve_key = jr.split(key)
    white = _white(white_key, corpus, config)
    return _unit(_filtered(white, _curve(curve_key, 12.0, config)))


def _one_recording(key, corpus, config):
    keys = jr.split(key, 4)
    which = jr.categorical(keys[0], corpus.noise.logits)
    slowed = jr.uniform(keys[1], minval=0.7, maxval=1.0)
    speed = jnp.where(jr.bernoulli(keys[2]), slowed, 1.0)
    return _unit(crop(keys[3], corpus.noise, which, config.num_samples, speed))


def _recording(key, corpus, config):
    noise_key, curve_key = jr.split(key)
    noise = _one_recording(noise_key, corpus, config)
    return _unit(_filtered(noise, _curve(curve_key, 4.0, config)))


def _two_recordings(key, corpus, config):
    keys = jr.split(key, 3)
    second = _decibels(jr.uniform(keys[2], minval=-10.0, maxval=3.0))
    first = _recording(keys[0], corpus, config)
    return first + second * _one_recording(keys[1], corpus, config)


def _babble(key, corpus, config):
    """Several voices at once, too many for one of them to be the target."""
    keys = jr.split(key, 3)
    low, high = _BABBLE_VOICES
    count = jr.randint(keys[0], (), low, high + 1)

    def voice(key):
        speech_key, level_key = jr.split(key)
        speech = _unit(_speech(speech_key, corpus, config)[0])
        return speech * _decibels(3.0 * jr.normal(level_key))

    voices = lax.map(voice, jr.split(keys[1], high))
    babble = jnp.sum(voices, axis=0, where=(jnp.arange(high) < count)[:, None])
    return _unit(_filtered(babble, _curve(keys[2], 4.0, config)))


def _tonal(key, corpus, config):
    """Mains hum, a steady tone or two, or changing chords, over a bed of noise."""
    keys = jr.split(key, 4)
    kind = jr.randint(keys[0], (), 0, 3)
    most = 6
    count = jnp.array([1, 2, most])[kind]
    notes = lax.map(lambda k: _note(k, kind, config), jr.split(keys[1], most))
    tones = jnp.sum(notes, axis=0, where=(jnp.arange(most) < count)[:, None])
    bed = _decibels(jr.uniform(keys[2], minval=-40.0, maxval=-3.0))
    return _unit(tones) + bed * _coloured(keys[3], corpus, config)


def _note(key, kind, config):
    """A harmonic tone: kind 0 hum, 1 one sine, 2 a note that dies away, with vibrato."""
    keys = jr.split(key, 6)
    time = np.arange(config.num_samples, dtype=np.float32) / config.sample_rate
    low, high = jnp.array([[50.0, 60.0], [80.0, 4000.0], [100.0, 1000.0]])[kind]
    share = jr.uniform(keys[0])
    share = jnp.where(kind == 0, jnp.round(share), share)
    pitch = low * (high / low) ** share
    harmonics = jnp.arange(1, 13)
    decay = jr.uniform(keys[1], minval=0.3, maxval=1.5)
    amplitudes = jr.normal(keys[2], harmonics.shape) * harmonics**-decay
    amplitudes *= harmonics * pitch < 0.49 * config.sample_rate
    amplitudes = jnp.where(kind == 1, harmonics == 1, amplitudes)
    phases = 2 * jnp.pi * jr.uniform(keys[3], harmonics.shape)
    vibrato = 0.003 * jr.uniform(keys[4]) * (kind == 2)
    base = 2 * jnp.pi * pitch * time * (1 + vibrato * jnp.sin(10 * jnp.pi * time))
    sines = lax.map(
        lambda x: x[0] * jnp.sin(x[1] * base + x[2]), (amplitudes, harmonics, phases)
    )
    begin, length = jr.uniform(keys[5], (2,))
    since = time - (2 * begin - 0.5)
    fading = jnp.clip(since / 0.01, 0, 1) * jnp.exp(-since / (0.1 + length))
    return _unit(jnp.sum(sines, axis=0)) * jnp.where(kind == 2, fading, 1.0)


def _impulsive(key, corpus, config):
    """Clicks, keys and knocks: noise under sparse decays, over a faint bed."""
    keys = jr.split(key, 6)
    size = 2 * config.num_samples
    a_second = _log_uniform(keys[0], 1.0, 30.0)
    hits = jr.bernoulli(keys[1], a_second / config.sample_rate, (config.num_samples,))
    hits *= jnp.exp(0.7 * jr.normal(keys[2], hits.shape))
    time = np.arange(config.num_samples) / config.sample_rate
    decay = jnp.exp(-time / _log_uniform(keys[3], 0.002, 0.08))
    spectrum = jnp.fft.rfft(hits, size) * jnp.fft.rfft(decay, size)
    envelope = jnp.fft.irfft(spectrum)[: config.num_samples]
    noise = _unit(envelope * _coloured(keys[4], corpus, config))
    return noise + 0.03 * _coloured(keys[5], corpus, config)


def _gusts(key, corpus, config):
    """Wind: low-passed noise in gusts."""
    keys = jr.split(key, 3)
    corner = _log_uniform(keys[0], 60.0, 600.0)
    gain = 1 / (1 + (_frequencies(config) / corner) ** 2)
    noise = _filtered(_white(keys[1], corpus, config), gain)
    return _unit(noise) * _envelope(keys[2], 10.0, 9, config)


def _none(key, corpus, config):
    del key, corpus
    return jnp.zeros(config.num_samples)


_KINDS = {
    "white": _white,
    "coloured": _coloured,
    "recorded": _recording,
    "two_recorded": _two_recordings,
    "babble": _babble,
    "tonal": _tonal,
    "impulsive": _impulsive,
    "gusts": _gusts,
    "none": _none,
}


def _recorded(key, reverberant, target, noise, top_hz, config):
    """Simulates a recording chain and its faults on the noisy and the clean signal."""
    keys = jr.split(key, 7)
    reverberant, target, noise = _band(
        keys[0], reverberant, target, noise, top_hz, config
    )
    closed = lax.cond(
        jr.bernoulli(keys[5], config.gated_share),
        lambda: _pauses(keys[6], target, config),
        lambda: jnp.zeros(config.num_samples, bool),
    )
    place = np.arange(config.num_samples)
    start, length = jr.uniform(keys[1], (2,))
    start *= config.num_samples
    length = (0.02 + 0.5 * length**2) * config.sample_rate
    gap = (place > start) & (place < start + length)
    kept = ~(jr.bernoulli(keys[2], config.gap_share) & gap) & ~closed
    noisy, target = (reverberant + noise) * kept, target * kept
    peak = jnp.max(jnp.abs(noisy))
    limit = jr.uniform(keys[3], minval=0.25, maxval=0.8)
    limit = peak * jnp.where(jr.bernoulli(keys[4], config.clipped_share), limit, 1.0)
    scale = 1 / jnp.maximum(peak, 1e-9)
    return scale * jnp.clip(noisy, -limit, limit), scale * target


def _pauses(key, target, config):
    """Where the target is fainter than the threshold of a gate, (samples,)."""
    size = round(_GATE_S * config.sample_rate)
    power = fftconvolve(target**2, jnp.ones(size) / size, "same")
    low, high = _GATE_DB
    threshold_db = jr.uniform(key, minval=low, maxval=high)
    return power < 10 ** (threshold_db / 10) * jnp.max(power)


def _band(key, reverberant, target, noise, top_hz, config):
    keys = jr.split(key, 3)
    low, high = _TELEPHONE_HZ
    telephone = jr.bernoulli(keys[0], config.telephone_share)
    limited = jr.bernoulli(keys[1], config.band_limited_share)
    nyquist = config.sample_rate / 2
    top = jr.uniform(keys[2], minval=3000.0, maxval=nyquist)
    top = jnp.minimum(jnp.where(limited, top, jnp.inf), top_hz)
    top = jnp.where(telephone, jnp.minimum(top, high), top)
    bottom = jnp.where(telephone, low, -jnp.inf)
    frequency = _frequencies(config)
    gain = jnp.clip((top - frequency) / 160 + 0.5, 0, 1)
    gain *= jnp.clip((frequency - bottom) / 80 + 0.5, 0, 1)
    return lax.cond(
        telephone | (top < nyquist),
        lambda x: lax.map(lambda y: _filtered(y, gain), x),
        lambda x: x,
        jnp.stack([reverberant, target, noise]),
    )


def _rumble(key, config):
    white_key, corner_key = jr.split(key)
    low, high = _RUMBLE_HZ
    corner = jr.uniform(corner_key, minval=low, maxval=high)
    gain = 1 / (1 + (_frequencies(config) / corner) ** 8)
    return _unit(_filtered(jr.normal(white_key, (config.num_samples,)), gain))


def _frequencies(config):
    count = config.num_samples
    return np.arange(count // 2 + 1, dtype=np.float32) * config.sample_rate / count


def _filtered(samples, gain):
    return jnp.fft.irfft(jnp.fft.rfft(samples) * gain, len(samples))


def _curve(key, spread_db, config):
    """A smooth random gain over `_frequencies`, normally distributed in dB."""
    points = np.geomspace(40.0, config.sample_rate / 2, _CURVE_POINTS)
    gains_db = spread_db * jr.normal(key, (_CURVE_POINTS,))
    frequency = np.maximum(_frequencies(config), 1.0)
    return _decibels(jnp.interp(np.log(frequency), np.log(points), gains_db))


def _envelope(key, spread_db, num_points, config):
    """A smooth random gain over time."""
    gains_db = spread_db * jr.normal(key, (num_points,))
    place = np.linspace(0, num_points - 1, config.num_samples)
    return _decibels(jnp.interp(place, np.arange(num_points), gains_db))


def _decibels(level):
    return 10 ** (level / 20)


def _log_uniform(key, low, high):
    return low * (high / low) ** jr.uniform(key)


def _rms(samples):
    return jnp.sqrt(jnp.mean(samples**2) + 1e-12)


def _unit(samples):
    """Scaled to a standard deviation of 1; silence is left alone."""
    return samples / jnp.maximum(_rms(samples), 1e-5)
