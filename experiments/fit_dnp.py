"""Fits DNP to noisy clips and scores both of its masks. Runs `inr-jax fit-dnp`."""

from inr_jax.cli import commands

if __name__ == "__main__":
    commands.run("fit-dnp")
