"""Measures how fast SIRENs are fitted here, against plain JAX and PyTorch if installed.

  python experiments/bench_fit.py --output_dir=results/bench --quick

One process, interleaved, medians; shares are of a float32 matrix product of 2048 cubed.
"""

import itertools
import math
import pathlib
import statistics

from absl import flags

from inr_jax import cli, configs, files, measuring
from inr_jax.errors import InputError
from inr_jax.measuring import seconds

OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder for table and JSON.")
WIDTHS = flags.DEFINE_list("widths", ["64", "128", "256"], "Units of the networks.")
CLIPS = flags.DEFINE_list("clips", ["1", "8", "64", "256"], "Clips fitted at once.")
SAMPLES = flags.DEFINE_integer("samples", 8192, "Samples of a clip.", 1)
ROUNDS = flags.DEFINE_integer("rounds", 5, "Interleaved repetitions.", 1)
QUICK = flags.DEFINE_bool("quick", False, "Two widths, 1 and 8 clips, 3 rounds.")
DEPTH = 3
STEPS = 10  # of one measurement
COLUMNS = (
    *("width", "clips", "gflops", "share_of_ceiling", "speedup_vs_plain"),
    *("speedup_vs_torch_eager", "peak_mib", "compile_s", "clips_per_s"),
)


def main() -> None:
    if not OUTPUT_DIR.value:
        raise InputError("--output_dir is missing")
    widths, clips, rounds = numbers(WIDTHS), numbers(CLIPS), ROUNDS.value
    if QUICK.value:
        widths, clips, rounds = [64, 256], [1, 8], 3
    rows = []  # no compilation cache: it would hide what compiling costs
    for width in widths:
        for count in clips:
            rows.append(measure(width, count, SAMPLES.value, rounds))
            print(" ".join(f"{name}={rows[-1][name]}" for name in COLUMNS), flush=True)
    result = {"machine": measuring.machine(), "samples": SAMPLES.value, "rows": rows}
    result["time_to_quality"] = time_to_quality(rounds)
    folder = pathlib.Path(OUTPUT_DIR.value)
    files.write_json(folder / "bench_fit.json", result)
    files.write_text(folder / "bench_fit.md", markdown(result))
    print(markdown(result))


def numbers(flag) -> list[int]:
    try:
        values = [int(text) for text in flag.value]
    except ValueError:
        values = []
    if not values or min(values) < 1:
        raise InputError(f"--{flag.name} must be whole numbers above 0: {flag.value}")
    return values


def measure(width: int, count: int, num_samples: int, rounds: int) -> dict:
    """One row: a step of `count` fits, ours beside the plain one and PyTorch's."""
    work = 2 * 3 * DEPTH * width**2 * num_samples * count / 1e9  # GFLOP of products
    ours, plain, torch = (
        make(width, count, num_samples) for make in (our_steps, plain_step, torch_step)
    )
    before = measuring.reset_peak()
    first = seconds(ours)
    peak = measuring.peak_mib()
    found: dict[str, list[float]] = {
        "ceiling": [],
        "ours": [],
        "plain": [],
        "torch": [],
    }
    matmul = measuring.matmul_gflops()
    for _ in range(rounds):
        found["ceiling"].append(max(matmul() for _ in range(3)))
        found["ours"].append(seconds(ours) / STEPS)
        found["plain"].append(seconds(plain) if plain else math.nan)
        found["torch"].append(seconds(torch) if torch else math.nan)
    step = statistics.median(found["ours"])

    def median_ratio(name):
        ratios = [a / b for a, b in zip(found[name], found["ours"], strict=True)]
        value = statistics.median(ratios)
        return None if math.isnan(value) else round(value, 2)

    shares = [
        work / s / c for s, c in zip(found["ours"], found["ceiling"], strict=True)
    ]
    return {
        "width": width,
        "clips": count,
        "gflops": round(work / step, 1),
        "share_of_ceiling": round(statistics.median(shares), 3),
        "speedup_vs_plain": median_ratio("plain"),
        "speedup_vs_torch_eager": median_ratio("torch"),
        "peak_mib": round(peak - before),
        "compile_s": round(first - step * STEPS, 2),
        "clips_per_s": round(count / step / configs.FitConfig().num_steps, 4),
    }


def tones(count: int, num_samples: int):
    import numpy as np

    pitch = np.linspace(0.02, 0.3, count)[:, None]
    return np.sin(pitch * np.arange(num_samples)).astype(np.float32)


