"""Activations as linear pieces, in the one table of activation tags.

A tag is a word, or a word with numbers: `relu`, `linear`, `leaky-relu(0.1)`, `clip(0,6)`. Whoever
adds an activation adds a row to `ACTIVATIONS`, and its operator to what reads files.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType

import numpy as np

from leo_opt.arrays import FloatArray
from leo_opt.errors import InvalidInputError, unknown_word
from leo_opt.lazily import lazy


@dataclass(frozen=True)
class LinearPiece:
    """One piece of an activation: on [lower, upper] its value grows with `slope`."""

    lower: float
    upper: float
    slope: float


@dataclass(frozen=True)
class Operator:
    """The operator of ONNX that computes an activation.

    Parameters
    ----------
    name
        Such as "Relu".
    attributes
        Its numbers by name.
    inputs
        Numbers that are inputs behind the first one, None where one is left out.
    """

    name: str
    attributes: tuple[tuple[str, float], ...] = ()
    inputs: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class Activation:
    """A nondecreasing, continuous, piecewise-linear function that is 0 at 0, with slopes up to 1.

    Everything else that other code asks of an activation follows from its pieces, so that nobody
    keeps a table of tags besides this file's.

    Parameters
    ----------
    pieces
        The linear pieces from left to right; together they cover the real line.
    operator
        The ONNX operator that computes it, or None for the identity.

    Raises
    ------
    InvalidInputError
        If the pieces leave gaps or two neighbours are one, or a slope is not in [0, 1].
    """

    pieces: tuple[LinearPiece, ...]
    operator: Operator | None = None

    def __post_init__(self) -> None:
        ends = [-np.inf, *(piece.upper for piece in self.pieces)]
        slopes = [piece.slope for piece in self.pieces]
        joined = [piece.lower for piece in self.pieces] == ends[:-1] and ends[-1] == np.inf
        bends = all(left != right for left, right in pairwise(slopes))
        if not (joined and bends and ends == sorted(set(ends))):
            raise InvalidInputError(
                f"the pieces {self.pieces} do not follow one another; give them from left to "
                "right, each from where the last one ends, with another slope than the last one"
            )
        if not all(0.0 <= slope <= 1.0 for slope in slopes):
            raise InvalidInputError(f"an activation has the slopes {slopes}; all must be in [0, 1]")

    @property
    def has_phases(self) -> bool:
        """Whether units of this activation can be on more than one piece."""
        return len(self.pieces) > 1

    @property
    def breakpoints(self) -> tuple[float, ...]:
        """Where one piece ends and the next begins, from left to right."""
        return tuple(piece.lower for piece in self.pieces[1:])

    @lazy
    def convex(self) -> bool:
        """Whether slopes grow from left to right, so that a chord lies above the function."""
        slopes = [piece.slope for piece in self.pieces]
        return slopes == sorted(slopes)

    @lazy
    def homogeneous(self) -> bool:
        """Whether f(c x) = c f(x) for every c > 0: all breakpoints are at 0."""
        return all(place == 0.0 for place in self.breakpoints)

    @property
    def passes_positive(self) -> bool:
        """Whether every positive number is its own value."""
        return self.pieces[-1].lower <= 0.0 and self.pieces[-1].slope == 1.0

    @lazy
    def lipschitz(self) -> float:
        """The largest slope: no difference of inputs grows beyond this factor."""
        return max(piece.slope for piece in self.pieces)

    @lazy
    def rounds(self) -> bool:
        """Whether a call may round: not where pieces are constant or pass their input on."""
        return not all(self._is_exact(piece) for piece in range(len(self.pieces)))

    @lazy
    def offsets(self) -> tuple[Fraction, ...]:
        """For each piece the c with f(x) = slope * x + c on it, in rationals."""
        middle = next(k for k, piece in enumerate(self.pieces) if piece.upper >= 0.0)
        offsets = {middle: Fraction(0)}
        for left in range(middle - 1, -1, -1):
            offsets[left] = offsets[left + 1] - self._bend(left)
        for left in range(middle, len(self.pieces) - 1):
            offsets[left + 1] = offsets[left] + self._bend(left)
        return tuple(offsets[k] for k in range(len(self.pieces)))

    def _bend(self, left: int) -> Fraction:
        """How much larger the offset is behind a piece than on it."""
        before, behind = self.pieces[left : left + 2]
        return (Fraction(before.slope) - Fraction(behind.slope)) * Fraction(behind.lower)

    def pieces_on(self, lower: float, upper: float) -> tuple[LinearPiece, ...]:
        """The pieces that an interval enters, or the left one where it is a breakpoint."""
        inside = [piece for piece in self.pieces if lower < piece.upper and upper > piece.lower]
        return tuple(inside or [piece for piece in self.pieces if lower <= piece.upper][:1])

    def __call__(self, pre: FloatArray) -> FloatArray:
        """Post-activations of pre-activations `pre` (any shape), elementwise; off by no more than
        `rounding`."""
        return self._by_piece(pre, self._line)

    def rounding(self, pre: FloatArray) -> FloatArray:
        """How far the floats that a call returns can be from the values, any shape; exactly 0 on
        pieces that are constant or pass their input on, and for infinities."""
        return self._by_piece(pre, self._line_rounding)

    def slopes(self, pre: FloatArray) -> FloatArray:
        """Derivatives at pre-activations of any shape; from below at a breakpoint."""
        return self._by_piece(pre, lambda k, pre: np.full_like(pre, self.pieces[k].slope))

    def exact(self, pre: Fraction) -> Fraction:
        """Post-activation of one pre-activation, in rationals."""
        piece = sum(pre > place for place in self.breakpoints)
        return Fraction(self.pieces[piece].slope) * pre + self.offsets[piece]

    def _by_piece(
        self, pre: FloatArray, function: Callable[[int, FloatArray], FloatArray]
    ) -> FloatArray:
        """A function of a piece and the pre-activations, each on its piece; on the left one at a
        breakpoint."""
        result = function(0, pre)
        for k, place in enumerate(self.breakpoints, start=1):
            result = np.where(pre > place, function(k, pre), result)
        return result

    def _line(self, piece: int, pre: FloatArray) -> FloatArray:
        slope, offset = self.pieces[piece].slope, float(self.offsets[piece])
        if slope == 0.0:
            return np.where(np.isnan(pre), pre, offset)
        return pre * slope + offset if offset else pre * slope

    def _line_rounding(self, piece: int, pre: FloatArray) -> FloatArray:
        slope, offset = self.pieces[piece].slope, self.offsets[piece]
        if self._is_exact(piece):
            return np.zeros_like(pre)
        # Half an ulp each of the product, the sum and the offset, doubled.
        bound = 2.0**-51 * (np.abs(pre) * slope + abs(float(offset))) + 2.0**-1000
        return np.where(np.isfinite(pre), bound, 0.0)

    def _is_exact(self, piece: int) -> bool:
        slope, offset = self.pieces[piece].slope, self.offsets[piece]
        stored = Fraction(float(offset)) == offset
        return stored and (slope == 0.0 or (slope == 1.0 and not offset))


@dataclass(frozen=True)
class Family:
    """Activations with one word, which may have numbers.

    Parameters
    ----------
    usage
        The tag as people write it, with its conditions.
    make
        The activation of some numbers, or None where these are none of the family.
    same
        The tag that means the same for some numbers, such as "relu"; by default none.
    """

    usage: str
    make: Callable[..., Activation | None]
    parameters: int = 0
    same: Callable[..., str | None] = lambda *_: None


def _leaky(slope: float) -> Activation | None:
    if not 0.0 <= slope < 1.0:
        return None
    pieces = LinearPiece(-np.inf, 0.0, slope), LinearPiece(0.0, np.inf, 1.0)
    return Activation(pieces, Operator("LeakyRelu", attributes=(("alpha", slope),)))


def _clip(lower: float, upper: float) -> Activation | None:
    if not lower <= 0.0 <= upper or lower == upper:
        return None
    pieces = (
        LinearPiece(-np.inf, lower, 0.0),
        LinearPiece(lower, upper, 1.0),
        LinearPiece(upper, np.inf, 0.0),
    )
    ends = tuple(end if math.isfinite(end) else None for end in (lower, upper))
    return Activation(
        tuple(piece for piece in pieces if piece.lower < piece.upper),
        Operator("Clip", inputs=ends),
    )


def _plain_clip(lower: float, upper: float) -> str | None:
    """What a clip is where an end is missing."""
    return {(0.0, np.inf): "relu", (-np.inf, np.inf): LINEAR}.get((lower, upper))


LINEAR = "linear"
"""The tag of units that pass their input on."""

_LINEAR = Activation((LinearPiece(-np.inf, np.inf, 1.0),))
_RELU = Activation(
    (LinearPiece(-np.inf, 0.0, 0.0), LinearPiece(0.0, np.inf, 1.0)), Operator("Relu")
)

ACTIVATIONS: Mapping[str, Family] = MappingProxyType(
    {
        LINEAR: Family(LINEAR, lambda: _LINEAR),
        "relu": Family("relu", lambda: _RELU),
        "leaky-relu": Family(
            "leaky-relu(a) with 0 <= a < 1", _leaky, 1, lambda slope: None if slope else "relu"
        ),
        "clip": Family("clip(l,u) with l <= 0 <= u and l < u", _clip, 2, _plain_clip),
    }
)
"""The one table of activations by word; all code asks it instead of comparing strings."""


def read_activation(tag: str) -> Activation:
    """The activation of a tag.

    Raises
    ------
    InvalidInputError
        If the word is unknown, or the numbers are none that it takes.

    Examples
    --------
    >>> read_activation("leaky-relu(0.1)").breakpoints
    (0.0,)
    """
    family, numbers = _read(tag)
    made = _made(family, numbers)
    if made is None:
        raise InvalidInputError(f"activation {tag!r} has wrong numbers; write {family.usage}")
    return made


def canonical(tag: str) -> str:
    """The one way to write the tag of an activation: no spaces, and the shortest numbers.

    Raises
    ------
    InvalidInputError
        As in `read_activation`.

    Examples
    --------
    >>> canonical("clip(-1.0, 6)")
    'clip(-1,6)'
    >>> canonical("leaky-relu(0)")
    'relu'
    """
    read_activation(tag)
    family, numbers = _read(tag)
    same = family.same(*numbers)
    if same is not None or not numbers:
        return same or tag
    return f"{tag.partition('(')[0]}({','.join(map(_shortest, numbers))})"


def with_pieces(tag: str, pieces: Sequence[LinearPiece]) -> str:
    """The tag of an activation that is the same on some neighbouring pieces and has no others.

    Examples
    --------
    >>> with_pieces("clip(0,6)", read_activation("clip(0,6)").pieces[:2])
    'relu'
    """
    first, last = pieces[0], pieces[-1]
    lower = -math.inf if first.slope else first.upper
    upper = math.inf if last.slope else last.lower
    wanted = [(piece.slope, piece.upper) for piece in pieces[:-1]] + [(last.slope, math.inf)]
    if lower <= 0.0 <= upper:
        clip = canonical(f"clip({lower},{upper})")
        if wanted == [(piece.slope, piece.upper) for piece in read_activation(clip).pieces]:
            return clip
    return tag


def _read(tag: object) -> tuple[Family, tuple[float, ...]]:
    """The family and the numbers that a tag names."""
    word, bracket, rest = tag.partition("(") if isinstance(tag, str) else ("", "", "")
    if word not in ACTIVATIONS:
        usages = ", ".join(family.usage for family in ACTIVATIONS.values() if family.parameters)
        raise InvalidInputError(
            unknown_word("activation", tag, ACTIVATIONS, f", of which with numbers {usages}")
        )
    family = ACTIVATIONS[word]
    texts = rest.removesuffix(")").split(",") if bracket else []
    try:
        numbers = tuple(float(text) + 0.0 for text in texts)
    except ValueError:
        numbers = ()
    written = bool(bracket) == bool(family.parameters) == rest.endswith(")")
    if len(numbers) != family.parameters or not written:
        raise InvalidInputError(
            f"activation {tag!r} needs {family.parameters} number(s) in brackets behind the word; "
            f"write {family.usage}"
            if family.parameters
            else f"activation {tag!r} takes no numbers; write {family.usage}"
        )
    return family, numbers


@lru_cache(maxsize=1000)
def _made(family: Family, numbers: tuple[float, ...]) -> Activation | None:
    """Activations are compared and asked for often, so that one is kept."""
    return family.make(*numbers)


def _shortest(number: float) -> str:
    """The shortest text that is read as a float again."""
    return repr(number).removesuffix(".0")
