"""Formulations with options from text, such as `partition:parts=4,split=equal-range`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, get_type_hints

from leo_opt.errors import InvalidInputError
from leo_opt.formulations import find
from leo_opt.formulations.base import Formulation


def read_formulation(text: str, options: Mapping[str, Any] | None = None) -> Formulation:
    """The formulation that a text names.

    Parameters
    ----------
    text
        A name, or a name, a colon and options `key=value` with commas between them.
    options
        More options.

    Raises
    ------
    InvalidInputError
        If there is no such formulation, it has no such option, or the option takes no such value.

    Examples
    --------
    >>> read_formulation("partition:parts=4")
    Partition(parts=4, split='equal-size', seed=0, part_bounds='interval')
    """
    name, _, rest = text.partition(":")
    given: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in rest.split(","))):
        key, equals, value = part.partition("=")
        if not equals:
            raise InvalidInputError(
                f"{part!r} in formulation {text!r} is no option; write name:key=value,key=value"
            )
        given[key.strip()] = value.strip()
    formulation = find(name.strip())
    given |= options or {}
    return _with_options(formulation, given) if given else formulation


def _with_options(formulation: Formulation, given: Mapping[str, Any]) -> Formulation:
    """A formulation with some of its fields changed."""
    if not dataclasses.is_dataclass(formulation):
        raise InvalidInputError(f"formulation {formulation.name} has no option {next(iter(given))}")
    types = get_type_hints(type(formulation))
    fields = [field.name for field in dataclasses.fields(formulation)]
    values = {}
    for key, value in given.items():
        if key not in fields:
            raise InvalidInputError(
                f"formulation {formulation.name} has no option {key!r}; it has {', '.join(fields)}"
            )
        try:
            values[key] = types[key](value)
        except (TypeError, ValueError) as error:
            raise InvalidInputError(
                f"option {key} of formulation {formulation.name} is {value!r}; "
                f"it takes {'an integer' if types[key] is int else types[key].__name__}"
            ) from error
    changed: Formulation = dataclasses.replace(formulation, **values)
    return changed
