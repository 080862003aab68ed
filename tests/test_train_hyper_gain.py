"""The command that trains hypernetworks, from noisy to clean."""

import json

import jax
import numpy as np
import pytest
import soundfile
import tiny_weights
from conftest import CLIPS, COMPILED, REPOSITORY, run_process, run_script
from toy_training import ONE_TERM

from inr_jax.configs.hyper_gain import FieldConfig, HyperGainConfig
from inr_jax.models import pretrained
from inr_jax.parallel import sharding
from inr_jax.training import hypernetwork

SMALL = (
    "--set=model.channels=4",
    "--set=model.frame_channels=8",
    "--set=model.dilations_before=((1,1),)",
    "--set=model.dilations_after=((1,1),)",
    "--set=mixing.num_samples=4096",
    "--set=training.batch_size=2",
    "--set=training.warmup_steps=1",
    "--set=training.decay_steps=1",
    "--num_rooms=2",
    "--log_every=1",
    "--save_every=2",
    "--validate_every=2",
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (folder / "noise").mkdir(exist_ok=True)
        sound = 0.1 * rng.standard_normal(20_000)
        soundfile.write(folder / "noise" / f"{name}.wav", sound, 16_000)
    rooms = np.zeros((2, 2000), np.float16)
    rooms[:, [0, 1500]] = 1, 0.3
    (folder / "cache").mkdir()
    np.save(folder / "cache" / "rooms_2_0_16000.npy", rooms)
    return folder


def train(folders, output, *flags, expect=0, run=run_process):
    return run(
        "train_hyper_gain.py",
        f"--speech_dirs={CLIPS}",
        f"--noise_dir={folders / 'noise'}",
        f"--valid_dir={CLIPS}",
        f"--cache_dir={folders / 'cache'}",
        f"--output_dir={output}",
        f"--compilation_cache={COMPILED}",
        *SMALL,
        *flags,
        expect=expect,
    )


@pytest.mark.slow
@pytest.mark.parametrize("network", ["hyper_gain", "hyper_siren"])
def test_a_step_is_logged_and_its_weights_are_kept(folders, tmp_path, network):
    done = train(
        folders,
        tmp_path,
        f"--network={network}",
        *ONE_TERM,
        *("--set=training.num_steps=2", "--num_devices=1", "--log_every=2"),
    )
    assert "the best weights, of step 2" in done.stdout
    logged = [json.loads(x) for x in (tmp_path / "log.jsonl").open()]
    assert [line["step"] for line in logged] == [2, 2]
    model, _ = pretrained.load(tmp_path / "model")
    assert pretrained.name_of(model.config) == network


@pytest.mark.slow
def test_an_interrupted_training_goes_on_as_if_nothing_had_happened(folders, tmp_path):
    flags = (*ONE_TERM, "--set=training.num_steps=4", "--num_devices=2")
    train(folders, tmp_path / "whole", *flags)
    # the rate would fall at the end: two steps that are not the last ones
    train(folders, tmp_path / "parts", *flags, "--stop_at=2")
    train(folders, tmp_path / "parts", *flags)
    whole, parts = (
        [
            {k: v for k, v in json.loads(line).items() if not k.endswith("per_s")}
            for line in (tmp_path / name / "log.jsonl").read_text().splitlines()
        ]
        for name in ("whole", "parts")
    )
    assert whole == parts
    assert [line["step"] for line in whole] == [1, 2, 2, 3, 4, 4]
    weights = [
        pretrained.load(tmp_path / name / "model")[1] for name in ("whole", "parts")
    ]
    jax.tree.map(np.testing.assert_array_equal, *weights)


def test_the_band_above_the_cells_is_that_above_8_khz():
    """Of tones at 48 kHz."""
    place, inner = np.arange(8192) / 48_000, slice(800, -800)
    low, high = (np.float32(np.sin(2 * np.pi * hz * place)) for hz in (1000, 12_000))
    found = hypernetwork.above_cells(low + high, 1536, FieldConfig())
    np.testing.assert_allclose(found[inner], high[inner], atol=0.02)


@pytest.mark.slow
def test_bands_above_the_cells_are_trained_by_themselves(folders, tmp_path):
    """As from weights without them; all others stay to the last bit."""
    config = HyperGainConfig(
        channels=4,
        frame_channels=8,
        dilations_before=((1, 1),),
        dilations_after=((1, 1),),
    )
    params = tiny_weights.fresh(config)
    pretrained.save(tmp_path / "start", config, params, 3)
    train(
        folders,
        tmp_path / "highs",
        f"--flagfile={REPOSITORY / 'experiments/configs/hyper_gain_highs.flags'}",
        *(*SMALL, *ONE_TERM),
        *(f"--start_from={tmp_path / 'start'}", "--num_devices=1"),
        *("--set=training.num_steps=3", "--set=mixing.room_share=0"),
        *("--set=mixing.num_samples=12288", "--speech_top_hz=0"),
    )
    before = pretrained.load(tmp_path / "start")[1]["params"]
    model, after = pretrained.load(tmp_path / "highs" / "model")
    after = dict(after["params"])
    highs = after.pop("highs")
    jax.tree.map(np.testing.assert_array_equal, after, dict(before))
    fresh = hypernetwork.fresh_params(jax.random.key(0), model)["params"]["highs"]
    changed = jax.tree.map(lambda a, b: np.any(a != np.float16(b)), highs, fresh)
    assert all(jax.tree.leaves(changed))
    (first, *_, last) = (
        json.loads(line) for line in (tmp_path / "highs" / "log.jsonl").open()
    )
    assert first["gradient_norm"] > 0 and "white/high_sdr" in last


@pytest.mark.parametrize(
    "flags, reason",
    [
        (["--noise_dir="], "--noise_dir is missing"),
        (["--set=training.rate=1"], "there is no setting 'rate'"),
        (["--set=training.trained=highs"], "the network has no bands above its cells"),
        (
            ["--network=hyper_siren", "--set=mixing.sample_rate=8000"],
            "mixing.sample_rate must be that of the network, 16000",
        ),
        (
            ["--speech_weights=1,2", "--set=training.batch_size=4"],
            "a number for each folder",
        ),
        (["--set=training.batch_size=3"], "must be a multiple of the 2 devices"),
        (
            ["--start_from=nowhere", "--num_devices=1"],
            "--start_from: nowhere: no trained weights: no such folder\n",
        ),
        (["--set=training.optimizer=sgd"], "optimizer must be one of"),
        (["--valid_noise_dir=nowhere"], "nowhere: no such folder"),
    ],
)
def test_mistakes_are_one_line(folders, tmp_path, flags, reason):
    sharding.use_local_devices(2)
    done = train(folders, tmp_path / "out", *flags, expect=2, run=run_script)
    assert reason in done.stderr
    assert len(done.stderr.splitlines()) <= 4
    assert not (tmp_path / "out").exists()
