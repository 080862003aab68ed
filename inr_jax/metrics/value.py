"""A metric's value, or NaN together with the reason why there is none."""

import functools

import numpy as np


class Value(float):
    """A float that knows, where it is NaN, why: `value.reason`, else an empty string."""

    reason: str

    def __new__(cls, value: float, reason: str = ""):
        self = super().__new__(cls, value)
        self.reason = reason
        return self


class Undefined(Exception):
    """Raised inside a metric where the signals have no such value."""


def metric(function):
    """Makes a metric total: checked float64 signals in, a `Value` out.

    Signals are one-dimensional, (reference, estimate, sample_rate), any float scale.
    Different lengths are the caller's mistake and raise `ValueError`; silence, NaN and
    clips that are too short are facts of the data and give NaN with a reason.
    """

    @functools.wraps(function)
    def checked(reference, estimate, sample_rate, **options) -> Value:
        reference, estimate = (np.asarray(x, np.float64) for x in (reference, estimate))
        check_shapes(reference, estimate)
        try:
            for name, signal in (("reference", reference), ("estimate", estimate)):
                if not np.all(np.isfinite(signal)):
                    raise Undefined(f"{name} holds NaN or infinite samples")
            return Value(function(reference, estimate, sample_rate, **options))
        except Undefined as undefined:
            return Value(np.nan, str(undefined))

    return checked


def check_shapes(reference: np.ndarray, estimate: np.ndarray) -> None:
    """Raises ValueError unless both are one-dimensional and of one length."""
    if reference.ndim != 1 or estimate.ndim != 1:
        raise ValueError(
            "signals must be one-dimensional, got reference "
            f"{reference.shape} and estimate {estimate.shape}"
        )
    if reference.size != estimate.size:
        raise ValueError(
            f"lengths differ: reference {reference.size} and "
            f"estimate {estimate.size} samples"
        )


def require_sound(name: str, signal: np.ndarray) -> None:
    """Raises `Undefined` where a signal is empty or all zeros."""
    if not np.any(signal):
        raise Undefined(f"{name} is silent")
