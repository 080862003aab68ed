r"""Writes a trained HyperGain as a file that other programs run without JAX.

  inr-jax export --output=stream.onnx

A causal network becomes the step of a stream, one hop in and one hop out with its states;
one that looks ahead takes a whole signal of at most --seconds. By the package onnx:
pip install 'inr_jax[export]'. docs/export.md shows how the files are run.
"""

from absl import flags

from inr_jax.cli import app
from inr_jax.errors import InputError

flags.adopt_module_key_flags(app)
WEIGHTS = flags.DEFINE_string(
    "weights",
    "hyper_gain_live",
    "Shipped ones by name (hyper_gain, hyper_gain_live), or the folder of a training.",
)
OUTPUT = flags.DEFINE_string("output", None, "File to write.")
SAMPLE_RATE = flags.DEFINE_integer(
    "sample_rate", 48_000, "Hz of the sound.", 8000, 192_000
)
CHANNELS = flags.DEFINE_integer(
    "channels", 1, "Channels of the sound, linked by one gain.", 1, 64
)
SECONDS = flags.DEFINE_float(
    "seconds", 10.0, "Longest signal, for a network that looks ahead.", 0.1, 120
)


def main() -> None:
    if not OUTPUT.value:
        raise InputError("--output is missing")
    if not WEIGHTS.value:
        raise InputError("--weights names nothing")
    app.start_jax()

    from inr_jax.io import atomic
    from inr_jax.models import hyper_gain, hyper_gain_onnx, pretrained

    model, params = pretrained.load_pretrained(WEIGHTS.value)
    if not isinstance(model, hyper_gain.HyperGain):
        raise InputError(f"--weights={WEIGHTS.value}: only HyperGain can be exported")
    rate, channels = SAMPLE_RATE.value, CHANNELS.value
    if model.config.causal:
        made = hyper_gain_onnx.stream(model, params, rate, channels)
        window = hyper_gain.window_of(rate, model.config)
        what = f"stream, latency {1000 * window / rate:.3g} ms"
    else:
        samples = round(SECONDS.value * rate)
        made = hyper_gain_onnx.whole(model, params, rate, channels, samples)
        what = f"signals of at most {SECONDS.value:g} s"
    content = made.SerializeToString()
    with atomic.replacing(OUTPUT.value) as part:
        part.write_bytes(content)
    print(
        f"{OUTPUT.value}: {what}; {rate} Hz, {channels} channels, "
        f"{len(content) / 1e6:.1f} MB"
    )
