"""`python -m inr_jax`, the same as `inr-jax`."""

from inr_jax.cli import commands

if __name__ == "__main__":
    commands.main()
