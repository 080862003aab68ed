"""The paper's Table 1 beside the same rows of evaluations in white noise at 0 dB. The same as `inr-jax table`."""

from inr_jax.cli import commands

if __name__ == "__main__":
    commands.run("table")
