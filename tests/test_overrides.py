import dataclasses
import pathlib

import numpy as np
import pytest

from inr_jax.configs import overrides


@dataclasses.dataclass(frozen=True)
class Inner:
    rate: float = 0.5
    sizes: tuple[int, ...] = (1, 2)
    name: str = "a"
    on: bool = False
    length: float | None = None
    folder: str | None = None
    pairs: tuple[tuple[int, int], ...] = ()
    span: tuple[float, float] = (0.0, 1.0)


@dataclasses.dataclass(frozen=True)
class Outer:
    low: int = 1
    high: int = 2
    inner: Inner = dataclasses.field(default_factory=Inner)

    def __post_init__(self):
        if self.low > self.high:
            raise ValueError("low exceeds high")


def test_settings_are_replaced_all_at_once():
    texts = ["low=5", "high=9", "inner.rate=2", "inner.sizes=(3,)", "inner.name=b"]
    assert overrides.apply(Outer(), texts) == Outer(5, 9, Inner(2.0, (3,), "b"))


@pytest.mark.parametrize("text", ["3,", "3", "(3,)"])
def test_tuples_need_no_brackets(text):
    assert overrides.apply(Inner(), [f"sizes={text}"]).sizes == (3,)


@pytest.mark.parametrize("text, value", [("true", True), ("False", False)])
def test_truth_is_told_as_in_flags(text, value):
    assert overrides.apply(Inner(), [f"on={text}"]).on is value


@pytest.mark.parametrize(
    "text, value",
    [
        ("length=2", 2.0),
        ("length=None", None),
        ("folder=5", "5"),
        ("folder=None", None),
    ],
)
def test_what_may_be_none_is_of_its_type(text, value):
    (name, _) = text.split("=")
    changed = overrides.apply(Inner(), [text])
    assert getattr(changed, name) == value
    assert type(getattr(changed, name)) is type(value)


def test_items_of_tuples_are_of_their_types():
    changed = overrides.apply(Inner(), ["pairs=((1,2),(3,4))", "span=-5,2.5"])
    assert (changed.pairs, changed.span) == (((1, 2), (3, 4)), (-5, 2.5))


@pytest.mark.parametrize(
    "text, reason",
    [
        ("low", "must be name=value"),
        ("lo=1", "there is no setting 'lo'; there are: "),
        ("low.x=1", "there is no setting 'x'"),
        ("low=a", "must be a whole number"),
        ("low=1.5", "must be a whole number"),
        ("low={[]}", "must be a whole number"),
        ("inner.sizes=a", "must be a list"),
        ("inner.sizes=1,'b'", "must be a list"),
        ("inner.sizes=True,2", "must be a list"),
        ("inner.pairs=1,2", "must be a list"),
        ("inner.pairs=((1,2),(3,))", "must be a list"),
        ("inner.pairs=((1,2),(3,4.5))", "must be a list"),
        ("inner=3", "must be name.name=value"),
        ("inner.length=a", "must be a number"),
        ("low=9", "low exceeds high"),
    ],
)
def test_mistakes_are_told(text, reason):
    with pytest.raises(ValueError, match=reason):
        overrides.apply(Outer(), [text])


def test_values_given_as_such_are_of_the_type_of_their_field():
    overrides.check(Outer(), {"low": np.int64(1), "inner": Inner()})
    overrides.check(Inner(), {"length": 2, "folder": pathlib.Path("a"), "sizes": [1]})
    overrides.check(Inner(), {"length": None, "folder": None})
    for name, value, must in (
        ("low", 1.5, "a whole number"),
        ("low", True, "a whole number"),
        ("low", None, "a whole number"),
        ("inner", 3, "of type Inner"),
    ):
        with pytest.raises(ValueError, match=f"{name} must be {must}, got"):
            overrides.check(Outer(), {name: value})
    with pytest.raises(ValueError, match="folder must be text, got 5"):
        overrides.check(Inner(), {"folder": 5})
