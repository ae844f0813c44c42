"""Hidden layers of rectifiers alone: a sequential network, which every reader of networks takes.

A chain carries values past layers by linear units beside rectifiers. A rectifier does the same work
where the value is never negative, and elsewhere with a shift: relu(x + s) - s = x where x >= -s.
Residual networks have been made sequential in this way before (REDNet, 2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from leo_opt import weights
from leo_opt.activations import LINEAR
from leo_opt.arithmetic import LARGEST_FACTOR, exact_dots, exact_sums, round_down, round_up
from leo_opt.arrays import BoolArray, FloatArray
from leo_opt.bounds import Bounds, propagate
from leo_opt.deviation import add_up, largest_inputs, reach
from leo_opt.network import Layer, Network, Weight
from leo_opt.rewrites.draft import Draft, Units
from leo_opt.rewrites.fold import fold_layer
from leo_opt.rewrites.slopes import scaled

PASSED, SHIFTED, SPLIT = "passed", "shifted", "split"
"""Names of the steps: linear units that Relu leaves as they are, perhaps with the other sign; such
as are shifted by their certified lower bound; such as become relu(x) - relu(-x)."""

_BITS = 10
"""Of a bias with a shift: few, so that the shift is exact in most cases, and float32 holds it."""
_ROOM = 2.0**-21
"""Room above zero, relative to the size of a unit's terms, for what a float32 file rounds."""


def make_sequential(draft: Draft) -> Draft:
    """Give every hidden layer the one tag relu, and all outputs one tag.

    The law: a linear unit x becomes relu(x + s), and the next layer reads s less, which changes
    nothing where x >= -s. The same with -x, where that needs the smaller shift: none, for a value
    that is never positive. A value with no finite bound becomes relu(x) - relu(-x), which takes two
    units. No weight changes but in sign; where biases must be rounded, that counts. Layers that
    pass everything on are folded where a dense matrix has no more numbers than the two.
    """
    draft = _fold_layers(make_plain(draft))
    bounds = propagate(draft.network, draft.domain)
    sizes = [
        np.minimum(*map(np.abs, ends)) for ends in zip(bounds.lower, bounds.upper, strict=True)
    ]
    split = _split(draft, [size > LARGEST_FACTOR for size in sizes])
    bounded = bounds if split is draft else propagate(split.network, split.domain)
    shifted = _shift(split, bounded)
    if np.isfinite(shifted.deviation).all():
        return shifted
    split = _split(draft, [size > 0.0 for size in sizes])
    return _shift(split, propagate(split.network, split.domain))


def make_plain(draft: Draft) -> Draft:
    """Give every hidden layer rectifiers and linear units alone, and all outputs one tag of these.

    The law: a leaky unit of slope a is a x + (1 - a) relu(x), a linear unit and a rectifier of the
    same row; what rounding moves their outgoing columns by counts. Linear units of a layer are few
    once their rank is reduced. Other activations are not taken (`leo_opt.rectified`).
    """
    draft = _with_plain_outputs(replace(draft, preprocessing=frozenset()))
    for index in range(draft.last):
        layer, following = draft.network.layers[index : index + 2]
        mask = _leaky(layer)
        if not mask.any():
            continue
        known, count = draft.units[index], int(mask.sum())
        columns = weights.dense(following.weight[:, mask])
        lanes, off = scaled(columns, layer.slopes(np.full(layer.n_out, -1.0))[mask])
        rest, error = exact_sums(columns, -lanes)
        off = add_up(off, np.abs(error))
        outgoing = weights.set_columns(following.weight, np.flatnonzero(mask), rest)
        pair = (
            Layer(
                weights.stack_rows(layer.weight, weights.dense(layer.weight[mask])),
                np.append(layer.bias, layer.bias[mask]),
                [*np.where(mask, "relu", layer.tags).tolist(), *[LINEAR] * count],
            ),
            Layer(weights.stack_columns(outgoing, lanes), following.bias, following.activation),
        )
        ends = known.lower[mask], known.upper[mask]
        more = known.append_passing(*ends, phased=False)
        units = replace(more, drift=np.append(known.drift, known.drift[mask]))
        largest = np.maximum(*map(np.abs, known.interval))[mask]
        record = ("rectify", known.index[mask], 2 * count)
        draft = draft.replace_pair(index, pair, units, reach(off, largest), record)
    return draft


