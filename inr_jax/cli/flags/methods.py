"""Flags of the scripts that run methods by name: what the methods need or can change."""

from absl import flags

from inr_jax.configs import fitting
from inr_jax.configs import methods as method_configs

CHECKPOINT = flags.DEFINE_string(
    "checkpoint", None, "Folder of a trained model instead of the shipped one."
)
FINETUNE_STEPS = flags.DEFINE_integer(
    "finetune_steps", 0, "Steps of fits that begin with hypersound's weights.", 0
)
SEPFORMER_DIR = flags.DEFINE_string(
    "sepformer_dir",
    None,
    "Folder with the weights of sepformer; see inr-jax download.",
)
DNP_NUM_STEPS = flags.DEFINE_integer(
    "dnp_num_steps", fitting.DnpConfig.num_steps, "Steps of dnp; as published.", 1
)


class _NoiseEstimator(flags.EnumParser):
    """Its names, and that which `mmse_spp` had before."""

    def parse(self, argument: str) -> str:
        return super().parse("mmse_spp" if argument == "tracked" else argument)


NOISE_ESTIMATOR = flags.DEFINE(
    _NoiseEstimator(method_configs.NOISE_ESTIMATORS),
    "noise_estimator",
    "auto",
    f"<{'|'.join(method_configs.NOISE_ESTIMATORS)}>: Noise PSD estimator of wiener, "
    "log_mmse and gain_field; auto is white in white noise, else mmse_spp.",
)


def settings() -> dict:
    """What the flags say, by their names."""
    given = (
        *(CHECKPOINT, FINETUNE_STEPS, SEPFORMER_DIR, DNP_NUM_STEPS),
        NOISE_ESTIMATOR,
    )
    return {flag.name: flag.value for flag in given}


def options(output_rate: int | None = None):
    """The `denoisers.Options` that the flags describe.

    Args:
      output_rate: As for `denoisers.Options`.
    """
    from inr_jax.enhancement import registry

    return registry.Options(
        noise=NOISE_ESTIMATOR.value,
        dnp=fitting.DnpConfig(num_steps=DNP_NUM_STEPS.value),
        trained_dir=CHECKPOINT.value,
        sepformer_dir=SEPFORMER_DIR.value,
        finetune_steps=FINETUNE_STEPS.value,
        output_rate=output_rate,
    )
