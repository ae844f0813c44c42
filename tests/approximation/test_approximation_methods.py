"""Every method keeps within its room, is exact where there is room for all, and fits the data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from leo_opt.approximation import METHODS, costs
from leo_opt.approximation.methods import Room
from leo_opt.approximation.stages import relative
from leo_opt.approximation.targets import LayerTarget
from leo_opt.approximation.whitened import low_rank
from leo_opt.network import Layer

DENSE = [*METHODS, "hard:low_rank=0.5", "hard:support=columns", "hard:support=rows,low_rank=0.5"]
WITH_DATA = [name for name in DENSE if name != "svd"]


def target(seed: int, activation: str = "relu", height: int = 12, width: int = 20) -> LayerTarget:
    """A layer with inputs that are far from white."""
    generator = np.random.default_rng(seed)
    mixed = generator.normal(size=(400, width)) @ generator.normal(size=(width, width))
    inputs = np.maximum(mixed * np.geomspace(0.1, 2.0, width), 0.0)
    layer = Layer(generator.normal(size=(height, width)), generator.normal(size=height), activation)
    return LayerTarget(layer, inputs, layer.affine(inputs), np.eye(height))


@pytest.mark.parametrize("name", DENSE)
@pytest.mark.parametrize("entry", [1, 2])
def test_a_fit_keeps_within_its_room(name: str, entry: int) -> None:
    layer = target(0)
    for numbers in (0, 40, 100, 200):
        parts = METHODS.read(name).fit(layer, Room(numbers, entry))
        made = sum(map(costs.of_layer, parts.layers("relu")), costs.Cost())
        used = made.parameters - 12 if entry == 2 else made.multiply_adds
        assert used <= numbers, (name, numbers, made)


@pytest.mark.parametrize("name", [*DENSE, "whitened:nonlinear=false", "hard:nonlinear=false"])
def test_room_for_all_loses_next_to_nothing(name: str) -> None:
    layer = target(1)
    method = METHODS.read(name.replace(",low_rank=0.5", ""))
    parts = method.fit(layer, Room(2000))
    assert layer.error(parts.pre(layer.inputs)) < 0.02


@pytest.mark.parametrize("name", WITH_DATA)
def test_the_error_falls_with_room_and_quick_fits_are_near(name: str) -> None:
    layer = target(2)
    method = METHODS.read(name)
    errors = []
    for numbers in (64, 160, 300):
        parts = method.fit(layer, Room(numbers))
        errors.append(layer.error(parts.pre(layer.inputs)))
        quick = method.quick().fit(layer, Room(numbers))
        assert layer.error(quick.pre(layer.inputs)) < 1.5 * errors[-1] + 0.1
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[0]


def test_low_rank_is_the_best_of_its_rank() -> None:
    """Of linear responses no matrix of the rank has less error: truncated SVD of all responses."""
    layer = target(3, "linear")
    rank = 4
    centred = layer.pre - layer.pre.mean(axis=0)
    values = np.linalg.svd(centred, compute_uv=False)
    least = np.linalg.norm(values[rank:])
    parts = METHODS.read("whitened").fit(layer, Room(rank * 32))
    got = np.linalg.norm(parts.pre(layer.inputs) - layer.pre)
    assert parts.rank == rank
    # Damping costs a little.
    assert least <= got < 1.05 * least
    plain = METHODS.read("svd").fit(layer, Room(rank * 32))
    assert np.linalg.norm(plain.pre(layer.inputs) - layer.pre) > 1.2 * got
    assert np.allclose(plain.weight, best_of_rank(layer.weight, rank))


def test_what_units_do_together_counts() -> None:
    """Units whose changes cancel behind them may change: the outputs are what is kept."""
    layer, generator = target(5, "linear"), np.random.default_rng(5)
    reader = generator.normal(size=(3, 12))
    aware = replace(layer, readers=relative(reader.T @ reader, np.ones(12, dtype=bool)))
    gaps = []
    for one in (layer, aware):
        parts = METHODS.read("whitened").fit(one, Room(3 * 32))
        gaps.append(np.linalg.norm((parts.pre(layer.inputs) - layer.pre) @ reader.T))
    assert gaps[1] < 0.3 * gaps[0]


def test_low_rank_has_the_least_error_in_its_norms() -> None:
    generator = np.random.default_rng(6)
    weight, *roots = (generator.normal(size=shape) for shape in ((6, 9), (6, 6), (9, 9)))
    left, right = low_rank(weight, roots[1] @ roots[1].T, 2, roots[0].T @ roots[0])
    least = np.linalg.svd(roots[0] @ weight @ roots[1], compute_uv=False)[2:]
    got = roots[0] @ (left @ right - weight) @ roots[1]
    assert np.linalg.norm(got) == pytest.approx(np.linalg.norm(least))


def best_of_rank(weight: np.ndarray, rank: int) -> np.ndarray:
    left, values, right = np.linalg.svd(weight)
    return (left[:, :rank] * values[:rank]) @ right[:rank]


def test_the_hessian_beats_magnitudes_and_the_nonlinear_step_helps() -> None:
    layer = target(4)
    room = Room(150)

    def error(name: str) -> float:
        return layer.error(METHODS.read(name).fit(layer, room).pre(layer.inputs))

    largest = np.zeros_like(layer.weight)
    order = np.argsort(-np.abs(layer.weight), axis=None)[: room.entries]
    largest.flat[order] = layer.weight.flat[order]
    cut = layer.error(layer.inputs @ largest.T + layer.layer.bias)
    assert error("hard") < error("hard:nonlinear=false") < 0.7 * cut


def test_residuals_of_the_iteration_fall() -> None:
    found = METHODS.read("hard:rounds=1,low_rank=0.5").fit(target(5), Room(150)).residuals
    assert len(found.primal) == len(found.dual) == len(found.penalty) == 60
    assert found.primal[-1] < 0.1 * max(found.primal)


@pytest.mark.parametrize("aware", [True, False])
def test_filter_groups_are_exact_where_ranks_allow_it(aware: bool) -> None:
    """Two groups of channels, shuffled, of each of which two filters say all."""
    generator = np.random.default_rng(6)
    channels, window, height = 6, 4, 9
    groups = np.split(generator.permutation(channels) if aware else np.arange(channels), 2)
    weight = np.zeros((height, channels, window))
    inputs = np.zeros((500, channels, window))
    for own in groups:
        low = generator.normal(size=(height, 2)) @ generator.normal(size=(2, 3 * window))
        weight[:, own] = low.reshape(height, 3, window)
        common = generator.normal(size=(500, 1, window))
        inputs[:, own] = common + 0.5 * generator.normal(size=(500, 3, window))
    layer = Layer(weight.reshape(height, -1), np.zeros(height), "relu")
    rows = inputs.reshape(500, -1)
    room = Room(2 * (24 + 2 * height))
    case = LayerTarget(layer, rows, layer.affine(rows), np.eye(height), channels)
    parts = METHODS.read(f"filter-groups:groups=2,data_aware={aware}").fit(case, room)
    assert {frozenset(own) for own in parts.groups} == {frozenset(own) for own in groups}
    assert parts.rank == 4
    assert case.error(parts.pre(rows)) < (0.02 if aware else 1e-12)
    # One group of the same size is not enough.
    one = METHODS.read("filter-groups:groups=1").fit(case, room)
    assert case.error(one.pre(rows)) > 0.1