def _shift(draft: Draft, bounds: Bounds) -> Draft:
    """All linear units of hidden layers as rectifiers, which pass their input on."""
    network = draft.network
    layers: list[Layer] = []
    errors: list[FloatArray] = []
    lanes: list[_Lanes] = []
    for index, layer in enumerate(network.layers):
        read = layer.weight, layer.bias, np.zeros(layer.n_out)
        weight, bias, error = lanes[-1].read_by(layer) if lanes else read
        tag = layer.activation
        if index < draft.last:
            room = _ROOM * reach(weight, largest_inputs(network, bounds, index))
            # Behind the first layer nothing that is read is ever negative.
            signs = _signs_of(weight) if index else np.zeros(layer.n_out)
            ends = bounds.lower[index], bounds.upper[index]
            lanes.append(_Lanes.of(~layer.phased, bias, ends, room, signs))
            weight, bias = weights.scale_rows(weight, lanes[-1].sign), lanes[-1].bias
            tag = "relu"
        layers.append(Layer(weight, bias, tag))
        errors.append(error)
    units = (*map(_Lanes.units, lanes, draft.units), draft.units[-1])
    changed = replace(draft, network=Network(tuple(layers), network.signature), units=units)
    for index, part in enumerate(lanes):
        shifted = part.shift != 0.0
        for name, mask in ((PASSED, part.linear & ~shifted), (SHIFTED, shifted)):
            error = errors[index + 1] if name == SHIFTED else np.zeros_like(errors[index + 1])
            record = (name, units[index].index[mask], int(mask.sum()))
            if mask.any():
                changed = changed.note(index + 1, error, draft.origin[index], record)
    return changed


@dataclass(frozen=True, eq=False)
class _Lanes:
    """A layer of rectifiers with the pre-activations sign * x + shift of what were units x, (n,).

    Parameters
    ----------
    linear
        Units that were linear; all others stay as they are.
    bias
        What makes the pre-activations: it is read, exactly, and the shift is a difference of biases
        that is off by at most `error`.
    """

    linear: BoolArray
    sign: FloatArray
    bias: FloatArray
    shift: FloatArray
    error: FloatArray

    @classmethod
    def of(
        cls,
        linear: BoolArray,
        bias: FloatArray,
        ends: tuple[FloatArray, FloatArray],
        room: FloatArray,
        signs: FloatArray,
    ) -> _Lanes:
        """The lanes with the smaller shifts of the two signs.

        Parameters
        ----------
        ends : pair of (n,) arrays
            Certified bounds of the units; one of them is finite where a unit is linear.
        room : (n,) array
            To be left above 0 by a shift.
        signs : (n,) array
            A sign with which all but the bias is never negative, whatever the bounds; 0 if unknown.
        """
        low, high = ends
        plain = _lifted(bias, low, room, signs > 0.0)
        other = _lifted(-bias, -high, room, signs < 0.0)
        better = np.where(signs == 0.0, other + bias < plain - bias, signs < 0.0)
        flipped = linear & (plain != bias) & ((other == -bias) | better)
        sign = np.where(flipped, -1.0, 1.0)
        chosen = np.where(linear, np.where(flipped, other, plain), bias)
        shift, rest = exact_sums(chosen, -sign * bias)
        return cls(linear, sign, chosen, shift, np.abs(rest))

    def read_by(self, layer: Layer) -> tuple[Weight, FloatArray, FloatArray]:
        """Weight and bias with which the next layer reads these, and how far that is off, (m,)."""
        weight = layer.weight
        flipped, moved = np.flatnonzero(self.sign < 0.0), np.flatnonzero(self.shift)
        if flipped.size:
            weight = weights.set_columns(weight, flipped, -weights.dense(weight[:, flipped]))
        columns = weights.dense(weight[:, moved])
        bias, error = exact_dots(columns, -self.shift[moved], layer.bias)
        # Of sums of no terms it may be said that they are rounded.
        reads = (columns != 0.0).any(axis=1)
        error = add_up(np.where(reads, error, 0.0), reach(weight, self.error))
        return weight, np.where(reads, bias, layer.bias), error

    def units(self, known: Units) -> Units:
        """What is known of the rectifiers."""
        low = np.where(self.sign < 0.0, -known.upper, known.lower)
        high = np.where(self.sign < 0.0, -known.lower, known.upper)
        still = self.shift == 0.0
        lower = np.where(still, low, round_down(round_down(low + self.shift) - self.error))
        return replace(
            known,
            active=known.active | self.linear,
            lower=lower,
            upper=np.where(still, high, round_up(round_up(high + self.shift) + self.error)),
            sure=np.where(self.linear, lower, known.sure),
        )


