import dataclasses
import json
import math

import pytest

from inr_jax.configs import from_json, methods
from inr_jax.configs.augment import AugmentConfig
from inr_jax.configs.fitting import FitConfig, GainFieldConfig, LossWeights, SirenConfig
from inr_jax.configs.hyper_gain import FieldConfig, HyperGainConfig
from inr_jax.configs.hyper_siren import WindowsConfig
from inr_jax.configs.hypernetwork import HypernetworkTraining
from inr_jax.configs.hypersound import HyperSoundConfig
from inr_jax.errors import InputError


@pytest.mark.parametrize(
    "change, message",
    [
        ({"num_steps": 0}, "num_steps"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"coordinates": "minutes"}, "minutes"),
        ({"schedule": "linear"}, "linear"),
        ({"segment_s": 0.0}, "segment_s"),
    ],
)
def test_settings_that_make_no_sense(change, message):
    with pytest.raises(ValueError, match=message):
        FitConfig(**change)


@pytest.mark.parametrize("setting", ["num_steps=610", "segment_s=0.1"])
def test_fits_that_cannot_be_stopped_early(setting):
    methods.parse(f"siren:{setting}")
    name = setting.partition("=")[0]
    with pytest.raises(InputError, match=f"siren: early stopping .*{name} must be"):
        methods.parse(f"siren:stop=sure:{setting}")


def test_values_of_settings_may_have_colons():
    assert methods.parse(r"onnx:path=C:\a.onnx:rate=8000").config.path == r"C:\a.onnx"
    assert methods.split("onnx:path=a:b:c:rate=8000") == (
        "onnx",
        ["path=a:b:c", "rate=8000"],
    )


@pytest.mark.parametrize(
    "change",
    [{"width": 0}, {"depth": -1}, {"first_omega": 0.0}, {"hidden_omega": -1.0}],
)
def test_networks_that_make_no_sense(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        SirenConfig(**change)


@pytest.mark.parametrize("setting", ["num_filters=100000000", "num_levels=21"])
def test_networks_of_dnp_beyond_any_machine(setting):
    name = setting.partition("=")[0]
    with pytest.raises(InputError, match=f"dnp: {name} must be at most"):
        methods.parse(f"dnp:{setting}")


@pytest.mark.parametrize(
    "config, change",
    [
        (AugmentConfig, {"sample_rate": 0}),
        (AugmentConfig, {"noise_shares": (0,) * 9}),
        (AugmentConfig, {"noise_shares": (-1, *(1,) * 8)}),
        (AugmentConfig, {"snr_range_db": (-math.inf, 0.0)}),
        (HypernetworkTraining, {"adam_rate": -1.0}),
        (HypernetworkTraining, {"ema_decay": 2.0}),
        (HypernetworkTraining, {"max_gradient_norm": -1.0}),
        (HypernetworkTraining, {"weight_decay": -5.0}),
        (HypernetworkTraining, {"warmup_steps": -5}),
        (FieldConfig, {"high_edges_hz": (9000.0, 8000.0)}),
        (FieldConfig, {"high_edges_hz": (8000.0, 8010.0, 9000.0)}),
        (FieldConfig, {"high_edges_hz": (4000.0, 8000.0)}),
        (GainFieldConfig, {"floor": 2.0}),
        (GainFieldConfig, {"siren": SirenConfig(first_omega=None)}),
        (methods.OnnxMethod, {"rate": 0}),
        (methods.OnnxMethod, {"delay": -1}),
        (HyperSoundConfig, {"hidden": ()}),
        (HyperSoundConfig, {"strides": (0, 4)}),
        (HyperSoundConfig, {"num_layers": 0}),
        (HyperSoundConfig, {"latent_channels": 0}),
        (HyperSoundConfig, {"first_omega": 0.0}),
        (HyperSoundConfig, {"shared_layers": (6,)}),
        (WindowsConfig, {"hop_s": 0.0}),
        (FieldConfig, {"bin_hz": -1.0}),
    ],
)
def test_hypernetworks_that_make_no_sense(config, change):
    with pytest.raises(ValueError, match=next(iter(change))):
        config(**change)


def test_first_omega_follows_the_rule():
    by_rule = SirenConfig(first_omega=None)
    assert FitConfig(by_rule).siren_at(16_000).first_omega == 3000
    seconds = FitConfig(by_rule, coordinates="seconds")
    low, high = (seconds.siren_at(rate).first_omega for rate in (8000, 16_000))
    assert high == 2 * low
    small = SirenConfig(width=16)
    fixed = FitConfig(small, coordinates="seconds")
    assert fixed.siren_at(16_000) is small


@pytest.mark.parametrize(
    "weights, message", [({"mse": -1}, "mse"), ({"mse": 0}, "at least one")]
)
def test_weights_that_make_no_sense(weights, message):
    with pytest.raises(ValueError, match=message):
        LossWeights(**weights)


def test_settings_come_back_from_json():
    for config in (
        HyperGainConfig(FieldConfig(hidden=3), dilations_before=((1, 2),)),
        FitConfig(SirenConfig(8), segment_s=2.0),
    ):
        text = json.dumps(dataclasses.asdict(config))
        assert from_json.build(type(config), json.loads(text)) == config
    with pytest.raises(TypeError, match="unknown"):
        from_json.build(SirenConfig, {"unknown": 1})
