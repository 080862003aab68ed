import io
import json

import jax
import numpy as np
import pytest
import soundfile
from conftest import CLIPS, REPOSITORY, TINY, run_script

import inr_jax
from inr_jax import audio
from inr_jax.enhancement import api, files, neural, registry
from inr_jax.errors import InputError
from inr_jax.models import pretrained
from inr_jax.models.stft_mask import StftMaskNet


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    params = StftMaskNet(TINY).init(jax.random.key(0), np.zeros(64, np.float32))
    leaves, tree = jax.tree.flatten(params)
    rng = np.random.default_rng(0)
    leaves = [leaf + 0.3 * rng.standard_normal(leaf.shape) for leaf in leaves]
    pretrained.save(folder, TINY, tree.unflatten(leaves), 7)
    return folder


def signal(count, channels=None):
    shape = (count,) if channels is None else (count, channels)
    return 0.1 * np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("method", ["noisy", "lowpass", "log_mmse", "gain_field"])
@pytest.mark.parametrize("shape", [(3000,), (2500, 2), (1,)])
def test_every_method_keeps_shape_and_level(method, shape):
    noisy = signal(*shape)
    found = inr_jax.denoise(noisy, 16_000, method)
    assert found.shape == noisy.shape and found.dtype == np.float32
    assert np.all(np.isfinite(found)) and np.abs(found).max() < 2 * np.abs(noisy).max()


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_trained_methods_take_any_rate(checkpoint, rate):
    options = registry.Options(trained_dir=checkpoint)
    for shape in ((1,), (rate // 3,), (2001, 2)):
        found = inr_jax.denoise(
            signal(*shape), rate, "local_hypersound", options=options
        )
        assert found.shape == shape


def test_windows_give_what_the_whole_clip_gives(checkpoint, monkeypatch):
    monkeypatch.setattr(neural, "WINDOW_S", 0.05)
    model, params = pretrained.load(checkpoint)
    noisy = signal(5003)
    ((_, found),) = neural.denoise_many(model, params, [noisy], [16_000])
    np.testing.assert_allclose(found, model.apply(params, noisy), atol=1e-5)


def test_a_finer_grid_is_as_long_in_seconds(checkpoint):
    options = registry.Options(trained_dir=checkpoint, output_rate=48_000)
    recording = audio.Recording(signal(1000, 1), 16_000)
    denoiser = registry.make("local_hypersound", options)
    ((_, found),) = api.denoise_recordings(denoiser, [recording], [0])
    assert found.shape == (3000, 1)
    options = registry.Options(trained_dir=checkpoint)
    coarse = inr_jax.denoise(
        recording.samples, 16_000, "local_hypersound", options=options
    )
    np.testing.assert_allclose(found[::3], coarse, atol=1e-5)
    with pytest.raises(InputError, match="multiple of the model's 16000"):
        odd = registry.Options(trained_dir=checkpoint, output_rate=44_100)
        denoiser = registry.make("local_hypersound", odd)
        next(api.denoise_recordings(denoiser, [recording], [0]))


def test_weights_are_small_open_and_checked(checkpoint, tmp_path):
    with np.load(checkpoint / "weights.npz") as arrays:
        assert {a.dtype for a in arrays.values()} == {np.dtype(np.float16)}
    described = json.loads((checkpoint / "config.json").read_text())
    assert described["model"] == "local_hypersound" and described["step"] == 7
    described["config"]["channels"] = 16
    (tmp_path / "config.json").write_text(json.dumps(described))
    (tmp_path / "weights.npz").write_bytes((checkpoint / "weights.npz").read_bytes())
    with pytest.raises(InputError, match="do not fit the config"):
        pretrained.load(tmp_path)
    with pytest.raises(InputError, match="nowhere: no trained model"):
        pretrained.load("nowhere")


def test_one_call_takes_a_finer_grid(checkpoint):
    options = registry.Options(trained_dir=checkpoint, output_rate=48_000)
    for samples in (signal(3000), signal(2500, 2)):
        found = inr_jax.denoise(samples, 16_000, options=options)
        assert found.shape == (3 * len(samples), *samples.shape[1:])


def test_unknown_methods_and_bad_samples_are_named():
    with pytest.raises(InputError, match="method must be one of noisy, "):
        inr_jax.denoise(signal(10), 16_000, "magic")
    with pytest.raises(InputError, match="output rate of its own"):
        registry.make("wiener", registry.Options(output_rate=48_000))
    with pytest.raises(InputError, match="NaN"):
        inr_jax.denoise(np.full(10, np.nan), 16_000, "noisy")


def test_wet_and_attenuation_leave_noise_in():
    noisy, estimate = np.ones((4, 1), np.float32), np.zeros((4, 1), np.float32)
    for mix, expected in (
        (files.DryWetMix(), 0.0),
        (files.DryWetMix(wet=0.7), 0.3),
        (files.DryWetMix(max_attenuation_db=20), 0.1),
        (files.DryWetMix(wet=0.5, max_attenuation_db=20), 0.55),
    ):
        assert mix.apply(noisy, estimate.copy())[0, 0] == pytest.approx(expected)


@pytest.fixture
def noisy_folder(tmp_path):
    folder = tmp_path / "in"
    audio.write(folder / "a.wav", signal(4000, 2), 44_100, "PCM_24")
    audio.write(folder / "deep" / "b.flac", signal(3000), 8_000)
    (folder / "broken.wav").write_bytes(b"none")
    return folder


def test_a_folder_is_done_once_and_keeps_its_tree(noisy_folder, tmp_path):
    out, rest = tmp_path / "out", tmp_path / "rest"
    args = ("denoise.py", str(noisy_folder), f"--output={out}", "--method=lowpass")
    done = run_script(*args, f"--residual={rest}", expect=2)
    assert done.stderr.count("error: ") == 1 and "broken.wav" in done.stderr
    for name in ("a.wav", "deep/b.flac"):
        before, after = (
            soundfile.SoundFile(place / name) for place in (noisy_folder, out)
        )
        for what in ("samplerate", "channels", "frames", "format", "subtype"):
            assert getattr(before, what) == getattr(after, what)
        parts = [audio.read(p / name).samples for p in (noisy_folder, out, rest)]
        np.testing.assert_allclose(parts[1] + parts[2], parts[0], atol=1e-3)
    stamp = (out / "a.wav").stat().st_mtime_ns
    done = run_script(*args, f"--residual={rest}", expect=2)
    assert "2 of 3 files are done" in done.stderr
    assert (out / "a.wav").stat().st_mtime_ns == stamp
    run_script(*args, "--wet=0.5", expect=2)  # other settings are done anew
    assert (out / "a.wav").stat().st_mtime_ns != stamp
    old = (rest / "a.wav").read_bytes()  # is of other settings: to be made anew
    run_script(*args, "--wet=0.5", f"--residual={rest}", expect=2)
    assert (rest / "a.wav").read_bytes() != old
    assert not list(tmp_path.rglob("*.part"))


def test_pipe(tmp_path):
    import subprocess
    import sys

    noisy = CLIPS / "letter.flac"
    done = subprocess.run(
        [sys.executable, "experiments/denoise.py", "-", "--output=-", "--method=noisy"],
        input=noisy.read_bytes(),
        capture_output=True,
        cwd=REPOSITORY,
        check=True,
    )
    found, rate = soundfile.read(io.BytesIO(done.stdout))
    np.testing.assert_allclose(found, soundfile.read(noisy)[0], atol=1e-6)
    assert rate == 16_000


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "name what to denoise"),
        (("missing.wav", "--output=x.wav"), "missing.wav: no such file"),
        (("-", "b.wav", "--output=-"), "hold one file"),
        ((str(CLIPS), "--output=b", "--method=magic"), "method must be one of"),
        (("a", "--output=b", "--output_rate=48000", "--wet=0.5"), "goes without"),
    ],
)
def test_mistakes_end_in_one_line(args, message):
    done = run_script("denoise.py", *args, expect=2)
    assert message in done.stderr and done.stderr.count("\n") == 1


