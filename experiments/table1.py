"""Compares the paper's Table 1 with evaluations in white noise at 0 dB. Runs `inr-jax table`."""

from inr_jax.cli import commands

if __name__ == "__main__":
    commands.run("table")
