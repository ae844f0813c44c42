"""`Bounds` as a value: what it refuses, intersects, saves."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from random_networks import random_box, random_network
from seeds import seeds

from leo_opt.bounds import Bounds, propagate
from leo_opt.domain import Box
from leo_opt.errors import FileFormatError, InvalidInputError, MismatchError, OutputError
from leo_opt.network import Network

NETWORK = Network.from_arrays([[[1.0, -1.0]], [[2.0]]], [[0.0], [1.0]])


def test_crossed_or_ragged_intervals_are_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"unit \(0, 1\) are \[2.0, 1.0\]"):
        Bounds(Box(0, 1), (np.array([0.0, 2.0]),), (np.array([0.0, 1.0]),))
    with pytest.raises(InvalidInputError, match="NaN"):
        Bounds(Box(0, 1), (np.array([np.nan]),), (np.array([1.0]),))
    with pytest.raises(InvalidInputError, match="shapes"):
        Bounds(Box(0, 1), (np.zeros(2),), (np.zeros(3),))
    with pytest.raises(InvalidInputError, match="1 lower and 2 upper"):
        Bounds(Box(0, 1), (np.zeros(2),), (np.zeros(2), np.zeros(1)))


@pytest.mark.parametrize("seed", seeds(15, of=40))
def test_proved_bounds_pass_the_check_and_shifted_ones_do_not(seed: int) -> None:
    generator = np.random.default_rng(seed)
    network = random_network(generator)
    box = random_box(generator, network.input_size)
    bounds = propagate(network, box)
    bounds.check(network)
    layer = int(generator.integers(len(network.layers)))
    # No sampled value can lie wholly above the proved interval.
    lower, upper = list(bounds.lower), list(bounds.upper)
    lower[layer] = upper[layer] + 1.0 + abs(upper[layer])
    upper[layer] = lower[layer] + 1.0
    wrong = Bounds(box, tuple(lower), tuple(upper))
    with pytest.raises(MismatchError, match="do not hold"):
        wrong.check(network)


def test_bounds_of_a_smaller_box_or_another_shape_are_refused() -> None:
    bounds = propagate(NETWORK, Box(0, 1))
    bounds.check(NETWORK, Box(0.25, 0.5))
    with pytest.raises(MismatchError, match="contains"):
        bounds.check(NETWORK, Box(0, 2))
    with pytest.raises(MismatchError, match="another network"):
        bounds.check(Network.from_arrays([[[1.0, -1.0]]], [[0.0]]))
    with pytest.raises(MismatchError, match="contains"):
        propagate(NETWORK, Box(0, 2)).intersect(bounds)


def test_intersection_takes_the_tighter_ends() -> None:
    box = Box(0, 1).spread(2)
    wide = Bounds(box, (np.array([-2.0]),), (np.array([1.0]),))
    other = Bounds(Box(-1, 1).spread(2), (np.array([-1.0]),), (np.array([3.0]),))
    both = wide.intersect(other)
    assert (both.lower[0][0], both.upper[0][0]) == (-1.0, 1.0)
    with pytest.raises(InvalidInputError):
        wide.intersect(Bounds(box, (np.array([2.0]),), (np.array([3.0]),)))


def test_saving_loses_nothing(tmp_path) -> None:
    bounds = propagate(NETWORK, Box(-0.1, 0.3))
    bounds.save(tmp_path / "bounds.npz")
    loaded = Bounds.load(tmp_path / "bounds.npz")
    assert loaded.domain == bounds.domain
    for name in ("lower", "upper"):
        for mine, theirs in zip(getattr(bounds, name), getattr(loaded, name), strict=True):
            np.testing.assert_array_equal(mine, theirs)
    (tmp_path / "text.npz").write_text("nonsense")
    for name in ("text.npz", "missing.npz"):
        with pytest.raises(FileFormatError, match=name):
            Bounds.load(tmp_path / name)


def test_bounds_are_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stood there before still does when the disk is full, and the error is ours."""
    bounds = propagate(NETWORK, Box([0, 0], [1, 1]))
    bounds.save(tmp_path / "bounds")
    before = (tmp_path / "bounds.npz").read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        bounds.save(tmp_path / "bounds.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["bounds.npz"]
    assert (tmp_path / "bounds.npz").read_bytes() == before
    with pytest.raises(OutputError, match="is not a folder"):
        bounds.save(tmp_path / "gone" / "bounds.npz")
