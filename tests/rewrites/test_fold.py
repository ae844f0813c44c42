"""Which layers may be folded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from exact_stability import exact_stability
from laws import check_draft, check_step

from leo_opt import Box, Network
from leo_opt.network import Layer
from leo_opt.rewrites import Draft, fold_layer


@pytest.mark.parametrize(
    ("activations", "layer", "folds"),
    [
        (["relu", "relu", "linear"], 0, True),
        (["relu", "linear", "linear"], 0, True),
        (["relu", "linear", "linear"], 1, True),
        (["linear", "relu", "linear"], 1, True),
        # Preprocessing is not rounded into the weights of a layer with phases.
        (["linear", "relu", "linear"], 0, False),
        # The second layer is unstable.
        (["relu", "relu", "linear"], 1, False),
    ],
)
def test_layers_that_pass_everything_on_fold(activations, layer: int, folds: bool) -> None:
    unstable = activations == ["relu", "relu", "linear"]
    network = Network.from_arrays(
        [[[1.0, 0.25], [0.5, -1.0]], [[1.0, -1.0], [0.5, 2.0]], [[1.0, 1.0]]],
        [[2.0, 2.0], [-1.0 if unstable else 9.0, 9.0], [0.0]],
        activations,
    )
    draft = Draft.begin(network, exact_stability(network, Box(-1, 1)))
    folded = fold_layer(draft, layer)
    assert (folded is not draft) == folds
    check_draft(network, folded)
    if folds:
        assert len(folded.network.layers) == 2
        assert folded.origin == tuple(k for k in range(3) if k != layer)
        # All numbers are small multiples of 1/8, so that nothing is rounded.
        assert folded.deviation.tolist() == [0.0]


def test_a_fold_that_overflows_is_left_alone() -> None:
    network = Network.from_arrays([[[1e200]], [[1e200]]], [[1e201], [0.0]])
    draft = Draft.begin(network, exact_stability(network, Box(-1, 1)))
    assert draft.units[0].active.all()
    assert fold_layer(draft, 0) is draft
    assert np.isfinite(draft.deviation).all()


def test_what_a_moved_unit_clips_counts() -> None:
    """The unit was never negative until an earlier rewrite moved its input."""
    network = Network.from_arrays([[[1.0]], [[3.0]]], [[0.0], [0.0]])
    draft = Draft.begin(network, exact_stability(network, Box(0, 1)))
    moved = Network((replace(network.layers[0], bias=np.array([-0.25])), network.layers[1]))
    units = (replace(draft.units[0], drift=np.array([0.25])), draft.units[1])
    folded = fold_layer(replace(draft, network=moved, units=units), 0)
    assert len(folded.network.layers) == 1
    assert moved(np.zeros(1))[0] - folded.network(np.zeros(1))[0] == 0.75
    assert folded.deviation[0] >= 0.75


@pytest.mark.parametrize("tag", ["relu", "linear"])
@pytest.mark.parametrize("factor", [1.0, 0.3, -2.0])
@pytest.mark.parametrize("bias", [0.0, 0.25])
@pytest.mark.parametrize("hidden", [True, False])
def test_a_layer_of_which_rectifiers_are_copied_folds(tag, factor, bias, hidden) -> None:
    """One unit copies a rectifier, another reads a linear unit; also where units have moved."""
    layers = [
        Layer([[1.0, -1.0], [0.3, 1.0]], [0.1, -0.2], ["relu", "linear"]),
        Layer([[factor, 0.0], [0.0, 0.7]], [bias, 0.1], [tag, "relu"]),
        Layer(np.eye(2), [0.0, 0.0]),
    ]
    network = Network(tuple(layers if hidden else layers[:2]))
    draft = Draft.begin(network, exact_stability(network, Box(-1, 1)))
    moved = Network(
        (Layer(layers[0].weight, [0.11, -0.2], ["relu", "linear"]), *network.layers[1:])
    )
    nothing = np.empty(0, dtype=np.int64)
    noise = ("noise", nothing, 0)
    drifted = replace(draft, network=moved).note(0, np.array([0.0100001, 0.0]), 0, noise)
    for before in (draft, drifted):
        folded = fold_layer(before, 0)
        assert (folded is not before) == (factor > 0 and not bias and (hidden or tag == "relu"))
        check_draft(network, folded)
        if folded is not before:
            check_step(before, folded)
            assert folded.network.layers[0].tags == ("relu", "relu")


def test_a_copy_has_moved_as_far_as_what_it_copies() -> None:
    """Below 0 that moved nothing behind the rectifier, and moves the copy's own row."""
    network = Network.from_arrays([[[1.0], [1.0]], [[2.0, 0.0], [0.0, 1.0]], [[1.0, 1.0]]],
                                  [[-2.0, 2.0], [0.0, 0.0], [0.0]])  # fmt: skip
    draft = Draft.begin(network, exact_stability(network, Box(-1, 1)))
    first = Layer(network.layers[0].weight, [-2.5, 2.0], "relu")
    moved = replace(
        draft,
        network=Network((first, *network.layers[1:])),
        units=(replace(draft.units[0], drift=np.array([0.5, 0.0])), *draft.units[1:]),
    )
    check_draft(network, moved)
    folded = fold_layer(moved, 0)
    assert len(folded.network.layers) == 2
    assert folded.units[0].drift[0] >= 1.0
    check_draft(network, folded)