def _lifted(bias: FloatArray, low: FloatArray, room: FloatArray, simple: BoolArray) -> FloatArray:
    """Biases with which units that are at least `low` with their own are never negative, (n,).

    They are the own ones where that is so already, 0 where the rest is never negative (`simple`),
    and else numbers of few bits.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        mantissa, exponent = np.frexp(
            round_up(round_up(bias - low) + np.where(np.isfinite(room), room, 0.0))
        )
        # Without a bound on what is read there is no room to speak of.
        needed = np.ldexp(np.ceil(mantissa * 2.0**_BITS), exponent - _BITS)
    needed = np.where(simple, np.maximum(bias, 0.0), needed)
    return np.where(low >= 0.0, bias, needed)


def _signs_of(weight: Weight) -> FloatArray:
    """1 for rows without negative entries, -1 for rows without positive ones, else 0."""
    below = weights.rows_that_read(weights.negative_part(weight))
    above = weights.rows_that_read(weights.positive_part(weight))
    return above * ~below - 1.0 * (below & ~above)


def _fold_layers(draft: Draft) -> Draft:
    """Layers that pass everything on, folded where that makes dense matrices no larger."""
    for index in range(draft.last - 1, -1, -1):
        layer, following = draft.network.layers[index : index + 2]
        apart = (layer.n_in + 1) * layer.n_out + (layer.n_out + 1) * following.n_out
        if (layer.n_in + 1) * following.n_out <= apart:
            draft = fold_layer(draft, index)
    return draft


def _with_plain_outputs(draft: Draft) -> Draft:
    """The same with a layer of identity lanes behind outputs of several tags, or leaky ones."""
    outputs = draft.network.layers[-1]
    if isinstance(outputs.activation, str) and not _leaky(outputs).any():
        return draft
    low, high = draft.units[-1].interval
    count = outputs.n_out
    none, zeros = np.zeros(count, dtype=bool), np.zeros(count)
    behind = Layer(np.eye(count), zeros)
    ends = outputs.activate(low), outputs.activate(high)
    known = Units(np.arange(count), none, none, *ends, zeros, zeros)
    return replace(
        draft,
        network=Network((*draft.network.layers, behind), draft.network.signature),
        units=(*draft.units, replace(known, drift=draft.units[-1].drift)),
        origin=(*draft.origin, draft.origin[-1] + 1),
    )


def _leaky(layer: Layer) -> BoolArray:
    """Units that are neither rectifiers nor linear."""
    slopes = layer.slopes(np.full(layer.n_out, -1.0))
    leaky: BoolArray = (slopes != 0.0) & (slopes != 1.0)
    return leaky


def _split(draft: Draft, masks: Sequence[BoolArray]) -> Draft:
    """Linear units of some masks, one a layer, as two rectifiers each."""
    for index in range(draft.last):
        layer, following = draft.network.layers[index : index + 2]
        mask = masks[index] & ~layer.phased
        if not mask.any():
            continue
        count, known = int(mask.sum()), draft.units[index]
        tags = [*np.where(mask, "relu", layer.tags).tolist(), *["relu"] * count]
        pair = (
            Layer(
                weights.stack_rows(layer.weight, -weights.dense(layer.weight[mask])),
                np.append(layer.bias, -layer.bias[mask]),
                tags,
            ),
            Layer(
                weights.stack_columns(following.weight, -weights.dense(following.weight[:, mask])),
                following.bias,
                following.activation,
            ),
        )
        more = known.append_passing(-known.upper[mask], -known.lower[mask], phased=False)
        units = replace(more, drift=np.append(known.drift, known.drift[mask]))
        record = (SPLIT, known.index[mask], 2 * count)
        draft = draft.replace_pair(index, pair, units, np.zeros(following.n_out), record)
    return draft
