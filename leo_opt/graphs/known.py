"""What a stability proves of the values in a graph: which never vary, and where the others lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leo_opt import weights
from leo_opt.activations import LinearPiece
from leo_opt.arithmetic import round_down, round_up
from leo_opt.arrays import BoolArray
from leo_opt.bounds import Interval, post_interval
from leo_opt.deviation import add_up, reach, reading_spread
from leo_opt.enclosure import affine_image
from leo_opt.formats.affine import Affine
from leo_opt.formats.levels import UnitBlock
from leo_opt.formats.onnx.reader import Lowered
from leo_opt.formats.rounded import Rounded
from leo_opt.network import FloatArray, read_activation
from leo_opt.stability import Stability


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of the variables of a lowered graph, arrays (variables,).

    Parameters
    ----------
    fixed
        Whether a variable has one value on the whole domain.
    numbers
        That value, 0 where there is none.
    lower, upper
        Certified intervals.
    pre_lower, pre_upper
        Those of the pre-activations, for units.
    believed_lower, believed_upper
        The same intervals as far as solvers are believed.
    moved
        How far the file's own values may be from the variables, which reading has rounded.
    """

    fixed: BoolArray
    numbers: Rounded
    lower: FloatArray
    upper: FloatArray
    pre_lower: FloatArray
    pre_upper: FloatArray
    believed_lower: FloatArray
    believed_upper: FloatArray
    moved: FloatArray

    @classmethod
    def of(cls, lowered: Lowered, stability: Stability) -> Known:
        """What a stability of the network of a graph says of its variables.

        Raises
        ------
        MismatchError
            If it is of another network.
        """
        network, pieces = lowered.network, stability.pieces(lowered.network)
        believed = stability.own_bounds(network)
        certified = stability.own_bounds(network, certified_only=True)
        spread = reading_spread(network, certified)
        box = stability.domain.spread(network.input_size).box
        same = box.lower == box.upper
        numbers = Rounded.exact(np.where(same, box.lower, 0.0))
        ends = box.lower, box.upper
        known = cls(same, numbers, *ends, *ends, *ends, np.zeros(network.input_size))
        used = dict.fromkeys(range(len(network.layers)), 0)
        for block in lowered.levels.blocks:
            index, start = block.level - 1, used[block.level - 1]
            used[index] = end = start + len(block.pre)
            ends = certified.lower[index], certified.upper[index]
            seen = believed.lower[index], believed.upper[index]
            sides = (*post_interval(network.layers[index], *ends), *ends, *seen, spread[index])
            known = known._with(
                block, pieces[index][start:end], [side[start:end] for side in sides]
            )
        return known

    @classmethod
    def nothing(cls, lowered: Lowered) -> Known:
        """Where any input may come."""
        count = lowered.network.input_size + sum(len(one.pre) for one in lowered.levels.blocks)
        ends = np.full(count, -np.inf), np.full(count, np.inf)
        zero = np.zeros(count)
        return cls(zero != 0.0, Rounded.exact(zero), *ends, *ends, *ends, zero)

    def _with(
        self,
        block: UnitBlock,
        pieces: Sequence[tuple[LinearPiece, ...]],
        sides: Sequence[FloatArray],
    ) -> Known:
        """With the variables of a block, of which the open pieces are given, and what the fields
        from `lower` on say of them."""
        fixed, pre = self.values(block.pre)
        values, error = pre.values.copy(), np.array(pre.error)
        slope = np.array([own[0].slope if len(own) == 1 else np.nan for own in pieces])
        phased = np.zeros(len(fixed), dtype=bool)
        tags = np.array(block.tags)
        for tag in dict.fromkeys(block.tags):
            activation, units = read_activation(tag), np.flatnonzero(tags == tag)
            phased[units] = activation.has_phases
            error[units] = add_up(error[units], activation.rounding(values[units]))
            values[units] = activation(values[units])
            for unit in units[~fixed[units] & (slope[units] == 0.0)].tolist():
                end = max(pieces[unit][0].lower, min(pieces[unit][0].upper, 0.0))
                values[unit], error[unit] = activation(np.array(end)), 0.0
        inactive = phased & (slope == 0.0)
        fixed = fixed | inactive
        numbers = Rounded(np.where(fixed, values, 0.0), np.where(fixed, error, 0.0))
        mine = (self.lower, self.upper, self.pre_lower, self.pre_upper)
        before = (*mine, self.believed_lower, self.believed_upper, self.moved)
        return Known(
            np.concatenate([self.fixed, fixed]),
            Rounded.joined([self.numbers, numbers]),
            *(np.concatenate(pair) for pair in zip(before, sides, strict=True)),
        )

    def values(self, given: Affine) -> tuple[BoolArray, Rounded]:
        """Which of some values never vary, and what they are; 0 for the others."""
        varies = np.zeros(len(given), dtype=bool)
        varies[given.rows[~self.fixed[given.columns]]] = True
        constant = np.flatnonzero(~varies)
        numbers = given.take(constant).behind(Affine.fixed(self.numbers))[0].shift
        values, error = np.zeros(len(given)), np.zeros(len(given))
        values[constant], error[constant] = numbers.values, numbers.error
        return ~varies, Rounded(values, error)

    def interval(self, given: Affine) -> Interval:
        """Certified intervals of some values as the file computes them."""
        shape = len(given), len(self.lower)
        weight = weights.from_entries(given.weight.values, given.columns, given.ends, shape)
        low, high = affine_image(weight, given.shift.values, self.lower, self.upper)
        if given.weight.is_exact and given.shift.is_exact and not self.moved.any():
            return low, high
        error = weights.from_entries(np.array(given.weight.error), given.columns, given.ends, shape)
        largest = add_up(np.maximum(np.abs(self.lower), np.abs(self.upper)), self.moved)
        room = add_up(reach(error, largest), reach(weight, self.moved), given.shift.error)
        return round_down(low - room), round_up(high + room)
