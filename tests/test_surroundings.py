"""Settings of JAX, devices, file systems and folders that are other than expected."""

import json
import os
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest
import soundfile
import tiny_weights
from conftest import CLIPS, COMPILED, REPOSITORY, run_script
from jax import numpy as jnp
from toy_training import HYPERSOUND

import inr_jax
from inr_jax import audio
from inr_jax.configs.fitting import FitConfig, SirenConfig
from inr_jax.enhancement import api, driver, files
from inr_jax.enhancement.driver import Denoiser, Result
from inr_jax.errors import InputError
from inr_jax.fitting import batch
from inr_jax.io import atomic, run_dir, weights
from inr_jax.models import pretrained
from inr_jax.nn import sine, siren
from inr_jax.parallel import failures, memory, precision
from inr_jax.parallel.compute import ComputeConfig

RATE = 16_000
SMALL = FitConfig(SirenConfig(8, 1), num_steps=2)


def signal(count=3000, seed=0):
    x = np.random.default_rng(seed).standard_normal(count)
    return (0.1 * x).astype(np.float32)


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


# ---- 64 bits


def test_programs_are_in_32_bits(x64):
    @precision.jit(static_argnames="double")
    def program(x, double=False):
        return jnp.arange(3) * x * np.float64(2) * (2 if double else 1)

    assert jnp.zeros(1).dtype == np.float64  # as the user wants it
    assert program(np.float64(1.5), double=True).dtype == np.float32
    assert "f64" not in program.lower(np.float64(1.5)).as_text()
    assert jnp.zeros(1).dtype == np.float64


@pytest.mark.parametrize("function", [sine.fast_sin, sine.fast_cos])
def test_sines_are_of_32_bits(x64, function):
    x = np.linspace(-3, 3, 7)
    assert function(x).dtype == np.float32
    value, slope = jax.jvp(function, (jnp.asarray(x),), (jnp.ones(7),))
    numpy = {sine.fast_sin: np.sin, sine.fast_cos: np.cos}[function]
    np.testing.assert_allclose(value, numpy(x), atol=1e-6)
    assert value.shape == slope.shape


def test_networks_begin_with_the_same_weights(x64):
    wide = siren.init(jax.random.key(0), SirenConfig(8, 1))
    with jax.enable_x64(False):
        narrow = siren.init(jax.random.key(0), SirenConfig(8, 1))
    assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(wide))
    jax.tree.map(np.testing.assert_array_equal, wide, narrow)


@pytest.mark.parametrize(
    "method", ["noisy", "silence", "lowpass", "wiener", "log_mmse"]
)
def test_filters_take_the_setting(x64, method):
    found = inr_jax.denoise(signal(), RATE, method)
    with jax.enable_x64(False):
        np.testing.assert_array_equal(found, inr_jax.denoise(signal(), RATE, method))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    return tiny_weights.save(folder / "model", tiny_weights.CONFIG)


@pytest.mark.slow
def test_a_network_gives_the_same_with_the_setting(x64, tiny, tmp_path):
    # a folder that no other test has loaded
    copy = shutil.copytree(tiny, tmp_path / "copy")
    found = inr_jax.denoise(signal(), RATE, weights=copy)
    with jax.enable_x64(False):
        expected = inr_jax.denoise(signal(), RATE, weights=tiny)
    np.testing.assert_array_equal(found, expected)


def test_a_fit_gives_the_same_with_the_setting(x64):
    key = jax.random.key(0)
    ((_, wide),) = batch.fit_batch([key], [signal(300)], [RATE], SMALL)
    with jax.enable_x64(False):
        ((_, narrow),) = batch.fit_batch([key], [signal(300)], [RATE], SMALL)
    np.testing.assert_array_equal(wide.estimate, narrow.estimate)
    np.testing.assert_array_equal(
        wide(np.arange(3) / RATE), narrow(np.arange(3) / RATE)
    )


METHODS = {
    **{name: {} for name in ("noisy", "silence", "lowpass", "wiener", "log_mmse")},
    "hyper_gain": {},
    "gain_field": {"num_fields": 1, "num_steps": 2},
    "siren": {"num_steps": 2},
    "dnp": {"num_steps": 2, "num_filters": 2},
}


