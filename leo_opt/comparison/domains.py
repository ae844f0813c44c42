"""Boxes of inputs as a plan names them: a box, a file, balls around points."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from zipfile import BadZipFile

import numpy as np

from leo_opt.comparison.keys import Keys
from leo_opt.domain import Box
from leo_opt.errors import FileFormatError, InvalidInputError, LeoOptError
from leo_opt.formats import load_domain
from leo_opt.network import FloatArray


@dataclass(frozen=True)
class NamedBox:
    """A box of inputs under the name that tables show.

    Parameters
    ----------
    entry
        The name of its table in the plan, by which networks choose domains.
    name
        The entry's name; with the number of the sample where the entry has several.
    """

    entry: str
    name: str
    box: Box


def read_domain(keys: Keys, folder: Path) -> list[NamedBox]:
    """The boxes of one table of a plan.

    Raises
    ------
    LeoOptError
        Naming the key or file that is wrong.
    """
    entry = keys.text("name")
    kinds = [kind for kind in _KINDS if kind in keys]
    if len(kinds) != 1:
        found = " and ".join(kinds) or "none"
        raise InvalidInputError(
            f"{keys.where}: give exactly one of {', '.join(_KINDS)}; found {found}"
        )
    try:
        boxes = _KINDS[kinds[0]](keys, folder)
    except (InvalidInputError, FileFormatError) as error:
        if str(error).startswith(keys.where):
            raise
        raise type(error)(f"{keys.where}: {error}") from error
    keys.close()
    return [NamedBox(entry, f"{entry}{suffix}", box) for suffix, box in boxes]


Boxes = list[tuple[str, Box]]
"""What is put behind the entry's name, and the box."""


def _read_box(keys: Keys, folder: Path) -> Boxes:  # noqa: ARG001
    """`box = [0, 1]`, or `box = [[0, 0], [1, 2]]`: lower and upper."""
    return [("", _pair(keys, "box"))]


def _pair(keys: Keys, key: str) -> Box:
    sides = keys.items(key, object)
    if len(sides) != 2:
        raise keys.wrong(key, sides, "give two entries, lower and upper")
    return Box(sides[0], sides[1])


def _read_file(keys: Keys, folder: Path) -> Boxes:
    """`file = "prop.vnnlib"`: a VNN-LIB property, or .npz with lower and upper."""
    return [("", load_domain(folder / Path(keys.text("file")).expanduser()))]


def _read_point(keys: Keys, folder: Path) -> Boxes:  # noqa: ARG001
    """`point = [...]` with `radius` and perhaps `within`."""
    point = np.array(keys.items("point", float), dtype=np.float64)
    return [("", _ball(keys, point))]


def _read_samples(keys: Keys, folder: Path) -> Boxes:
    """`samples = "points.npz"` with `index`, `radius` and perhaps `array` and `within`."""
    path = folder / Path(keys.text("samples")).expanduser()
    points = _load_points(path, keys.text("array", ""))
    chosen = keys.items("index", int)
    for index in chosen:
        if not 0 <= index < len(points):
            raise keys.wrong("index", index, f"{path.name} has samples 0 to {len(points) - 1}")
    several = len(chosen) > 1
    return [(f"[{k}]" if several else "", _ball(keys, points[k])) for k in chosen]


def _ball(keys: Keys, point: FloatArray) -> Box:
    radius = keys.number("radius")
    within = _pair(keys, "within") if "within" in keys else None
    keys.known("within")
    return Box.around(point, radius, within)


def _load_points(path: Path, name: str) -> FloatArray:
    """One array of a .npz file as float64 points (N, n)."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            names = archive.files
            if not name and len(names) != 1 and "inputs" not in names:
                raise InvalidInputError(
                    f"{path} holds {', '.join(names)}; say which with array = NAME"
                )
            chosen = name or ("inputs" if "inputs" in names else names[0])
            if chosen not in names:
                raise InvalidInputError(f"{path} has no array {chosen!r}, only {', '.join(names)}")
            values = archive[chosen]
    except LeoOptError:
        raise
    except (OSError, ValueError, AttributeError, TypeError, BadZipFile) as error:
        raise InvalidInputError(f"{path} is not a .npz file of inputs: {error}") from error
    if values.dtype.kind not in "iuf" or values.ndim < 2 or not np.isfinite(values).all():
        raise InvalidInputError(
            f"{path} holds {values.dtype} of shape {values.shape}; store finite numbers, a row "
            "a sample"
        )
    points: FloatArray = values.reshape(len(values), -1).astype(np.float64)
    return points


_KINDS: Mapping[str, Callable[[Keys, Path], Boxes]] = MappingProxyType(
    {"box": _read_box, "file": _read_file, "point": _read_point, "samples": _read_samples}
)
"""The kinds of domains, by the key that tells them apart."""
