"""A network as a Pyomo block, whatever the formulation of its unstable units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyomo.environ as pyo

from leo_opt import weights
from leo_opt.bounds import Bounds
from leo_opt.domain import Domain
from leo_opt.errors import InvalidInputError
from leo_opt.formulations.base import Formulation, Unit, UnitRow
from leo_opt.formulations.columns import Columns, constants, scale_rows
from leo_opt.formulations.inputs import add_inputs, add_joint_rows
from leo_opt.formulations.plans import LayerPlan, plan_layers
from leo_opt.formulations.rows import Row, add_expressions, add_rows, add_variables, linear, nonzero
from leo_opt.formulations.sums import SumBounds
from leo_opt.network import Layer, Network

Address = tuple[int, int]


def check_finite(bounds: Bounds) -> None:
    """Refuse a missing bound: there is no default for it.

    Raises
    ------
    InvalidInputError
        With the unit whose bound is infinite.
    """
    for layer, (lower, upper) in enumerate(zip(bounds.lower, bounds.upper, strict=True)):
        wrong = np.flatnonzero(~(np.isfinite(lower) & np.isfinite(upper)))
        if wrong.size:
            unit = int(wrong[0])
            raise InvalidInputError(
                f"bounds of unit ({layer}, {unit}) are [{lower[unit]}, {upper[unit]}]; a model "
                "needs finite bounds: give them, or shrink the domain"
            )


@dataclass(frozen=True, eq=False)
class _Variables:
    """Scaled variables of all units by address; a stably active unit's post is its pre."""

    pre: dict[Address, Any]
    post: dict[Address, Any]
    active: dict[Address, Any]


def _add_unit_variables(block: Any, plans: list[LayerPlan], formulation: Formulation) -> _Variables:
    """Add `scaled_pre`, `scaled_post` and `is_active`, empty ones too."""
    low: dict[Any, float] = {}
    high: dict[Any, float] = {}
    unstable: dict[Any, float] = {}
    muted: dict[Any, float] = {}
    for index, plan in enumerate(plans):
        lower, upper, both = plan.lower.tolist(), plan.upper.tolist(), plan.unstable.tolist()
        for unit in plan.own.tolist():
            low[index, unit], high[index, unit] = lower[unit], upper[unit]
            if both[unit]:
                unstable[index, unit] = upper[unit]
        for unit in np.flatnonzero(plan.muted).tolist():
            muted[index, unit] = upper[unit]
    rectified = unstable | muted
    pre = add_variables(block, "scaled_pre", low, high)
    post = add_variables(block, "scaled_post", dict.fromkeys(rectified, 0.0), rectified)
    active = formulation.add_binaries(block, list(unstable) if formulation.exact else [])
    pre_of = {address: pre[address] for address in low}
    post_of = {address: post[address] for address in rectified}
    return _Variables(pre_of, pre_of | post_of, dict(active.items()))


@dataclass(frozen=True, eq=False)
class _Rows:
    """What the layers add up to, filled layer by layer.

    Parameters
    ----------
    skips_unstable
        Whether the formulation writes the affine rows of unstable units.
    """

    skips_unstable: bool

    affine: dict[Any, Row]
    pre: dict[Any, Any]
    post: dict[Any, Any]
    scale: dict[Address, float]
    shift: dict[Address, float]
    units: list[Unit]
    sums: SumBounds


