"""What each kind of Pyomo component says about the points of a model.

A component that is active and not understood would be a condition that nobody checks, so that
everything outside this table is refused by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from leo_opt.errors import InvalidInputError

READ = frozenset(
    {
        "Block",
        "Disjunct",
        "Constraint",
        "Objective",
        "SOSConstraint",
        "Disjunction",
        "LogicalConstraint",
    }
)
"""Kinds that are translated, or refused by whoever translates them."""

SILENT = frozenset(
    {
        "Var",
        "BooleanVar",
        "Param",
        "Set",
        "RangeSet",
        "Expression",
        "ExternalFunction",
        "Suffix",
        "Port",
        "BuildAction",
        "BuildCheck",
    }
)
"""Kinds that say nothing by themselves: what they mean stands in the rows that use them."""

CURES: Mapping[str, str] = MappingProxyType(
    {
        "LogicalConstraint": "core.logical_to_linear",
        "Complementarity": "mpec.simple_disjunction",
        "ContinuousSet": "dae.finite_difference",
        "DerivativeVar": "dae.finite_difference",
        "Integral": "dae.finite_difference",
        "Arc": "network.expand_arcs",
        "Connector": "core.expand_connectors",
        "PiecewiseLinearFunction": "contrib.piecewise.incremental",
    }
)
"""Pyomo's transformation into linear rows, by kind."""

_SET_SUFFIXES = frozenset({"sosno", "ref"})
"""Suffixes by which AMPL writes special ordered sets."""


def check_components(model: Any) -> None:
    """Refuse what is active in a model and not understood.

    Raises
    ------
    InvalidInputError
        If the model is no block, not constructed or not active, or with the first component that
        would be left out.
    """
    from pyomo.core.base.block import BlockData

    if not isinstance(model, BlockData):
        raise InvalidInputError(
            f"the model is a {type(model).__name__}; give a ConcreteModel or one block"
        )
    if not model.is_constructed():
        raise InvalidInputError(f"{model.name} is not constructed; call create_instance first")
    if not model.active:
        raise InvalidInputError(f"{model.name} is deactivated; activate it, or give its parent")
    if model.parent_block() is not None:
        _check_standing_alone(model)
    for block in blocks_of(model):
        for component in block.component_objects(active=True, descend_into=False):
            _check_component(component, inside_disjunct=block.ctype.__name__ == "Disjunct")


def blocks_of(model: Any) -> Iterator[Any]:
    """The active blocks and disjuncts of a model, itself first."""
    from pyomo.environ import Block
    from pyomo.gdp import Disjunct

    yield from model.block_data_objects(active=True, descend_into=(Block, Disjunct))


def refuse(component: Any, why: str) -> InvalidInputError:
    """The error that names a component and Pyomo's cure for its kind."""
    kind = component.ctype.__name__
    cure = CURES.get(kind)
    todo = (
        f"apply TransformationFactory('{cure}') first, or deactivate it"
        if cure
        else "write it as linear constraints, or deactivate it"
    )
    return InvalidInputError(f"{kind} {component.name} {why}; {todo}")


def _check_standing_alone(block: Any) -> None:
    """Refuse a part of a model some of whose rows are inactive because another part has them.

    Such rows say that they are inactive though nobody deactivated them.
    """
    from pyomo.environ import Constraint

    for part in blocks_of(block):
        for component in part.component_map(Constraint).values():
            if component.is_indexed() and component._active and not component.active:
                raise InvalidInputError(
                    f"{component.name} is left to another block that has the same rows; compile "
                    "the model that holds both"
                )


def _check_component(component: Any, inside_disjunct: bool) -> None:
    kind = component.ctype.__name__
    if kind == "ContinuousSet" and component.get_discretization_info():
        return
    if kind not in READ | SILENT:
        raise refuse(component, "is no linear constraint")
    if kind == "Objective" and inside_disjunct:
        raise InvalidInputError(
            f"Objective {component.name} stands inside a disjunct; move it out, or deactivate it"
        )
    if kind == "Suffix" and component.local_name in _SET_SUFFIXES and len(component):
        raise InvalidInputError(
            f"Suffix {component.name} makes special ordered sets in AMPL's way; write an "
            "SOSConstraint, or deactivate it"
        )
