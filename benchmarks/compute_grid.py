"""Which compute settings suit a device: one factor at a time around its default."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from inr_jax.parallel.compute import PRECISIONS, SINES, ComputeConfig

# A setting replaces the default where it is so many times faster,
FASTER = 1.03
# and a precision where it costs less than so many dB of the SNR of a fit.
LARGEST_COST_DB = 0.1


def factors(
    default: ComputeConfig, alternatives: Mapping[str, Sequence[int]]
) -> Iterator[tuple[str, object]]:
    """Every factor with its default value, then with each of the others.

    Args:
      default: Settings around which the grid lies.
      alternatives: Values of each factor that is a number.
    """
    choices = {"hidden_precision": PRECISIONS, "sine": SINES, **alternatives}
    for factor, others in choices.items():
        own = getattr(default, factor)
        yield factor, own
        yield from ((factor, value) for value in others if value != own)


def recommended(
    default: ComputeConfig,
    speed: Mapping[tuple[str, object], float],
    snr_db: Mapping[str, float],
) -> ComputeConfig:
    """The default, with each factor at its fastest value that costs no accuracy.

    Args:
      default: Kept where nothing is clearly faster, or it was not measured itself.
      speed: By factor and value, the larger the faster; only those of one factor are
        compared with each other.
      snr_db: Of fits, by precision; one that is missing is not recommended.
    """

    def is_accurate(factor, value):
        if factor != "hidden_precision" or value == default.hidden_precision:
            return True
        needed = snr_db.get(default.hidden_precision, float("inf")) - LARGEST_COST_DB
        return snr_db.get(value, float("-inf")) >= needed

    chosen = dataclasses.asdict(default)
    for factor in {factor for factor, _ in speed}:
        found = {
            value: speed[name, value]
            for name, value in speed
            if name == factor and is_accurate(name, value)
        }
        best = max(found, key=found.get)
        if found[best] > FASTER * found.get(chosen[factor], float("inf")):
            chosen[factor] = best
    return ComputeConfig(**chosen)


def as_python(config: ComputeConfig) -> str:
    """The settings that are not those of `ComputeConfig()`, as a line of Python."""
    changed = {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)
        if field.name != "num_devices" and getattr(config, field.name) != field.default
    }
    return f"ComputeConfig({', '.join(f'{k}={v!r}' for k, v in changed.items())})"
