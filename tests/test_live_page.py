"""The page that denoises in the browser, in a headless Chromium with a microphone that
plays a noisy clip: what it gives is what Python gives for what it got."""

import base64
import dataclasses
import functools
import http.server
import importlib.util
import io
import json
import re
import shutil
import subprocess
import threading
import time

import jax
import numpy as np
import pytest
import soundfile
from conftest import CLIPS, REPOSITORY

from inr_jax.audio.resample import resample
from inr_jax.data import noise
from inr_jax.models import hyper_gain, hyper_gain_onnx, hyper_gain_stream, pretrained

PAGE = REPOSITORY / "experiments" / "live_page"
RATE, HOP = 48_000, 768
SECONDS = 30
MICROPHONE = (
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--use-file-for-fake-audio-capture={}",
)
# Keeps what the worklet reports, and which blocks the worker computed.
KEEP_BLOCKS = """
window.blocks = []; window.computed = [];
window.AudioWorkletNode = class extends AudioWorkletNode {
  constructor(...given) {
    super(...given);
    this.port.addEventListener("message", ({ data }) =>
      blocks.push({ ...data, time: this.context.currentTime }));
  }
};
window.Worker = class extends Worker {
  constructor(...given) {
    super(...given);
    this.addEventListener("message", ({ data }) => {
      if (data.type === "load") computed.push({ index: data.index, ms: data.ms });
    });
  }
};
"""
# (before, after) of all blocks as text, as arrays of numbers take long.
TAKE_BLOCKS = """
async () => {
  const all = blocks.flatMap(({ before, after }) => [before, after]);
  const bytes = new Uint8Array(await new Blob(all).arrayBuffer());
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192)
    text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  const late = blocks.map(({ late }) => late);
  const times = blocks.map(({ time }) => time);
  return { text: btoa(text), late, times, computed };
}
"""
# A drop of a file as people do it.
DROP = """
({ name, content }) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name, { type: "audio/wav" }));
  for (const type of ["dragover", "drop"])
    document.body.dispatchEvent(
      new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
}
"""


def test_the_lock_file_names_no_other_registry():
    lock = json.loads((PAGE / "package-lock.json").read_text())
    urls = [x["resolved"] for x in lock["packages"].values() if "resolved" in x]
    assert all(url.startswith("https://registry.npmjs.org/") for url in urls)
    assert all("integrity" in x for name, x in lock["packages"].items() if name)


def test_the_page_asks_for_nothing_from_elsewhere():
    for path in (PAGE / "src").iterdir():
        assert not re.search(r"https?://|wss?://", path.read_text()), path


def test_the_example_in_the_docs_is_what_the_page_runs():
    stream = (PAGE / "src" / "stream.js").read_text()
    assert f"```js\n{stream}```" in (REPOSITORY / "docs" / "export.md").read_text()


@pytest.fixture(scope="session")
def network():
    """The shipped one, causal."""
    return pretrained.load_pretrained("hyper_gain_live")


@pytest.fixture(scope="session")
def noisy():
    """The shipped sentences in noise, 48 kHz."""
    clips = [soundfile.read(path)[0] for path in sorted(CLIPS.glob("*.flac"))]
    clean = resample(np.concatenate(clips), 16_000, RATE)
    mixed = noise.add_white(clean, 0, snr_db=10)
    return np.float32(0.5 * mixed / np.max(np.abs(mixed)))


@pytest.fixture(scope="session")
def address(network, tmp_path_factory):
    """The page, built as people build it, on a server."""
    for name in ("onnx", "onnxruntime"):
        if not importlib.util.find_spec(name):
            pytest.skip(f"needs {name}")
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")
    folder = tmp_path_factory.mktemp("live") / "live_page"
    left_out = shutil.ignore_patterns("node_modules", "dist")
    shutil.copytree(PAGE, folder, ignore=left_out)
    for channels, name in enumerate(("mono", "stereo"), 1):
        model = hyper_gain_onnx.stream(*network, RATE, channels)
        (folder / f"{name}.onnx").write_bytes(model.SerializeToString())
    build = "npm run build -- mono.onnx stereo.onnx"
    for line in ("npm ci --ignore-scripts", build):
        done = subprocess.run(
            line.split(), cwd=folder, capture_output=True, text=True, check=False
        )
        if "npm ci" in line and re.search(
            "ENOTFOUND|ETIMEDOUT|EAI_AGAIN|ECONNRESET|ECONNREFUSED", done.stderr
        ):
            pytest.skip("needs onnxruntime-web from the npm registry")
        assert done.returncode == 0, done.stderr

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *given):
            pass

    handler = functools.partial(Quiet, directory=folder / "dist")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="session")
