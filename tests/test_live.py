"""`inr-jax live` from file to file, and what it says where something is missing."""

import builtins
import json
import os
import signal
import subprocess
import sys
import threading
import time
import types

import numpy as np
import pytest
import tiny_weights
from conftest import REPOSITORY

import inr_jax
from inr_jax import audio
from inr_jax.errors import InputError
from inr_jax.live import devices, pipes
from inr_jax.live.engine import Engine

RATE, HOP = 8000, 128


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_weights.save(tmp_path_factory.mktemp("weights"), tiny_weights.CAUSAL)


@pytest.fixture
def noisy(tmp_path):
    path = tmp_path / "noisy.wav"
    samples = np.random.default_rng(0).normal(0, 0.1, (40 * HOP + 31, 2))
    audio.write(path, samples.astype(np.float32), RATE, "FLOAT")
    return path


def estimate(weights, path):
    """What a file holds, and its estimate."""
    samples = audio.read(path).samples
    stream = inr_jax.Stream(RATE, samples.shape[1], weights)
    late = np.concatenate([stream(samples), stream.flush()])
    return samples, late[stream.latency_samples :]


@pytest.mark.parametrize("speed", [["--fast"], ["--reserve_ms=400"]])
def test_from_file_to_file(run_command, weights, noisy, tmp_path, speed):
    output, heard = tmp_path / "out.wav", tmp_path / "heard.flac"
    code, out, err = run_command(
        *("live", f"--input={noisy}", f"--output={output}", f"--weights={weights}"),
        *(f"--record_input={heard}", "--json", *speed),
    )
    assert code == 0, err
    told = json.loads(out)
    delay = told["delay_samples"]
    assert delay == 2 * HOP + (0 if speed == ["--fast"] else 3200)
    assert told["missed"] == told["dropped"] == told["resynced"] == 0
    samples, expected = estimate(weights, noisy)
    found = audio.read(output)
    assert found.sample_rate == RATE and found.subtype == "FLOAT"
    assert not np.any(found.samples[:delay])
    found = found.samples[delay:]
    np.testing.assert_allclose(found[: len(expected)], expected, atol=1e-5)
    kept = audio.read(heard).samples[: len(samples)]
    np.testing.assert_allclose(kept, samples, atol=1e-4)
    assert "ready after" in err and "0 hops dropped" in err
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"noisy.wav", "out.wav", "heard.flac"}


def test_the_noise_is_left_as_far_as_is_asked(run_command, weights, noisy, tmp_path):
    output = tmp_path / "out.wav"
    code, _, err = run_command(
        *("live", f"--input={noisy}", f"--output={output}", f"--weights={weights}"),
        *("--fast", "--max_attenuation_db=0"),
    )
    assert code == 0, err
    samples = audio.read(noisy).samples
    found = audio.read(output).samples[2 * HOP :]
    np.testing.assert_allclose(found[: len(samples)], samples, atol=1e-6)


def test_a_file_that_breaks_off_leaves_what_was_played(
    run_command, weights, noisy, tmp_path
):
    """NaN ends the run with a line; the output so far is whole and readable."""
    samples = audio.read(noisy).samples
    samples[30 * HOP :] = np.nan
    import soundfile

    soundfile.write(noisy, samples, RATE, "FLOAT")
    output = tmp_path / "out.wav"
    code, _, err = run_command(
        *("live", f"--input={noisy}", f"--output={output}", f"--weights={weights}"),
        "--fast",
    )
    assert code == 2 and "NaN" in err.splitlines()[-1]
    assert 20 * HOP < audio.read(output).num_samples <= 30 * HOP


def standard_pipes(monkeypatch):
    """A pipe from standard output to standard input: both ends."""
    reading, writing = os.pipe()
    for name, end in (("stdin", reading), ("stdout", writing)):
        file = types.SimpleNamespace(fileno=lambda end=end: end)
        monkeypatch.setattr(sys, name, file)
    return reading, writing


def test_pipes_hold_16_bits(monkeypatch):
    stdin, stdout = standard_pipes(monkeypatch)
    samples = np.array([[0.5, -0.5], [1.5, -1.5], [2**-15, 0]], np.float32)
    pipes.write(samples, threading.Event())
    os.write(stdout, b"\0")  # half a sample, then the end
    os.close(stdout)
    found = np.concatenate(list(pipes.blocks(2, threading.Event())))
    full = 1 - 2**-15
    expected = np.array([[0.5, -0.5], [full, -1], [2**-15, 0]])
    np.testing.assert_array_equal(found, expected)
    os.close(stdin)


