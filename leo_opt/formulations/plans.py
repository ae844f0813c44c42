"""What the bounds say about each layer of a network: phases, and the scaling of its variables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leo_opt.arrays import BoolArray, IntArray
from leo_opt.bounds import Bounds
from leo_opt.formulations.columns import Scaling, exponent_limits, exponents_of
from leo_opt.network import FloatArray, Layer, Network

_NARROW = 2.0**-14
"""Half-widths below this, scaled as far as the row of a unit stands it, are noise: solvers leave
rows violated by up to 1e-6 and more, and take variables of such a range for fixed."""

_NOISE = 2.0**-40
"""A lower end of a rectifier this small beside its upper end is noise, such as rounding leaves:
readers of a model drop the coefficient that it would have in the row of a binary."""


@dataclass(frozen=True, eq=False)
class LayerPlan:
    """What the bounds say about one layer, in scaled units.

    Parameters
    ----------
    held, fixed : (k,), (n - k,) integer arrays
        Units that have a variable, and those that are stably inactive or constant.
    unstable, narrow, constant : (n,) boolean arrays
        Units with phases; units whose variable has no row; units whose interval is a point.
    exponent, shift : (n,) integer array and (n,) array
        Scaled pre-activation = 2**exponent * (pre-activation - shift).
    lower, upper : (n,) arrays
        Bounds of the scaled pre-activations.
    lifted : (n,) array
        How far a rectifier that passes its input up to noise can be above it, scaled.
    muted : (n,) boolean array
        Rectifiers whose post-activation is noise: it has a variable, in no row of the unit's own.
    lanes : (n,) integer array
        For identity lanes the position of the variable that they carry among those that the layer
        reads, else -1: they are that variable and have no row.
    outputs
        How the next layer reads the post-activations.
    """

    held: IntArray
    fixed: IntArray
    unstable: BoolArray
    narrow: BoolArray
    constant: BoolArray
    exponent: IntArray
    shift: FloatArray
    lower: FloatArray
    upper: FloatArray
    lifted: FloatArray
    muted: BoolArray
    lanes: IntArray
    outputs: Scaling

    @property
    def own(self) -> IntArray:
        """Units whose pre-activation has a variable of its own."""
        return self.held[(self.lanes[self.held] < 0) & ~self.muted[self.held]]

    @property
    def written(self) -> IntArray:
        """Units whose variable has a row."""
        return self.own[~self.narrow[self.own]]


def switching_units(layer: Layer, lower: FloatArray, upper: FloatArray) -> BoolArray:
    """Units that the bounds leave unstable, (n_out,), but for ends that are only noise.

    All of them have a binary, unless their whole interval is noise beside the terms of their row.
    """
    least = np.minimum(-lower, upper) > _NOISE * np.maximum(-lower, upper)
    unstable: BoolArray = layer.phased & least
    return unstable


def plan_layers(
    network: Network, inputs: Scaling, bounds: Bounds, centred: bool
) -> list[LayerPlan]:
    """Phases and scaling of all layers, one after the other."""
    plans = []
    for layer, lower, upper in zip(network.layers, bounds.lower, bounds.upper, strict=True):
        plans.append(_plan_layer(layer, inputs, lower, upper, centred))
        inputs = plans[-1].outputs
    return plans


def _plan_layer(
    layer: Layer, inputs: Scaling, lower: FloatArray, upper: FloatArray, centred: bool
) -> LayerPlan:
    """Phases and scaling of one layer that reads `inputs`.

    Centred, what is linear on the domain has a variable that ranges over about [-1, 1], too:
    branch and bound takes a variable whose range is within its tolerance for fixed, and on small
    boxes nearly all units are nearly constant.

    A unit whose interval is a point is that constant. One whose interval is not, but so narrow
    that its row would only be noise to a solver, has a variable that may be anywhere in the
    interval: a relaxation by the width, which later layers count with.

    A rectifier whose interval ends in noise below zero is linear up to that noise and has no
    binary: its variable stands for both pre- and post-activation. Where it ends in noise above
    zero, its post-activation may be anywhere in that noise.
    """
    carries = np.flatnonzero(layer.lanes >= 0)
    sources = layer.lanes[carries]
    position = np.full(layer.n_in, -1)
    position[inputs.kept] = np.arange(inputs.kept.size)
    lanes = np.full(layer.n_out, -1)
    lanes[carries] = position[sources]
    inactive = layer.phased & (upper <= 0.0)
    constant = (lower == upper) & ~inactive
    # What a lane carries is a variable of the layer below, or a constant there.
    constant[carries] = lanes[carries] < 0
    crosses = layer.phased & (lower < 0.0) & (upper > 0.0)
    unstable = switching_units(layer, lower, upper)
    # Of these post - pre is between 0 and the noise, which goes into the row.
    passing = crosses & ~unstable & (upper > -lower)
    muted = crosses & ~unstable & ~passing
    lower = np.where(muted, 0.0, lower)
    half = 0.5 * upper - 0.5 * lower
    middle = np.clip(lower + half, lower, upper)
    shift = np.where(inactive | unstable | muted | (not centred), 0.0, middle)
    reach = np.maximum(np.abs(lower - shift), np.abs(upper - shift))
    limits = exponent_limits(layer, inputs)
    exponent = exponents_of(reach, limits)
    narrow = (
        ~inactive & ~constant & ~muted & (np.ldexp(half, exponents_of(half, limits)) <= _NARROW)
    )
    shift = np.where(narrow | constant, middle, shift)
    low, high = lower - shift, upper - shift
    exponent = np.where(narrow, exponents_of(np.maximum(-low, high)), exponent)
    exponent = np.where(muted, exponents_of(upper), exponent)
    exponent = np.where(inactive | constant, 0, exponent)
    low, high = np.ldexp(low, exponent), np.ldexp(high, exponent)
    # Only differences have been rounded.
    low = np.where(shift != 0.0, np.nextafter(low, -np.inf), low)
    high = np.where(shift != 0.0, np.nextafter(high, np.inf), high)
    unstable &= ~narrow
    shift[carries] = inputs.shift[sources]
    moves = lanes >= 0
    exponent[moves] = inputs.exponent[lanes[moves]]
    low[moves], high[moves] = inputs.lower[lanes[moves]], inputs.upper[lanes[moves]]
    held = np.flatnonzero(~inactive & ~constant)
    rectified = np.where(unstable, layer.activate(low), low)[held]
    return LayerPlan(
        held=held,
        fixed=np.flatnonzero(inactive | constant),
        unstable=unstable,
        narrow=narrow,
        constant=constant,
        exponent=exponent,
        shift=shift,
        lower=low,
        upper=high,
        lifted=np.where(passing & ~narrow, np.ldexp(-lower, exponent), 0.0),
        muted=muted,
        lanes=lanes,
        outputs=Scaling(shift, held, exponent[held], rectified, high[held]),
    )
