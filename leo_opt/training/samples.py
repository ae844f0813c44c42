"""Labelled images to train on: of a file, of torchvision, or the digits of scikit-learn."""

from __future__ import annotations

import hashlib
import importlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leo_opt.errors import FileFormatError, InvalidInputError, SolverNotAvailableError
from leo_opt.lazily import lazy
from leo_opt.storage.files import AnyPath, check_readable

_KEYS = ("x_train", "y_train", "x_test", "y_test")


@dataclass(frozen=True, eq=False)
class Samples:
    """Inputs in [0, 1] with their classes, to train on and to test with.

    Parameters
    ----------
    inputs, test_inputs : (samples, n_in) array of float32
    labels, test_labels : (samples,) array
    """

    inputs: NDArray[np.float32]
    labels: NDArray[np.integer]
    test_inputs: NDArray[np.float32]
    test_labels: NDArray[np.integer]

    @classmethod
    def of(cls, arrays: dict[str, NDArray[np.generic]], brightest: float) -> Samples:
        """Of arrays by the names that `.npz` files of MNIST have, from 0 to `brightest`.

        Raises
        ------
        InvalidInputError
            If they are no such images with labels.
        """
        parts = []
        for images, labels in zip(_KEYS[::2], _KEYS[1::2], strict=True):
            inputs, classes = np.asarray(arrays[images]), np.asarray(arrays[labels]).ravel()
            if len(inputs) != len(classes) or classes.dtype.kind not in "iu" or not len(inputs):
                raise InvalidInputError(
                    f"{images} and {labels} of shapes {inputs.shape} and {classes.shape} are no "
                    "images with one whole number each for the class"
                )
            scaled = inputs.reshape(len(inputs), -1).astype(np.float32) / np.float32(brightest)
            if not (scaled.min() >= 0 and scaled.max() <= 1):
                raise InvalidInputError(f"{images} is not within [0, {brightest:g}]")
            parts += [scaled, classes]
        return cls(*parts)

    @property
    def classes(self) -> int:
        """How many there are, from 0 on."""
        return int(max(self.labels.max(), self.test_labels.max())) + 1

    @lazy
    def content_hash(self) -> str:
        """Of everything that it holds."""
        digest = hashlib.sha256()
        for array in (self.inputs, self.labels, self.test_inputs, self.test_labels):
            digest.update(repr((array.shape, array.dtype.str)).encode() + array.tobytes())
        return digest.hexdigest()


def load_samples(path: AnyPath) -> Samples:
    """Images with 256 levels from a `.npz` file with x_train, y_train, x_test and y_test.

    Raises
    ------
    FileFormatError
        If the file is no such archive.
    """
    source = check_readable(path)
    try:
        with np.load(source, allow_pickle=False) as archive:
            return Samples.of({key: archive[key] for key in _KEYS}, 255.0)
    except (KeyError, ValueError, OSError, EOFError) as error:
        raise FileFormatError(
            f"{path} is no .npz file with {', '.join(_KEYS)}: {' '.join(str(error).split())}"
        ) from error


def download_mnist(folder: Path) -> Samples:
    """MNIST by way of torchvision, which keeps it in a folder.

    Raises
    ------
    SolverNotAvailableError
        If torchvision is not installed.
    """
    try:
        # Named at run time: type checkers need not find an optional package.
        datasets = importlib.import_module("torchvision.datasets")
    except ImportError as error:
        raise SolverNotAvailableError(
            "MNIST comes from a file, --data mnist.npz, or from torchvision, which is not there: "
            "pip install torchvision"
        ) from error
    arrays: dict[str, NDArray[np.generic]] = {}
    for part, train in (("train", True), ("test", False)):
        found = datasets.MNIST(folder, train=train, download=True)
        arrays |= {f"x_{part}": found.data.numpy(), f"y_{part}": found.targets.numpy()}
    return Samples.of(arrays, 255.0)


def load_digits() -> Samples:
    """The 1,797 digits of 8 x 8 pixels of scikit-learn; every fifth is for testing.

    Raises
    ------
    SolverNotAvailableError
        If scikit-learn is not installed.
    """
    try:
        datasets = importlib.import_module("sklearn.datasets")
    except ImportError as error:
        raise SolverNotAvailableError(
            "the digits ship with scikit-learn: pip install 'leo-opt[sklearn]'"
        ) from error
    images, labels = datasets.load_digits(return_X_y=True)
    test = np.arange(len(labels)) % 5 == 0
    parts = (images[~test], labels[~test], images[test], labels[test])
    return Samples.of(dict(zip(_KEYS, parts, strict=True)), 16.0)
