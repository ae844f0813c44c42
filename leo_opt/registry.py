"""Things of one kind by name: ours in a literal table, others through entry points."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from inspect import isabstract
from typing import Any, Generic, TypeVar, cast

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
        """What a name stands for, with its default options.

        Parameters
        ----------
        value
            A name. One of the kind is given back as it is, and a class of them as its default
            instance.
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
        if value in self:
            return self[value]()
        plugins = self._plugins()
        if value not in plugins:
            known = self.names()
            raise InvalidInputError(unknown_word(self.word, value, known, self._besides))
        return self._load(plugins[value])

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