@pytest.mark.parametrize(
    "argv",
    [
        ("live", "--input=-", "--output=FILE"),
        ("denoise", "-", "--output=FILE", "--method=wiener"),
    ],
)
def test_closed_standard_input_is_a_line(monkeypatch, run_command, tmp_path, argv):
    monkeypatch.setattr(sys, "stdin", None)
    argv = [x.replace("FILE", str(tmp_path / "out.wav")) for x in argv]
    code, _, err = run_command(*argv)
    assert code != 0 and "Traceback" not in err
    assert "standard input is closed" in err
    assert not (tmp_path / "out.wav").exists()


def test_closed_standard_output_is_a_line(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(InputError, match="standard output is closed"):
        pipes.write(np.zeros((1, 1)), threading.Event())


def test_a_pipe_that_brings_nothing_leaves_older_files(
    monkeypatch, run_command, weights, tmp_path
):
    path = tmp_path / "call.wav"
    audio.write(path, np.ones((100, 1), np.float32) / 2, RATE)
    stdin, stdout = standard_pipes(monkeypatch)
    os.close(stdout)
    code, _, err = run_command(
        *("live", "--input=-", f"--output={path}", f"--weights={weights}"),
        f"--rate={RATE}",
    )
    os.close(stdin)
    assert code == 2 and "no sound came in" in err.splitlines()[-1]
    assert audio.read(path).num_samples == 100


def test_a_pipe_without_sound_is_left_when_asked(monkeypatch):
    stdin, stdout = standard_pipes(monkeypatch)
    stop = threading.Event()
    threading.Timer(0.15, stop.set).start()
    assert not list(pipes.blocks(1, stop))
    os.close(stdin)
    os.close(stdout)


def test_a_pipe_that_nobody_empties_is_left_when_asked(monkeypatch):
    stdin, stdout = standard_pipes(monkeypatch)
    stop = threading.Event()
    threading.Timer(0.15, stop.set).start()
    pipes.write(np.ones((2**20, 1), np.float32), stop)
    assert stop.is_set()
    os.close(stdin)
    os.close(stdout)


def test_a_file_without_sound_leaves_an_older_output(run_command, weights, tmp_path):
    empty, output = tmp_path / "empty.wav", tmp_path / "out.wav"
    audio.write(empty, np.zeros((0, 1), np.float32), RATE)
    output.write_text("older")
    code, _, err = run_command(
        *("live", f"--input={empty}", f"--output={output}", f"--weights={weights}"),
        "--fast",
    )
    assert code == 2 and "holds no samples" in err.splitlines()[-1]
    assert output.read_text() == "older"


def test_ctrl_c_before_the_beginning_leaves_an_older_output(
    run_command, weights, noisy, tmp_path, monkeypatch
):
    compiled = inr_jax.Stream

    def interrupted(*args):
        signal.raise_signal(signal.SIGINT)
        return compiled(*args)

    monkeypatch.setattr("inr_jax.live.stream.Stream", interrupted)
    output = tmp_path / "out.wav"
    output.write_text("older")
    code, _, err = run_command(
        *("live", f"--input={noisy}", f"--output={output}", f"--weights={weights}"),
        "--fast",
    )
    assert code == 130 and "noisy.wav: stopped before its end" in err
    assert output.read_text() == "older"


def test_a_file_of_too_high_a_rate_is_named(run_command, weights, tmp_path):
    high = tmp_path / "high.wav"
    audio.write(high, np.zeros((4000, 1), np.float32), 192_000)
    code, _, err = run_command(
        *("live", f"--input={high}", f"--output={tmp_path / 'out.wav'}"),
        f"--weights={weights}",
    )
    assert code == 2 and "high.wav: has 192000 Hz" in err


def test_what_is_missing_of_a_file_is_told(run_command, weights, noisy, tmp_path):
    noisy.write_bytes(noisy.read_bytes()[:-4000])
    output = tmp_path / "out.wav"
    code, _, err = run_command(
        *("live", f"--input={noisy}", f"--output={output}", f"--weights={weights}"),
        "--fast",
    )
    assert code == 0 and "noisy.wav: cut short" in err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--input=none.wav", "--output=out.wav"], "none.wav: no such file"),
        (["--input=-", "--output=out.xyz"], "out.xyz: no output device"),
        (["--input=NOISY", "--output=out.wav", "--rate=8000"], "of its own"),
        (["--input=-", "--output=-", "--fast"], "--fast goes from a file"),
        (["--input=-", "--output=-", "--rate=4000"], "8000 to 96000 Hz"),
        (["--input=NOISY", "--output=-", "--weights=none"], "none: no"),
        (["--input=-", "--output=no/out.flac", "--channels=40"], "8 at most"),
        (["--input=-", "--output=a.wav", "--record_output=a.wav"], "twice"),
        (["--input=-", "--output=a.wav", "--record_output=./a.wav"], "twice"),
        (["--input=NOISY", "--output=NOISY"], "noisy.wav: is the input"),
        (["--input=NOISY", "--output=a.wav", "--record_input=NOISY"], "is the input"),
        (["--input=NOISY", "--output="], "--output names nothing"),
        (["--input=-", "--output=a.wav", "--channels=1025"], "have 1024 at most"),
        (["--device_latency=soon"], "low, high or milliseconds"),
        (["--device_latency=-5"], "low, high or milliseconds"),
    ],
)
def test_a_mistake_is_one_line(run_command, noisy, monkeypatch, flags, said):
    monkeypatch.setitem(sys.modules, "sounddevice", fake_sounddevice())
    flags = [flag.replace("NOISY", str(noisy)) for flag in flags]
    code, _, err = run_command("live", *flags)
    assert code == 2
    assert said in err.splitlines()[-1]
    assert err.splitlines()[-1].startswith("error: ")


