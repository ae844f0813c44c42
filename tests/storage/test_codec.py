"""The codec: what is written is read again, and what is wrong is named with place and value."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pytest

from leo_opt.network import FloatArray
from leo_opt.storage import codec
from leo_opt.storage.codec import Extended


class Place(NamedTuple):
    layer: int
    unit: int


@dataclass(frozen=True, eq=False)
class Value:
    name: str
    place: Place
    sides: tuple[FloatArray, ...]
    exact: tuple[Fraction, ...] | None = None
    counts: dict[str, int] = field(default_factory=dict)
    end: Extended | None = None


def random_value(seed: int) -> Value:
    generator = np.random.default_rng(seed)
    sides = [generator.normal(size=size) * 10.0 ** generator.integers(-300, 300) for size in (3, 0)]
    sides[0][seed % 3] = generator.choice([np.inf, -np.inf, 5e-324, 0.1])
    return Value(f"n{seed}", Place(seed, 1), tuple(sides), (Fraction(1, 3 + seed),), {"a": seed})


@pytest.mark.parametrize("seed", range(6))
def test_numbers_come_back_without_loss(seed: int) -> None:
    value = random_value(seed)
    text = json.dumps(codec.to_tree(value), allow_nan=False)
    again = codec.from_tree(json.loads(text), Value)
    assert json.dumps(codec.to_tree(again)) == text
    assert (again.name, again.place, again.exact) == (value.name, value.place, value.exact)
    for mine, theirs in zip(again.sides, value.sides, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": 3}, "^name is 3; expected a text in quotes, got a whole number$"),
        ({"place": [1, "b"]}, r"^place\[1\] is 'b'; expected a whole number, got a text"),
        ({"place": [1]}, r"^place is \[1\]; expected a list in \[ \] of length 2, got 1"),
        ({"sides": [[1.0], ["x"]]}, r"^sides\[1\] is \['x'\]; could not convert.*'x'"),
        ({"sides": 3}, r"^sides is 3; expected a list in \[ \]"),
        ({"sides": [True]}, r"^sides\[0\] is True; expected a list in"),
        ({"end": "infinity"}, '^end is \'infinity\'; expected a number, "inf" or "-inf"$'),
        ({"end": True}, "^end is True; expected a number$"),
        ({"exact": ["1/0"]}, r"^exact\[0\] is '1/0'"),
        ({"counts": {"a": 0.5}}, r"^counts\[...\]: expected a whole number, got a number"),
        ({"counts": {"a": True}}, "expected a whole number, got true or false"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], words: str) -> None:
    tree = codec.to_tree(random_value(0)) | change
    with pytest.raises(ValueError, match=words):
        codec.from_tree(tree, Value)


@pytest.mark.parametrize("end", [np.inf, -np.inf, 1.5, 2, None])
def test_a_number_that_may_be_infinite(end: float | None) -> None:
    tree = codec.to_tree(random_value(0)) | {"end": end}
    for text in (json.dumps(tree), json.dumps(codec.to_tree(tree), allow_nan=False)):
        # The first is what Python makes of an infinity, and earlier versions wrote.
        found = codec.from_tree(json.loads(text), Value).end
        assert found == end
        assert end is None or isinstance(found, float)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ValueError, match=r"^name is missing$"):
        codec.from_tree({}, Value)
    with pytest.raises(ValueError, match=r"^value is \[\]; expected a table in"):
        codec.from_tree([], Value, "value")


def test_another_version_is_named() -> None:
    for found in ("leo_opt thing 2", "other 1", None):
        with pytest.raises(ValueError, match="format is") as caught:
            codec.from_json(json.dumps({"format": found}), Value, "leo_opt thing 1")
        assert ("another version" in str(caught.value)) == (found == "leo_opt thing 2")
