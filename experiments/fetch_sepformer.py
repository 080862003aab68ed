"""Fetches SpeechBrain's weights of SepFormer (Apache-2.0), for --sepformer_dir.

  python experiments/fetch_sepformer.py --output_dir=DIR

113 MB from the Hugging Face hub, checked by its hashes, which source.json keeps. With
--convert, DIR also gets weights.npz and config.json, which need no reader of torch files.
"""

from absl import flags

from inr_jax import cli
from inr_jax.errors import InputError

OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder for the weights.")
REPOSITORY = flags.DEFINE_string(
    "repository",
    "speechbrain/sepformer-wham16k-enhancement",
    "On the hub; others of this architecture will do, as those for 8 kHz.",
)
FETCH = flags.DEFINE_bool(
    "fetch", True, "Without it, the files are in --output_dir already."
)
CONVERT = flags.DEFINE_bool("convert", False, "Write weights.npz too.")
FILES = ("encoder.ckpt", "masknet.ckpt", "decoder.ckpt", "hyperparams.yaml")


def main() -> None:
    from inr_jax import hub, sepformer_weights

    if not OUTPUT_DIR.value:
        raise InputError("name where to with --output_dir")
    if FETCH.value:
        hub.fetch(REPOSITORY.value, FILES, OUTPUT_DIR.value)
    config, tensors = sepformer_weights.read(OUTPUT_DIR.value)
    if CONVERT.value:
        sepformer_weights.save(OUTPUT_DIR.value, config, tensors)
    print(
        f"{OUTPUT_DIR.value}: SepFormer for {config.sample_rate} Hz; "
        f"denoise with --method=sepformer --sepformer_dir={OUTPUT_DIR.value}"
    )


if __name__ == "__main__":
    cli.run(main)
