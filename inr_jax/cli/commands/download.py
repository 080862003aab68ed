"""Fetches SpeechBrain's weights of SepFormer (Apache-2.0), for --sepformer_dir.

  inr-jax download --output_dir=DIR

113 MB from the Hugging Face hub, checked by its hashes, which source.json keeps.
--copy_dir=COPY also writes a copy that numpy alone opens and --sepformer_dir takes too.
"""

from absl import flags

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
COPY_DIR = flags.DEFINE_string(
    "copy_dir", None, "Folder for a copy as weights.npz and config.json."
)
FILES = ("encoder.ckpt", "masknet.ckpt", "decoder.ckpt", "hyperparams.yaml")


def main() -> None:
    from inr_jax.io import hub
    from inr_jax.models.sepformer import weights

    if not OUTPUT_DIR.value:
        raise InputError("name where to with --output_dir")
    if FETCH.value:
        hub.fetch(REPOSITORY.value, FILES, OUTPUT_DIR.value)
    config, tensors = weights.read(OUTPUT_DIR.value)
    if COPY_DIR.value:
        weights.save(COPY_DIR.value, config, tensors)
    print(
        f"{OUTPUT_DIR.value}: SepFormer for {config.sample_rate} Hz; "
        f"denoise with --method=sepformer --sepformer_dir={OUTPUT_DIR.value}"
    )
