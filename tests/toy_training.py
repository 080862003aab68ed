"""Flags of `train_hypersound.py` for a network that compiles fast."""

HYPERSOUND = (
    "--num_samples=2048",
    "--set=num_samples=2048",
    "--set=encoder_channels=2",
    "--set=strides=32",  # fewer stages and layers compile faster
    "--set=hidden=8",
    "--set=width=8",
    "--set=num_layers=1",
    "--set=norm=channel",
)
