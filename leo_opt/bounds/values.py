"""Intervals of pre-activations, as a value that knows its box."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from zipfile import BadZipFile

import numpy as np

from leo_opt.arguments import read_array, read_instance, read_path, read_tuple
from leo_opt.arithmetic import round_down, round_up
from leo_opt.domain import Domain, DomainLike, read_domain
from leo_opt.enclosure import evaluate
from leo_opt.errors import FileFormatError, InvalidInputError, MismatchError
from leo_opt.network import FloatArray, Layer, Network, read_network
from leo_opt.polytope import domain_from
from leo_opt.storage.files import check_readable, write_atomically
from leo_opt.summarised import Summarised

Interval = tuple[FloatArray, FloatArray]
"""Lower and upper ends, (n,) arrays."""

_CHECK_SAMPLES = 64
_ROWS = ("domain_weight", "domain_bound")
_DOMAIN = ("domain_lower", "domain_upper", *_ROWS)
"""Arrays of the domain in a file."""


@dataclass(frozen=True, eq=False)
class Bounds(Summarised):
    """An interval for every pre-activation of a network on a box.

    Parameters
    ----------
    domain
        The inputs for which the intervals hold, mostly a box.
    lower, upper : one (n_out,) array a layer
        lower <= pre-activation <= upper for every input of the box. Infinite values say that
        nothing is known.
    proved_for
        `Network.content_hash` of the network for which arithmetic alone proves them, as in what
        `propagate` returns; empty for bounds from elsewhere, which have to be believed.

    Raises
    ------
    InvalidInputError
        If the arrays do not match, hold NaN, or cross.
    """

    domain: Domain
    lower: tuple[FloatArray, ...]
    upper: tuple[FloatArray, ...]
    proved_for: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "domain", read_domain(self.domain))
        for name in ("lower", "upper"):
            sides = read_tuple(getattr(self, name), name, "a list of arrays", "give one a layer")
            object.__setattr__(self, name, sides)
        if len(self.lower) != len(self.upper):
            raise InvalidInputError(
                f"{len(self.lower)} lower and {len(self.upper)} upper arrays; give one a layer"
            )
        for name in ("lower", "upper"):
            arrays = tuple(read_array(values, name) for values in getattr(self, name))
            for values in arrays:
                values.setflags(write=False)
            object.__setattr__(self, name, arrays)
        for layer, (low, high) in enumerate(zip(self.lower, self.upper, strict=True)):
            if low.shape != high.shape or low.ndim != 1:
                raise InvalidInputError(
                    f"bounds of layer {layer} have shapes {low.shape} and {high.shape}; "
                    "both must be (n_out,)"
                )
            wrong = np.flatnonzero(~(low <= high))
            if wrong.size:
                unit = int(wrong[0])
                raise InvalidInputError(
                    f"bounds of unit ({layer}, {unit}) are [{low[unit]}, {high[unit]}]; "
                    "lower must not exceed upper and neither may be NaN"
                )

    def __repr__(self) -> str:
        widths = [low.size for low in self.lower]
        return f"Bounds({sum(widths)} units of {len(widths)} layers, on {self.domain!r})"

    @property
    def finite(self) -> bool:
        """Whether every end is a finite number, as a model needs it."""
        return all(np.isfinite(side).all() for side in (*self.lower, *self.upper))

    def intersect(self, other: Bounds) -> Bounds:
        """The intervals that both allow; `other` must hold on this box.

        Raises
        ------
        MismatchError
            If `other` is for a box that does not contain this one.
        InvalidInputError
            If two intervals are disjoint: one of them is wrong.
        """
        read_instance(other, "other", Bounds, "propagate(network, domain) makes them")
        if not other.domain.contains(self.domain):
            raise MismatchError(
                f"bounds given for {other.domain!r} do not hold on {self.domain!r}; "
                "compute them on a box that contains it"
            )
        lower = tuple(map(np.maximum, self.lower, other.lower))
        upper = tuple(map(np.minimum, self.upper, other.upper))
        both = self.proved_for if self.proved_for == other.proved_for else ""
        return Bounds(self.domain, lower, upper, both)

    def check(self, network: Network, domain: DomainLike | None = None, seed: int = 0) -> None:
        """Refuse bounds that are for another shape or box, or that sampled inputs violate.

        Parameters
        ----------
        domain
            The box on which the bounds are wanted; by default their own.

        Raises
        ------
        MismatchError
            With the unit and the value that contradicts its interval.
        """
        widths = [layer.n_out for layer in read_network(network).layers]
        if [low.size for low in self.lower] != widths:
            raise MismatchError(
                f"bounds are for layers of {[low.size for low in self.lower]} units and the "
                f"network has {widths}; they belong to another network (bounds for one with leaky "
                "units or clips are those of leo_opt.rectified(network))"
            )
        wanted = self.domain if domain is None else read_domain(domain)
        wanted = wanted.spread(network.input_size)
        own = self.domain.spread(network.input_size)
        if not own.contains(wanted):
            raise MismatchError(
                f"bounds given for {own!r} do not hold on {wanted!r}; "
                "compute them on a box that contains it"
            )
        generator = np.random.default_rng(seed)
        corners = wanted.vertices(generator.standard_normal((_CHECK_SAMPLES, network.input_size)))
        inputs = np.vstack([wanted.sample(_CHECK_SAMPLES, generator), corners])
        inputs = inputs[wanted.holds(inputs)]
        for layer, (pre, radius) in enumerate(evaluate(network, inputs)):
            below = pre + radius < self.lower[layer]
            above = pre - radius > self.upper[layer]
            if (below | above).any():
                row, unit = (int(k) for k in np.argwhere(below | above)[0])
                raise MismatchError(
                    f"bounds [{self.lower[layer][unit]}, {self.upper[layer][unit]}] of unit "
                    f"({layer}, {unit}) do not hold: an input of the box gives {pre[row, unit]}; "
                    "they belong to another network or are wrong"
                )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the bounds as `.npz` with arrays `domain_lower`, `lower_0`, `upper_0`, ...

        Those of a `Polytope` have `domain_weight` and `domain_bound`, too.
        The file is written whole or not at all; NumPy's suffix is added where it is missing.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        lower, upper, *rows = self.domain.arrays
        arrays = {"domain_lower": lower, "domain_upper": upper}
        arrays |= dict(zip(_ROWS, rows, strict=False))
        for layer, (low, high) in enumerate(zip(self.lower, self.upper, strict=True)):
            arrays[f"lower_{layer}"], arrays[f"upper_{layer}"] = low, high
        stream = io.BytesIO()
        np.savez_compressed(stream, allow_pickle=False, **arrays)
        name = read_path(path)
        write_atomically(name if name.endswith(".npz") else f"{name}.npz", stream.getvalue())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Bounds:
        """Read what `save` wrote.

        Raises
        ------
        FileFormatError
            If the file is not such an archive.
        """
        source = check_readable(path)
        try:
            with np.load(source, allow_pickle=False) as archive:
                count = sum(name.startswith("lower_") for name in archive.files)
                return cls(
                    domain_from(*(archive[name] for name in _DOMAIN if name in archive.files)),
                    tuple(archive[f"lower_{layer}"] for layer in range(count)),
                    tuple(archive[f"upper_{layer}"] for layer in range(count)),
                )
        except (OSError, KeyError, ValueError, TypeError, AttributeError, BadZipFile) as error:
            raise FileFormatError(
                f"{os.fspath(path)} does not hold bounds ({error}); write them with Bounds.save"
            ) from error


def post_interval(layer: Layer, lower: FloatArray, upper: FloatArray) -> Interval:
    """Interval of a layer's post-activations, true in real arithmetic: activations never fall."""
    lower, upper = np.asarray(lower), np.asarray(upper)
    low, high = layer.activate(lower), layer.activate(upper)
    if not layer.rounds:
        return low, high
    below, above = layer.rounding(lower), layer.rounding(upper)
    return (
        np.where(below == 0.0, low, round_down(low - below)),
        np.where(above == 0.0, high, round_up(high + above)),
    )


def read_bounds(value: object, network: Network, domain: Domain, name: str = "bounds") -> Bounds:
    """An argument that should be bounds of a network that hold on a box.

    Raises
    ------
    InvalidInputError
        If it is something else.
    MismatchError
        If the bounds are of another network or box, or sampled inputs violate them.
    """
    bounds = read_instance(value, name, Bounds, "propagate(network, domain) makes them")
    bounds.check(network, domain)
    return bounds
