"""Where tests find trained networks that are not part of the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "networks"


def network_folder() -> Path:
    """The folder of networks; the test is skipped where there is none."""
    folder = Path(os.environ.get("LEO_OPT_NETWORKS") or _DEFAULT)
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}; name one in the variable LEO_OPT_NETWORKS")
    return folder


def find_network(name: str) -> Path:
    """A file of the folder, such as "mnist/mnist_25-25_l1_0.001_s0.onnx", or a skipped test."""
    path = network_folder() / name
    if not path.is_file():
        pytest.skip(f"{path} is missing")
    return path
