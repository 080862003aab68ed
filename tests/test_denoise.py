import dataclasses
import io
import shutil
from types import SimpleNamespace

import jax
import numpy as np
import pytest
import soundfile
import tiny_weights
from conftest import CLIPS, REPOSITORY, run_script

import inr_jax
from inr_jax import audio
from inr_jax.configs.fitting import DnpConfig, SirenConfig
from inr_jax.configs.methods import HyperGainMethod, Method, SirenMethod
from inr_jax.data.datasets import Example
from inr_jax.data.noise import Condition
from inr_jax.enhancement import api, driver, files, neural, registry
from inr_jax.errors import InputError
from inr_jax.evaluation import systems
from inr_jax.fitting import driver as fits
from inr_jax.io import weights
from inr_jax.models import hyper_gain, pretrained
from inr_jax.parallel import compute
from inr_jax.parallel.compute import ComputeConfig


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return tiny_weights.save(tmp_path_factory.mktemp("tiny"), tiny_weights.CONFIG, 7)


def whole(model, params, noisy):
    window = hyper_gain.window_of(16_000, model.config)
    denoise = jax.jit(hyper_gain.denoise, static_argnames=("model", "window"))
    return denoise(model, params, noisy, window)


CLIP = str(next(CLIPS.glob("*.flac")))