NAMES = ("Built-in", "USB Audio", "USB Audio 2", "Virtual")


def fake_sounddevice():
    found = [
        {
            "name": name,
            "hostapi": 0,
            "max_input_channels": 2,
            "max_output_channels": 2 * (name == "Built-in"),
            "default_samplerate": 48_000.0,
        }
        for name in NAMES
    ]
    return types.SimpleNamespace(
        query_devices=lambda: found,
        query_hostapis=lambda: [{"name": "ALSA"}],
        default=types.SimpleNamespace(device=(1, 0)),
    )


@pytest.mark.parametrize(
    ("name", "number"),
    [(None, 1), ("2", 2), ("usb audio 2", 2), ("USB Audio", 1), ("virt", 3)],
)
def test_a_device_by_number_or_name(monkeypatch, name, number):
    monkeypatch.setitem(sys.modules, "sounddevice", fake_sounddevice())
    assert devices.find(name, is_input=True).number == number


def test_one_device_by_several_systems_is_that_of_the_usual_one(monkeypatch):
    """As on Windows, where each is listed once for each system."""
    sounddevice = fake_sounddevice()
    twice = [{**x, "hostapi": i} for i in (0, 1) for x in sounddevice.query_devices()]
    sounddevice.query_devices = lambda: twice
    sounddevice.query_hostapis = lambda: [{"name": "MME"}, {"name": "WASAPI"}]
    sounddevice.default.device = (5, 4)
    monkeypatch.setitem(sys.modules, "sounddevice", sounddevice)
    assert devices.find("Virtual", is_input=True).number == 7
    assert devices.find("Virtual, MME", is_input=True).number == 3


@pytest.mark.parametrize(
    ("name", "is_input", "said"),
    [
        (
            "usb",
            True,
            "usb: more than one input device of this name, among 1 USB Audio",
        ),
        (
            "mars",
            True,
            "mars: no input device of this name, among 0 Built-in (ALSA), 1 USB",
        ),
        ("9", True, "9: no input device"),
        (
            "Virtual",
            False,
            "Virtual: no output device of this name, among 0 Built-in (ALSA)",
        ),
    ],
)
def test_no_such_device_is_one_line(monkeypatch, name, is_input, said):
    monkeypatch.setitem(sys.modules, "sounddevice", fake_sounddevice())
    with pytest.raises(InputError) as raised:
        devices.find(name, is_input)
    assert str(raised.value).startswith(said)


