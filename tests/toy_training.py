"""Flags of trainings of a second, whose programs compile soon."""

# Of the loss that denoises, the SNR alone.
ONE_TERM = tuple(
    f"--set=training.loss.{name}=0"
    for name in ("compressed", "segmental", "disturbance", "stoi")
)

HYPERSOUND = (
    "--num_samples=2048",
    "--set=encoder_channels=2",
    "--set=strides=32",  # fewer stages and layers compile faster
    "--set=hidden=8",
    "--set=width=8",
    "--set=num_layers=1",
    "--set=norm=channel",
    "--set=mixing.room_share=0",
    # one term of the loss compiles sooner than two
    "--set=training.loss.stft=0",
    "--batch_size=2",
    "--num_steps=2",
    "--warmup_steps=1",
    "--learning_rate=1e-3",
)
