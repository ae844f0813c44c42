"""The L1 penalty and training of PyTorch modules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from leo_opt import compress
from leo_opt.errors import InvalidInputError
from leo_opt.torch import Setting, l1_penalty, train

pytest.importorskip("torch", reason="PyTorch is not installed")
pytestmark = pytest.mark.extras

SETTING = Setting(epochs=15, batch=16, rate=0.1, drop_every=10)


def blobs() -> tuple[Any, Any]:
    """Points of three classes."""
    import torch

    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 240)
    centres = np.array([[0.2, 0.2, 0.5], [0.8, 0.3, 0.5], [0.5, 0.8, 0.5]])
    points = np.clip(centres[labels] + 0.08 * generator.standard_normal((240, 3)), 0, 1)
    return torch.tensor(points, dtype=torch.float32), torch.tensor(labels)


def module() -> Any:
    import torch
    from torch import nn

    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(3, 20), nn.ReLU(), nn.Dropout(0.1), nn.Linear(20, 20), nn.ReLU(), nn.Linear(20, 3)
    )


def test_the_penalty_is_the_sum_of_weights_without_biases() -> None:
    import torch
    from torch import nn

    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))
    found = l1_penalty(net)
    assert found.item() == pytest.approx(
        (net[0].weight.abs().sum() + net[3].weight.abs().sum()).item()
    )
    found.backward()
    assert torch.equal(net[3].weight.grad, net[3].weight.sign())
    assert net[3].bias.grad is None
    assert net[1].weight.grad is None
    assert l1_penalty(nn.ReLU()).item() == 0.0


def test_a_module_that_is_trained_with_it_loses_units_and_keeps_its_predictions() -> None:
    inputs, labels = blobs()
    nets, removed = [module(), module()], []
    for net, penalty in zip(nets, (0.0, 5e-3), strict=True):
        train(net, inputs, labels, penalty, SETTING)
        assert not net.training
        assert (net(inputs).argmax(1) == labels).float().mean() > 0.9
        smaller = compress(net, (0, 1))
        removed.append(smaller.original.kinds.total() - smaller.network.kinds.total())
        assert bool((smaller.model(inputs).argmax(1) == net(inputs).argmax(1)).all())
    assert removed[1] > removed[0] + 10


def test_the_seed_is_of_the_order_alone() -> None:
    inputs, labels = blobs()
    found = []
    for seed in (0, 0, 1):
        net = module()[:2]
        train(net, inputs, labels, 0.0, Setting(epochs=1), seed=seed)
        found.append(net[0].weight.detach().numpy())
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


def test_what_cannot_be_trained_is_told() -> None:
    inputs, labels = blobs()
    with pytest.raises(InvalidInputError, match=r"cannot be trained: .*; give it inputs"):
        train(module(), inputs[:, :2], labels, 0.0)
    with pytest.raises(InvalidInputError, match=r"diverged in epoch 0 with rate 1e\+30"):
        train(module(), inputs, labels, 0.0, Setting(rate=1e30))
