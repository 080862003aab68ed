"""Systems under evaluation: a method, or several that share their work."""

import dataclasses
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from inr_jax import audio
from inr_jax.configs.fitting import DnpConfig
from inr_jax.configs.methods import Method
from inr_jax.data.datasets import Example

OnClips = Callable[[float], None]
# In the folder of an evaluation: the state of fits, while there are some.
UNFINISHED = "unfinished"
# The label of the clean clips among those of methods.
CLEAN = "clean"


class Output(NamedTuple):
    """The estimate of one clip.

    Attributes:
      label: Of the row.
      position: Of the clip among those that were given.
      samples: (samples, channels) float32, of the shape of the clip.
      work_s: Seconds of work, of a batch its share; NaN where unknown.
    """

    label: str
    position: int
    samples: np.ndarray
    work_s: float = float("nan")


class System(NamedTuple):
    """Estimates clips.

    Attributes:
      labels: Of the rows that each clip gets.
      run: Of clips, a seed for each, and a function to call with clips done since the
        last call, shares too: outputs of every label for every clip, in any order.
      resumes: Whether it keeps the state of long fits until they are taken. A row is then
        kept before the next output is asked for, so that a kill loses none of them.
    """

    labels: tuple[str, ...]
    run: Callable[[Sequence[Example], Sequence[int], OnClips], Iterator[Output]]
    resumes: bool = False


def clean() -> System:
    """The row of the clean clips, which no method exceeds, under the name `CLEAN`."""

    def run(examples, seeds, on_clips):
        del seeds
        for i, example in enumerate(examples):
            yield Output(CLEAN, i, example.clean, 0.0)
            on_clips(1)

    return System((CLEAN,), run)


def make(
    methods: Iterable[Method], checkpoint_dir: pathlib.Path | None = None
) -> list[System]:
    """Systems that give a row for each method.

    Methods that differ in what is made of a fit alone share the fit: DNP's masks, and its
    numbers of steps.

    Args:
      methods: Of different labels.
      checkpoint_dir: Folder for the state of long fits, which resume from there.

    Raises:
      InputError: weights or a package that a method needs cannot be loaded.
    """
    systems: list[System] = []
    dnp: dict[Any, list[Method]] = {}
    for method in methods:
        if method.name == "dnp":
            dnp.setdefault(_shared_by_fits(method.config), []).append(method)
        else:
            systems.append(_of_denoiser(method, checkpoint_dir))
    systems += [_of_dnp_fit(sharing, checkpoint_dir) for sharing in dnp.values()]
    return systems


def each_channel(
    examples: Sequence[Example],
    seeds: Sequence[int],
    on_clips: OnClips,
    fit: Callable[..., Iterator[tuple[int, Any]]],
) -> Iterator[tuple[int, list]]:
    """Fits every channel of noisy clips by itself.

    Args:
      examples: The clips.
      seeds: One for each.
      on_clips: Called with clips done since the last call, shares too.
      fit: Of keys, signals (samples,), sample rates, names of the clips and a function to
        call with signals done since the last call: positions and fits, in any order.

    Yields:
      Position of a clip and the fits of its channels.
    """
    owners = [(i, c) for i, e in enumerate(examples) for c in range(e.noisy.shape[1])]
    fits = fit(
        [jax.random.fold_in(jax.random.key(seeds[i]), c) for i, c in owners],
        [examples[i].noisy[:, c] for i, c in owners],
        [examples[i].sample_rate for i, _ in owners],
        [examples[i].name for i, _ in owners],
        lambda signals: on_clips(signals * len(examples) / len(owners)),
    )
    done: dict[int, dict[int, Any]] = {}
    for position, fitted in fits:
        i, channel = owners[position]
        channels = done.setdefault(i, {})
        channels[channel] = fitted
        if len(channels) == examples[i].noisy.shape[1]:
            del done[i]
            yield i, [channels[c] for c in sorted(channels)]


def _of_denoiser(method, checkpoint_dir) -> System:
    from inr_jax.enhancement import api, registry

    denoiser = registry.make(
        method.name, method.config, _own(checkpoint_dir, method.name)
    )

    def run(examples, seeds, on_clips):
        noisy = [audio.Recording(e.noisy, e.sample_rate, name=e.name) for e in examples]
        for estimate in api.denoise_recordings(denoiser, noisy, seeds, on_clips):
            yield Output(
                method.label, estimate.position, estimate.samples, estimate.work_s
            )

    resumes = checkpoint_dir is not None and registry.is_fitted(method.name)
    return System((method.label,), run, resumes)


def _of_dnp_fit(methods, checkpoint_dir) -> System:
    from inr_jax.enhancement import dnp

    *earlier, most = sorted({method.config.num_steps for method in methods})
    config = dataclasses.replace(methods[0].config, num_steps=most, mask=DnpConfig.mask)

    def fit(keys, signals, sample_rates, names, on_signals):
        del sample_rates  # its constants are in samples
        folder = _own(checkpoint_dir, "dnp")
        return dnp.fit_batch(
            keys, signals, config, on_signals, folder, earlier=earlier, names=names
        )

    def run(examples, seeds, on_clips):
        for i, fits in each_channel(examples, seeds, on_clips, fit):
            for method in methods:
                steps, mask = method.config.num_steps, method.config.mask
                channels = [
                    dnp.apply_mask(
                        noisy, fitted.scores[steps], mask, examples[i].sample_rate
                    )
                    for noisy, fitted in zip(examples[i].noisy.T, fits, strict=True)
                ]
                # masks share a fit; each row has the time of its own steps
                work_s = sum(fitted.work_s for fitted in fits) * steps / most
                samples = np.stack(channels, 1).astype(np.float32)
                yield Output(method.label, i, samples, work_s)

    labels = tuple(method.label for method in methods)
    return System(labels, run, resumes=checkpoint_dir is not None)


def _shared_by_fits(config):
    return dataclasses.replace(
        config, mask=DnpConfig.mask, num_steps=DnpConfig.num_steps
    )


def _own(folder: pathlib.Path | None, name: str) -> os.PathLike | None:
    return folder and folder / name
