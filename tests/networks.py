"""Where tests find trained networks that are not part of the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FOLDER = Path(
    os.environ.get("LEO_OPT_NETWORKS")
    or Path(__file__).resolve().parents[2] / "shared" / "networks"
)


def network_folder() -> Path:
    """The folder of networks; the test is skipped where there is none."""
    if not FOLDER.is_dir():
        pytest.skip(f"no folder {FOLDER}; name one in the variable LEO_OPT_NETWORKS")
    return FOLDER


def find_network(name: str) -> Path:
    """A file of the folder, such as "mnist/mnist_25-25_l1_0.001_s0.onnx", or a skipped test."""
    path = network_folder() / name
    if not path.is_file():
        pytest.skip(f"{path} is missing")
    return path