def our_steps(width: int, count: int, num_samples: int):
    """`STEPS` steps of this library, everything included."""
    import jax

    from inr_jax.fit_many import fit_many

    config = configs.FitConfig(configs.SirenConfig(width, DEPTH), num_steps=STEPS)
    signals = list(tones(count, num_samples))

    def run():
        keys = list(jax.random.split(jax.random.key(0), count))
        list(fit_many(keys, signals, [16_000] * count, config))

    return run


def plain_step(width: int, count: int, num_samples: int):
    """One step as first written: `jnp.sin`, whole clips, vmap; None where too large."""
    import jax
    import jax.numpy as jnp
    import optax

    if width * count * num_samples > 2**26:  # 256 MiB for every array of activations
        return None
    from inr_jax import siren

    config = configs.SirenConfig(width, DEPTH)
    t = jnp.linspace(-1, 1, num_samples)[:, None]
    tx = optax.adam(1e-4)

    def loss_fn(params, target):
        x, omega = t, config.first_omega
        for layer in params[:-1]:
            x = jnp.sin(omega * (x @ layer["kernel"] + layer["bias"]))
            omega = config.hidden_omega
        estimate = x @ params[-1]["kernel"] + params[-1]["bias"]
        return jnp.mean((estimate[:, 0] - target) ** 2)

    def step(params, state, target):
        updates, state = tx.update(jax.grad(loss_fn)(params, target), state)
        return optax.apply_updates(params, updates), state

    keys = jax.random.split(jax.random.key(0), count)
    params = jax.vmap(lambda key: siren.init(key, config))(keys)
    state = jax.vmap(tx.init)(params)
    args = (params, state, jnp.asarray(tones(count, num_samples)))
    compiled = jax.jit(jax.vmap(step)).lower(*args).compile()
    return lambda: jax.block_until_ready(compiled(*args))


def torch_step(width: int, count: int, num_samples: int):
    """One eager PyTorch step of every clip in turn; None where not installed."""
    try:
        import torch
    except ImportError:
        return None
    dims = [1, *[width] * (DEPTH + 1), 1]
    layers = [torch.nn.Linear(i, o) for i, o in itertools.pairwise(dims)]
    parameters = [p for layer in layers for p in layer.parameters()]
    optimizer = torch.optim.Adam(parameters, 1e-4)
    t = torch.linspace(-1, 1, num_samples)[:, None]
    targets = torch.tensor(tones(count, num_samples))[:, :, None]

    def run():
        for target in targets:
            x, omega = t, 3000.0
            for layer in layers[:-1]:
                x, omega = torch.sin(omega * layer(x)), 30.0
            loss = torch.mean((layers[-1](x) - target) ** 2)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    run()
    return run


def time_to_quality(rounds: int) -> dict:
    """siren_fast.flags on a shipped clip, against 1,000 steps of the published fit."""
    import jax

    from inr_jax import audio, metrics
    from inr_jax.fit_many import fit_many

    clips = pathlib.Path(__file__).parent / "clips"
    recording = audio.read(clips / "letter.flac")
    signal, rate = recording.samples[:, 0], recording.sample_rate
    network = configs.SirenConfig(16, 1, 100.0)
    fast = configs.FitConfig(
        network, learning_rate=7e-3, schedule="cosine", num_steps=150, segment_s=0.032
    )
    fits = []

    def run():
        fits[:] = fit_many([jax.random.key(0)], [signal], [rate], fast)

    ours = our_steps(256, 1, len(signal))
    torch = torch_step(256, 1, len(signal))
    run()
    ours()
    found = [
        (seconds(run), seconds(ours) / STEPS, seconds(torch) if torch else math.nan)
        for _ in range(rounds)
    ]
    fast_s, ours_s, torch_s = (
        statistics.median(times) for times in zip(*found, strict=True)
    )
    return {
        "seconds": round(fast_s, 2),
        "snr_db": round(float(metrics.snr(signal, fits[0][1].estimate, rate)), 2),
        "reference_seconds": round(1000 * ours_s, 1),
        "speedup_vs_reference": round(1000 * ours_s / fast_s),
        "speedup_vs_torch_eager": round(1000 * torch_s / fast_s) if torch else None,
    }


def markdown(result: dict) -> str:
    """The result as text: one table, and one line on time to quality."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    for row in result["rows"]:
        cells = ("-" if row[name] is None else str(row[name]) for name in COLUMNS)
        lines.append("| " + " | ".join(cells) + " |")
    for name in ("time_to_quality", "machine"):
        values = ", ".join(f"{key} {value}" for key, value in result[name].items())
        lines.append(f"\n{name}: {values}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    cli.run(main)
