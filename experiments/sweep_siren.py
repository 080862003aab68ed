"""Sweeps omega, rate, steps, width and depth of SIRENs: quality against clean speech. Runs `inr-jax sweep`."""

from inr_jax.cli import commands

if __name__ == "__main__":
    commands.run("sweep")
