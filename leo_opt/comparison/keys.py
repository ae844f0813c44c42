"""A table of a plan file whose keys are taken one by one; what is left over is refused."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from leo_opt.errors import InvalidInputError, unknown_word

_WORDS: Mapping[type, str] = MappingProxyType(
    {
        str: "a text in quotes",
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        list: "a list in [ ]",
        dict: "a table in { }",
    }
)


class Keys:
    """Reads a table of a plan; every complaint names the key and the cure.

    Parameters
    ----------
    values
        The table as `tomllib` gives it.
    where
        How messages name it, such as "plan.toml: solvers[0]".
    hints
        What messages add about keys that stand in the wrong place.
    """

    def __init__(
        self, values: object, where: str, hints: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        if not isinstance(values, dict):
            raise InvalidInputError(f"{where} is {values!r:.60}; write a table with keys")
        self._values: dict[str, Any] = dict(values)
        self._known: list[str] = []
        self._hints = hints
        self.where = where

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def text(self, key: str, default: str | None = None, known: Sequence[str] = ()) -> str:
        """A text, one of `known` where that is given."""
        value: str = self._take(key, str, default)
        if known and value not in known:
            raise self.wrong(key, value, f"known are {', '.join(known)}")
        return value

    def whole(self, key: str, default: int | None = None, least: int = 0) -> int:
        """A whole number of at least `least`."""
        value: int = self._take(key, int, default)
        if value < least:
            raise self.wrong(key, value, f"at least {least} is needed")
        return value

    def number(self, key: str, default: float | None = None, positive: bool = True) -> float:
        """A finite number, positive unless told otherwise."""
        value = float(self._take(key, float, default))
        if not math.isfinite(value) or (positive and value <= 0.0):
            needed = "a positive number" if positive else "a finite number"
            raise self.wrong(key, value, f"{needed} is needed")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value: bool = self._take(key, bool, default)
        return value

    def table(self, key: str) -> dict[str, Any]:
        """A table, empty where it is missing."""
        value: dict[str, Any] = self._take(key, dict, {})
        return value

    def items(self, key: str, kind: type, default: list[Any] | None = None) -> list[Any]:
        """A list with entries of one kind, not empty unless the default is."""
        values: list[Any] = self._take(key, list, default)
        if not values and default != []:
            raise self.wrong(key, values, "name at least one")
        for value in values:
            if not _is(value, kind):
                raise self.wrong(key, value, f"every entry must be {_WORDS[kind]}")
        return values

    def tables(self, key: str) -> list[Keys]:
        """The tables [[key]], at least one, each with its own place in messages."""
        values = self.items(key, dict)
        places = [f"{self.where}: {key}[{k}]" for k in range(len(values))]
        return [Keys(*pair, self._hints) for pair in zip(values, places, strict=True)]

    def known(self, key: str) -> None:
        """Count a key among the known ones, whether or not it is there."""
        self._known.append(key)

    def close(self) -> None:
        """Refuse keys that nobody asked for.

        Raises
        ------
        InvalidInputError
            With the first such key and all known ones.
        """
        for key in self._values:
            if key not in self._known:
                hint = self._hints.get(key, "")
                said = unknown_word("key", key, sorted(set(self._known)), hint)
                raise InvalidInputError(f"{self.where}: {said}")

    def wrong(self, key: str, value: object, cure: str) -> InvalidInputError:
        """The error that says a key has a wrong value."""
        return InvalidInputError(f"{self.where}: {key} is {value!r:.80}; {cure}")

    def _take(self, key: str, kind: type, default: Any) -> Any:
        self._known.append(key)
        if key not in self._values:
            if default is None:
                raise InvalidInputError(f"{self.where}: {key} is missing; give {_WORDS[kind]}")
            return default
        value = self._values[key]
        if not _is(value, kind):
            raise self.wrong(key, value, f"{_WORDS[kind]} is needed")
        return value


def _is(value: object, kind: type) -> bool:
    """Whether a TOML value is of a kind; a truth value is no number."""
    if kind is float:
        kinds: tuple[type, ...] = (int, float)
    else:
        kinds = (kind,)
    return isinstance(value, kinds) and (kind is bool or not isinstance(value, bool))
