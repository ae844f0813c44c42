"""Inputs of a .npz file, or what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from leo_opt.errors import FileFormatError
from leo_opt.formats import load_points

IMAGES = np.arange(12).reshape(3, 2, 2)


def test_which_array_is_meant(tmp_path: Path) -> None:
    path = tmp_path / "points.npz"
    np.savez(path, images=IMAGES)
    assert np.array_equal(load_points(path), IMAGES.reshape(3, 4))
    np.savez(path, images=IMAGES, inputs=np.array([1.0, 2.0]))
    assert np.array_equal(load_points(path), [[1.0, 2.0]])
    assert np.array_equal(load_points(path, "images"), IMAGES.reshape(3, 4))
    assert load_points(path, "images").dtype == np.float64


@pytest.mark.parametrize(
    ("arrays", "array", "words"),
    [
        ({"a": IMAGES, "b": IMAGES}, "", "holds a, b; say which array holds inputs"),
        ({"a": IMAGES}, "b", "no array 'b', it holds a$"),
        ({}, "", "it holds nothing"),
        ({"a": np.array(["x"])}, "", "holds <U1 of shape"),
        ({"a": np.array([1j])}, "", "holds complex128"),
        ({"a": np.array([[np.nan]])}, "", "store finite numbers"),
        ({"a": np.zeros((0, 3))}, "", "a row a sample"),
    ],
)
def test_what_is_no_input_is_refused(
    arrays: dict[str, np.ndarray], array: str, words: str, tmp_path: Path
) -> None:
    np.savez(tmp_path / "points.npz", **arrays)
    with pytest.raises(FileFormatError, match=words):
        load_points(tmp_path / "points.npz", array)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "points.npz").write_text("no archive")
    with pytest.raises(FileFormatError, match="file of inputs"):
        load_points(tmp_path / "points.npz")
    with pytest.raises(FileFormatError, match="does not exist"):
        load_points(tmp_path / "none.npz")
