"""What a file does to the outputs of its network: a softmax, a sigmoid, the number of the winner.

None of it is piecewise linear, and bounds, verdicts and models are about the tensor in front of it.
The tail travels with the network, so that a written file ends as the one that was read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from leo_opt.arrays import FloatArray

Shape = tuple[int | str | None, ...]

WINNER = "ArgMax"
WINNERS = frozenset({WINNER, "Hardmax"})
"""Operators of which a small change may change the result by 1 and more."""


@dataclass(frozen=True)
class TailStep:
    """One operator of a tail.

    Parameters
    ----------
    operator
        A key of `OPERATORS`.
    axis
        Along which it works, in the tensor as the file shapes it; None where on each value alone.
    """

    operator: str
    axis: int | None = None


@dataclass(frozen=True)
class Tail:
    """An output of a file, made of an output of the network.

    Parameters
    ----------
    source, source_shape
        Name and shape of the tensor that the network computes.
    steps
        What is done to it; nothing where it is an output as it is.
    name, shape
        Of the output.
    dtype
        Element type of the output where it is not that of the network.
    """

    source: str
    source_shape: Shape
    steps: tuple[TailStep, ...]
    name: str
    shape: Shape
    dtype: str | None = None

    def __str__(self) -> str:
        return " and ".join(step.operator for step in self.steps)

    def batched(self, size: int) -> bool:
        """Whether the first axis is a batch, of `size` values each."""
        rest = [k for k in self.source_shape[1:] if isinstance(k, int)]
        return len(rest) == len(self.source_shape) - 1 and math.prod(rest) == size

    def __call__(self, outputs: FloatArray) -> FloatArray:
        """What the file gives for outputs (N, n) of the network, (N, m)."""
        return self._after(outputs, self.steps).reshape(len(outputs), -1)

    def _after(self, outputs: FloatArray, steps: tuple[TailStep, ...]) -> FloatArray:
        """What some steps make of outputs (N, n), in their shape."""
        shape = self.source_shape[self.batched(outputs.shape[1]) :]
        values = outputs.reshape(len(outputs), *(k for k in shape if isinstance(k, int)))
        for step in steps:
            values = OPERATORS[step.operator](values, self._axis(step, outputs.shape[1]))
        return values

    def _axis(self, step: TailStep, size: int) -> int:
        """The axis of a step where the first one is that of the rows."""
        return 0 if step.axis is None else step.axis + (not self.batched(size))

    def room(self, outputs: FloatArray, room: FloatArray) -> FloatArray:
        """How far outputs of the file may be off where those of the network are off by `room`.

        Parameters
        ----------
        outputs, room : (N, n) arrays

        Returns
        -------
        (N, m) array
            Infinite where another one may win.
        """
        if not self.steps:
            return room
        # No operator stretches the largest difference by more than 2, but for those of winners.
        most = 2.0 ** len(self.steps) * room.max(axis=1, initial=0.0)
        last = self.steps[-1]
        before = self._after(outputs, self.steps[:-1])
        spread = most.reshape(-1, *(1,) * (before.ndim - 1))
        if last.operator not in WINNERS:
            return np.broadcast_to(spread, before.shape).reshape(len(outputs), -1)
        axis = self._axis(last, outputs.shape[1])
        order = np.sort(before, axis=axis)
        first, second = (np.take(order, [k], axis) for k in (-1, max(-2, -order.shape[axis])))
        open_ = (first - second <= 2.0 * spread) & (order.shape[axis] > 1)
        if last.operator == WINNER:
            return np.where(open_, np.inf, 0.0).reshape(len(outputs), -1)
        return np.where(np.broadcast_to(open_, before.shape), np.inf, 0.0).reshape(len(outputs), -1)


def _softmax(values: FloatArray, axis: int) -> FloatArray:
    raised = np.exp(values - values.max(axis=axis, keepdims=True))
    shares: FloatArray = raised / raised.sum(axis=axis, keepdims=True)
    return shares


def _log_softmax(values: FloatArray, axis: int) -> FloatArray:
    lowered = values - values.max(axis=axis, keepdims=True)
    logarithms: FloatArray = lowered - np.log(np.exp(lowered).sum(axis=axis, keepdims=True))
    return logarithms


def _winner(values: FloatArray, axis: int) -> FloatArray:
    return np.expand_dims(values.argmax(axis=axis), axis).astype(np.float64)


def _hardmax(values: FloatArray, axis: int) -> FloatArray:
    made = np.zeros_like(values)
    np.put_along_axis(made, np.expand_dims(values.argmax(axis=axis), axis), 1.0, axis)
    return made


def _sigmoid(values: FloatArray, axis: int) -> FloatArray:  # noqa: ARG001
    raised = np.exp(-np.abs(values))
    return np.where(values >= 0.0, 1.0, raised) / (1.0 + raised)


OPERATORS: Mapping[str, Callable[[FloatArray, int], FloatArray]] = MappingProxyType(
    {
        WINNER: _winner,
        "Hardmax": _hardmax,
        "LogSoftmax": _log_softmax,
        "Sigmoid": _sigmoid,
        "Softmax": _softmax,
        "Tanh": lambda values, axis: np.tanh(values),
    }
)
"""The one table of operators of tails, from values and an axis."""

ELEMENTWISE = frozenset({"Sigmoid", "Tanh"})
"""Those that work on each value alone."""
