"""Fits a SIREN to every noisy clip, scores the fits and prints the table. Runs `inr-jax fit`."""

from inr_jax.cli import commands

if __name__ == "__main__":
    commands.run("fit")
