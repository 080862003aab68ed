"""Fetches SpeechBrain's weights of SepFormer (Apache-2.0), for --sepformer_dir. Runs `inr-jax download`."""

from inr_jax.cli import commands

if __name__ == "__main__":
    commands.run("download")
