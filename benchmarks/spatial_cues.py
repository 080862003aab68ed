"""What denoising does to where a voice is heard: time and level differences of two ears.

  python benchmarks/spatial_cues.py --method=hyper_gain

A voice walks half a circle around a head, in noise of its own at each ear. Interaural level
and time differences (ILD, ITD) of stretches of 100 ms with speech are compared with those
of the clean signal, for independent and for linked channels.
"""

import numpy as np
import soundfile
from absl import flags
from scipy import signal

import inr_jax
from inr_jax import metrics
from inr_jax.cli import app
from inr_jax.data import datasets, noise
from inr_jax.io import markdown

flags.adopt_module_key_flags(app)
METHOD = flags.DEFINE_string("method", "hyper_gain", "What denoises.")
SPEECH = flags.DEFINE_string("speech", None, "A mono recording; a shipped one if None.")
SNR_DB = flags.DEFINE_float("snr_db", 5.0, "Level of the noise.")

HEAD_RADIUS_M, SOUND_M_PER_S = 0.0875, 343.0
LARGEST_ILD_DB = 8.0
STRETCH_S = 0.1
SPEECH_DB = -20.0  # of the loudest stretch; below are pauses
LARGEST_ITD_S = 1e-3
FINE_RATE = 192_000  # Hz, at which time differences are read: steps of 5 us


def walk(speech: np.ndarray, sample_rate: int) -> np.ndarray:
    """The voice at both ears (samples, 2), from the left to the right.

    ITD after Woodworth, for a round head; ILD in proportion to the sine of the angle.
    """
    angle = np.linspace(-np.pi / 2, np.pi / 2, len(speech))
    itd = HEAD_RADIUS_M / SOUND_M_PER_S * (angle + np.sin(angle))
    time = np.arange(len(speech)) / sample_rate
    ears = []
    for side in (-1, 1):  # the nearer ear hears it sooner and louder
        delayed = np.interp(time + side * itd / 2, time, speech)
        ears.append(delayed * 10 ** (side * LARGEST_ILD_DB * np.sin(angle) / 40))
    return np.stack(ears, axis=1).astype(np.float32)


def cues(ears: np.ndarray, sample_rate: int) -> np.ndarray:
    """ILD in dB and ITD in seconds of each stretch (stretches, 2)."""
    ears = inr_jax.audio.resample(ears, sample_rate, FINE_RATE)
    size, sample_rate = round(STRETCH_S * FINE_RATE), FINE_RATE
    found = []
    for start in range(0, len(ears) - size + 1, size):
        left, right = ears[start : start + size].astype(np.float64).T
        ild = 10 * np.log10((right @ right + 1e-12) / (left @ left + 1e-12))
        most = round(LARGEST_ITD_S * sample_rate)
        lags = np.arange(-most, most + 1)
        products = signal.correlate(right, left, method="fft")[size - 1 + lags]
        found.append((ild, lags[np.argmax(products)] / sample_rate))
    return np.array(found)


def errors(clean: np.ndarray, estimate: np.ndarray, sample_rate: int) -> np.ndarray:
    """Mean absolute errors of ILD in dB and ITD in seconds, where there is speech."""
    size = round(STRETCH_S * sample_rate)
    count = len(clean) // size
    power = np.mean(clean[: count * size].reshape(count, -1) ** 2, axis=1)
    speaks = power > np.max(power) * 10 ** (SPEECH_DB / 10)
    difference = cues(estimate, sample_rate) - cues(clean, sample_rate)
    return np.mean(np.abs(difference[speaks]), axis=0)


def main() -> None:
    path = SPEECH.value or datasets.find_clips(datasets.shipped_clips())[0].path
    speech, sample_rate = soundfile.read(path, dtype="float32")
    clean = walk(speech, sample_rate)
    noisy = noise.add_white(clean, 0, SNR_DB.value)
    rows = [("noisy", noisy)]
    for channels in ("independent", "linked"):
        estimate = inr_jax.denoise(noisy, sample_rate, METHOD.value, channels=channels)
        rows.append((f"{METHOD.value}, {channels}", estimate))
    cells = []
    for name, estimate in rows:
        ild, itd = errors(clean, estimate, sample_rate)
        scores = [
            metrics.si_sdr(clean[:, i], estimate[:, i], sample_rate) for i in (0, 1)
        ]
        cells.append((name, f"{ild:.2f}", f"{1e6 * itd:.0f}", f"{np.mean(scores):.2f}"))
    columns = ("", "ILD error dB", "ITD error us", "SI-SDR dB")
    print(markdown.table(columns, cells))


if __name__ == "__main__":
    app.run(main)
