"""Flags of `train_hypersound.py` for a network that compiles fast."""

HYPERSOUND = (
    "--num_samples=2048",
    "--set=num_samples=2048",
    "--set=encoder_channels=2",
    "--set=strides=4,8",  # fewer stages compile faster
    "--set=hidden=8,8",
    "--set=width=8",
    "--set=norm=channel",
)
