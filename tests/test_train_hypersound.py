"""Training HyperSound by its script, at toy size: resumed, exported, used."""

import contextlib
import json

import numpy as np
import pytest
from conftest import CLIPS, COMPILED, REPOSITORY, in_process, is_drawn, run_script
from toy_training import HYPERSOUND

from inr_jax import audio
from inr_jax.errors import InputError
from inr_jax.io import run_dir

TOY = (
    f"--speech_dirs={CLIPS}",
    f"--noise_dir={CLIPS}",
    f"--valid_dir={CLIPS}",
    f"--compilation_cache={COMPILED}",
    *HYPERSOUND,
)


def log_of(folder):
    lines = (folder / "log.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.slow
def test_train_again_and_denoise(tmp_path):
    flags = (*TOY, f"--output_dir={tmp_path}", "--log_every=1")
    done = run_script("train_hypersound.py", *flags)
    assert "the best weights, of step 2" in done.stdout
    lines = log_of(tmp_path)
    assert [line["step"] for line in lines] == [1, 2, 2]
    assert {"loss", "smooth_l1", "gradient_norm"} < set(lines[0])
    assert {"white/si_sdr", "white/pesq"} < set(lines[2])
    assert is_drawn(tmp_path / "curves.png")
    longer = run_script("train_hypersound.py", *flags, "--num_steps=3")
    assert log_of(tmp_path)[:3] == lines and log_of(tmp_path)[-1]["step"] == 3
    assert "the best weights" in longer.stdout
    other = run_script("train_hypersound.py", *flags, "--learning_rate=1", expect=2)
    assert "holds results with training.adam_rate = 0.001" in other.stderr
    run_script(
        "denoise.py",
        str(CLIPS / "letter.flac"),
        f"--output={tmp_path / 'out.flac'}",
        "--method=hypersound",
        f"--weights={tmp_path}",
        "--finetune_steps=1",
    )
    before, after = audio.read(CLIPS / "letter.flac"), audio.read(tmp_path / "out.flac")
    assert before.samples.shape == after.samples.shape
    assert np.all(np.isfinite(after.samples))


def configured(*flags):
    """What `inr-jax train` would train by, and how it ended."""
    found = []

    def command():
        from inr_jax.cli import app
        from inr_jax.cli.commands import train

        app.run(lambda: found.append(train.configs()))

    return found, in_process(command, "train", *flags)


def test_the_published_training_is_in_white_noise_alone():
    path = REPOSITORY / "experiments" / "configs" / "hypersound_published.flags"
    (settings,), _ = configured(f"--flagfile={path}")
    model, mixing, training = settings.model, settings.mixing, settings.training
    assert model.num_samples == mixing.num_samples == 32_768
    assert training.optimizer == "adamw" and training.num_steps == 625 * 2500
    assert mixing.noise_shares[0] == 1 and not any(mixing.noise_shares[1:])
    shares = {k: share for k, share in vars(mixing).items() if k.endswith("_share")}
    assert len(shares) == 10 and not any(shares.values())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--set=widht=4",), "there is no setting 'widht'"),
        (("--set=width=many",), "width=many': must be a whole number"),
        (("--num_steps=few",), "num_steps=few': must be a whole number"),
        (("--batch_size=0",), "batch_size must be at least 1"),
        (("--set=width=-1",), "width must be at least 1"),
        (("--set=target=harmonics",), "target must be one of nerf, siren"),
        (("--speech_dirs=nowhere",), "nowhere"),
        (("--white=1",), "--white was removed; instead: --set=mixing.noise_shares"),
        (("--model=hypersound",), "--model was removed; instead: --network"),
    ],
)
def test_mistakes_end_in_one_line(tmp_path, flags, message):
    flags = (*TOY, f"--output_dir={tmp_path}", *flags)
    done = run_script("train_hypersound.py", *flags, expect=2)
    assert message in done.stderr
    assert done.stderr.count("error: ") == 1


def test_examples_are_as_long_as_a_clip_of_the_network():
    _, done = configured("--network=hypersound", "--set=mixing.num_samples=64")
    assert "mixing.num_samples must be that of the network, 32768" in done.stderr


def test_flags_of_before_are_settings_of_now(tmp_path, monkeypatch):
    flags = (*TOY, f"--output_dir={tmp_path}", "--num_steps=9")
    flags += ("--mel_weight=1", "--snr_range_db=-5,5", "--set=training.ema_decay=0.5")
    found = []

    @contextlib.contextmanager
    def kept(folder, settings):
        found.append(settings)
        raise InputError("that is all")
        yield

    monkeypatch.setattr(run_dir, "filled", kept)
    run_script("train_hypersound.py", *flags, expect=2)
    (settings,) = found
    model, mixing, training = (settings[x] for x in ("model", "mixing", "training"))
    assert model["num_samples"] == mixing["num_samples"] == 2048
    assert model["encoder_channels"] == 2 and mixing["room_share"] == 0
    assert training["batch_size"] == 2 and training["warmup_steps"] == 1
    assert training["adam_rate"] == 1e-3 and training["ema_decay"] == 0.5
    assert training["loss"]["mel"] == 1 and mixing["snr_range_db"] == (-5, 5)


@pytest.mark.slow
def test_overfit_at_toy_size(tmp_path):
    settings = [flag for flag in HYPERSOUND if flag.startswith("--set=")]
    settings = [flag for flag in settings if "." not in flag.split("=")[1]]
    flags = (f"--clean_dir={CLIPS}", "--num_clips=2", "--num_steps=3", *settings)
    flags += ("--set=num_samples=2048", f"--output_dir={tmp_path}")
    done = run_script("overfit_hypersound.py", *flags, "--compilation_cache=")
    assert "dB at step 2" in done.stdout
    assert len((tmp_path / "overfit.csv").read_text().splitlines()) == 3
    assert is_drawn(tmp_path / "overfit.png")
