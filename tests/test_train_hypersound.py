"""Training end to end at toy size: cut, resumed, exported, used."""

import json

import numpy as np
import pytest
from conftest import CLIPS, REPOSITORY, is_drawn, run_script
from toy_training import HYPERSOUND

from inr_jax import audio

TOY = (
    f"--speech_dirs={CLIPS}",
    f"--noise_dir={CLIPS}",
    f"--valid_dir={CLIPS}",
    "--batch_size=2",
    "--warmup_steps=1",
    "--log_every=2",
    "--save_every=2",
    "--validate_every=4",
    "--compilation_cache=",
)


def log_of(folder):
    lines = (folder / "log.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def denoise(folder, method):
    """With the weights that a training has left in its folder."""
    run_script(
        "denoise.py",
        str(CLIPS / "letter.flac"),
        f"--output={folder / 'out.flac'}",
        f"--method={method}",
        f"--checkpoint={folder / 'model'}",
    )
    before, after = audio.read(CLIPS / "letter.flac"), audio.read(folder / "out.flac")
    assert before.samples.shape == after.samples.shape
    assert np.all(np.isfinite(after.samples))


@pytest.mark.slow
def test_train_again_and_denoise(tmp_path):
    flags = (*TOY, *HYPERSOUND, f"--output_dir={tmp_path}", "--num_steps=4")
    done = run_script("train_hypersound.py", *flags)
    assert "the best weights, of step 4" in done.stdout
    lines = log_of(tmp_path)
    assert [line["step"] for line in lines] == [2, 4, 4]
    assert {"loss", "gradient_norm", "waiting_share"} < set(lines[0])
    assert {"white/si_sdr", "white/pesq"} < set(lines[2])
    assert is_drawn(tmp_path / "curves.png")
    again = run_script("train_hypersound.py", *flags)  # done: nothing changes
    assert log_of(tmp_path) == lines and "step 4" in again.stdout
    other = run_script("train_hypersound.py", *flags[:-1], "--num_steps=6", expect=2)
    assert "holds results with training" in other.stderr
    denoise(tmp_path, "hypersound")


@pytest.mark.slow
def test_one_network_of_windows_trains_by_the_same_script(tmp_path):
    """As published, by its flagfile."""
    published = REPOSITORY / "experiments" / "configs" / "hypersound_published.flags"
    flags = (f"--flagfile={published}", *TOY, *HYPERSOUND, "--precision=bfloat16")
    flags += (f"--output_dir={tmp_path}", "--num_steps=2", "--warmup_steps=0")
    run_script("train_hypersound.py", *flags)
    assert {"l1", "mel"} < set(log_of(tmp_path)[0])
    assert [line["step"] for line in log_of(tmp_path)] == [2, 2]
    denoise(tmp_path, "hypersound")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--set=widht=4",), "there is no setting 'widht'"),
        (("--set=width=many",), "'width=many': must be a whole number"),
        (("--schedule=linear",), "schedule must be one of"),
        (("--speech_weights=1,2",), "give a number for each folder"),
        (("--batch_size=0",), "batch_size must be at least 1"),
        (("--set=width=-1",), "width must be at least 1"),
        (("--snr_range_db=5",), "snr_range_db must be two numbers"),
        (("--set=num_samples=4096",), "must be the model's"),
        (("--model=local_hypersound",), "hyper_gain took its place"),
        (("--start_from=SHIPPED",), "weights of other settings"),
        (("--noise_dir=",), "--noise_dir is missing"),
    ],
)
def test_mistakes_end_in_one_line(tmp_path, flags, message):
    shipped = str(REPOSITORY / "checkpoints" / "hypersound")
    flags = [flag.replace("SHIPPED", shipped) for flag in flags]
    flags = (*TOY, *HYPERSOUND, f"--output_dir={tmp_path}", "--num_steps=4", *flags)
    done = run_script("train_hypersound.py", *flags, expect=2)
    assert message in done.stderr
    assert done.stderr.count("error: ") == 1


@pytest.mark.slow
def test_overfit_at_toy_size(tmp_path):
    settings = [flag for flag in HYPERSOUND if flag.startswith("--set")]
    flags = (f"--clean_dir={CLIPS}", "--num_clips=2", "--num_steps=3", *settings)
    flags += (f"--output_dir={tmp_path}", "--compilation_cache=")
    done = run_script("overfit_hypersound.py", *flags)
    assert "dB at step 2" in done.stdout
    assert len((tmp_path / "overfit.csv").read_text().splitlines()) == 3
    assert is_drawn(tmp_path / "overfit.png")
