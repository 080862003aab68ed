"""Measures the real-time factor of a stream, and a long run.

  python benchmarks/live.py --output_dir=results/live
  python benchmarks/live.py --output_dir=results/live --cores=2
  python benchmarks/live.py --output_dir=results/live --soak_s=7200

The share of a hop that its computation takes, by JAX and exported, and what many streams
take as one batch, shared among --cores, and one by one. --soak_s runs `inr-jax live` at
the speed of real time, from a file to a file: deadlines missed, delay and memory at the
beginning and at the end.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from absl import flags

from inr_jax.cli import app
from inr_jax.errors import InputError
from inr_jax.parallel import cpu

flags.adopt_module_key_flags(app)
OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder for the JSON file.")
WEIGHTS = flags.DEFINE_string("weights", None, "Folder; the shipped ones by default.")
RATES = flags.DEFINE_list("rates", ["16000", "48000"], "Hz.")
CORES = flags.DEFINE_integer("cores", 1, "That are used.", 1)
HOPS = flags.DEFINE_integer("hops", 1000, "Hops that are timed.", 10)
STREAMS = flags.DEFINE_integer("streams", 64, "Of one batch.", 1)
SOAK_S = flags.DEFINE_float("soak_s", None, "Seconds of a long run, instead.", 30)
RESERVE_MS = flags.DEFINE_float("reserve_ms", 16.0, "Of the long run.", 0, 1000)


def main() -> None:
    import measuring

    from inr_jax.io import atomic, markdown

    if not OUTPUT_DIR.value:
        raise InputError("name a folder with --output_dir")
    if STREAMS.value % CORES.value:
        raise InputError("--streams must be a multiple of --cores")
    rates = app.parse_numbers(RATES, int, 8000)
    if not SOAK_S.value:
        cpu.tune(CORES.value)
    if hasattr(os, "sched_setaffinity") and not SOAK_S.value:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: CORES.value])
    rows = [(soak if SOAK_S.value else measured)(rate) for rate in rates]
    name = "soak" if SOAK_S.value else f"streams_{CORES.value}_cores"
    result = {"processor": measuring.processor(), "rows": rows}
    atomic.write_json(pathlib.Path(OUTPUT_DIR.value) / f"{name}.json", result)
    columns = ["", *(f"{rate} Hz" for rate in rates)]
    cells = [[key, *(shown(row[key]) for row in rows)] for key in rows[0]]
    print(markdown.table(columns, cells), end="")


def shown(value) -> str:
    """Of a cell."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def measured(rate: int) -> dict:
    """One stream, and many as one batch and one by one."""
    from inr_jax.live import Stream

    stream = Stream(rate, weights=WEIGHTS.value)
    block = noise(stream.hop, 1)
    alone_s = laps(lambda: stream.step(block))
    exported_s = laps(exported(rate))
    one_by_one_s = laps(one_by_one(rate), HOPS.value // 10)
    batch_s = laps(batch(rate), HOPS.value // 10)
    hop_s = stream.hop / rate
    return {
        "compile s": stream.compile_s,
        "share of a hop, median": statistics.median(alone_s) / hop_s,
        "share of a hop, p99": p99(alone_s) / hop_s,
        "onnxruntime, median": statistics.median(exported_s) / hop_s,
        "onnxruntime, p99": p99(exported_s) / hop_s,
        "streams": STREAMS.value,
        "one by one, share": statistics.median(one_by_one_s) / hop_s,
        "one batch, share": statistics.median(batch_s) / hop_s,
    }


def p99(times: list[float]) -> float:
    """Their 99th percentile."""
    return statistics.quantiles(times, n=100)[-1]


def exported(rate: int):
    """A hop of one stream by onnxruntime, on one thread."""
    import numpy as np

    from inr_jax.io import onnx_session
    from inr_jax.live.stream import WEIGHTS as SHIPPED
    from inr_jax.models import hyper_gain_onnx, load_pretrained

    model, params = load_pretrained(WEIGHTS.value or SHIPPED)
    made = hyper_gain_onnx.stream(model, params, rate, 1)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "stream.onnx"
        path.write_bytes(made.SerializeToString())
        session = onnx_session.load(path)
    block, *others = session.get_inputs()
    given = {block.name: noise(*block.shape)}
    given |= {x.name: np.zeros(x.shape, np.float32) for x in others}

    def run():
        _, *states = session.run(None, given)
        given.update(zip((x.name for x in others), states, strict=True))

    return run


def noise(*shape):
    """Float32 of -20 dB."""
    import numpy as np

    return np.random.default_rng(0).normal(0, 0.1, shape).astype(np.float32)


def laps(function, count: int | None = None) -> list[float]:
    """Seconds of calls behind a few that do not count."""
    times = []
    for _ in range((count or HOPS.value) + 5):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return times[5:]


def one_by_one(rate: int):
    """A hop of every stream, one after the other, in one thread."""
    from inr_jax.live import Stream

    streams = [Stream(rate, weights=WEIGHTS.value) for _ in range(STREAMS.value)]
    block = noise(streams[0].hop, 1)
    return lambda: [stream.step(block) for stream in streams]


def batch(rate: int):
    """A hop of every stream, in one program that each core runs on its share."""
    import functools

    import jax
    import jax.numpy as jnp
    import numpy as np

    from inr_jax.live.stream import WEIGHTS as SHIPPED
    from inr_jax.models import hyper_gain, hyper_gain_stream, load_pretrained
    from inr_jax.parallel import sharding

    model, params = load_pretrained(WEIGHTS.value or SHIPPED)
    hop = hyper_gain.window_of(rate, model.config) // 2
    step = functools.partial(hyper_gain_stream.step, params, config=model.config)
    num_devices = CORES.value
    step = jax.jit(sharding.over_clips(jax.vmap(step), num_devices), donate_argnums=0)
    one = hyper_gain_stream.init(model.config, hop)
    states = jax.tree.map(lambda x: jnp.stack([x] * STREAMS.value), one)
    states = sharding.put_clips(states, num_devices)
    blocks = noise(STREAMS.value, hop, 1)

    def run():
        nonlocal states
        states, estimates = step(states, sharding.put_clips(blocks, num_devices))
        np.asarray(estimates)

    return run


def soak(rate: int) -> dict:
    """A long run of the command, and its summary."""
    from inr_jax import audio
    from inr_jax.data import datasets

    clip = audio.read(datasets.find_clips(datasets.shipped_clips())[0].path)
    sound = audio.resample(clip.samples[:, 0], clip.sample_rate, rate)
    with tempfile.TemporaryDirectory() as folder:
        source, target = (pathlib.Path(folder) / x for x in ("in.wav", "out.flac"))
        with audio.open_writer(source, rate, 1) as add:
            for _ in range(round(SOAK_S.value * rate / len(sound))):
                add(sound + noise(len(sound)) / 10)
        command = [sys.executable, "-m", "inr_jax", "live", "--json"]
        command += [f"--input={source}", f"--output={target}"]
        command += [f"--weights={WEIGHTS.value}"] if WEIGHTS.value else []
        command += [f"--reserve_ms={RESERVE_MS.value}"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        summary = json.loads(done.stdout)
        before, after = summary.pop("memory_mib")
        lags = [lag(source, target, rate, at) for at in (5.0, SOAK_S.value - 15.0)]
    return {
        **summary,
        "memory after 10 s, MiB": before,
        "memory at the end, MiB": after,
        "lag after 5 s, samples": lags[0],
        "lag at the end, samples": lags[1],
    }


def lag(source, target, rate: int, start_s: float) -> int:
    """Samples by which two seconds of one file are behind those of another."""
    import numpy as np
    import soundfile
    from scipy import signal

    read = [
        soundfile.read(path, 2 * rate, round(start_s * rate))[0]
        for path in (source, target)
    ]
    found = signal.correlate(read[1], read[0], method="fft")
    return int(np.argmax(np.abs(found))) - (len(read[0]) - 1)


if __name__ == "__main__":
    app.run(main)
