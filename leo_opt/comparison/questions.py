"""What is asked of a network: open directions of hidden units, extremes of outputs.

Every question is a direction (layer, unit, sign): the largest value of sign * pre-activation.
"""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np

from leo_opt.bounds import METHODS, Bounds, propagate
from leo_opt.comparison.keys import Counted, Natural, standing_at
from leo_opt.decisions.findings import Direction
from leo_opt.decisions.scope import Scope, find_scopes
from leo_opt.domain import Box
from leo_opt.errors import InvalidInputError
from leo_opt.formulations.plans import switching_units
from leo_opt.network import Network


class Questions(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag=str.lower
):
    """One entry of `[[questions]]`: directions, once network and box are known."""

    def check(self, name: str, network: Network) -> None:
        """Refuse what a network does not have.

        Raises
        ------
        InvalidInputError
            Naming the network and what it has.
        """
        if len(network.layers) < 2:
            raise InvalidInputError(
                f"network {name} has one layer, whose bounds are exact; leave it out"
            )

    def choose(self, network: Network, domain: Box) -> list[Direction]:
        """The directions of one network on one box, sorted; the same ones every time."""
        raise NotImplementedError


class Directions(Questions, frozen=True):
    """A sample of the directions that bounds and random inputs leave open.

    Parameters
    ----------
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
    """

    count: Counted | None = None
    seed: Natural = 0
    layers: tuple[Natural, ...] = ()
    bounds: str = "crown"
    random_points: Natural = 0
    binaries: tuple[Natural, Natural] | None = None

    def __post_init__(self) -> None:
        with standing_at("bounds"):
            METHODS.find(self.bounds)
        if self.binaries is not None and self.binaries[0] > self.binaries[1]:
            raise ValueError(f"binaries is {self.binaries}; give the least first, then the most")

    def check(self, name: str, network: Network) -> None:
        """Refuse layers that are not hidden, or that intervals decide."""
        super().check(name, network)
        for index in self.layers:
            if index not in network.hidden_layers or index == 0:
                known = ", ".join(str(k) for k in network.hidden_layers if k)
                raise InvalidInputError(
                    f"layers has {index}; network {name} has the hidden layers "
                    f"{known or 'none'} after layer 0, whose bounds are exact"
                )

    def choose(self, network: Network, domain: Box) -> list[Direction]:
        """Those that are open, in the range of binaries, as many as are asked for."""
        box = domain.spread(network.input_size)
        bounds = propagate(network, box, self.bounds)
        generator = np.random.default_rng(self.seed)
        points = box.sample(self.random_points, generator) if self.random_points else None
        seen = None if points is None else network.pre_activations(points)
        layers = sorted(set(self.layers)) or tuple(k for k in network.hidden_layers if k)
        found = []
        for layer in layers:
            for unit in np.flatnonzero((bounds.lower[layer] < 0.0) & (bounds.upper[layer] > 0.0)):
                for sign in (1, -1):
                    if seen is None or (sign * seen[layer][:, unit]).max() <= 0.0:
                        found.append(Direction(layer, int(unit), sign))
        chosen: list[Direction] = []
        for k in generator.permutation(len(found)):
            if self.count is not None and len(chosen) == self.count:
                break
            if self.binaries is None or _fits(network, box, bounds, found[k], self.binaries):
                chosen.append(found[k])
        return sorted(chosen)


class Outputs(Questions, frozen=True):
    """The largest or smallest values of outputs.

    Parameters
    ----------
    outputs
        Which ones, or () for all.
    sense
        What is asked of each.
    """

    outputs: tuple[Natural, ...] = ()
    sense: Literal["maximize", "minimize", "both"] = "maximize"

    def check(self, name: str, network: Network) -> None:
        """Refuse outputs that a network does not have."""
        super().check(name, network)
        for output in self.outputs:
            if not output < network.output_size:
                raise InvalidInputError(
                    f"outputs has {output}; network {name} has outputs 0 to "
                    f"{network.output_size - 1}"
                )

    def choose(self, network: Network, domain: Box) -> list[Direction]:  # noqa: ARG002
        """The chosen outputs, in the chosen senses."""
        last = len(network.layers) - 1
        signs = {"maximize": (1,), "minimize": (-1,), "both": (1, -1)}[self.sense]
        outputs = set(self.outputs) or range(network.output_size)
        return sorted(Direction(last, k, sign) for k in outputs for sign in signs)


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
