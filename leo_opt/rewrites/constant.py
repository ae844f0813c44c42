"""Units, outputs and networks that do not vary on the domain become numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

import numpy as np

from leo_opt import weights
from leo_opt.arrays import BoolArray
from leo_opt.deviation import add_up
from leo_opt.network import LINEAR, FloatArray, Layer, Network, read_activation
from leo_opt.rewrites.draft import Draft, Units
from leo_opt.rewrites.rational import activate, affine, dot, round_nearest, to_fractions


def fold_constants(draft: Draft, index: int) -> Draft:
    """Fold the units of a hidden layer that do not vary on the domain into the next bias.

    The law: a unit that always has the value v adds v times its outgoing column. The bias that
    takes it up is summed in rationals and rounded once; the deviation is that rounding.
    """
    values, bare = constant_values(draft, index)
    mask = np.zeros(bare.size, dtype=bool)
    mask[list(values)] = True
    return absorb(draft, index, mask, "constant", values=values, drifts=mask & ~bare)


def constant_values(draft: Draft, index: int) -> tuple[dict[int, Fraction], BoolArray]:
    """What is certain not to vary on the domain among the units of a layer.

    A unit does not vary if it has no weights but on inputs that cannot vary, or if both ends of
    its certified interval were equal.

    Returns
    -------
    values
        The post-activation of each such unit.
    bare : (n_out,) array
        Whether that is known from the weights as they are now.
    """
    layer, units = draft.network.layers[index], draft.units[index]
    stuck = np.zeros(layer.n_in, dtype=bool)
    if index == 0:
        stuck = draft.domain.box.lower == draft.domain.box.upper
    bare = ~weights.rows_that_read(layer.weight, ~stuck)
    inputs = to_fractions(np.where(stuck, draft.inputs_of(index)[0], 0.0)) if bare.any() else []
    values = {}
    for unit in np.flatnonzero(bare | (units.lower == units.upper)).tolist():
        if bare[unit]:
            pre = Fraction(float(layer.bias[unit])) + dot(layer.weight, unit, inputs)
        else:
            pre = Fraction(float(units.lower[unit]))
        values[unit] = read_activation(layer.tags[unit]).exact(pre)
    return values, bare


def absorb(
    draft: Draft,
    index: int,
    mask: BoolArray,
    rewrite: str,
    *,
    values: Mapping[int, Fraction],
    drifts: BoolArray,
) -> Draft:
    """Delete units of a hidden layer whose post-activations are known numbers.

    Parameters
    ----------
    mask : (n_out,) array
        The units to delete.
    rewrite
        Name for the step.
    values
        Their post-activations where these are not 0.
    drifts : (n_out,) array
        Those that had the value at first and may have moved by their drift since.
    """
    if not mask.any():
        return draft
    layer, following = draft.network.layers[index : index + 2]
    try:
        bias, rounding = _bias_with(following, values)
    except OverflowError:
        return draft
    error = add_up(draft.lost(index, drifts), rounding)
    record = (rewrite, draft.units[index].index[mask], 0)
    if mask.all():
        return _make_constant(draft, index, bias, error, rewrite)
    keep = ~mask
    pair = (
        layer.take(keep),
        Layer(following.weight[:, keep], bias, following.activation),
    )
    return draft.replace_pair(index, pair, draft.units[index].take(keep), error, record)


def _bias_with(following: Layer, values: Mapping[int, Fraction]) -> tuple[FloatArray, FloatArray]:
    """Bias of a layer that has taken up constant inputs, and how far rounding moved it."""
    bias, error = following.bias.copy(), np.zeros(following.n_out)
    constants = [values.get(unit, Fraction(0)) for unit in range(following.n_in)]
    moving = np.array([value != 0 for value in constants])
    for row in np.flatnonzero(weights.rows_that_read(following.weight, moving)).tolist():
        exact = Fraction(float(bias[row])) + dot(following.weight, row, constants)
        (bias[row],), (error[row],) = round_nearest([exact])
    return bias, error


def _make_constant(
    draft: Draft, index: int, bias: FloatArray, error: FloatArray, rewrite: str
) -> Draft:
    """A network that has lost all units of a layer: a linear layer without weights.

    Parameters
    ----------
    bias, error : (n_out of the next layer,) arrays
        Pre-activations of the next layer, and how far they can be from what they were.
    """
    later = draft.network.layers[index + 1 :]
    values = activate(later[0], to_fractions(bias))
    for layer in later[1:]:
        values = activate(layer, affine(layer, values))
    try:
        outputs, rounding = round_nearest(values)
    except OverflowError:
        return draft
    record = (rewrite, draft.units[index].index, 0)
    noted = draft.note(index + 1, error, draft.origin[index], record)
    return _replace_all(noted, outputs, rounding)


def fold_outputs(draft: Draft) -> Draft:
    """Turn outputs that do not vary on the domain into rows without weights.

    The law: such an output is its value. Where no output has weights any more, the network
    becomes one linear layer. Outputs are never deleted.
    """
    last, layer, units = draft.last, draft.network.layers[-1], draft.units[-1]
    bare = ~weights.rows_that_read(layer.weight)
    values = dict.fromkeys(np.flatnonzero(units.zero(layer)).tolist(), Fraction(0))
    values |= constant_values(draft, last)[0]
    values = {unit: value for unit, value in values.items() if not bare[unit]}
    if values:
        return _bare_outputs(draft, values)
    if not bare.all() or (last == 0 and layer.is_linear):
        return draft
    record = ("constant", np.empty(0, dtype=np.int64), 0)
    noted = draft.note(last, np.zeros(layer.n_out), draft.origin[last], record)
    return _replace_all(noted, *round_nearest(activate(layer, to_fractions(layer.bias))))


def _bare_outputs(draft: Draft, values: Mapping[int, Fraction]) -> Draft:
    """Some outputs replaced by numbers that they equal but for their drift."""
    last, layer, units = draft.last, draft.network.layers[-1], draft.units[-1]
    rows = list(values)
    weight, bias, rounding = layer.weight, layer.bias.copy(), np.zeros(layer.n_out)
    weight = weights.scale_rows(weight, np.isin(np.arange(layer.n_out), rows, invert=True))
    bias[rows], rounding[rows] = round_nearest(values[row] for row in rows)
    # A leaky unit has not every number that it gives as its own value.
    tags = [
        tag if value is None or read_activation(tag).exact(value) == value else LINEAR
        for tag, value in zip(layer.tags, map(values.get, range(layer.n_out)), strict=True)
    ]
    layers = (*draft.network.layers[:-1], Layer(weight, bias, tags))
    replaced = np.isin(np.arange(layer.n_out), rows)
    known = replace(
        units,
        lower=np.where(replaced, bias, units.lower),
        upper=np.where(replaced, bias, units.upper),
        active=units.active & ~replaced,
        inactive=units.inactive & ~replaced,
    )
    changed = replace(
        draft,
        network=Network(layers, draft.network.signature),
        units=(*draft.units[:-1], known),
    )
    error = add_up(rounding, np.where(replaced, units.drift, 0.0))
    record = ("constant", np.empty(0, dtype=np.int64), 0)
    return changed.note(last, error, draft.origin[last], record)


def _replace_all(draft: Draft, outputs: FloatArray, rounding: FloatArray) -> Draft:
    """The constant network with these outputs, which rounding has moved."""
    layer = Layer(np.zeros((outputs.size, draft.network.input_size)), outputs, "linear")
    old = draft.units[-1].move(rounding)
    none = np.zeros(outputs.size, dtype=bool)
    units = Units(old.index, none, none, outputs, outputs, old.drift, outputs)
    *earlier, step = draft.steps
    step = replace(step, deviation=add_up(step.deviation, rounding))
    return replace(
        draft,
        network=Network((layer,), draft.network.signature),
        units=(units,),
        origin=(draft.origin[-1],),
        steps=(*earlier, step),
    )
