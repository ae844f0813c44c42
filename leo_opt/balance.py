"""Rounding to the type of a file so that what is rounded off cancels.

Every number may be rounded up or down. That moves a pre-activation by something at the middle of
what the layer reads, and by no more than so much around it. The first part is made 0 as far as
possible, which is most of the whole: by the bias, which is rounded anyway; by rounding entries of
the row that lie halfway to the other side, which costs next to nothing; and where a row has no such
entries, by shifting units in front that only pass their input on, whose rows have some.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from leo_opt import weights
from leo_opt.arithmetic import middle_and_radius
from leo_opt.arrays import BoolArray
from leo_opt.bounds import Bounds
from leo_opt.deviation import inputs_of, passing, rounding_spread
from leo_opt.formats import written
from leo_opt.network import FloatArray, Layer, Network, Weight

_ENOUGH = (0.5, 1.0, 4.0)
"""Spacings of a bias that entries of its row must reach together to take up what it is off: what
serves best depends on the network."""
_TINY = 2.0**-40
"""A spacing of a bias that needs no entries."""
_RAISED = 4.0
"""Times the largest shift, what units are raised by."""
_LEAST = 1e-3
"""Of what a row is off, what may be left of it."""
_CONDITION = 1e-2
"""Of the largest singular value, the least that shifts are made for."""


def balanced(network: Network, bounds: Bounds, dtype: str | None = None) -> Network:
    """`written(network, dtype)`, or the same network rounded otherwise where outputs move less.

    Each number is one of the two of the type next to its own, but that biases take up what rounding
    does to the rest.

    Parameters
    ----------
    bounds
        Of the network; outputs move little on their domain.

    Raises
    ------
    InvalidInputError
        If a number overflows, or `dtype` is unknown.
    """
    plain = written(network, dtype)
    finite = all(np.isfinite(end).all() for side in (bounds.lower, bounds.upper) for end in side)
    if plain.layers == network.layers or not finite:
        return plain
    ends = [inputs_of(network, bounds, index) for index in range(len(plain.layers))]
    moved = rounding_spread(network, plain, bounds)
    best, least = plain, moved[-1].max()
    for enough in _ENOUGH:
        other = _search(network, plain, bounds, ends, moved, enough)
        found = rounding_spread(network, other, bounds)[-1].max()
        best, least = (other, found) if found < least else (best, least)
    return best


def _search(
    network: Network,
    plain: Network,
    bounds: Bounds,
    ends: list[tuple[FloatArray, FloatArray]],
    moved: tuple[FloatArray, ...],
    enough: float,
) -> Network:
    """The network rounded from the last layer to the first.

    Parameters
    ----------
    plain
        All numbers rounded to the nearest.
    ends
        Of what each layer reads.
    moved
        How far rounding to the nearest can move each unit.
    enough
        As of `_ENOUGH`.
    """
    pairs = list(zip(network.layers, plain.layers, strict=True))
    fine = [_fine(*pair, own, enough) for pair, own in zip(pairs, ends, strict=True)]
    layers = list(plain.layers)
    wanted = np.zeros(network.output_size)
    for index in range(len(layers) - 1, -1, -1):
        near = np.full(layers[index].n_in, np.nan)
        if index:
            layer, other = pairs[index - 1]
            fit = fine[index - 1] | weights.rows_that_read(other.weight - layer.weight)
            fit &= passing(layer, bounds.lower[index - 1])
            near = np.where(fit, moved[index - 1], np.nan)
        layers[index], wanted = _balance(*pairs[index], ends[index], wanted, (fine[index], near))
    return replace(plain, layers=tuple(layers))


def _fine(
    layer: Layer, plain: Layer, ends: tuple[FloatArray, FloatArray], enough: float
) -> BoolArray:
    """Rows whose pre-activation in the middle can be set to nearly any number: by entries that may
    be rounded to the other side, or since the bias has no large spacing."""
    spacing = np.spacing(np.abs(plain.bias).astype(np.float32)).astype(np.float64)
    reached = np.zeros(layer.n_out)
    if not weights.is_sparse(plain.weight):
        steps = np.spacing(np.abs(plain.weight).astype(np.float32)).astype(np.float64)
        steps = np.where(plain.weight != layer.weight, steps, 0.0)
        reached = steps @ np.abs(middle_and_radius(*ends)[0])
    fine: BoolArray = (reached > enough * spacing) | (spacing < _TINY)
    return fine


def _balance(
    layer: Layer,
    plain: Layer,
    ends: tuple[FloatArray, FloatArray],
    wanted: FloatArray,
    places: tuple[BoolArray, BoolArray],
) -> tuple[Layer, FloatArray]:
    """A layer rounded so that its pre-activations move by what is wanted, in the middle.

    Parameters
    ----------
    plain
        The layer with all numbers rounded to the nearest.
    ends
        Of what it reads.
    wanted : (n_out,) array
    places : pair of (n_out,) and (n_in,) arrays
        Which rows are fine, and which units in front may be shifted.

    Returns
    -------
    Layer
    shifts : (n_in,) array
        How much.
    """
    middle, radius = middle_and_radius(*ends)
    difference = plain.weight - layer.weight
    target = layer.bias + wanted - difference @ middle
    (own, near), shifts = places, np.zeros(layer.n_in)
    front = np.isfinite(near)
    for raised in (0.0, _RAISED):
        # Units that are shifted are raised first, so that no shift takes them below 0.
        room = np.where(front, raised * (np.abs(shifts).max(initial=0.0) + near), 0.0)
        aim = target - plain.weight @ room
        bias = np.where(aim == layer.bias, plain.bias, _nearest(aim, plain))
        off = bias - aim
        rest = np.flatnonzero(~own & (off != 0.0))
        if not (rest.size and front.any()):
            break
        shifts = room.copy()
        columns = weights.dense(plain.weight[rest][:, front])
        found = np.linalg.lstsq(columns, -off[rest], rcond=_CONDITION)[0]
        shifts[front] += found
        change = np.zeros(layer.n_in)
        change[front] = found
        off = off + plain.weight @ change
    weight: Weight = plain.weight
    if not weights.is_sparse(weight):
        weight = weight.copy()
        for row in np.flatnonzero(own):
            _turn(layer.weight[row], weight[row], middle, radius, float(off[row]))
    return Layer(weight, bias, plain.activation), shifts


def _turn(
    exact: FloatArray, row: FloatArray, middle: FloatArray, radius: FloatArray, off: float
) -> None:
    """Round some entries of a row to the other side, in place, those first that cost least.

    Parameters
    ----------
    exact : (n,) array
    row : (n,) array
        The same rounded to the nearest.
    middle, radius : (n,) arrays
        Of what is read.
    off
        How far the pre-activation is from what it should be in the middle.
    """
    kind = np.float32
    away = np.where(row > exact, -np.inf, np.inf).astype(kind)
    other = np.nextafter(row.astype(kind), away).astype(np.float64)
    gain = (other - row) * middle
    cost = (np.abs(other - exact) - np.abs(row - exact)) * radius
    useful = np.flatnonzero((row != exact) & (gain * off < 0.0) & (cost < np.abs(gain)))
    least = _LEAST * abs(off)
    for entry in useful[np.argsort(cost[useful] / np.abs(gain[useful]))].tolist():
        left = off + gain[entry]
        if abs(left) + cost[entry] < abs(off):
            row[entry], off = other[entry], left
        if abs(off) <= least:
            return


def _nearest(values: FloatArray, plain: Layer) -> FloatArray:
    """Rounded to the type of the file, as far as it goes."""
    with np.errstate(over="ignore"):
        nearest = values.astype(np.float32).astype(np.float64)
    return np.where(np.isfinite(nearest), nearest, plain.bias)
