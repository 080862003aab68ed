"""Trains a hypernetwork that denoises speech, from noisy to clean. The same as `inr-jax train-hypersound`."""

from inr_jax.cli import commands

if __name__ == "__main__":
    commands.run("train-hypersound")
