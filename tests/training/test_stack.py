"""Training side by side: the gradient, independence, and going on from a checkpoint."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from leo_opt import Network, load
from leo_opt.errors import InvalidInputError
from leo_opt.training import Samples, Setting, Stack, resumed

SETTING = Setting(epochs=4, batch=16, rate=0.05, drop_every=2)


def samples(seed: int = 0, count: int = 70, width: int = 12) -> Samples:
    """Two classes and a half that a small network can tell apart."""
    generator = np.random.default_rng(seed)
    inputs = generator.random((count, width)).astype(np.float32)
    labels = (inputs[:, 0] > 0.5).astype(int) + (inputs[:, 1] > 0.7)
    return Samples(inputs, labels, inputs[:20], labels[:20])


def loss(network: Network, data: Samples, penalty: float) -> float:
    """Mean cross entropy and the penalty, in float64, by its definition."""
    outputs = network(data.inputs.astype(float))
    chosen = outputs[np.arange(len(outputs)), data.labels]
    entropy = np.log(np.exp(outputs).sum(axis=1)) - chosen
    weights = sum(np.abs(layer.weight).sum() for layer in network.layers)
    return float(entropy.mean() + penalty * weights)


@pytest.mark.parametrize("seed", range(4))
def test_a_step_goes_down_the_gradient_of_the_loss(seed: int) -> None:
    data, penalties = samples(seed), (0.0, 0.3)
    setting = Setting(batch=len(data.inputs), rate=1e-3)
    stack = Stack((12, 5, 4, 3), penalties, seed, setting)
    before = stack.networks()
    stack.run_epoch(data.inputs, data.labels)
    for network, after, penalty in zip(before, stack.networks(), penalties, strict=True):
        arrays = [(one.weight, one.bias) for one in network.layers]
        for which, layer in enumerate(network.layers):
            for part in (0, 1):
                place = tuple(np.random.default_rng(seed).integers(0, arrays[which][part].shape))

                def moved(by: float, which=which, part=part, place=place, arrays=arrays) -> Network:
                    changed = [[one.copy() for one in pair] for pair in arrays]
                    changed[which][part][place] += by
                    return Network.from_arrays(*zip(*changed, strict=True))

                step = (layer.weight, layer.bias)[part][place] - (
                    after.layers[which].weight,
                    after.layers[which].bias,
                )[part][place]
                rise = loss(moved(1e-5), data, penalty) - loss(moved(-1e-5), data, penalty)
                assert step / setting.rate == pytest.approx(rise / 2e-5, abs=2e-3)


def test_a_network_does_not_depend_on_those_beside_it() -> None:
    data = samples()
    together = Stack((12, 6, 6, 3), (0.0, 0.01, 0.03), 1, SETTING)
    alone = Stack((12, 6, 6, 3), (0.01,), 1, SETTING)
    for stack in (together, alone):
        for _ in range(SETTING.epochs):
            stack.run_epoch(data.inputs, data.labels)
    inputs = data.inputs.astype(float)
    ours = [network(inputs) for network in together.networks()]
    assert np.abs(ours[1] - alone.networks()[0](inputs)).max() < 1e-5
    assert np.abs(ours[0] - ours[1]).max() > 1e-3


def test_a_killed_training_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = samples()
    monkeypatch.setattr(resumed, "_SECONDS", -1.0)
    targets = {tmp_path / f"{name}.onnx": penalty for name, penalty in (("a", 0.0), ("b", 0.01))}
    whole = tmp_path / "whole"
    whole.mkdir()
    undisturbed = {whole / path.name: penalty for path, penalty in targets.items()}
    for _ in resumed.train_files(undisturbed, (6,), 0, data, SETTING):
        pass
    assert list(islice(resumed.train_files(targets, (6,), 0, data, SETTING), 3)) == [1, 2, 3]
    assert [path.name for path in tmp_path.glob("*.*")] == ["a.of-2.partial.npz"]
    assert list(resumed.train_files(targets, (6,), 0, data, SETTING)) == [4]
    for path in targets:
        assert load(path) == load(whole / path.name)
    assert not list(resumed.train_files(targets, (6,), 0, data, SETTING))
    assert len(list(tmp_path.glob("*.*"))) == 2


def test_what_diverges_is_told() -> None:
    data = samples()
    stack = Stack((12, 6, 3), (0.0,), 0, replace(SETTING, rate=1e30))
    with pytest.raises(InvalidInputError, match=r"diverged in epoch 0 with rate 1e\+30; use"):
        stack.run_epoch(data.inputs, data.labels)


def test_steps_are_those_of_sgd_with_momentum_and_drops_of_the_rate() -> None:
    """As PyTorch's `SGD` and `StepLR` define them, for a layer whose gradient is known."""
    data, penalty = samples(), 0.01
    stack = Stack((12, 3), (0.0, penalty), 3, SETTING)
    weight = stack.networks()[1].layers[0].weight.copy()
    velocity = np.zeros_like(weight)
    bias = bias_velocity = np.zeros(3)
    for epoch in range(SETTING.epochs):
        stack.run_epoch(data.inputs, data.labels)
        rate = SETTING.rate * SETTING.drop ** (epoch // SETTING.drop_every)
        order = np.random.default_rng([3, 1, epoch]).permutation(len(data.inputs))
        for first in range(0, len(order), SETTING.batch):
            chosen = order[first : first + SETTING.batch]
            inputs = data.inputs[chosen].astype(float)
            share = np.exp(inputs @ weight.T + bias)
            share /= share.sum(axis=1, keepdims=True)
            error = (share - np.eye(3)[data.labels[chosen]]) / len(chosen)
            gradient = error.T @ inputs + penalty * np.sign(weight)
            velocity = SETTING.momentum * velocity + gradient
            bias_velocity = SETTING.momentum * bias_velocity + error.sum(axis=0)
            weight, bias = weight - rate * velocity, bias - rate * bias_velocity
    found = stack.networks()[1].layers[0]
    assert np.abs(found.weight - weight).max() < 1e-6
    assert np.abs(found.bias - bias).max() < 1e-6
