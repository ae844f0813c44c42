"""Blocks on the same inputs share what holds their inputs: variables, and rows once in force."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyomo.environ as pyo
from pyomo.core.base.constraint import IndexedConstraint

from leo_opt.domain import Box
from leo_opt.formulations.ranges import is_number


class SharedRows(IndexedConstraint):  # type: ignore[misc]
    """Rows that another block has as well: active wherever those of the other are not.

    Parameters
    ----------
    index
        The rows' indices.
    twin
        The other block's constraint.
    """

    def __init__(self, index: list[Any], twin: Any) -> None:
        self._twin = twin
        super().__init__(index)

    @property
    def active(self) -> bool:
        """Whether the rows are needed."""
        return bool(self._active) and not _is_in_force(self._twin, self)

    @active.setter
    def active(self, value: bool) -> None:
        raise AttributeError(f"active cannot be set to {value}; call activate or deactivate")


def _is_in_force(twin: Any, rows: Any) -> bool:
    """Whether a constraint holds unconditionally in the model that holds other rows."""
    model, block = rows.model(), twin.parent_block() if twin.active else None
    while block is not None and block.active and block.ctype is pyo.Block:
        if block is model:
            return True
        block = block.parent_block()
    return False


@dataclass(frozen=True, eq=False)
class Source:
    """A block that holds some of the same inputs on the same intervals.

    Parameters
    ----------
    block
    places
        Its index of each input that it holds, by ours.
    """

    block: Any
    places: dict[int, int]

    def component(self, name: str) -> Any | None:
        """The block's component of that name."""
        return self.block.component(name)


def find_source(entries: list[Any], domain: Box) -> Source | None:
    """The earlier block that holds most of the inputs, if any does.

    Parameters
    ----------
    entries
        Numbers, variables and expressions; only an input that is the same object is the same.
    """
    own = {id(entry): k for k, entry in enumerate(entries) if not is_number(entry)}
    best: Source | None = None
    for block in _candidates(entries):
        theirs = block.domain
        places = {}
        for j, given in block.inputs.items():
            k = own.get(id(_held(given)))
            if k is not None and (domain.lower[k], domain.upper[k]) == (
                theirs.lower[j],
                theirs.upper[j],
            ):
                places[k] = j
        if places and (best is None or len(places) > len(best.places)):
            best = Source(block, places)
    return best


def _held(given: Any) -> Any:
    """What stands in a block's `inputs`: a variable, or what the named expression holds."""
    return given.expr if given.is_named_expression_type() else given


def _candidates(entries: list[Any]) -> Iterator[Any]:
    """Blocks of networks in the models of the inputs, outside of disjuncts."""
    from pyomo.core.expr import identify_variables

    seen = set()
    for entry in entries:
        if is_number(entry):
            continue
        for variable in identify_variables(entry, include_fixed=True):
            model = variable.model()
            if model is None or id(model) in seen:
                continue
            seen.add(id(model))
            for block in model.block_data_objects(active=True, descend_into=pyo.Block):
                if block.component("scaled_pre") is not None:
                    yield block
            break
