"""Scores methods on noisy clips: every metric, paired 95 % intervals, figures, a page. Runs `inr-jax evaluate`."""

from inr_jax.cli import commands

if __name__ == "__main__":
    commands.run("evaluate")
