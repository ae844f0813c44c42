"""Things of one kind by name: ours in a literal table, others through entry points."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from inspect import isabstract
from typing import Any, Generic, TypeVar, cast

import msgspec

from leo_opt.arguments import refuse
from leo_opt.errors import InvalidInputError, SolverNotAvailableError, unknown_word

T = TypeVar("T")

_log = logging.getLogger("leo_opt")


class Registry(Mapping[str, type[T]], Generic[T]):
    """The classes of one kind that this package has, and the way to those of other packages.

    As a mapping it holds ours; each is imported when it is looked up.

    Parameters
    ----------
    word
        What messages call one of the kind, such as "solver".
    group
        Entry-point group in which other packages name their classes.
    kind
        The class that all of them inherit.
    own
        For each name of ours "module:Class".
    besides
        What can be named besides, for messages.
    """

    def __init__(
        self, word: str, group: str, kind: type, own: Mapping[str, str], besides: str = ""
    ) -> None:
        self.word, self.group = word, group
        self._kind: Any = kind
        self._own, self._besides = dict(own), besides

    def __getitem__(self, name: str) -> type[T]:
        module, _, attribute = self._own[name].partition(":")
        found: type[T] = getattr(importlib.import_module(module), attribute)
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._own

    def __iter__(self) -> Iterator[str]:
        return iter(self._own)

    def __len__(self) -> int:
        return len(self._own)

    def class_named(self, attribute: str) -> type[T] | None:
        """Our class of that name, or None."""
        ends = f":{attribute}"
        return next((self[k] for k, place in self._own.items() if place.endswith(ends)), None)

    def names(self) -> list[str]:
        """All names: ours, then those of other packages."""
        return [*self, *sorted(set(self._plugins()) - set(self))]

    def find(self, value: Any, argument: str = "") -> T:
        """What a name stands for, with its default options or those that follow it.

        Parameters
        ----------
        value
            A name, or a text with options as for `read`. One of the kind is given back as it is,
            and a class of them as its default instance.
        argument
            What messages call it; by default the word of the kind.

        Raises
        ------
        InvalidInputError
            If nothing has that name, a plug-in of that name is of another kind, or it is no name.
        SolverNotAvailableError
            If a plug-in cannot be loaded.
        """
        if isinstance(value, type) and issubclass(value, self._kind) and not isabstract(value):
            value = value()
        if isinstance(value, self._kind):
            return cast(T, value)
        if not isinstance(value, str):
            cure = f"give one of {', '.join(self.names())}{self._besides}"
            refuse(value, argument or self.word, f"a {self.word}", cure)
        if ":" in value:
            return self.read(value)
        if value in self:
            return self[value]()
        plugins = self._plugins()
        if value not in plugins:
            known = self.names()
            raise InvalidInputError(unknown_word(self.word, value, known, self._besides))
        return self._load(plugins[value])

    def read(self, text: str, more: Mapping[str, Any] | None = None) -> T:
        """What a text stands for: a name, or a name, a colon and options, as `partition:parts=4`.

        Options are fields of the class, with commas between them; several words for one have plus
        signs between them, as in `cascade:stages=lp+milp,search_nodes=50`.

        Parameters
        ----------
        more
            More options, by name.

        Raises
        ------
        InvalidInputError
            As `find` does, or if there is no such option, or it takes no such value.
        """
        name, _, rest = text.partition(":")
        said = f"{self.word} {name.strip()}"
        given = dict(more or {})
        for part in filter(None, (part.strip() for part in rest.split(","))):
            key, equals, value = map(str.strip, part.partition("="))
            if not equals:
                raise InvalidInputError(
                    f"{part!r} in {self.word} {text!r} is no option; write "
                    "name:key=value,key=value, and several words for one key as a+b"
                )
            if key in given:
                raise InvalidInputError(f"option {key} of {said} is given twice; give it once")
            given[key] = value
        found: Any = self.find(name.strip())
        known = [one.name for one in fields(found)] if is_dataclass(found) else []
        for key, value in given.items():
            if key not in known:
                has = f"; it has {', '.join(known)}" if known else ""
                raise InvalidInputError(f"{said} has no option {key!r}{has}")
            given[key] = _from_text(value, getattr(found, key), f"option {key} of {said}")
        return cast(T, replace(found, **given) if given else found)

    def _load(self, point: EntryPoint) -> T:
        """One of another package's, which may fail in its own words."""
        said = f"the plug-in {point.value} of {self.word} {point.name!r}"
        try:
            made = point.load()()
        except Exception as error:
            _log.debug("%s cannot be loaded", said, exc_info=error)
            raise SolverNotAvailableError(
                f"{said} cannot be loaded: {type(error).__name__}: {error}"
            ) from error
        if not isinstance(made, self._kind):
            raise InvalidInputError(
                f"{said} makes a {type(made).__name__}; it must be a subclass of "
                f"{self._kind.__module__}.{self._kind.__name__}"
            )
        return cast(T, made)

    def _plugins(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.group)}


def _from_text(value: Any, default: Any, said: str) -> Any:
    """A value of the kind of the default of an option, from text; `said` is the option's name."""
    if isinstance(value, str) and isinstance(default, tuple):
        return tuple(filter(None, map(str.strip, value.split("+"))))
    try:
        return msgspec.convert(value, type(default), strict=False)
    except msgspec.ValidationError as error:
        raise InvalidInputError(f"{said} is {value!r}; give a value such as {default!r}") from error
