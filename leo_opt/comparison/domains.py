"""Boxes of inputs as a plan names them: a box, a file, balls around points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import msgspec
import numpy as np

from leo_opt.comparison.keys import Filled, Finite, Positive
from leo_opt.domain import Box, read_box
from leo_opt.errors import InvalidInputError, unknown_word
from leo_opt.formats import load_domain, load_points
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


Side = Finite | tuple[Finite, ...]
"""One number for all inputs, or one for each."""


class DomainTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of `[[domains]]`: exactly one of a box, a file, a ball, balls around samples.

    Parameters
    ----------
    box
        Lower and upper.
    file
        A VNN-LIB property, or .npz with lower and upper.
    point, radius, within
        An L-infinity ball, cut with a box.
    samples, index, array
        Balls around rows of an array of a .npz file.
    """

    name: str
    box: tuple[Side, Side] | None = None
    file: str | None = None
    point: Filled[Finite] | None = None
    samples: str | None = None
    index: Filled[int] | None = None
    array: str | None = None
    radius: Positive | None = None
    within: tuple[Side, Side] | None = None

    def __post_init__(self) -> None:
        given = [key for key in self.__struct_fields__[1:] if getattr(self, key) is not None]
        kinds = [kind for kind in _KEYS if kind in given]
        if len(kinds) != 1:
            found = " and ".join(kinds) or "none"
            raise ValueError(f"give exactly one of {', '.join(_KEYS)}; found {found}")
        (kind,) = kinds
        for key in given:
            if key != kind and key not in _KEYS[kind]:
                known = ["name", kind, *_KEYS[kind]]
                raise ValueError(unknown_word(f"key beside {kind}", key, known))
        for key in _KEYS[kind]:
            if key in _NEEDED and key not in given:
                raise ValueError(f"{key} is missing; give {_NEEDED[key]}")

    def boxes(self, folder: Path) -> list[NamedBox]:
        """The boxes, of which samples are several.

        Raises
        ------
        LeoOptError
            If a file or a number is wrong.
        """
        if self.box is not None:
            return [self._named("", Box(*self.box))]
        if self.file is not None:
            return [self._named("", read_box(load_domain(folder / Path(self.file).expanduser())))]
        if self.point is not None:
            return [self._named("", self._ball(np.array(self.point)))]
        path = folder / Path(self.samples or "").expanduser()
        points, chosen = load_points(path, self.array or ""), self.index or ()
        for index in chosen:
            if not 0 <= index < len(points):
                raise InvalidInputError(
                    f"index is {index}; {path.name} has samples 0 to {len(points) - 1}"
                )
        several = len(chosen) > 1
        return [self._named(f"[{k}]" if several else "", self._ball(points[k])) for k in chosen]

    def _named(self, suffix: str, box: Box) -> NamedBox:
        return NamedBox(self.name, f"{self.name}{suffix}", box)

    def _ball(self, point: FloatArray) -> Box:
        within = None if self.within is None else Box(*self.within)
        return Box.around(point, self.radius or 0.0, within)


_KEYS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "box": (),
        "file": (),
        "point": ("radius", "within"),
        "samples": ("index", "array", "radius", "within"),
    }
)
"""The keys that tell domains apart, and those that go with each."""
_NEEDED: Mapping[str, str] = MappingProxyType(
    {"radius": "a number", "index": "a list of whole numbers"}
)
