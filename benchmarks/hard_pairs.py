"""Pairs that are hard to denoise, for `inr-jax evaluate --pairs_dir=DIR`.

  python benchmarks/hard_pairs.py --kind=gated --pairs_dir=VOICEBANK --output_dir=pairs/gated
  python benchmarks/hard_pairs.py --kind=rooms --clean_dir=SPEECH --output_dir=pairs/rooms
  python benchmarks/hard_pairs.py --kind=highs --clean_dir=SPEECH --output_dir=pairs/highs

gated: noisy recordings whose pauses are digital silence, as a gate, a call or an edit leaves
them. rooms: clean speech in simulated rooms, without noise; the reference keeps the direct
sound and the first 50 ms (pip install -e '.[rooms]'). highs: speech at 44.1 or 48 kHz in
noise whose level from 8 to 20 kHz is --snr_db below that of the speech there.
"""

from absl import flags

from inr_jax.cli import app
from inr_jax.cli.flags import outputs
from inr_jax.errors import InputError

flags.adopt_module_key_flags(app)
flags.adopt_module_key_flags(outputs)
KIND = flags.DEFINE_enum(
    "kind", None, ["gated", "rooms", "highs"], "Of which kind.", required=True
)
PAIRS_DIR = flags.DEFINE_string("pairs_dir", None, "Folder with clean/ and noisy/.")
CLEAN_DIR = flags.DEFINE_string("clean_dir", None, "Folder of clean speech.")
NOISE_DIR = flags.DEFINE_string("noise_dir", None, "Recorded noise; white by default.")
SNR_DB = flags.DEFINE_float("snr_db", 0.0, "Of the highs.")
SEED = flags.DEFINE_integer("seed", 0, "Of rooms and noise.", 0)

# A pause is so long, and so far below the loudest tenth of the clean recording.
PAUSE_S, PAUSE_DB = 0.1, -30.0


def gated(clean, noisy, sample_rate):
    """The noisy signal, zero in the pauses of the clean one."""
    import numpy as np

    size = round(PAUSE_S * sample_rate)
    power = np.convolve(clean.astype(np.float64) ** 2, np.ones(size) / size, "same")
    is_pause = power < 10 ** (PAUSE_DB / 10) * np.quantile(power, 0.9)
    return np.where(is_pause, 0, noisy)


def in_room(clean, response, sample_rate):
    """Speech with the direct sound and early reflections alone, and in the whole room."""
    from scipy import signal

    from inr_jax.data.rooms import EARLY_S

    early = response[: round(EARLY_S * sample_rate)]
    return [signal.fftconvolve(clean, x)[: len(clean)] for x in (early, response)]


def gated_pairs(problems):
    """Name, clean and noisy signal and rate of each pair; adds what is left out."""
    from inr_jax.data import datasets
    from inr_jax.data.noise import Condition

    pairs = datasets.find_pairs(folder_of(PAIRS_DIR))
    problems += pairs.problems
    for pair in pairs.clips:
        found = datasets.load(pair, Condition("as recorded", None, SEED.value))
        clean, noisy, rate = found.clean[:, 0], found.noisy[:, 0], found.sample_rate
        yield found.name, clean, gated(clean, noisy, rate), rate


def room_pairs(problems):
    """The same, each clip in a room of its own."""
    from inr_jax import audio
    from inr_jax.data import datasets, rooms

    for i, clip in enumerate(clips_of(folder_of(CLEAN_DIR), problems)):
        recording = audio.read(clip.path)
        rate = recording.sample_rate
        response = rooms.simulate(1, rate, SEED.value + i)[0].astype("float32")
        yield clip.name, *in_room(datasets.mono(recording, rate), response, rate), rate


def high_pairs(problems):
    """The same, in white noise or in one recording after the other."""
    import numpy as np

    from inr_jax.data import datasets
    from inr_jax.data.noise import Condition
    from inr_jax.metrics.waveform import HIGH_HZ, highs

    condition = Condition(NOISE_DIR.value or "white", 0.0, SEED.value)
    recordings = None
    if NOISE_DIR.value:
        recordings = datasets.NoiseRecordings(clips_of(NOISE_DIR.value, problems))
    for i, clip in enumerate(clips_of(folder_of(CLEAN_DIR), problems)):
        noise = recordings and recordings.at(i)
        found = datasets.load(clip, condition, recording=noise)
        clean, rate = found.clean[:, 0], found.sample_rate
        if rate <= 2 * HIGH_HZ[0]:
            raise InputError(
                f"{clip.path}: {rate} Hz has nothing above {HIGH_HZ[0]} Hz"
            )
        noise = found.noisy[:, 0] - clean
        levels = [np.std(highs(x, rate)) for x in (clean, noise)]
        if levels[1] < 1e-3 * np.std(noise):
            raise InputError(f"{NOISE_DIR.value}: noise without anything above 8 kHz")
        scale = levels[0] / levels[1] * 10 ** (-SNR_DB.value / 20)
        yield found.name, clean, clean + scale * noise, rate


def clips_of(folder, problems):
    from inr_jax.data import datasets

    found = datasets.find(folder)
    problems += found.problems
    return found.clips


def folder_of(flag):
    if not flag.value:
        raise InputError(f"--{flag.name} is missing")
    return flag.value


def main() -> int:
    import numpy as np

    from inr_jax import audio

    pairs = {"gated": gated_pairs, "rooms": room_pairs, "highs": high_pairs}
    folder, count, problems = outputs.folder(), 0, []
    for name, clean, noisy, rate in pairs[KIND.value](problems):
        peak = max(1.0, np.max(np.abs(noisy)), np.max(np.abs(clean)))
        for side, samples in (("clean", clean), ("noisy", noisy)):
            path = folder / side / f"{name}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            audio.write(
                path, (samples / peak)[:, None].astype("float32"), rate, "FLOAT"
            )
        count += 1
    print(f"{count} pairs in {folder}")
    return app.print_problems(problems)


if __name__ == "__main__":
    app.run(main)
