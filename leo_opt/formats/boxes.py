"""Boxes of inputs from files, and properties, which are about boxes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import numpy as np

from leo_opt.domain import Box, Domain
from leo_opt.errors import FileFormatError, InvalidInputError
from leo_opt.formats import nnet, vnnlib
from leo_opt.formats.npz import READ_ERRORS
from leo_opt.formats.selection import Selection
from leo_opt.properties import Property
from leo_opt.storage.files import AnyPath, check_readable, suffix_of

T = TypeVar("T")


def load_domain(
    path: AnyPath, input_size: int | None = None, *, normalised: bool = False
) -> Domain:
    """Read the inputs allowed: a box, or the `Polytope` of a property that joins inputs.

    Parameters
    ----------
    path
        A .npz file with the arrays `lower` and `upper`, a .nnet network, whose header states them,
        or a VNN-LIB property (.vnnlib or .vnnlib.gz) whose input part is one box, or linear
        rows within one. Decimals are rounded outward, so that the domain holds the decimal one;
        ends that a strict inequality excludes belong to it.
    input_size
        Number of inputs of the network; scalars are spread over them.
    normalised
        Whether the box of a .nnet file is meant for its layers alone.

    Raises
    ------
    FileFormatError
        If the file cannot be read, its suffix is unknown, or its input part is a union.
    InvalidInputError
        If the box has another size, is crossed or infinite.
    """
    read = _READERS[suffix_of(path, _READERS)]
    if normalised and read is nnet.read_domain:
        read = partial(nnet.read_domain, selection=Selection(normalised=True))
    return _read(lambda source: _spread(read(source), input_size), path)


def _spread(domain: Domain, input_size: int | None) -> Domain:
    return domain if input_size is None else domain.spread(input_size)


def load_property(path: AnyPath) -> Property:
    """Read a property for `verify`.

    Parameters
    ----------
    path
        VNN-LIB, ending in .vnnlib or .vnnlib.gz.

    Raises
    ------
    FileFormatError
        If the file cannot be read as a property, or its input part is not a union of boxes.
    InvalidInputError
        If a box is crossed or not finite.
    """
    suffix_of(path, [suffix for suffix in _READERS if suffix.startswith(".vnnlib")])
    return _read(vnnlib.read_property, path)


def _read(read: Callable[[Path], T], path: AnyPath) -> T:
    """What is read from a file, which errors name."""
    source = check_readable(path)
    try:
        return read(source)
    except (FileFormatError, InvalidInputError) as error:
        raise type(error)(f"{path}: {error}") from error


def _read_npz(path: Path) -> Box:
    """The box in a .npz file."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            sides = [_float64(archive[name]) for name in ("lower", "upper")]
    except FileFormatError:
        raise
    except (*READ_ERRORS, AttributeError) as error:
        raise FileFormatError(
            f"this is no .npz file with the arrays lower and upper: {error}"
        ) from error
    return Box(*sides)


def _float64(side: np.ndarray) -> np.ndarray:
    """A side of a box; numbers that float64 may not hold are refused."""
    if side.dtype.kind not in "iuf" or side.dtype.itemsize > 8:
        raise FileFormatError(f"a side of the box has the type {side.dtype}; store it as float64")
    return side.astype(np.float64)


_READERS: Mapping[str, Callable[[Path], Domain]] = MappingProxyType(
    {
        ".npz": _read_npz,
        ".nnet": nnet.read_domain,
        ".vnnlib": vnnlib.read_domain,
        ".vnnlib.gz": vnnlib.read_domain,
    }
)
"""The one table of formats of boxes, by suffix."""
