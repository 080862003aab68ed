"""The measurements of `accelerator.py`, and how large they are on each kind of device."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import compute_grid
import jax
import numpy as np
import soundfile
import workloads

from inr_jax.configs.augment import AugmentConfig
from inr_jax.configs.fitting import LossWeights, SirenConfig
from inr_jax.configs.hyper_gain import HyperGainConfig
from inr_jax.configs.hypernetwork import HypernetworkTraining, Settings
from inr_jax.parallel.compute import ComputeConfig, default_compute

METHODS = ("hyper_gain", "gain_field")
CLIPS = pathlib.Path(__file__).parent.parent / "experiments" / "clips"
RATE = 16_000


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
      product: Rows of the matrices whose product is the yardstick.
      siren: The network that is fitted.
      num_samples: Of each clip that is fitted.
      num_clips: Fitted at once: one, some, many.
      steps_per_call: Of fits.
      alternatives: Numbers to try for compute settings besides the default.
      quality_samples: Of the clip that is fitted with each precision.
      quality_steps: Of these fits.
      folder: Clips that are denoised, and samples of each.
      training: Of the hypernetwork.
      batch_sizes: Examples of a training step.
    """

    product: int
    siren: SirenConfig
    num_samples: int
    num_clips: tuple[int, int, int]
    steps_per_call: int
    alternatives: dict[str, tuple[int, ...]]
    quality_samples: int
    quality_steps: int
    folder: tuple[int, int]
    training: Settings
    batch_sizes: tuple[int, ...]


ACCELERATOR = Sizes(
    product=8192,
    siren=SirenConfig(256, 3),
    num_samples=2**17,
    num_clips=(1, 16, 256),
    steps_per_call=10,
    alternatives={
        "block_samples": (2**14, 2**17),
        "activations_at_once": (2**24, 2**30),
        "batch_samples": (2**20, 2**24),
        "steps_per_call": (10, 250),
    },
    quality_samples=2**14,
    quality_steps=1000,
    folder=(64, 3 * RATE),
    training=Settings(),
    batch_sizes=(16, 64),
)
CPU = dataclasses.replace(
    ACCELERATOR,
    product=2048,
    num_samples=2**14,
    steps_per_call=1,
    alternatives={
        "block_samples": (1024, 4096),
        "activations_at_once": (2**20,),
        "batch_samples": (2**14, 2**18),
        "steps_per_call": (1,),
    },
    quality_samples=2**13,
    quality_steps=50,
    folder=(16, 3 * RATE),
    batch_sizes=(16,),
)
SMALL = Sizes(
    product=64,
    siren=SirenConfig(8, 1),
    num_samples=500,
    num_clips=(1, 2, 3),
    steps_per_call=1,
    alternatives={"block_samples": (256,)},
    quality_samples=500,
    quality_steps=3,
    folder=(2, 4000),
    training=Settings(
        HyperGainConfig(
            channels=4,
            dilations_before=((1, 1),),
            dilations_after=((1, 1),),
            frame_channels=8,
        ),
        AugmentConfig(num_samples=4096),
        HypernetworkTraining(loss=LossWeights()),  # one term compiles sooner
    ),
    batch_sizes=(2,),
)


class Measurement(NamedTuple):
    """What `Bench` measures.

    Attributes:
      run: Of a stopwatch; gives a timing or an SNR in dB.
      against: Name of the measurement to compare with.
    """

    run: Callable
    against: str | None = None


