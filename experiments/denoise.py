"""Removes noise from recordings. Runs `inr-jax denoise`."""

from inr_jax.cli import commands

if __name__ == "__main__":
    commands.run("denoise")