def chromium(launch, noisy, tmp_path_factory):
    path = tmp_path_factory.mktemp("microphone") / "noisy.wav"
    soundfile.write(path, noisy, RATE, subtype="PCM_16")
    opened = launch(*(flag.format(path) for flag in MICROPHONE))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def page(chromium, address):
    """It must end without a complaint and without a request to anywhere else."""
    opened = chromium.new_page(viewport={"width": 1200, "height": 900})
    complaints, requests = [], []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda request: requests.append(request.url))
    opened.add_init_script(KEEP_BLOCKS)
    opened.goto(address)
    opened.locator("#microphone:enabled").wait_for(timeout=120_000)
    yield opened
    opened.close()
    assert complaints == []
    assert requests and all(url.startswith((address, "blob:")) for url in requests)


@dataclasses.dataclass
class Heard:
    """What the worklet got and gave, (blocks, HOP) each, and what went on meanwhile.

    Attributes:
      before: As recorded.
      after: As heard.
      late: Whether the estimate of each block came too late.
      times: Of the sound card when each was reported, seconds.
      computed: Indices of the blocks that the worker took, in order.
      load: Their times over that of a hop.
      stall: The longest time for which a plain program had to wait meanwhile, seconds.
    """

    before: np.ndarray
    after: np.ndarray
    late: np.ndarray
    times: np.ndarray
    computed: list
    load: np.ndarray
    stall: float


@pytest.fixture(scope="module")
def heard(page):
    """Half a minute of the microphone; the last second with the switch off."""
    page.locator("#microphone").click()
    page.get_by_role("button", name="Record").click()
    stall = longest_stall(SECONDS)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Stop,").click()
    page.get_by_role("switch", name="Denoise").click()
    page.wait_for_timeout(1500)
    kept = page.evaluate(TAKE_BLOCKS)
    page.get_by_role("switch", name="Denoise").click()
    page.get_by_role("button", name="Stop microphone").click()
    both = np.frombuffer(base64.b64decode(kept["text"]), np.float32)
    before, after = both.reshape(-1, 2, HOP).swapaxes(0, 1)
    late = np.diff(kept["late"], prepend=0) > 0
    computed = [x["index"] for x in kept["computed"]]
    load = np.array([x["ms"] for x in kept["computed"]]) * RATE / HOP / 1000
    times = np.array(kept["times"])
    found = Heard(before, after, late, times, computed, load, stall)
    return found, soundfile.read(saved.value.path(), dtype="float32")[0]


def longest_stall(seconds):
    """For how long this program, which sleeps, at most had to wait for a core."""
    end, longest = time.monotonic() + seconds, 0.0
    while (now := time.monotonic()) < end:
        time.sleep(0.002)
        longest = max(longest, time.monotonic() - now - 0.002)
    return longest


@pytest.mark.slow
def test_what_is_heard_is_what_python_gives(network, heard):
    """Block by block, of what the worklet got; late blocks as they were recorded."""
    found, _ = heard
    model, params = network
    step = jax.jit(functools.partial(hyper_gain_stream.step, config=model.config))
    state = hyper_gain_stream.init(model.config, HOP)
    expected = found.before.copy()
    previous = -1
    for index in found.computed:
        if index >= len(expected):
            break
        state, estimate = step(params, state, found.before[index][:, None])
        if previous >= 0 and not found.late[previous]:
            expected[previous] = estimate[:, 0]
        previous = index
    on = slice(0, round((SECONDS - 1) * RATE / HOP))
    np.testing.assert_allclose(found.after[on], expected[on], atol=1e-3)
    assert np.mean(found.late[on]) < 0.1
    assert np.std(expected[on] - found.before[on]) > 0.1 * np.std(found.before[on])
    np.testing.assert_array_equal(found.after[-20:], found.before[-20:])  # off


