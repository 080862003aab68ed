"""SIRENs fitted to noisy clips, saved with their audio and figures."""

import pathlib
from collections.abc import Iterator

import numpy as np
from absl import logging

from inr_jax import audio
from inr_jax.configs.methods import Method
from inr_jax.data.datasets import Example
from inr_jax.enhancement import trivial
from inr_jax.evaluation import systems
from inr_jax.evaluation.systems import OnClips, Output, System
from inr_jax.fitting import batch, clip_fit
from inr_jax.plots import clips, style

LABEL = "siren"
LABELS = (*trivial.BASELINES, LABEL)


def path_of(folder: pathlib.Path, clip: str, channel: int = 0) -> pathlib.Path:
    """Where the fit of a channel of a clip is, without the endings of its two files."""
    name = f"fit_{channel + 1}" if channel else "fit"
    return folder / "clips" / clip / name


def system(
    method: Method,
    folder: pathlib.Path,
    checkpoint_dir: pathlib.Path | None = None,
    start_from: pathlib.Path | None = None,
) -> System:
    """Baselines and a SIREN for every clip, whose files go to `clips/NAME` of a folder.

    These are the fit, as `clip_fit.load_fit` reads it, the clean and the noisy clip and the
    estimate, and figures of them. A fit that a rule stops early is not kept.

    Args:
      method: Name `siren` and its settings.
      folder: Where to.
      checkpoint_dir: Folder for the state of fits, which resume from there.
      start_from: Folder of an earlier run, whose fits of the same clips are continued.
    """
    if method.config.stop == "fixed":
        fits = _kept_fits(method.config.fit, folder, checkpoint_dir, start_from)
    else:
        (fits,) = systems.make([method], checkpoint_dir)

    def run(examples, seeds, on_clips) -> Iterator[Output]:
        for fitted in fits.run(examples, seeds, on_clips):
            example = examples[fitted.position]
            _write_clip(folder / "clips" / example.name, example, fitted.samples)
            for label, baseline in trivial.BASELINES.items():
                samples = baseline(example.noisy, example.sample_rate)
                yield Output(label, fitted.position, samples.astype(np.float32))
            yield fitted._replace(label=LABEL)

    return System(LABELS, run, resumes=checkpoint_dir is not None)


def _kept_fits(config, folder, checkpoint_dir, start_from) -> System:
    def run(examples, seeds, on_clips: OnClips) -> Iterator[Output]:
        channels = [(e.name, c) for e in examples for c in range(e.noisy.shape[1])]
        earlier = None
        if start_from:
            earlier = [clip_fit.load_fit(path_of(start_from, *of)) for of in channels]
        fit = batch.fitter(config, checkpoint_dir, earlier)
        for i, fits in systems.each_channel(examples, seeds, on_clips, fit):
            samples = examples[i].noisy.copy()
            for channel, fitted in enumerate(fits):
                if np.all(np.isfinite(fitted.estimate)):
                    fitted.save(path_of(folder, examples[i].name, channel))
                    samples[:, channel] = fitted.estimate
                else:
                    logging.warning(
                        "%s: the fit of channel %d is not finite; it is not kept, and "
                        "the clip stays noisy",
                        *(examples[i].name, channel),
                    )
            yield Output(LABEL, i, samples, sum(fitted.work_s for fitted in fits))

    return System((LABEL,), run)


def _write_clip(folder: pathlib.Path, example: Example, estimate) -> None:
    signals = {"clean": example.clean, "noisy": example.noisy, LABEL: estimate}
    for name, samples in signals.items():
        audio.write(folder / f"{name}.wav", samples, example.sample_rate, "FLOAT")
    first = {name: samples[:, 0] for name, samples in signals.items()}
    for name, draw in (("mel", clips.mel_spectrograms), ("waveform", clips.waveforms)):
        figure = draw(first, example.sample_rate, example.name)
        style.save(figure, folder / f"{name}.png")