class Bench:
    """All measurements; what is denoised or fitted is made of the shipped clips."""

    def __init__(self, toy: bool = False):
        """At sizes that suit the device, or at small ones."""
        sizes = CPU if jax.default_backend() == "cpu" else ACCELERATOR
        self._sizes, self._default = SMALL if toy else sizes, default_compute()
        self._speech = [
            soundfile.read(path)[0] for path in sorted(CLIPS.glob("*.flac"))
        ]
        voice = np.concatenate(self._speech)
        self._voice = np.float32(voice / np.max(np.abs(voice)))
        self._speed = {}  # of fits, by number of clips and compute settings
        self._snr_db = {}  # of fits, by precision

    def about(self) -> str:
        """Notes on the measurements for the reader."""
        sizes = self._sizes
        width, depth = sizes.siren.width, sizes.siren.depth
        gflop = 6e-9 * depth * width**2 * sizes.num_samples
        return (
            f"Fits: networks {width} wide with {depth} hidden layers, clips of "
            f"{sizes.num_samples} samples, {gflop:.3g} GFLOP of products for a step of "
            f"one clip. Denoised: {sizes.folder[0]} clips of {sizes.folder[1] / RATE:g} s."
        )

    def measurements(self) -> dict[str, Measurement]:
        """By name, most important first."""
        sizes, bind = self._sizes, functools.partial
        todo = {"float32 product": Measurement(bind(workloads.multiply, sizes.product))}
        clip = self._clip(sizes.num_samples)
        pytorch = "fit, 1 at once in PyTorch"
        todo[pytorch] = Measurement(
            bind(workloads.fit_in_pytorch, clip, sizes.siren, sizes.steps_per_call)
        )
        for count in sizes.num_clips:
            fit = bind(self._fit, count, self._settings())
            todo[_fit_name(count)] = Measurement(fit, pytorch)
        todo |= self._grid()
        some = _fit_name(sizes.num_clips[1])
        todo[f"{some}, as recommended"] = Measurement(self._fit_as_recommended, some)
        noise = 0.03 * np.random.default_rng(0).standard_normal(sizes.folder)
        noisy = np.resize(self._voice, sizes.folder) + noise
        for method in METHODS:
            run = bind(workloads.denoise, noisy, method)
            todo[f"denoise by {method}"] = Measurement(run)
        for size in sizes.batch_sizes:
            todo |= self._training(size)
        return todo

    def _training(self, batch_size):
        settings = self._sizes.training
        training = dataclasses.replace(settings.training, batch_size=batch_size)
        load = (self._speech, dataclasses.replace(settings, training=training))
        mix, train = (
            functools.partial(f, *load) for f in (workloads.mix, workloads.train)
        )
        return {
            f"mix {batch_size} examples": Measurement(mix),
            f"train on {batch_size} examples": Measurement(train),
        }

    def _grid(self):
        todo = {}
        steps = self._sizes.quality_steps
        for factor, value in self._factors():
            count, settings = self._count(factor), self._settings(**{factor: value})
            if settings != self._settings():
                todo[f"{_fit_name(count)}, {factor}={value}"] = Measurement(
                    functools.partial(self._fit, count, settings), _fit_name(count)
                )
            if factor == "hidden_precision":
                own = getattr(self._default, factor)
                todo[f"SNR after {steps} steps, {value}"] = Measurement(
                    functools.partial(self._quality, value),
                    f"SNR after {steps} steps, {own}",
                )
        return todo

    def recommended(self) -> ComputeConfig:
        """Compute settings that suit the device by what has been measured."""
        speed = {}
        for factor, value in self._factors():
            measured = (self._count(factor), self._settings(**{factor: value}))
            if measured in self._speed:
                speed[factor, value] = self._speed[measured]
        return compute_grid.recommended(self._default, speed, self._snr_db)

    def _factors(self):
        return compute_grid.factors(self._default, self._sizes.alternatives)

    def _settings(self, **change):
        """The default, but for few steps of a call, and the change."""
        few = {"steps_per_call": self._sizes.steps_per_call}
        return dataclasses.replace(self._default, **{**few, **change})

    def _count(self, factor):
        """Clips on which a factor shows."""
        one, some, many = self._sizes.num_clips
        return {"steps_per_call": one, "batch_samples": many}.get(factor, some)

    def _clip(self, num_samples):
        return np.resize(self._voice, num_samples)

    def _fit(self, count, settings, watch):
        clips = [self._clip(self._sizes.num_samples)] * count
        timing = workloads.fit(clips, self._sizes.siren, settings, watch)
        self._speed[count, settings] = timing.per_s
        return timing

    def _fit_as_recommended(self, watch):
        few = {"steps_per_call": self._sizes.steps_per_call}
        settings = dataclasses.replace(self.recommended(), **few)
        return self._fit(self._sizes.num_clips[1], settings, watch)

    def _quality(self, precision, watch):
        del watch  # a single fit
        settings = self._settings(hidden_precision=precision)
        clip = self._clip(self._sizes.quality_samples)
        steps = self._sizes.quality_steps
        snr_db = workloads.snr_after(clip, self._sizes.siren, settings, steps)
        self._snr_db[precision] = snr_db
        return snr_db


def _fit_name(count):
    return f"fit, {count} at once"
