"""What is asked of a network: open directions of hidden units, extremes of outputs.

Every question is a direction (layer, unit, sign): the largest value of sign * pre-activation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from leo_opt.bounds import METHODS, Bounds, propagate
from leo_opt.comparison.keys import Keys
from leo_opt.decisions.findings import Direction
from leo_opt.decisions.scope import Scope, find_scopes
from leo_opt.domain import Box
from leo_opt.errors import InvalidInputError
from leo_opt.formulations.embedding import switching_units
from leo_opt.network import Network

_SIGNS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"maximize": (1,), "minimize": (-1,), "both": (1, -1)}
)


@dataclass(frozen=True)
class QuestionEntry:
    """Questions of a plan, which become directions once network and box are known.

    Parameters
    ----------
    kind
        A key of `KINDS`.
    count
        Most directions to take, or None for all.
    seed
        Of the sample.
    layers
        Layers of the directions, or () for all hidden ones.
    bounds
        The method whose bounds leave the directions open.
    random_points
        Directions whose sign one of so many random inputs shows are not open.
    binaries
        Least and most unstable units in the model of a direction, by those bounds.
    outputs
        Which outputs, or () for all.
    signs
        +1 for the largest output, -1 for the least.
    """

    kind: str
    count: int | None = None
    seed: int = 0
    layers: tuple[int, ...] = ()
    bounds: str = "crown"
    random_points: int = 0
    binaries: tuple[int, int] | None = None
    outputs: tuple[int, ...] = ()
    signs: tuple[int, ...] = (1,)

    def check(self, name: str, network: Network) -> None:
        """Refuse layers and outputs that a network does not have.

        Raises
        ------
        InvalidInputError
            Naming the network and what it has.
        """
        if len(network.layers) < 2:
            raise InvalidInputError(
                f"network {name} has one layer, whose bounds are exact; leave it out"
            )
        for layer in self.layers:
            if layer not in network.hidden_layers or layer == 0:
                known = ", ".join(str(k) for k in network.hidden_layers if k)
                raise InvalidInputError(
                    f"questions: layers has {layer}; network {name} has the hidden layers "
                    f"{known or 'none'} after layer 0, whose bounds are exact"
                )
        for output in self.outputs:
            if not output < network.output_size:
                raise InvalidInputError(
                    f"questions: outputs has {output}; network {name} has outputs 0 to "
                    f"{network.output_size - 1}"
                )

    def choose(self, network: Network, domain: Box) -> list[Direction]:
        """The directions of one network on one box, sorted; the same ones every time."""
        return KINDS[self.kind].choose(self, network, domain)


def read_question(keys: Keys) -> QuestionEntry:
    """The questions of one table of a plan.

    Raises
    ------
    InvalidInputError
        Naming the key that is wrong.
    """
    kind = keys.text("kind", known=tuple(KINDS))
    entry = KINDS[kind].read(keys)
    keys.close()
    return entry


def _read_directions(keys: Keys) -> QuestionEntry:
    count = keys.whole("count", 1, least=1) if "count" in keys else None
    keys.known("count")
    return QuestionEntry(
        kind="directions",
        count=count,
        seed=keys.whole("seed", 0),
        layers=_whole_numbers(keys, "layers"),
        bounds=keys.text("bounds", "crown", tuple(METHODS.names())),
        random_points=keys.whole("random_points", 0),
        binaries=_read_range(keys, "binaries"),
    )


def _read_outputs(keys: Keys) -> QuestionEntry:
    sense = keys.text("sense", "maximize", tuple(_SIGNS))
    outputs = _whole_numbers(keys, "outputs")
    return QuestionEntry(kind="outputs", outputs=outputs, signs=_SIGNS[sense])


def _whole_numbers(keys: Keys, key: str) -> tuple[int, ...]:
    values = keys.items(key, int, [])
    for value in values:
        if value < 0:
            raise keys.wrong(key, value, "at least 0 is needed")
    return tuple(sorted(set(values)))


def _read_range(keys: Keys, key: str) -> tuple[int, int] | None:
    if key not in keys:
        keys.known(key)
        return None
    values = keys.items(key, int)
    if len(values) != 2 or not 0 <= values[0] <= values[1]:
        raise keys.wrong(key, values, "give two numbers, the least and the most, such as [20, 100]")
    return values[0], values[1]


def _choose_directions(entry: QuestionEntry, network: Network, domain: Box) -> list[Direction]:
    """A sample of the directions that bounds and random inputs leave open."""
    box = domain.spread(network.input_size)
    bounds = propagate(network, box, entry.bounds)
    generator = np.random.default_rng(entry.seed)
    points = box.sample(entry.random_points, generator) if entry.random_points else None
    seen = None if points is None else network.pre_activations(points)
    layers = entry.layers or tuple(k for k in network.hidden_layers if k)
    found = []
    for layer in layers:
        for unit in np.flatnonzero((bounds.lower[layer] < 0.0) & (bounds.upper[layer] > 0.0)):
            for sign in (1, -1):
                if seen is None or (sign * seen[layer][:, unit]).max() <= 0.0:
                    found.append(Direction(layer, int(unit), sign))
    chosen: list[Direction] = []
    for k in generator.permutation(len(found)):
        if entry.count is not None and len(chosen) == entry.count:
            break
        if entry.binaries is None or _fits(network, box, bounds, found[k], entry.binaries):
            chosen.append(found[k])
    return sorted(chosen)


def _fits(
    network: Network, box: Box, bounds: Bounds, direction: Direction, allowed: tuple[int, int]
) -> bool:
    """Whether the model of a direction has a number of binaries within a range."""
    scope = scope_of(network, box, bounds, direction)
    return allowed[0] <= count_binaries(scope) <= allowed[1]


def scope_of(network: Network, box: Box, bounds: Bounds, direction: Direction) -> Scope:
    """What a direction depends on: its cone of influence, which ends at its unit."""
    upto = Bounds(box, bounds.lower[: direction.layer + 1], bounds.upper[: direction.layer + 1])
    part = Network(network.layers[: direction.layer + 1])
    return find_scopes(part, box, upto, [direction])[0][0]


def count_binaries(scope: Scope) -> int:
    """Unstable units below the last layer of a scope."""
    layers = zip(scope.network.layers, scope.bounds.lower, scope.bounds.upper, strict=True)
    unstable = [np.count_nonzero(switching_units(*layer)) for layer in layers]
    return int(sum(unstable[:-1]))


def _choose_outputs(entry: QuestionEntry, network: Network, domain: Box) -> list[Direction]:  # noqa: ARG001
    """The chosen outputs, in the chosen senses."""
    last = len(network.layers) - 1
    outputs = entry.outputs or tuple(range(network.output_size))
    return sorted(Direction(last, k, sign) for k in outputs for sign in entry.signs)


@dataclass(frozen=True)
class _Kind:
    """How a kind of questions is read from a plan and chosen for a network."""

    read: Callable[[Keys], QuestionEntry]
    choose: Callable[[QuestionEntry, Network, Box], list[Direction]]


KINDS: Mapping[str, _Kind] = MappingProxyType(
    {
        "directions": _Kind(_read_directions, _choose_directions),
        "outputs": _Kind(_read_outputs, _choose_outputs),
    }
)
"""The kinds of questions by name."""
