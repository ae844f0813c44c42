"""Attributes that are computed when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

Owner = TypeVar("Owner")
Value = TypeVar("Value")


class lazy(Generic[Owner, Value]):  # noqa: N801 - used as a decorator, like property
    """`functools.cached_property` without its lock.

    Up to Python 3.11 that lock is one for all objects of a class, and a fork copies it as it is:
    where another thread computes an attribute at that moment, no thread of the child could ever
    compute it. Here two threads may both compute a value, which is the same.
    """

    def __init__(self, compute: Callable[[Owner], Value]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> lazy[Owner, Value]: ...

    @overload
    def __get__(self, instance: Owner, owner: type) -> Value: ...

    def __get__(self, instance: Owner | None, owner: type) -> Any:
        if instance is None:
            return self
        # An entry of that name comes before this descriptor from now on.
        value = vars(instance)[self._name] = self._compute(instance)
        return value
