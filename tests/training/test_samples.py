"""Images to train on: read, scaled, and refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from leo_opt.errors import FileFormatError, SolverNotAvailableError
from leo_opt.training import download_mnist, load_samples

IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
GOOD = {"x_train": IMAGES, "y_train": [0, 2], "x_test": 255 - IMAGES, "y_test": [[1], [0]]}


def test_images_of_a_file_are_rows_between_0_and_1(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **GOOD)
    found = load_samples(tmp_path / "a.npz")
    assert found.inputs.dtype == np.float32
    assert np.array_equal(found.inputs, (IMAGES.reshape(2, 12) / 255).astype(np.float32))
    assert found.test_labels.tolist() == [1, 0]
    assert found.classes == 3
    np.savez(tmp_path / "b.npz", **{**GOOD, "y_train": [0, 1]})
    assert load_samples(tmp_path / "b.npz").content_hash != found.content_hash


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"y_test": [1, 2, 3]}, "x_test and y_test of shapes"),
        ({"y_train": [0.5, 1.0]}, "one whole number each"),
        ({"x_test": IMAGES.astype(int) - 1}, r"x_test is not within \[0, 255\]"),
        ({"x_train": np.full((2, 3), np.nan)}, r"x_train is not within \[0, 255\]"),
    ],
)
def test_what_is_no_such_file_is_refused(
    tmp_path: Path, change: dict[str, object], words: str
) -> None:
    np.savez(tmp_path / "a.npz", **{**GOOD, **change})
    with pytest.raises(FileFormatError, match=words):
        load_samples(tmp_path / "a.npz")


def test_keys_that_are_missing_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x_train=IMAGES)
    with pytest.raises(FileFormatError, match=r"no \.npz file with x_train, y_train, .*y_train"):
        load_samples(tmp_path / "a.npz")


def test_torchvision_is_asked_for_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torchvision.datasets", None)
    with pytest.raises(SolverNotAvailableError, match=r"--data mnist\.npz.*install torchvision"):
        download_mnist(tmp_path)
