"""A run that goes on from any state, through a file, ends as one that was never interrupted."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from random_networks import random_box, random_network
from seeds import seeds

from leo_opt.bounds import propagate
from leo_opt.deadline import Deadline
from leo_opt.decisions import splitting, splitting_state
from leo_opt.decisions.findings import Direction
from leo_opt.decisions.splitting import Splitting, split_inputs
from leo_opt.decisions.splitting_state import Record, SplitState
from leo_opt.network import Network
from leo_opt.witnesses import Witnesses


@pytest.mark.parametrize("seed", seeds(8, of=60))
def test_every_state_leads_to_the_same_end(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splitting, "boxes_at_once", lambda network: 3)
    monkeypatch.setattr(splitting_state, "_AFTER", 0.0)
    monkeypatch.setattr(splitting_state, "_SHARE", 0.0)
    generator = np.random.default_rng((11, seed))
    network = random_network(generator)
    box = random_box(generator, network.input_size).spread(network.input_size)
    bounds = propagate(network, box)
    asked = [
        Direction(layer, unit, sign)
        for layer in network.phased_layers
        for unit in range(network.layers[layer].n_out)
        for sign in (-1, 1)
    ]

    def split(**options: Any) -> tuple[Splitting, Witnesses]:
        nothing, record = Witnesses.none(network), Record(**options)
        return split_inputs(network, bounds, asked, nothing, 40, Deadline(None), record)

    states: list[dict[str, Any]] = []
    shares = Shares()
    whole = split(
        keep=lambda state: states.append(state.to_json()),
        report=lambda share, *_: shares.append(share),
    )
    assert shares == sorted(shares)
    assert all(0.0 <= share <= 1.0 for share in shares)
    # The last word comes with the end; a round before it has one state.
    rounds = states[: len(shares) - 1]
    assert [SplitState.from_json(s, network, box).pace[1] for s in rounds] == shares[1:]
    for tree in (*rounds, states[-1]):
        text = json.dumps(tree)
        state = SplitState.from_json(json.loads(text), network, box)
        assert json.dumps(state.to_json()) == text
        more = Shares()
        resumed = split(start=state, report=more)
        assert more[0] == state.pace[1]
        assert len(more) < len(shares)
        assert_same(network, resumed, whole)


class Shares(list[float]):
    """The shares of the box that a run reports."""

    def __call__(self, share: float, bounded: int, waiting: int) -> None:
        assert bounded >= 0 <= waiting
        self.append(share)


def assert_same(
    network: Network, mine: tuple[Splitting, Witnesses], other: tuple[Splitting, Witnesses]
) -> None:
    (left, left_shown), (right, right_shown) = mine, other
    for layer in range(len(network.layers)):
        np.testing.assert_array_equal(left.lower[layer], right.lower[layer])
        np.testing.assert_array_equal(left.upper[layer], right.upper[layer])
        for name in ("below", "above"):
            first, second = getattr(left_shown, name), getattr(right_shown, name)
            np.testing.assert_array_equal(first[layer] >= 0, second[layer] >= 0)
    assert left.pieces == right.pieces


def test_a_state_answers_what_it_was_asked_within_its_budget() -> None:
    network = random_network(np.random.default_rng(0))
    box = random_box(np.random.default_rng(0), network.input_size).spread(network.input_size)
    one, other = Direction(0, 0, 1), Direction(0, 0, -1)
    begun = SplitState.begin(network, box, [one])
    assert begun.answers([one], 10)
    assert begun.answers([], 10)
    assert not begun.answers([one, other], 10)
    begun = SplitState.begin(network, box, [one, other])
    ended = SplitState(**(vars(begun) | {"reached": 10}))
    assert ended.answers([one], 10)
    assert not ended.answers([one], 11)
