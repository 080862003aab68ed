"""Live through the devices of a real sound server."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tiny_weights
from conftest import CLIPS, REPOSITORY
from scipy import signal as filters
from sound_server import RATE

import inr_jax
from inr_jax import audio, metrics

SECONDS = 60
LIVE = (sys.executable, "-m", "inr_jax", "live", f"--rate={RATE}", "--json")
# for the machines of tests, which do other things as well
LIVE += ("--device_latency=200", "--reserve_ms=400")
LIVE += ("--input=pulse", "--output=pulse")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_weights.save(tmp_path_factory.mktemp("weights"), tiny_weights.CAUSAL)


def clip(seconds):
    """Clean and noisy speech, over and over."""
    speech = audio.read(CLIPS / "letter.flac").samples[:, 0]
    speech = np.resize(audio.resample(speech, 16_000, RATE), seconds * RATE)
    noise = np.random.default_rng(0).normal(0, 0.03, len(speech))
    return speech.astype(np.float32), (speech + noise).astype(np.float32)


def lag(before, after):
    """Samples by which one signal is behind another."""
    found = filters.correlate(after, before, method="fft")
    return int(np.argmax(np.abs(found))) - (len(before) - 1)


def start(server, *flags):
    process = server.start(
        *(*LIVE, *flags),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    assert "ready" in process.stderr.readline()
    return process


@pytest.mark.slow
def test_what_is_said_is_heard_denoised_without_a_dropout(server, tmp_path):
    """By the shipped weights, equal to the causal network, and nearer to the clean clip."""
    heard = tmp_path / "heard.wav"
    process = start(server, f"--record_input={heard}")
    recorder = server.record(tmp_path / "room.raw")
    time.sleep(4)
    clean, noisy = clip(SECONDS)
    assert server.play(noisy).wait() == 0
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    recorder.terminate()
    recorder.wait()
    assert process.returncode == 0, err
    told = json.loads(out)
    assert told["missed"] == told["dropped"] == told["xruns"] == 0, out
    said, received = np.fromfile(tmp_path / "room.raw", "<f4").reshape(-1, 2).T
    begin = np.flatnonzero(said)[0]
    expected = estimate(heard)
    stated = (told["delay_ms"] + told["device_ms"]) / 1000
    for second in range(SECONDS - 2):
        start_of, num = second * RATE, RATE
        whole = expected[start_of : start_of + num]
        late = lag(whole, received[begin + start_of :][: 2 * num])
        assert late / RATE == pytest.approx(stated, abs=0.1)
        # every sample of what is heard is that of the causal network
        found = received[begin + start_of + late :][:num]
        np.testing.assert_allclose(found, whole, atol=1e-3)
    late = begin + lag(clean, received[begin:])
    found = received[late : late + len(clean) - RATE]
    clean, noisy = clean[: len(found)], noisy[: len(found)]
    before = metrics.si_sdr(clean, noisy, RATE)
    assert metrics.si_sdr(clean, found, RATE) > before + 6


def estimate(heard):
    """Of what was recorded, from its first sound on."""
    noisy = audio.read(heard).samples[:, 0]
    stream = inr_jax.Stream(RATE)
    estimate = np.concatenate([stream(noisy), stream.flush()[:, 0]])
    return estimate[stream.latency_samples + np.flatnonzero(noisy)[0] :]


@pytest.mark.slow
def test_a_device_that_vanishes_is_told_and_the_recording_stays(
    server, weights, tmp_path
):
    played = tmp_path / "played.wav"
    process = start(server, f"--weights={weights}", f"--record_output={played}")
    time.sleep(4)
    server.stop()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "pulse: the device stopped; is it still there?" in err.splitlines()[-1]
    assert audio.read(played).num_samples > RATE / 2


@pytest.mark.slow
def test_devices_of_the_server_are_listed(server):
    done = server.start(
        *LIVE[:4], "--devices", stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    )
    assert "| pulse | ALSA |" in done.communicate(timeout=60)[0]


@pytest.mark.slow
def test_more_channels_than_a_device_has_are_one_line(server, weights):
    done = server.start(
        *(*LIVE, f"--weights={weights}", "--channels=64"),
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    last = done.communicate(timeout=60)[1].splitlines()[-1]
    assert last.startswith("error: pulse: cannot open 64 channels of 48000 Hz: ")
