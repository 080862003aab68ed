"""Trains the hypernetwork of the emitted gain field, from noisy to clean speech. Runs `inr-jax train`."""

from inr_jax.cli import commands

if __name__ == "__main__":
    commands.run("train")
