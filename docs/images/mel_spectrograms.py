"""Draws docs/images/mel_spectrograms.png: a shipped clip, noisy and denoised.

python docs/images/mel_spectrograms.py
"""

import pathlib

import numpy as np
import soundfile

import inr_jax
from inr_jax.plots import clips

HERE = pathlib.Path(__file__).parent
CLIP = HERE.parent.parent / "experiments" / "clips" / "harbour.flac"
SNR_DB = 5.0


def main() -> None:
    clean, rate = soundfile.read(CLIP, dtype="float32")
    noise = np.random.default_rng(0).standard_normal(clean.shape)
    sigma = np.sqrt(np.mean(clean**2)) * 10 ** (-SNR_DB / 20)
    noisy = np.asarray(clean + sigma * noise, np.float32)
    signals = {
        "clean": clean,
        f"noisy (white noise, {SNR_DB:g} dB)": noisy,
        "gain field, fitted to the noisy clip alone": inr_jax.denoise(
            noisy, rate, "gain_field"
        ),
    }
    figure = clips.mel_spectrograms(
        signals, rate, "“Three small boats left the harbour at noon.”"
    )
    figure.savefig(HERE / "mel_spectrograms.png", dpi=110)


if __name__ == "__main__":
    main()
