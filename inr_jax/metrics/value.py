"""The value of a metric, or NaN together with the reason why it is undefined."""

import functools
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

Signal = Float[np.ndarray, " samples"]


class Value(float):
    """A float; `reason` says why it is NaN, and is empty otherwise."""

    reason: str

    def __new__(cls, value: float, reason: str = ""):
        self = super().__new__(cls, value)
        self.reason = reason
        return self


class Metric(Protocol):
    """A metric as it is called, what `metric` makes."""

    __name__: str

    def __call__(
        self,
        reference: ArrayLike,
        estimate: ArrayLike,
        sample_rate: int,
        **options: Any,
    ) -> Value:
        """The value of an estimate (samples,) against its reference."""


class Undefined(Exception):
    """Raised inside a metric that is undefined for the given signals."""


def metric(function: Callable[..., float]) -> Metric:
    """Decorator of metrics: converts and checks the signals, returns a `Value`.

    The metric takes float64 (reference, estimate, sample_rate), one-dimensional, at any
    scale. Different lengths raise `ValueError`; silence, NaN and clips that are too
    short give NaN with a reason.
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


def check_shapes(reference: Signal, estimate: Signal) -> None:
    """Raises ValueError unless both are one-dimensional and equally long."""
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


def require_not_silent(name: str, signal: Signal) -> None:
    """Raises `Undefined` where a signal is empty or all zeros."""
    if not np.any(signal):
        raise Undefined(f"{name} is silent")
