"""Witness search of a running classification: many guesses, each tried on every open unit."""

from __future__ import annotations

import numpy as np

from leo_opt.arguments import MOST_POINTS, at_most, not_negative, read_whole
from leo_opt.deadline import Deadline
from leo_opt.decisions.findings import Direction
from leo_opt.decisions.ledger import Ledger
from leo_opt.decisions.settings import ClassifySettings
from leo_opt.network import FloatArray
from leo_opt.witnesses import ascend, best_starts, collect, first_layer_vertices

LIKELY_STARTS = range(2)
RANDOM_STARTS = range(2, 5)
"""Attempts of the ascent: from the best known input and the centre; from random points."""
RANDOM_POINTS = 1000
"""To try unless somebody says otherwise."""
read_points = at_most(MOST_POINTS, not_negative(read_whole))
_BATCH = 256
"""Most questions ascended or points tried at once, which bounds the memory."""


def sweep(ledger: Ledger, settings: ClassifySettings, deadline: Deadline) -> None:
    """Try the user's samples and the vertices of the first layer on every unit."""
    network, domain = ledger.network, ledger.domain
    if settings.samples is not None:
        samples = network.batch(settings.samples)
        ledger.witnesses = collect(network, domain, samples, ledger.witnesses, deadline)
    if ledger.all_open() and not deadline.passed:
        vertices = first_layer_vertices(network, domain)
        ledger.witnesses = collect(network, domain, vertices, ledger.witnesses, deadline)


def scatter(ledger: Ledger, count: int, seed: int, deadline: Deadline) -> None:
    """Try random points on every unit."""
    network, domain = ledger.network, ledger.domain
    generator = np.random.default_rng(seed)
    for start in range(0, count, _BATCH):
        if deadline.passed:
            return
        if ledger.all_open():
            points = domain.sample(min(_BATCH, count - start), generator)
            ledger.witnesses = collect(network, domain, points, ledger.witnesses)


def ascend_open(
    ledger: Ledger, index: int, settings: ClassifySettings, attempts: range, deadline: Deadline
) -> None:
    """Frank-Wolfe ascent for the open directions of a layer, one start an attempt."""
    network, domain = ledger.network, ledger.domain
    for attempt in attempts:
        generator = np.random.default_rng((settings.seed, index, attempt))
        directions = ledger.open(index)
        for start in range(0, len(directions), _BATCH):
            if deadline.passed:
                return
            batch = directions[start : start + _BATCH]
            points = climb(ledger, batch, _starts(ledger, batch, attempt, generator), deadline)
            ledger.witnesses = collect(network, domain, points, ledger.witnesses)


def best_known(ledger: Ledger, directions: list[Direction], deadline: Deadline) -> FloatArray:
    """For each direction of one layer the highest input that one ascent finds, (m, n_in)."""
    starts = _starts(ledger, directions, 0, np.random.default_rng(0))
    return climb(ledger, directions, starts, deadline)


def _starts(
    ledger: Ledger, directions: list[Direction], attempt: int, generator: np.random.Generator
) -> FloatArray:
    """Starting points: first the best input of the pool, then the centre, then random points."""
    if attempt == 0:
        pool = np.vstack([ledger.domain.centre, ledger.witnesses.inputs])
        units, signs = [d.unit for d in directions], np.array([d.sign for d in directions])
        return best_starts(ledger.network, pool, directions[0].layer, units, signs)
    if attempt == 1:
        return np.repeat(ledger.domain.centre[None, :], len(directions), axis=0)
    return ledger.domain.sample(len(directions), generator)


def climb(
    ledger: Ledger, directions: list[Direction], starts: FloatArray, deadline: Deadline
) -> FloatArray:
    """Ascent for directions of one layer from one start each, (m, n_in)."""
    units = np.array([d.unit for d in directions])
    signs = np.array([d.sign for d in directions], dtype=np.float64)
    layer = directions[0].layer
    return ascend(ledger.network, ledger.domain, layer, units, signs, starts, deadline=deadline)