def test_devices_are_listed(run_command, monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", fake_sounddevice())
    code, out, _ = run_command("live", "--devices")
    assert code == 0
    assert "| 3 | Virtual | ALSA | 2 | 0 | 48000 |" in out


class FakeStream:
    """An open device that is called by hand."""

    latency = 0.1

    def __init__(self, callback, **settings):
        self.called = callback

    def start(self):
        pass

    abort = stop = close = start


def open_by(monkeypatch, kind):
    """Devices are opened as streams of this kind; those that are."""
    opened = []

    def open_one(**settings):
        opened.append(kind(**settings))
        return opened[-1]

    sounddevice = fake_sounddevice()
    sounddevice.InputStream = sounddevice.OutputStream = open_one
    sounddevice.PortAudioError = OSError
    monkeypatch.setitem(sys.modules, "sounddevice", sounddevice)
    return opened


class PacedStream(FakeStream):
    """A device that calls at its own pace, and ends the run behind its last block."""

    blocks: np.ndarray  # of a microphone

    def start(self):
        self.heard, self.stopped = [], threading.Event()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        clock = types.SimpleNamespace(inputBufferAdcTime=0, outputBufferDacTime=0)
        for given in self.blocks:
            block = given.copy()
            self.called(block, HOP, clock, None)
            self.heard.append(block)
            if self.stopped.wait(HOP / RATE):
                return
        os.kill(os.getpid(), signal.SIGINT)

    def abort(self):
        self.stopped.set()

    stop = close = abort


def assert_is_estimate(found, expected, samples, delay):
    """At its delay; a busy machine may be late with some, which are as they came in."""
    assert not np.any(found[:delay])
    found = found[delay:]
    count = min(len(found), len(expected))
    assert count > 20 * HOP
    late = np.isclose(found[:count], samples[:count], atol=1e-6).all(axis=1)
    wrong = ~np.isclose(found[:count], expected[:count], atol=1e-4).all(axis=1)
    assert np.mean(late) < 0.5 and not np.any(wrong & ~late)


@pytest.mark.parametrize("output", ["out.wav", "-"])
def test_from_a_microphone_to_a_file(
    run_command, monkeypatch, weights, noisy, tmp_path, output
):
    samples, expected = estimate(weights, noisy)
    PacedStream.blocks = np.split(samples[: 40 * HOP], 40)
    open_by(monkeypatch, PacedStream)
    written = []
    monkeypatch.setattr(pipes, "write", lambda x, stop: written.append(x.copy()))
    path = tmp_path / output
    code, _, err = run_command(
        *("live", "--input=1", f"--output={output if output == '-' else path}"),
        *(f"--weights={weights}", f"--rate={RATE}", "--channels=2"),
        "--reserve_ms=100",
    )
    assert code == 0, err
    found = np.concatenate(written) if written else audio.read(path).samples
    assert_is_estimate(found, expected, samples, 2 * HOP + RATE // 10)


def test_from_a_file_to_a_speaker(run_command, monkeypatch, weights, noisy):
    samples, expected = estimate(weights, noisy)
    PacedStream.blocks = np.zeros((80, HOP, 2), np.float32)
    opened = open_by(monkeypatch, PacedStream)
    code, _, err = run_command(
        *("live", f"--input={noisy}", "--output=0", f"--weights={weights}"),
        "--reserve_ms=100",
    )
    assert code == 0, err
    delay = 2 * HOP + RATE // 10
    found = np.concatenate(opened[0].heard)
    assert len(found) >= delay + len(samples) - HOP  # to its end
    assert_is_estimate(found, expected, samples, delay)


def test_the_delay_of_devices_is_that_of_their_clocks(monkeypatch):
    opened = open_by(monkeypatch, FakeStream)
    stream = types.SimpleNamespace(hop=HOP, channels=1, sample_rate=RATE)
    engine = Engine(stream, reserve_s=HOP / RATE)
    with devices.Devices() as moved:
        moved.listen(devices.find("1", is_input=True), engine, "low")
        moved.play(devices.find("0", is_input=False), engine, "low")
        assert moved.latency_s == pytest.approx(0.2)  # as they state of themselves
        microphone, speaker = (stream.called for stream in opened)
        block = np.ones((HOP, 1), np.float32)
        for now in 7 + np.arange(20) * HOP / RATE:
            clock = types.SimpleNamespace(
                inputBufferAdcTime=now - 0.05, outputBufferDacTime=now + 0.03
            )
            microphone(block, HOP, clock, None)
            speaker(block, HOP, clock, None)
        assert moved.latency_s == pytest.approx(0.08)


def test_one_of_two_sides_that_stops_is_noticed(monkeypatch):
    """Also where both are one device by name, as pulse."""
    opened = open_by(monkeypatch, FakeStream)
    monkeypatch.setattr(devices, "_GONE_S", 0.05)
    stream = types.SimpleNamespace(hop=HOP, channels=1, sample_rate=RATE)
    engine = Engine(stream, reserve_s=HOP / RATE)
    with devices.Devices() as moved:
        device = devices.find("0", is_input=True)
        moved.listen(device, engine, "low")
        moved.play(device, engine, "low")
        _, speaker = (stream.called for stream in opened)
        clock = types.SimpleNamespace(inputBufferAdcTime=0, outputBufferDacTime=0)
        with pytest.raises(InputError, match="the device stopped"):
            for _ in range(100):
                speaker(np.ones((HOP, 1), np.float32), HOP, clock, None)
                assert moved.is_moving()
                time.sleep(0.005)


def test_a_program_that_was_stopped_itself_waits_for_its_devices(monkeypatch):
    open_by(monkeypatch, FakeStream)
    monkeypatch.setattr(devices, "_GONE_S", 0.05)
    stream = types.SimpleNamespace(hop=HOP, channels=1, sample_rate=RATE)
    with devices.Devices() as moved:
        device = devices.find("0", is_input=True)
        moved.listen(device, Engine(stream), "low")
        time.sleep(0.1)  # as by Ctrl-Z
        assert moved.is_moving()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ImportError("no"), "pip install 'inr_jax[live]'"),
        (OSError("PortAudio library not found"), "apt install libportaudio2"),
    ],
)
def test_without_sound_library_it_is_one_line(run_command, monkeypatch, error, said):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "sounddevice":
            raise error
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    code, _, err = run_command("live", "--devices")
    assert code == 2 and said in err
    assert len(err.splitlines()) == 1


