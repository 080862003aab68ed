"""What the SIRENs of time that HyperSiren emits are: size, rates, times, modulations.

  python benchmarks/function_of_time.py --clean_dir=experiments/clips --snr_db=5

Each clip with white noise is one signal, and its estimate a function of time. Means over
clips: its weights in bytes beside those of the clip as a WAV file of 16 bits; its values at
48 and 8 kHz against those at 16 kHz, resampled by soxr; its values at random times against
those at 48 kHz between samples (sinc of 64 samples under a Hann window); and the SI-SDR to
the clean clip as emitted, with all modulations of phases 0, and with those of the window
half the clip later.
"""

from absl import flags

from inr_jax.cli import app
from inr_jax.errors import InputError

flags.adopt_module_key_flags(app)
CLEAN_DIR = flags.DEFINE_string("clean_dir", None, "Folder of clean speech.")
MAX_CLIPS = flags.DEFINE_integer("max_clips", 40, "Of its first clips.", 1)
SNR_DB = flags.DEFINE_float("snr_db", 0.0, "Level of the noise.")
WEIGHTS = flags.DEFINE_string("weights", "hyper_siren", "A shipped name, or a folder.")
NUM_TIMES = 2000


def main() -> None:
    if not CLEAN_DIR.value:
        raise InputError("--clean_dir is missing")

    import numpy as np

    import inr_jax
    from inr_jax import audio
    from inr_jax.data import datasets
    from inr_jax.io import markdown

    model, params = inr_jax.load_pretrained(WEIGHTS.value)
    rows = []
    for clip in datasets.find_clips(CLEAN_DIR.value)[: MAX_CLIPS.value]:
        clean = datasets.mono(audio.read(clip.path), model.config.sample_rate)
        rows.append(measured(model, params, clean, clip.name))
    titles = tuple(rows[0])
    means = [(name, f"{np.mean([row[name] for row in rows]):.1f}") for name in titles]
    print(markdown.table(("", f"mean of {len(rows)}"), means))


def measured(model, params, clean, name) -> dict[str, float]:
    """What is measured of one clip."""
    import numpy as np

    from inr_jax import metrics
    from inr_jax.audio.resample import resample
    from inr_jax.data import noise
    from inr_jax.models import hyper_siren
    from inr_jax.nn import window_siren

    rate, hop = model.config.sample_rate, model.config.hop
    noisy = noise.add_white(clean, noise.clip_seed(0, name), SNR_DB.value)
    sirens = hyper_siren.emit(model, params, noisy)

    def values(at_rate, sirens=sirens):
        count, at_hop = -(-len(clean) * at_rate // rate), hop * at_rate // rate
        return np.asarray(
            window_siren.on_grid(sirens, at_hop, count, model.config.windows)
        )

    here, high = values(rate), values(3 * rate)
    drawn = np.random.default_rng(0).uniform(0.1, len(clean) / rate - 0.1, NUM_TIMES)
    emitted = (sirens.modulations, sirens.sines, sirens.cosines)
    without = sirens._replace(modulations=0 * sirens.modulations)
    half = len(sirens.modulations) // 2
    others = sirens._replace(modulations=np.roll(sirens.modulations, half, axis=0))
    return {
        "windows": len(sirens.sines),
        "bytes of the emitted weights, 16-bit": 2 * sum(x.size for x in emitted),
        "bytes of the WAV file": 44 + 2 * len(clean),
        "three times the rate, SI-SDR dB": metrics.si_sdr(
            resample(here, rate, 3 * rate), high, 3 * rate
        ),
        "half the rate, SI-SDR dB": metrics.si_sdr(
            resample(here, rate, rate // 2), values(rate // 2), rate // 2
        ),
        "random times, SI-SDR dB": metrics.si_sdr(
            between(high, 3 * rate * drawn),
            window_siren.evaluate(sirens, drawn, model.config.windows),
            rate,
        ),
        "noisy, SI-SDR dB": metrics.si_sdr(clean, noisy, rate),
        "as emitted": metrics.si_sdr(clean, here, rate),
        "without modulations": metrics.si_sdr(clean, values(rate, without), rate),
        "with those of other windows": metrics.si_sdr(
            clean, values(rate, others), rate
        ),
    }


def between(samples, places):
    """Values at places between samples."""
    import numpy as np

    reach = 32
    first = np.floor(places).astype(int) - reach + 1
    near = first[:, None] + np.arange(2 * reach)
    since = places[:, None] - near
    weights = np.sinc(since) * np.cos(np.pi * since / (2 * reach)) ** 2
    return np.sum(weights * samples[near], axis=1)


if __name__ == "__main__":
    app.run(main)
