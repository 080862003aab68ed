"""Fetches SpeechBrain's weights of SepFormer (Apache-2.0), for --sepformer_dir.

  inr-jax download --output_dir=DIR

113 MB from the Hugging Face hub by huggingface_hub: pip install 'inr_jax[hub]'.
--copy_dir=COPY also writes a copy as safetensors, which --sepformer_dir takes too.
"""

from absl import flags

from inr_jax.errors import InputError

OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder for the weights.")
REPOSITORY = flags.DEFINE_string(
    "repository",
    "speechbrain/sepformer-wham16k-enhancement",
    "Repository of the Hugging Face hub; others of this architecture, as those for "
    "8 kHz, will do too.",
)
REVISION = flags.DEFINE_string("revision", "main", "Branch, tag or commit of it.")
FETCH = flags.DEFINE_bool(
    "fetch", True, "Without it, the files are in --output_dir already."
)
COPY_DIR = flags.DEFINE_string(
    "copy_dir", None, "Folder for a copy as weights.safetensors and config.json."
)
FILES = ("encoder.ckpt", "masknet.ckpt", "decoder.ckpt", "hyperparams.yaml")


def main() -> None:
    from inr_jax.models.sepformer import weights

    if not OUTPUT_DIR.value:
        raise InputError("name where to with --output_dir")
    if FETCH.value:
        fetch()
    config, tensors = weights.read(OUTPUT_DIR.value)
    if COPY_DIR.value:
        weights.save(COPY_DIR.value, config, tensors)
    print(
        f"{OUTPUT_DIR.value}: SepFormer for {config.sample_rate} Hz; "
        f"denoise with --method=sepformer --sepformer_dir={OUTPUT_DIR.value}"
    )


def fetch() -> None:
    """Brings the files into --output_dir; those that are there already stay."""
    try:
        import huggingface_hub
        from huggingface_hub.errors import EntryNotFoundError
    except ImportError:
        raise InputError(
            "the hub is read by huggingface_hub: pip install 'inr_jax[hub]'; or get "
            f"{', '.join(FILES)} by other means and give --nofetch"
        ) from None
    for name in FILES:
        try:
            huggingface_hub.hf_hub_download(
                REPOSITORY.value,
                name,
                revision=REVISION.value,
                local_dir=OUTPUT_DIR.value,
            )
        except (EntryNotFoundError, OSError, ValueError) as error:
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            raise InputError(
                f"{REPOSITORY.value}: cannot fetch {name}: {reason}"
            ) from None
