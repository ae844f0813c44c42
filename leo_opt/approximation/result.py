"""What an approximation is, what it costs and what it moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from leo_opt.approximation.allocation import Point
from leo_opt.approximation.budgets import Budget
from leo_opt.approximation.costs import Cost
from leo_opt.approximation.methods import Method
from leo_opt.approximation.pursuit import Substitute
from leo_opt.arrays import FloatArray
from leo_opt.difference import Difference
from leo_opt.domain import Domain
from leo_opt.network import Network
from leo_opt.summarised import Reported
from leo_opt.verification.classes import ClassCheck


@dataclass(frozen=True, eq=False)
class Approximation(Reported):
    """A smaller network with nearly the same outputs, and what is known of the difference.

    Parameters
    ----------
    original, network
        The network that was given, and the smaller one.
    model
        The smaller one as an `onnx.ModelProto`, where it stays a graph; else None.
    method, budget
        How it was made, and what for.
    domain
        Where `difference` holds.
    substitutes
        What stands in the place of each layer of the network that was approximated: the original
        after lossless rewriting.
    frontier
        Choices of sizes from the original to the smallest, as the layers were weighed.
    cost_before, cost
        Of the original with all its numbers, and of the network.
    response_error
        Relative distance of the outputs on the data, in the Frobenius norm.
    difference
        What is proved and what was found of the outputs on the domain; None without one.
    classes
        Of each domain on which it was asked: whether a class can change there.
    notes
        What a user should know: data that leave numbers open, iterations that did not converge.
    """

    original: Network
    network: Network
    model: Any
    method: Method
    budget: Budget
    domain: Domain | None
    substitutes: tuple[Substitute, ...]
    frontier: tuple[Point, ...]
    cost_before: Cost
    cost: Cost
    response_error: float
    difference: Difference | None
    notes: tuple[str, ...]
    classes: tuple[ClassCheck, ...] = ()

    @property
    def share(self) -> float:
        """Numbers and indices of the network, as a share of the original's numbers."""
        return self.cost.parameters / self.cost_before.parameters

    @property
    def max_deviation(self) -> FloatArray | None:
        """Proved bound, per output, on the difference on the domain, in real arithmetic."""
        return None if self.difference is None else self.difference.bound

    @property
    def deviation(self) -> float | None:
        """The largest entry of `max_deviation`."""
        return None if self.max_deviation is None else float(np.max(self.max_deviation))

    def __repr__(self) -> str:
        proved = "not proved" if self.deviation is None else f"proved {self.deviation:.2g}"
        return (
            f"Approximation({self.cost_before.parameters} -> {self.cost.parameters} numbers, "
            f"responses within {100 * self.response_error:.2g} %, deviation {proved})"
        )