@pytest.mark.slow
def test_a_pipe_goes_through_a_process(weights, noisy):
    samples, expected = estimate(weights, noisy)
    integers = np.rint(samples * 2**15).astype("<i2")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "inr_jax", "live", "--input=-", "--output=-"),
            *(f"--rate={RATE}", "--channels=2", f"--weights={weights}"),
        ],
        input=integers.tobytes(),
        capture_output=True,
        check=True,
        cwd=REPOSITORY,
    )
    found = np.frombuffer(done.stdout, "<i2").reshape(-1, 2) / 2**15
    found = found[2 * HOP :][: len(expected)]
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.slow
def test_a_long_run_stays_in_time_and_memory(weights, tmp_path):
    """Two hours of this: benchmarks/live.py --soak_s=7200."""
    done = subprocess.run(
        [
            *(sys.executable, REPOSITORY / "benchmarks" / "live.py"),
            *(f"--output_dir={tmp_path}", "--soak_s=40", "--rates=16000"),
            *(f"--weights={weights}", "--reserve_ms=900"),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
    )
    assert done.returncode == 0, done.stderr
    (row,) = json.loads((tmp_path / "soak.json").read_text())["rows"]
    assert row["missed"] == row["dropped"] == row["resynced"] == 0
    assert row["lag after 5 s, samples"] == row["lag at the end, samples"]
    before, after = (row[f"memory {at}, MiB"] for at in ("after 10 s", "at the end"))
    assert after - before < 20


@pytest.mark.slow
def test_streams_are_measured(weights, tmp_path):
    subprocess.run(
        [
            *(sys.executable, REPOSITORY / "benchmarks" / "live.py", "--hops=100"),
            *("--streams=4", "--rates=16000", f"--weights={weights}"),
            f"--output_dir={tmp_path}",
        ],
        check=True,
        cwd=REPOSITORY,
    )
    found = json.loads((tmp_path / "streams_1_cores.json").read_text())
    (row,) = found["rows"]
    typical, most = (row[f"share of a hop, {at}"] for at in ("median", "p99"))
    assert 0 < typical < most
    assert row["one batch, share"] > 0 and row["one by one, share"] > 0


# Runs `live` at a terminal, its standard output in a file; presses b and q; prints its exit
# code, and whether the terminal is as it was.
TERMINAL = """
import os, pty, sys, termios

child, terminal = pty.fork()
if not child:
    os.dup2(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT), 1)
    os.execv(sys.executable, [sys.executable, "-m", "inr_jax", "live", *sys.argv[2:]])
before, shown = termios.tcgetattr(terminal), b""

def wait_for(text):
    global shown
    while text not in shown:
        shown += os.read(terminal, 4096)

for text, key in ((b"on: b compares", b"b"), (b"bypassed: b", b"q")):
    wait_for(text)
    os.write(terminal, key)
wait_for(b"deadlines missed")
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), termios.tcgetattr(terminal) == before)
"""


@pytest.mark.slow
def test_at_a_terminal_there_is_a_meter_and_keys(weights, tmp_path):
    path, output = tmp_path / "long.wav", tmp_path / "out.wav"
    audio.write(path, np.zeros((60 * RATE, 1), np.float32), RATE)
    flags = [f"--input={path}", f"--output={output}", f"--weights={weights}"]
    flags = [str(tmp_path / "run.json"), *flags, "--json"]
    done = subprocess.run(
        [sys.executable, "-c", TERMINAL, *flags],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=REPOSITORY,
    )
    assert done.stdout.split() == ["130", "True"], done.stderr
    assert 0 < audio.read(output).num_samples < 60 * RATE
    assert json.loads((tmp_path / "run.json").read_text())["hops"] > 0