def _add_layer(
    index: int, layer: Layer, plan: LayerPlan, columns: Columns, variables: _Variables, rows: _Rows
) -> Columns:
    """Write the rows of one layer, and return what the next layer reads."""
    for unit in np.flatnonzero(plan.lanes >= 0).tolist():
        carried = columns.variables[plan.lanes[unit]]
        variables.pre[index, unit] = variables.post[index, unit] = carried
    for unit in plan.held.tolist():
        address = index, unit
        scale, shift = float(np.ldexp(1.0, plan.exponent[unit])), float(plan.shift[unit])
        rows.scale[address], rows.shift[address] = scale, shift
        if not plan.muted[unit]:
            rows.pre[address] = variables.pre[address] / scale + shift
        rows.post[address] = variables.post[address] / scale + shift
    written = plan.written
    scaled = scale_rows(layer, columns.scaling, written, plan.exponent[written], plan.shift)
    for k, unit in enumerate(written.tolist()):
        address = index, unit
        pre, post = variables.pre[address], variables.post[address]
        row = UnitRow(
            *address,
            coefficients=scaled.coefficients[k],
            constant=float(scaled.constant[k]),
            slack=float(scaled.slack[k]),
            inputs_lower=columns.scaling.lower,
            inputs_upper=columns.scaling.upper,
            lower=float(plan.lower[unit]),
            upper=float(plan.upper[unit]),
        )
        if plan.unstable[unit]:
            active = variables.active.get(address)
            rows.units.append(Unit(row, columns.variables, pre, post, active, rows.sums))
        if not (plan.unstable[unit] and rows.skips_unstable):
            lifted = float(plan.lifted[unit])
            rows.affine[address] = _affine_row(pre, row, columns.variables, lifted)
    _add_fixed(index, layer, plan, columns, rows)
    posts = [variables.post[index, unit] for unit in plan.held.tolist()]
    return Columns(plan.outputs, posts)


def _affine_row(pre: Any, row: UnitRow, inputs: Sequence[Any], lifted: float) -> Row:
    """The row pre - coefficients @ inputs = constant, to within the slack, or `lifted` above."""
    coefficients, variables = nonzero(-row.coefficients, inputs)
    expression = linear([1.0, *coefficients], [pre, *variables])
    upper = row.constant + row.slack
    if lifted:
        upper = float(np.nextafter(upper + lifted, np.inf))
    return row.constant - row.slack, expression, upper


def _add_fixed(index: int, layer: Layer, plan: LayerPlan, columns: Columns, rows: _Rows) -> None:
    """Units without a row: constants, and those that are stably inactive or muted.

    Only `pre` knows of the latter two.
    """
    units = np.concatenate([plan.fixed, np.flatnonzero(plan.muted)])
    offsets = constants(layer, columns.scaling, np.zeros(layer.n_out))[units].tolist()
    weight = weights.dense(layer.weight[units])[:, columns.scaling.kept]
    coefficients = np.ldexp(weight, -columns.scaling.exponent)
    for k, unit in enumerate(units.tolist()):
        address, value = (index, unit), float(plan.shift[unit])
        inputs = nonzero(coefficients[k], columns.variables)
        rows.pre[address] = value if plan.constant[unit] else linear(*inputs, offsets[k])
        if plan.muted[unit]:
            continue
        rows.post[address] = value
        rows.scale[address], rows.shift[address] = 1.0, value


def embed(
    network: Network,
    domain: Domain,
    inputs: list[Any] | None,
    formulation: Formulation,
    bounds: Bounds,
    centred: bool,
) -> Any:
    """Build the block that `formulate` describes.

    Parameters
    ----------
    domain
        Of the network's input size.
    inputs
        The user's variables and expressions, or None for variables of the block.
    bounds
        Finite, on a box that contains the domain.
    centred
        Whether `pre` and `post` of linear and stably active units may have constants.
    """
    block = pyo.Block(concrete=True)
    box = domain.box
    columns = block.reads = add_inputs(block, inputs, box)
    add_joint_rows(block, columns, domain)
    plans = plan_layers(network, columns.scaling, bounds, centred)
    variables = _add_unit_variables(block, plans, formulation)
    reads = (columns.scaling, *(plan.outputs for plan in plans[:-1]))
    sums = SumBounds(network, box, bounds, reads)
    rows = _Rows(formulation.writes_affine, {}, {}, {}, {}, {}, [], sums)
    posts = []
    for index, (layer, plan) in enumerate(zip(network.layers, plans, strict=True)):
        columns = _add_layer(index, layer, plan, columns, variables, rows)
        posts.append(columns)
    add_rows(block, "affine", rows.affine)
    formulation.add_units(block, rows.units)
    last = len(plans) - 1
    add_expressions(block, "pre", rows.pre)
    add_expressions(block, "post", rows.post)
    outputs: dict[Any, Any] = {k: rows.post[last, k] for k in range(network.output_size)}
    add_expressions(block, "outputs", outputs)
    block.network, block.domain = network, box
    block.bounds, block.posts = Bounds(domain, bounds.lower, bounds.upper), tuple(posts)
    block.scale, block.shift = rows.scale, rows.shift
    block.units = tuple(rows.units)
    block.formulation = formulation
    return block
