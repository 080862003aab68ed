import dataclasses

import pytest

from inr_jax.configs import overrides


@dataclasses.dataclass(frozen=True)
class Inner:
    rate: float = 0.5
    sizes: tuple[int, ...] = (1, 2)
    name: str = "a"
    on: bool = False


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
    "text, reason",
    [
        ("low", "must be name=value"),
        ("lo=1", "there is no setting 'lo'"),
        ("low.x=1", "there is no setting 'x'"),
        ("low=a", "must be like 1"),
        ("low=1.5", "must be like 1"),
        ("inner.sizes=a", "must be like"),
        ("inner=3", "must be like"),
        ("low=9", "low exceeds high"),
    ],
)
def test_mistakes_are_told(text, reason):
    with pytest.raises(ValueError, match=reason):
        overrides.apply(Outer(), [text])
