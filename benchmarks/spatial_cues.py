"""Interaural time and level differences of a voice before and after denoising.

  python benchmarks/spatial_cues.py --method=hyper_gain --live

A voice walks half a circle around a head, in noise of its own at each ear. Interaural level
and time differences (ILD, ITD) of stretches of 100 ms with speech are compared with those
of the clean signal, for independent and for linked channels.
"""

from absl import flags

from inr_jax.cli import app

flags.adopt_module_key_flags(app)
METHOD = flags.DEFINE_string("method", "hyper_gain", "What denoises.")
LIVE = flags.DEFINE_bool("live", False, "A stream as well, with the shipped weights.")
SPEECH = flags.DEFINE_string("speech", None, "A mono recording; a shipped one if None.")
SNR_DB = flags.DEFINE_float("snr_db", 5.0, "Level of the noise.")


def main() -> None:
    import binaural
    import numpy as np
    import soundfile

    import inr_jax
    from inr_jax import metrics
    from inr_jax.data import datasets, noise
    from inr_jax.io import markdown

    path = SPEECH.value or datasets.find_clips(datasets.shipped_clips())[0].path
    speech, sample_rate = soundfile.read(path, dtype="float32")
    clean = binaural.walk(speech, sample_rate)
    noisy = noise.add_white(clean, 0, SNR_DB.value)
    rows = [("noisy", noisy)]
    for channels in ("independent", "linked"):
        estimate = inr_jax.denoise(noisy, sample_rate, METHOD.value, channels=channels)
        rows.append((f"{METHOD.value}, {channels}", estimate))
    if LIVE.value:
        stream = inr_jax.Stream(sample_rate, 2)
        late = np.concatenate([stream(noisy), stream.flush()])
        rows.append(("live", late[stream.latency_samples :]))
    cells = []
    for name, estimate in rows:
        ild, itd = binaural.errors(clean, estimate, sample_rate)
        scores = [
            metrics.si_sdr(clean[:, i], estimate[:, i], sample_rate) for i in (0, 1)
        ]
        cells.append((name, f"{ild:.2f}", f"{1e6 * itd:.0f}", f"{np.mean(scores):.2f}"))
    columns = ("", "ILD error dB", "ITD error µs", "SI-SDR dB")
    print(markdown.table(columns, cells))


if __name__ == "__main__":
    app.run(main)