def test_two_inputs_of_one_name_are_refused(tmp_path):
    for place in ("x", "y"):
        audio.write(tmp_path / place / "a.wav", signal(10), 16_000)
    with pytest.raises(InputError, match="both become"):
        files.jobs(
            [str(tmp_path / "x" / "a.wav"), str(tmp_path / "y" / "a.wav")], "out", None
        )


def test_nothing_is_written_over_an_input_or_twice(tmp_path):
    for name in ("a.wav", "b.wav"):
        audio.write(tmp_path / name, signal(10), 16_000)
    a, b, new = (str(tmp_path / name) for name in ("a.wav", "b.wav", "new.wav"))
    for inputs, output, residual in (
        ([a], new, a),
        ([a, b], f"{tmp_path}/out/", f"{tmp_path}"),
    ):
        with pytest.raises(InputError, match="would be overwritten"):
            files.jobs(inputs, output, residual)
    with pytest.raises(InputError, match="would both become"):
        files.jobs([a], new, new)
    (job,), _ = files.jobs([a], new, f"{tmp_path}/rest/")
    assert job.residual == tmp_path / "rest" / "a.wav"
    for output, residual in (("clean", None), (new, "rest")):
        with pytest.raises(InputError, match="unknown audio format"):
            files.jobs([a], output, residual)


def test_outputs_inside_the_input_are_no_inputs(tmp_path):
    for name in ("a.wav", "clean/a.wav", "rest/a.wav"):
        audio.write(tmp_path / name, signal(10), 16_000)
    found, _ = files.jobs([str(tmp_path)], f"{tmp_path}/clean/", f"{tmp_path}/rest/")
    assert [job.source for job in found] == [str(tmp_path / "a.wav")]


def test_an_input_is_never_overwritten(tmp_path):
    path = str(tmp_path / "a.wav")
    audio.write(path, signal(10), 16_000)
    for output in (path, str(tmp_path)):
        with pytest.raises(InputError, match="would be overwritten"):
            files.jobs([path], output, None)
