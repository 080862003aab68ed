"""Denoises, scores and fits the clips that come with inr_jax, in two minutes at most.

  inr-jax demo --output_dir=DIR

Adds white noise at 5 dB to the beginnings of four sentences, denoises them by several
methods, prints their scores and writes a page to listen to. SIRENs that represent one
of the sentences are kept in DIR/siren.
"""

import pathlib

from absl import flags

from inr_jax.cli import app, scoring
from inr_jax.cli.flags import outputs

for _module in (app, outputs):
    flags.adopt_module_key_flags(_module)
METHODS = ("noisy", "wiener", "log_mmse", "gain_field", "hyper_gain")
MAX_SECONDS = 3.0
SNR_DB = 5.0


def main() -> int:
    from inr_jax.configs import methods
    from inr_jax.data import datasets
    from inr_jax.data.noise import Condition
    from inr_jax.evaluation import systems
    from inr_jax.evaluation.source import Source
    from inr_jax.evaluation.store import Store

    folder = outputs.folder()
    root = datasets.shipped_clips()
    source = Source(datasets.find_clips(root), max_seconds=MAX_SECONDS, root=str(root))
    conditions = [Condition("white", SNR_DB, 0)]
    chosen = [methods.parse(name) for name in METHODS]
    settings = {"pairs_dir": None, "snr_db": SNR_DB, "max_seconds": MAX_SECONDS}
    store = Store(folder)
    with scoring.filled(store, source, settings, scoring.described(chosen)):
        code = scoring.run(store, source, systems.make(chosen), conditions)
    line = fit(source, folder / "siren")
    scoring.show(store, source, METHODS, conditions)
    print(f"{line}\nTables and figures: {folder}")
    return code


def fit(source, folder: pathlib.Path) -> str:
    """Fits SIRENs to the first clip and keeps them; returns a line about them."""
    import jax

    from inr_jax import audio, metrics
    from inr_jax.configs.fitting import FAST
    from inr_jax.fitting import batch

    recording, path = source.clean(0), folder / source.clips[0].name
    signal, rate = recording.samples[:, 0], recording.sample_rate
    ((_, fitted),) = batch.fit_batch([jax.random.key(0)], [signal], [rate], FAST)
    fitted.save(path)
    audio.write(f"{path}.wav", fitted.estimate, rate)
    snr_db = metrics.snr(signal, fitted.estimate, rate)
    return (
        f"SIRENs of {fitted.num_params} weights in all for {len(signal)} samples, SNR "
        f"{snr_db:.1f} dB: {path}.safetensors; inr_jax.load_fit reads it"
    )
