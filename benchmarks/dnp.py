"""Measures a step of DNP here and in PyTorch, if that is installed.

  python benchmarks/dnp.py --output_dir=results/dnp

One process, interleaved, medians. Ours is a whole step with its score; PyTorch's is
network, gradient and Adam alone.
"""

import functools
import pathlib
import statistics

import measuring
from absl import flags

from inr_jax.cli import app
from inr_jax.configs import fitting as configs
from inr_jax.errors import InputError
from inr_jax.io import atomic

OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder for table and JSON.")
SECONDS = flags.DEFINE_float("seconds", 1.74, "Of the clip, at 16 kHz.", 0.1)
ROUNDS = flags.DEFINE_integer("rounds", 5, "Interleaved repetitions.", 1)
TOY = flags.DEFINE_bool("toy", False, "A network of two small levels.")
STEPS = 2  # of one call of ours


def main() -> None:
    if not OUTPUT_DIR.value:
        raise InputError("--output_dir is missing")
    toy = configs.DnpConfig(num_levels=2, num_filters=2)
    config = toy if TOY.value else configs.DnpConfig()
    signal = noise(int(16_000 * SECONDS.value) // 64 * 64)
    steps = {"ours": ours(signal, config)}
    try:
        steps["torch_eager"] = pytorch(signal, config)
    except ImportError:
        pass  # measured alone
    for step in steps.values():  # compiles, and fills caches
        step()
    product, product_work = measuring.matrix_product()
    product()
    rounds = []
    for _ in range(ROUNDS.value):
        ceiling = product_work / min(measuring.seconds(product) for _ in range(3))
        found = {name: measuring.seconds(step) for name, step in steps.items()}
        found["ours"] /= STEPS
        rounds.append({**found, "ceiling": ceiling})
    work = gflop(len(signal), config)
    result = {
        "machine": measuring.machine(),
        "samples": len(signal),
        "gflop": round(work, 1),
        "share_of_ceiling": median(work / r["ours"] / r["ceiling"] for r in rounds),
        **{f"{name}_s": median(r[name] for r in rounds) for name in steps},
    }
    if "torch_eager" in steps:
        result["speedup"] = median(r["torch_eager"] / r["ours"] for r in rounds)
    atomic.write_json(pathlib.Path(OUTPUT_DIR.value) / "dnp.json", result)
    for name, value in result.items():
        print(f"{name}: {value}")


def median(values) -> float:
    return round(statistics.median(values), 3)


def noise(num_samples: int):
    import numpy as np

    return np.random.default_rng(0).uniform(-1, 1, num_samples).astype(np.float32)


def gflop(num_samples: int, config) -> float:
    """Products and sums of the convolutions of a step: forward and both gradients."""
    filters, levels = config.num_filters, config.num_levels
    down = [(1 if i == 0 else i * filters, (i + 1) * filters) for i in range(levels)]
    middle = levels * filters
    work = 15 * middle**2 / 2**levels
    for i, (fan_in, fan_out) in enumerate(down):
        above = min(i + 2, levels) * filters
        work += (15 * fan_in + 5 * (above + fan_out)) * fan_out / 2**i
    return 3 * 2 * work * num_samples / 1e9


def ours(signal, config):
    """Gives a function that makes `STEPS` steps."""
    import jax
    import jax.numpy as jnp

    from inr_jax.enhancement import dnp
    from inr_jax.fitting import siren

    given = siren.Signal(jnp.asarray(signal), jnp.array(len(signal)))
    state = jax.jit(dnp.init, static_argnums=(1, 2))(
        jax.random.key(0), len(signal), config
    )

    @jax.jit
    def steps(state):
        def step(state, i):
            return dnp.update(state, dnp.WARM_UP + i, given, config)

        return jax.lax.scan(step, state, jnp.arange(STEPS))

    return lambda: jax.block_until_ready(steps(state))


def pytorch(signal, config):
    """Gives a function that makes one step, eagerly.

    Raises:
      ImportError: PyTorch is not installed.
    """
    import torch
    from torch import nn

    filters, levels = config.num_filters, config.num_levels

    def layer(fan_in, fan_out, kernel):
        conv = nn.Conv1d(fan_in, fan_out, kernel, padding=kernel // 2)
        return nn.Sequential(conv, nn.BatchNorm1d(fan_out), nn.LeakyReLU(0.1))

    sizes = [1, *(filters * (i + 1) for i in range(levels))]
    down = nn.ModuleList(layer(sizes[i], sizes[i + 1], 15) for i in range(levels))
    middle = layer(sizes[-1], sizes[-1], 15)
    up = nn.ModuleList(
        layer(sizes[min(i + 2, levels)] + sizes[i + 1], sizes[i + 1], 5)
        for i in range(levels)
    )
    out = nn.Conv1d(filters + 1, 1, 1)
    optimizer = torch.optim.Adam(
        nn.ModuleList([down, middle, up, out]).parameters(), config.learning_rate
    )
    noise, target = torch.rand(1, 1, len(signal)), torch.tensor(signal)[None, None]
    double = functools.partial(
        nn.functional.interpolate, scale_factor=2, mode="linear", align_corners=False
    )

    def network(x):
        skips = []
        for block in down:
            x = block(x)
            skips.append(x)
            x = x[:, :, ::2]
        x = middle(x)
        for i in reversed(range(levels)):
            x = up[i](torch.cat([double(x), skips[i]], 1))
        return torch.tanh(out(torch.cat([x, noise], 1)))

    def step():
        loss = nn.functional.mse_loss(network(noise), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


if __name__ == "__main__":
    app.run(main)