@pytest.mark.slow
def test_the_microphone_is_what_is_heard(noisy, heard):
    """The clip, at its level and without gaps: its spectrum of one second correlates."""
    found, _ = heard
    second = found.before.ravel()[5 * RATE : 6 * RATE]
    spectrum = np.conj(np.fft.rfft(second, 2**21)) * np.fft.rfft(noisy, 2**21)
    correlation = np.max(np.fft.irfft(spectrum)) / np.sum(second**2)
    assert correlation == pytest.approx(1, abs=0.05)


@pytest.mark.slow
def test_nothing_is_late_and_the_delay_stays(heard, capsys):
    found, _ = heard
    median, highest = np.quantile(found.load, [0.5, 0.99])
    with capsys.disabled():
        print(
            f"\nlive page: load {median:.2f} median, {highest:.2f} p99 of a hop; "
            f"{np.sum(found.late)} of {len(found.late)} blocks late; a plain program "
            f"waited {1000 * found.stall:.0f} ms at most"
        )
    delays = found.times - HOP / RATE * np.arange(len(found.times))
    # the page is told late where it is slow; the sound is not late for it
    assert np.min(delays[-500:]) < np.min(delays[:500]) + 0.02
    # where the machine itself stands still, some must be late
    stalled = found.stall > 0.02
    assert np.mean(found.late) <= (0.05 if stalled else 0)


@pytest.mark.slow
def test_a_recording_is_what_was_heard(heard):
    found, recording = heard
    assert len(recording) > (SECONDS - 2) * RATE
    blocks = recording.reshape(-1, HOP)
    first = np.argmin(np.max(np.abs(found.after - blocks[20]), axis=1)) - 20
    np.testing.assert_allclose(
        blocks, found.after[first : first + len(blocks)], atol=1e-4
    )


@pytest.mark.slow
@pytest.mark.parametrize(("limit", "channels"), [(None, 1), (12, 1), (None, 2)])
def test_a_dropped_file_comes_back_denoised(page, network, noisy, limit, channels):
    content = io.BytesIO()
    given = noisy[: 2 * RATE + 100]
    if channels == 2:  # from one side
        given = np.stack([0.3 * np.roll(given, 30), given], 1)
    soundfile.write(content, given, RATE, format="WAV", subtype="PCM_16")
    content.seek(0)
    samples = soundfile.read(content, dtype="float32")[0]  # of 16 bits
    encoded = base64.b64encode(content.getvalue()).decode()
    page.evaluate(DROP, {"name": "noisy clip.wav", "content": encoded})
    slider = page.get_by_label("Take out at most")
    slider.focus()
    page.keyboard.press("End")
    for _ in range(0 if limit is None else 40 - limit):
        page.keyboard.press("ArrowLeft")
    assert page.locator("#limit-text").inner_text() == (
        f"{limit} dB" if limit else "all"
    )
    save = page.get_by_role("button", name="Save WAV")
    save.wait_for(timeout=60_000)
    with page.expect_download() as saved:
        save.click()
    assert saved.value.suggested_filename == "noisy clip denoised.wav"
    found, rate = soundfile.read(saved.value.path(), dtype="float32")
    assert (rate, found.shape) == (RATE, samples.shape)
    model, params = network
    denoise = jax.jit(hyper_gain.denoise, static_argnums=(0, 3))
    wet = denoise(model, params, samples.reshape(len(samples), -1), 2 * HOP)
    wet = wet.reshape(samples.shape)
    dry = 0 if limit is None else 10 ** (-limit / 20)
    np.testing.assert_allclose(found, dry * samples + (1 - dry) * wet, atol=1e-3)
    # noise of 10 dB is three tenths of the sound
    assert np.std(found - samples) > 0.1 * np.std(samples)


@pytest.mark.slow
def test_files_that_are_no_sound_are_a_line(page):
    page.evaluate(DROP, {"name": "text.wav", "content": "bm8gc291bmQ="})
    page.get_by_text("This browser cannot read text.wav.").wait_for()


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1200])
def test_it_fits_and_is_used_by_keyboard(page, width):
    page.set_viewport_size({"width": width, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.locator("#microphone").focus()
    reached = []
    for _ in range(4):
        focused = "document.activeElement"
        reached.append(page.evaluate(f"{focused}.id"))
        width_of_ring = page.evaluate(f"getComputedStyle({focused}).outlineStyle")
        page.keyboard.press("Tab")
        assert width_of_ring != "none" or len(reached) == 1
    assert reached == ["microphone", "open", "denoise", "limit"]