def signal(count, channels=None):
    shape = (count,) if channels is None else (count, channels)
    return 0.1 * np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(
    "method",
    [
        *("noisy", "lowpass", "log_mmse"),
        pytest.param("gain_field", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("shape", [(3000,), (2500, 2), (1,)])
def test_every_method_keeps_shape_and_level(method, shape):
    noisy = signal(*shape)
    found = inr_jax.denoise(noisy, 16_000, method)
    assert found.shape == noisy.shape and found.dtype == np.float32
    assert np.all(np.isfinite(found)) and np.abs(found).max() < 2 * np.abs(noisy).max()


@pytest.mark.parametrize("method", ["noisy", "lowpass", "wiener", "log_mmse"])
def test_a_voice_keeps_its_level(method, speech):
    found = inr_jax.denoise(speech, 16_000, method)
    assert 0.8 < np.std(found) / np.std(speech) < 1.1


@pytest.mark.slow
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_trained_methods_take_any_rate(checkpoint, rate):
    for shape in ((1,), (rate // 3,), (2001, 2)):
        found = inr_jax.denoise(signal(*shape), rate, "hyper_gain", weights=checkpoint)
        assert found.shape == shape


def test_windows_give_what_the_whole_clip_gives(checkpoint, monkeypatch):
    monkeypatch.setattr(neural, "HYPER_WINDOW_S", 1.0)
    model, params = pretrained.load(checkpoint)
    noisy = audio.Recording(signal(90_003, 1), 16_000)
    denoiser, parts = neural.hyper_gain(model, params), []
    keys, shares = [jax.random.key(0)], []
    for part in driver.run(denoiser, [noisy], keys, shares.append):
        np.testing.assert_array_equal(part.noisy.shape, part.samples.shape)
        parts.append(part.samples[:, 0])
    assert len(parts) > 2 and sum(shares) == pytest.approx(1)
    expected = whole(model, params, noisy.samples[:, 0])
    np.testing.assert_allclose(np.concatenate(parts), expected, atol=1e-5)


def test_weights_are_small_open_and_checked(checkpoint, tmp_path):
    described, tensors = weights.load(checkpoint)
    assert {a.dtype for a in tensors.values()} == {np.dtype(np.float16)}
    assert described["model"] == "hyper_gain" and described["step"] == 7
    described["config"]["channels"] = 16
    weights.save(tmp_path, tensors, described)
    with pytest.raises(InputError, match="do not fit the config"):
        pretrained.load(tmp_path)
    with pytest.raises(
        InputError, match="^nowhere: no trained weights: no such folder$"
    ):
        pretrained.load("nowhere")


def test_unknown_methods_and_bad_samples_are_named():
    with pytest.raises(InputError, match="method must be one of noisy, "):
        inr_jax.denoise(signal(10), 16_000, "magic")
    with pytest.raises(
        InputError, match="local_hypersound was removed; use hyper_gain"
    ):
        inr_jax.denoise(signal(10), 16_000, "local_hypersound")
    with pytest.raises(InputError, match="without weights: .* successor hyper_siren"):
        inr_jax.denoise(signal(10), 16_000, "hypersound")
    with pytest.raises(InputError, match="wiener has no setting 'output_rate'; it"):
        inr_jax.denoise(signal(10), 16_000, "wiener", output_rate=48_000)
    with pytest.raises(InputError, match="noise_estimator must be one of"):
        inr_jax.denoise(signal(10), 16_000, "wiener", noise_estimator="magic")
    with pytest.raises(InputError, match="num_fields must be a whole number, got 1.5"):
        inr_jax.denoise(signal(10), 16_000, "gain_field", num_fields=1.5)
    with pytest.raises(InputError, match="NaN"):
        inr_jax.denoise(np.full(10, np.nan), 16_000, "noisy")
    for seed in (2**63, 1.5, None):
        with pytest.raises(InputError, match="seed must be a whole number of 64 bits"):
            inr_jax.denoise(signal(10), 16_000, "noisy", seed=seed)


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
        ((str(CLIPS), "--output=b.wav"), "b.wav: is a file, but several"),
        ((str(CLIPS), "--output=b", "--method=magic"), "method must be one of"),
        (
            ("a", "--output=b", "--method=wiener:noise_estimater=x"),
            "there are: noise_estimator, channels",
        ),
        (
            (str(CLIPS), "--output=b", "--method=hypersound"),
            "train it by `inr-jax train --network=hypersound`",
        ),
        (
            ("a", "--output=b", "--method=hyper_siren:output_rate=32000", "--wet=0.5"),
            "goes without",
        ),
        (("", "--output=b"), "has an empty name"),
        ((".", "--output=b", "--residual=-"), "goes to a file or folder, not to -"),
        ((CLIP, "--output=b/", "--output_format=a/b"), "no extension of a file"),
        ((CLIP, "--output=-", f"--residual={CLIP}"), "would be overwritten"),
        (("-", "--output=b.wav", "--residual=b.wav"), "both become it"),
        (("-", "--output=b.wav", "--output_format=flac"), "its own extension"),
        (("none.wav", "--output=-"), "none.wav: no such file"),
        (
            ("a", "--output=b", "--method=wiener", "--weights=c"),
            "--weights is not for wiener",
        ),
        (
            ("a", "--output=b", "--method=siren", "--channels=linked"),
            "--channels is not for siren",
        ),
    ],
)
def test_mistakes_end_in_one_line(args, message):
    done = run_script("denoise.py", *args, expect=2)
    assert message in done.stderr and done.stderr.count("\n") == 1


def test_a_file_that_cannot_be_read_is_not_shown_as_done(tmp_path):
    (tmp_path / "bad.wav").write_bytes(b"none")
    paths = (str(tmp_path / "bad.wav"), f"--output={tmp_path / 'out.wav'}")
    done = run_script("denoise.py", *paths, "--method=noisy", expect=2)
    (line,) = done.stderr.splitlines()
    assert "bad.wav: cannot read" in line


def test_what_was_denoised_by_other_weights_is_not_done(tmp_path):
    from inr_jax.cli.flags import methods

    copy = shutil.copytree(weights.trained_dir("hyper_gain"), tmp_path / "weights")
    method = methods.parse(f"hyper_gain:weights={copy}")
    before = methods.described(method)
    described, tensors = weights.load(copy)
    weights.save(copy, tensors, {**described, "step": 0})
    assert before["weights_sha256"] != methods.described(method)["weights_sha256"]


def test_inputs_that_would_become_one_file_are_named_and_cost_no_other(tmp_path):
    for name in ("x/a.wav", "y/a.wav", "z/a.flac", "z/b.wav", "z/c.wav"):
        audio.write(tmp_path / name, signal(10), 16_000)
    x, y, z = (tmp_path / name for name in "xyz")
    found, left_out = files.jobs([str(x / "a.wav"), str(y / "a.wav")], "out", None)
    assert not found
    (problem,) = left_out.problems
    assert problem.startswith(
        f"{x / 'a.wav'}, {y / 'a.wav'}: would all become out/a.wav"
    )
    found, left_out = files.jobs([str(x), str(z)], "out", None, "wav")
    assert sorted(job.target for job in found) == ["out/b.wav", "out/c.wav"]
    (problem,) = left_out.problems
    assert "a.flac: would all become out/a.wav; denoise them apart" in problem


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
    for inputs, output in (([a], new), ([a, b], f"{tmp_path}/out/")):
        with pytest.raises(InputError, match="would both become"):
            files.jobs(inputs, output, output)
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


@pytest.mark.slow
def test_clips_of_one_size_make_batches_and_the_last_is_filled(checkpoint, monkeypatch):
    config = ComputeConfig(batch_samples=4 * 4096)
    monkeypatch.setattr(compute, "default_compute", lambda: config)
    monkeypatch.setattr(compute, "batches_at_once", lambda: 1)
    model, params = pretrained.load(checkpoint)
    denoiser, sizes = neural.hyper_gain(model, params), []
    counted = dataclasses.replace(
        denoiser,
        run=lambda windows, *rest: (
            sizes.append(len(windows)) or denoiser.run(windows, *rest)
        ),
    )
    noisy = [audio.Recording(signal(4000 - i, 1), 16_000) for i in range(7)]
    found = {e.position: e for e in api.denoise_recordings(counted, noisy, range(7))}
    assert sizes == [4, 3]
    for i, recording in enumerate(noisy):
        alone = whole(model, params, recording.samples[:, 0])
        np.testing.assert_allclose(found[i].samples[:, 0], alone, atol=1e-5)


@pytest.mark.parametrize(
    "method, config",
    [
        ("siren", SirenMethod(SirenConfig(8, 1))),
        ("siren", SirenMethod(SirenConfig(8, 1), num_steps=25, stop="discrepancy")),
        ("dnp", DnpConfig(num_levels=1, num_filters=1)),
    ],
    ids=["fixed", "stopped", "dnp"],
)
def test_warnings_of_fits_name_the_recording(method, config, monkeypatch):
    """A fit that diverged is fitted again: at rates that no fit survives."""
    warnings = []
    monkeypatch.setattr(fits.logging, "warning", lambda *args: warnings.append(args))
    steps = min(config.num_steps, 50)
    config = dataclasses.replace(config, learning_rate=1e30, num_steps=steps)
    noisy = audio.Recording(signal(1024, 1), 16_000, name="call.wav")
    list(api.denoise_recordings(registry.make(method, config), [noisy], [0]))
    assert (warnings[0][1], warnings[0][0][:24]) == (
        "call.wav",
        "%s: the fit diverged; fi",
    )


def test_dnp_masks_as_its_settings_and_the_recording_say(monkeypatch):
    seen = []

    def masked(noisy, score, mask, sample_rate):
        seen.append((mask, sample_rate))
        return noisy

    monkeypatch.setattr("inr_jax.enhancement.dnp.apply_mask", masked)
    config = DnpConfig(num_levels=1, num_filters=1, num_steps=1, mask="wiener")
    noisy = audio.Recording(signal(2048, 1), 48_000)
    list(api.denoise_recordings(registry.make("dnp", config), [noisy], [0]))
    (system,) = systems.make([Method("dnp", "dnp", config)])
    condition = Condition("white", 0.0, 0)
    example = Example("a", condition, noisy.samples, noisy.samples, 48_000)
    list(system.run([example], [0], lambda clips: None))
    assert seen == [("wiener", 48_000)] * 2


def test_the_seed_draws_the_weights_of_a_fit(tmp_path):
    soundfile.write(tmp_path / "noisy.wav", signal(2000), 16_000, "FLOAT")
    method = "--method=siren:siren.width=8:siren.depth=0:num_steps=1"
    found = []
    for name, seed in (("a", 0), ("b", 1), ("c", 0)):
        output = tmp_path / f"{name}.wav"
        flags = (str(tmp_path / "noisy.wav"), f"--output={output}", method)
        run_script("denoise.py", *flags, f"--seed={seed}")
        found.append(soundfile.read(output)[0])
    np.testing.assert_array_equal(found[0], found[2])
    assert np.any(found[0] != found[1])


def test_a_siren_that_stops_early_is_told_the_variance_of_the_noise(monkeypatch):
    told = []

    def fit(keys, signals, rates, variances, *args, **others):
        told.extend(variances)
        yield 0, SimpleNamespace(estimate=signals[0], work_s=0.0)

    monkeypatch.setattr("inr_jax.fitting.early_stopping.fit_batch", fit)
    noise = 0.1 * np.random.default_rng(0).standard_normal((16_000, 1))
    noisy = audio.Recording(np.float32(noise), 16_000)
    config = SirenMethod(SirenConfig(8, 1), num_steps=25, stop="sure")
    list(api.denoise_recordings(registry.make("siren", config), [noisy], [0]))
    assert told == pytest.approx([0.01], rel=0.1)


@pytest.mark.parametrize("error", [InputError("too odd"), ValueError("too odd")])
@pytest.mark.parametrize("padded_size", [None, lambda count: 1024])
def test_a_batch_that_fails_names_each_of_its_files_and_stops_no_other(
    tmp_path, error, padded_size
):
    """The second batch of three, of which the first recording is odd."""
    todo = []
    for i in range(7):
        path = tmp_path / f"{i}.wav"
        soundfile.write(path, np.full(900, 0.5 if i == 3 else 0.1), 16_000, "FLOAT")
        todo.append(files.Job(str(path), str(tmp_path / "out" / path.name), None))

    def run(windows, size, on_windows):
        if any(window.samples[0] == 0.5 for window in windows):
            raise error
        for i, window in enumerate(windows):
            yield driver.Result(i, window.samples)

    denoiser = driver.Denoiser(run, lambda size: 3, padded_size)
    shares = []
    found = files.denoise(denoiser, todo, {}, files.DryWetMix(), on_files=shares.append)
    outcomes = {outcome.job.source: outcome.error for outcome in found}
    assert sum(shares) == pytest.approx(7)
    failed = [job.source for job in todo[3:6]]
    assert {source for source, why in outcomes.items() if why} == set(failed)
    for source in failed:
        assert outcomes[source].startswith(f"{source}: ")
        assert "too odd" in outcomes[source]
    written = sorted(path.name for path in (tmp_path / "out").glob("*.wav"))
    assert written == ["0.wav", "1.wav", "2.wav", "6.wav"]


def test_a_file_for_what_is_removed_does_not_go_with_a_folder(tmp_path):
    soundfile.write(tmp_path / "a.wav", signal(900), 16_000)
    with pytest.raises(InputError, match="removed.wav: is a file, but .* is a folder;"):
        files.jobs([str(tmp_path / "a.wav")], f"{tmp_path}/out/", "removed.wav")


def test_the_live_method_takes_no_weights_that_look_ahead(checkpoint):
    config = HyperGainMethod(weights=str(checkpoint))
    with pytest.raises(InputError, match="looks ahead; give it to hyper_gain"):
        registry.make("hyper_gain_live", config)


def test_each_recording_needs_a_seed():
    noisy = [audio.Recording(signal(900, 1), 16_000)] * 3
    with pytest.raises(ValueError, match="1 seeds are fewer than recordings"):
        list(api.denoise_recordings(registry.make("noisy"), noisy, [0]))


def test_a_source_that_fails_stops_no_other(checkpoint):
    class Broken(audio.Recording):
        def blocks(self, num_samples):
            yield self.samples[:num_samples]
            raise InputError("broken.wav: cannot read")

    noisy = [Broken(signal(9, 1), 16_000), audio.Recording(signal(9, 1), 16_000)]
    keys, shares = [jax.random.key(0)] * 2, []
    denoiser = registry.make("noisy")
    found = list(driver.run(denoiser, noisy, keys, shares.append))
    assert [(e.position, str(e.error or "")) for e in found] == [
        (0, "broken.wav: cannot read"),
        (1, ""),
    ]
    assert sum(shares) == pytest.approx(2)


@pytest.mark.parametrize("pad", [None, lambda count: count])
def test_an_estimate_that_cannot_be_finished_ends_its_recording_alone(pad):
    """By whatever is done with the whole of it, behind the method."""

    def run(windows, size, on_windows):
        return [driver.Result(i, x.samples) for i, x in enumerate(windows)]

    def finish(noisy, estimate):
        if noisy[0] > 0.5:
            raise MemoryError("it is long")
        return estimate

    def batch_size(size):
        return 3

    denoiser = driver.Denoiser(run, batch_size, padded_size=pad, finish=finish)
    samples = [np.full((9, 1), level, np.float32) for level in (0.9, 0.1, 0.2)]
    noisy = [audio.Recording(x, 16_000) for x in samples]
    found = list(driver.run(denoiser, noisy, [jax.random.key(0)] * 3))
    errors = {estimate.position: str(estimate.error or "") for estimate in found}
    assert errors == {0: "it is long", 1: "", 2: ""} and len(found) == 3


def test_the_result_is_no_memory_of_the_caller():
    noisy = signal(900)
    kept = noisy.copy()
    for method, rate in (("noisy", 16_000), ("lowpass", 8000)):
        inr_jax.denoise(noisy, rate, method)[:] = 0
        np.testing.assert_array_equal(noisy, kept)


@pytest.mark.slow
@pytest.mark.parametrize("settings", ["num_steps=60", "num_steps=400:stop=discrepancy"])
def test_an_interrupted_fit_goes_on_to_the_same_output(tmp_path, monkeypatch, settings):
    monkeypatch.setattr(fits, "SAVE_EVERY_S", 0.0)
    source = tmp_path / "noisy.wav"
    soundfile.write(source, signal(2000), 16_000, "FLOAT")
    args = (str(source), f"--method=siren:siren.width=8:siren.depth=1:{settings}")
    run_script("denoise.py", *args, f"--output={tmp_path / 'whole.wav'}")

    saves, save = [], fits.FitCheckpoints.save

    def cut(self, fingerprints, states, steps):
        save(self, fingerprints, states, steps)
        saves.append(steps.max())
        if len(saves) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fits.FitCheckpoints, "save", cut)
        again = (*args, f"--output={tmp_path / 'cut' / 'noisy.wav'}")
        run_script("denoise.py", *again, expect=130)
    (state,) = (tmp_path / "cut" / files.RECORD).iterdir()
    assert state.suffix == ".unfinished" and saves[1] > saves[0] > 0
    found, steps = [], fits.FitCheckpoints.steps
    monkeypatch.setattr(
        fits.FitCheckpoints,
        "steps",
        lambda self, names: found.append(steps(self, names)) or found[-1],
    )
    run_script("denoise.py", *again)
    assert found[0].max() == saves[1]
    whole, other = (tmp_path / "whole.wav", tmp_path / "cut" / "noisy.wav")
    np.testing.assert_array_equal(soundfile.read(other)[0], soundfile.read(whole)[0])
    assert not state.exists()
