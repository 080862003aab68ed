"""`python -m inr_jax` runs `inr-jax`."""

from inr_jax.cli import commands

if __name__ == "__main__":
    commands.main()