@pytest.mark.slow
def test_every_method_and_training_takes_the_setting(tmp_path):
    """In a process of its own that begins with it."""
    code = f"""
import numpy as np, inr_jax
noisy = 0.1 * np.random.default_rng(0).standard_normal(4000)
for method, settings in {METHODS!r}.items():
    found = inr_jax.denoise(noisy, 16000, method, **settings)
    assert found.shape == noisy.shape and found.dtype == np.float32, method
    assert np.all(np.isfinite(found)), method
    print(method)
"""
    environment = {**os.environ, "JAX_ENABLE_X64": "1", "JAX_PLATFORMS": "cpu"}

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, *arguments],
            capture_output=True,
            text=True,
            env=environment,
            cwd=REPOSITORY,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run("-c", code).split() == list(METHODS)
    flags = [f"--speech_dirs={CLIPS}", f"--noise_dir={CLIPS}", f"--valid_dir={CLIPS}"]
    flags += [*HYPERSOUND, f"--compilation_cache={COMPILED}"]
    script = REPOSITORY / "experiments" / "train_hypersound.py"
    assert "the best weights" in run(script, *flags, f"--output_dir={tmp_path}")


# ---- devices


@pytest.mark.slow
@pytest.mark.parametrize(
    ("platform", "method"),
    [
        *(("cuda", "noisy"), ("cuda", "hyper_gain")),
        *(("rocm", "noisy"), ("nonsense", "noisy")),
    ],
)
def test_a_device_that_is_not_there_is_one_line(tmp_path, method, platform):
    done = subprocess.run(
        [sys.executable, "-m", "inr_jax", "denoise", str(CLIPS / "letter.flac")]
        + [f"--output={tmp_path / 'a.wav'}", f"--method={method}"],
        capture_output=True,
        text=True,
        env={**os.environ, "JAX_PLATFORMS": platform},
        check=False,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"no device for JAX_PLATFORMS={platform}" in line and "unset" in line


OUT = "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 bytes."


class Device:
    """An accelerator that has room for so many windows at a time."""

    def __init__(self, monkeypatch, room):
        self.room, self.batches, self.on_cpu = room, [], 0
        monkeypatch.setattr(jax, "default_backend", lambda: "gpu")

    def check(self, count):
        self.batches.append(count)
        if jax.config.jax_default_device is not None:
            self.on_cpu += 1
        elif count > self.room:
            raise jax.errors.JaxRuntimeError(OUT)

    def run(self, windows, size, on_windows):
        self.check(len(windows))
        return (Result(i, window.samples) for i, window in enumerate(windows))

    def denoiser(self, batch_size=8, padded=True):
        pad = (lambda count: count) if padded else None
        return Denoiser(self.run, lambda size: batch_size, pad)


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("room", [8, 5, 2, 1, 0])
def test_batches_are_made_smaller_until_they_fit(monkeypatch, room, padded):
    device = Device(monkeypatch, room)
    noisy = [audio.Recording(signal(400, i)[:, None], RATE) for i in range(11)]
    shares = []
    found = list(
        api.denoise_recordings(
            device.denoiser(padded=padded), noisy, range(11), shares.append
        )
    )
    assert sorted(estimate.position for estimate in found) == list(range(11))
    for estimate in found:
        np.testing.assert_array_equal(
            estimate.samples, noisy[estimate.position].samples
        )
    assert sum(shares) == pytest.approx(11)
    assert bool(device.on_cpu) == (room == 0)


def test_what_a_batch_gave_before_memory_ended_is_kept(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    asked = []

    def run(items):
        asked.append(list(items))
        for i, item in enumerate(items):
            if len(items) > 2 and i == 1:
                raise jax.errors.JaxRuntimeError(OUT)
            yield i, 10 * item

    sizes = []
    found = dict(memory.run(run, range(6), sizes.append))
    assert found == {i: 10 * i for i in range(6)}
    assert asked == [[0, 1, 2, 3, 4, 5], [1, 2], [3, 4, 5], [4], [5]]
    assert sizes == [2, 1]


def test_after_one_failure_batches_stay_small(monkeypatch):
    device = Device(monkeypatch, 3)
    noisy = [audio.Recording(signal(400, i)[:, None], RATE) for i in range(64)]
    assert len(list(api.denoise_recordings(device.denoiser(), noisy, range(64)))) == 64
    # some were under way already
    assert device.batches.count(8) < 7 and device.batches.count(2) > 20


def test_where_nothing_fits_that_is_said(monkeypatch):
    device = Device(monkeypatch, 0)
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    noisy = [audio.Recording(signal(400)[:, None], RATE)]
    with pytest.raises(jax.errors.JaxRuntimeError, match="RESOURCE_EXHAUSTED"):
        list(api.denoise_recordings(device.denoiser(), noisy, [0]))


def test_other_errors_of_a_device_are_raised(monkeypatch):
    def run(*_):
        raise jax.errors.JaxRuntimeError("INTERNAL: broken")

    noisy = [audio.Recording(signal(400)[:, None], RATE)]
    for pad in (None, lambda count: count):
        with pytest.raises(jax.errors.JaxRuntimeError, match="broken"):
            list(driver.run(Denoiser(run, padded_size=pad), noisy, [jax.random.key(0)]))


@pytest.mark.parametrize("room", [4, 1, 0])
def test_fits_are_made_in_smaller_batches(monkeypatch, room):
    from inr_jax.fitting import driver as fits

    device, run = Device(monkeypatch, room), fits.run

    def limited(problem, inputs, compute, *args, **kwargs):
        device.check(len(inputs))
        return run(problem, inputs, compute, *args, **kwargs)

    monkeypatch.setattr(batch.driver, "run", limited)
    keys = [jax.random.key(i) for i in range(4)]
    signals = [signal(200, i) for i in range(4)]
    compute = ComputeConfig(batch_samples=2**17)
    found = dict(batch.fit_batch(keys, signals, [RATE] * 4, SMALL, compute=compute))
    assert sorted(found) == [0, 1, 2, 3]
    assert bool(device.on_cpu) == (room == 0)
    monkeypatch.setattr(batch.driver, "run", run)
    for i, fitted in batch.fit_batch(keys, signals, [RATE] * 4, SMALL, compute=compute):
        np.testing.assert_allclose(fitted.estimate, found[i].estimate, atol=1e-5)


def test_a_training_that_does_not_fit_is_one_line():
    line = failures.explained(jax.errors.JaxRuntimeError(OUT))
    assert "smaller batch" in line and "JAX_PLATFORMS=cpu" in line
    assert failures.explained(RuntimeError("other")) is None
    code = (
        "import jax\nfrom inr_jax.cli import app\n"
        f"def main(): raise jax.errors.JaxRuntimeError({OUT!r})\napp.run(main)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (2, f"error: {line}\n")


# ---- names and folders

NAMES = [
    "x" * 250 + ".flac",
    "é" * 125 + ".flac",
    "音" * 83 + "x.flac",
    "😀" * 62 + "ab.flac",
    os.fsdecode(b"\xff" * 250 + b".flac"),
    os.fsdecode(b"caf\xe9.flac"),
    "two\nlines.flac",
    " spaces .flac",
]


def put(path, samples=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    # libsndfile takes no paths that are not UTF-8
    with open(path, "wb") as file:
        samples = signal() if samples is None else samples
        soundfile.write(file, samples, RATE, format="FLAC")
    return path


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_names_of_any_length_and_letters(tmp_path, name):
    put(tmp_path / "in" / name)
    out, rest = tmp_path / "out", tmp_path / "rest"
    args = (str(tmp_path / "in"), f"--output={out}", f"--residual={rest}")
    done = run_script("denoise.py", *args, "--method=lowpass", "--json")
    job, _ = map(json.loads, done.stdout.splitlines())
    assert job["status"] == "done" and job["source"].endswith(name)
    for folder in (out, rest):
        assert audio.read(folder / name).num_samples == 3000
        assert not list(folder.glob("*.part"))
    done = run_script("denoise.py", *args, "--method=lowpass")
    assert "1 of 1 files are done" in done.stderr


@pytest.mark.slow
def test_evaluations_of_names_of_any_length_and_letters(tmp_path):
    for name in NAMES:
        put(tmp_path / "in" / name, signal(RATE))
    flags = (f"--clean_dir={tmp_path / 'in'}", f"--output_dir={tmp_path / 'out'}")
    run_script("evaluate.py", *flags, "--methods=noisy,lowpass", "--compilation_cache=")
    rows = atomic.read_csv(tmp_path / "out" / "scores.csv")
    assert {row["clip"] for row in rows} == {name[: -len(".flac")] for name in NAMES}
    assert (tmp_path / "out" / "report" / "index.html").exists()


@pytest.mark.parametrize("output", ["/proc/nothing/", "/proc/a.wav", "FILE/a.wav"])
def test_a_folder_that_cannot_be_written_is_told_before_the_work(
    tmp_path, output, monkeypatch
):
    if output.startswith("/proc") and not os.path.isdir("/proc/self"):
        pytest.skip("there is no such file system here")
    (tmp_path / "file").touch()
    output = output.replace("FILE", str(tmp_path / "file"))
    monkeypatch.setattr(files, "denoise", None)
    source = put(tmp_path / "a.flac")
    args = (str(source), f"--output={output}", "--method=noisy")
    done = run_script("denoise.py", *args, expect=2)
    (line,) = done.stderr.splitlines()
    assert "cannot write: " in line


@pytest.mark.parametrize("command", ["evaluate", "fit_siren", "fit_dnp", "sweep_siren"])
def test_results_that_cannot_be_written_are_told_before_the_work(tmp_path, command):
    (tmp_path / "file").touch()
    flags = (f"--clean_dir={CLIPS}", f"--output_dir={tmp_path / 'file' / 'out'}")
    done = run_script(f"{command}.py", *flags, expect=2)
    (line,) = done.stderr.splitlines()
    assert line == f"error: --output_dir: {tmp_path / 'file'}: is a file; name a folder"


def test_one_folder_that_cannot_be_written_costs_no_other(tmp_path):
    for name in ("a/x.flac", "b/y.flac"):
        put(tmp_path / "in" / name)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").touch()  # a file where a folder is needed
    args = (str(tmp_path / "in"), f"--output={tmp_path / 'out'}", "--method=noisy")
    done = run_script("denoise.py", *args, expect=2)
    (line,) = (x for x in done.stderr.splitlines() if x.startswith("error: "))
    assert f"{tmp_path / 'out' / 'a' / 'x.flac'}: cannot write: Not a directory" in line
    assert (tmp_path / "out" / "b" / "y.flac").exists()


# ---- folders of weights


@pytest.fixture
def training(tiny, tmp_path):
    """The folder of a training, with settings and checkpoints of its own."""
    run_dir.keep_settings(tmp_path / "run", {"a": 1})
    for name in ("last/4", "best/4", "decoded"):
        (tmp_path / "run" / name).mkdir(parents=True)
    (tiny.parent / "config.json").unlink(missing_ok=True)
    return tmp_path / "run"


def with_model(training, tiny):
    (training / "model").mkdir()
    for path in tiny.iterdir():
        (training / "model" / path.name).write_bytes(path.read_bytes())
    return training


def test_the_folder_of_a_training_gives_its_weights(training, tiny):
    folder = with_model(training, tiny)
    model, _ = pretrained.load(folder)
    assert model.config == tiny_weights.CONFIG
    assert weights.folder_of(folder) == weights.folder_of(folder / "model")
    settings = {"weights": str(folder)}
    found = inr_jax.denoise(signal(), RATE, **settings)
    expected = inr_jax.denoise(signal(), RATE, weights=str(tiny))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("inner", "message"),
    [
        ("last", "a folder of checkpoints; give {training}"),
        ("best", "a folder of checkpoints; give {training}"),
        ("model/weights.safetensors", "is a file; give the folder that it is in"),
        ("..", "its folders have some; give one of "),
        ("nowhere", "no such folder"),
    ],
)
def test_other_folders_are_told_from_weights(training, tiny, inner, message):
    folder = with_model(training, tiny)
    if inner == "..":
        folder.joinpath("model").rename(folder.parent / "other")
        folder = folder.parent / "x" / ".."
        folder.parent.mkdir()
        inner = "."
    with pytest.raises(InputError) as raised:
        pretrained.load(folder / inner)
    assert "no trained weights: " in str(raised.value)
    assert message.format(training=training) in str(raised.value).replace("/x/..", "")


def test_a_training_that_has_not_ended_is_told(training):
    with pytest.raises(
        InputError, match="a training that has not ended; its end writes"
    ):
        pretrained.load(training)


def test_the_command_takes_the_folder_of_a_training(training, tiny, tmp_path):
    folder = with_model(training, tiny)
    source, out = put(tmp_path / "a.flac"), tmp_path / "out.flac"
    args = (str(source), f"--output={out}", f"--weights={folder}")
    run_script("denoise.py", *args)
    again = run_script("denoise.py", str(source), f"--output={out}", args[2])
    assert "1 of 1 files are done" in again.stderr  # weights are known by their digest
