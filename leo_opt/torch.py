"""Training of PyTorch modules so that units become stable: with an L1 penalty on weights."""

from __future__ import annotations

from typing import Any

from leo_opt.errors import InvalidInputError
from leo_opt.formats.pytorch.twin import border, import_torch
from leo_opt.training import Setting

__all__ = ["Setting", "l1_penalty", "train"]


def l1_penalty(module: Any) -> Any:
    """The sum of the absolute weights of a module, as a tensor to be added to a loss.

    Weights are the parameters with two axes or more, those of linear and convolutional layers:
    biases and the scales of normalisations are left out, as in the experiments with LEO and ISA.

    Parameters
    ----------
    module : torch.nn.Module

    Returns
    -------
    tensor
        With one number, 0 for a module without weights.

    Examples
    --------
    In a training loop of your own::

        loss = criterion(module(inputs), labels) + 2e-4 * l1_penalty(module)
    """
    zero = import_torch().zeros(())
    return sum((p.abs().sum() for p in module.parameters() if p.dim() > 1), start=zero)


def train(
    module: Any,
    inputs: Any,
    labels: Any,
    penalty: float,
    setting: Setting = Setting(),  # noqa: B008
    seed: int = 0,
) -> None:
    """Train a classifier with cross entropy and the L1 penalty, in the setting of LEO's Table 1.

    The module is changed, and is in evaluation mode afterwards. Its dtype and device are those
    that the data must have.

    Parameters
    ----------
    module : torch.nn.Module
        From inputs to one number a class.
    inputs : tensor, the first axis of which are samples
    labels : (samples,) tensor
        Whole numbers.
    penalty
        What `l1_penalty` is multiplied by: 1e-4 to 1e-3 for networks of 25 to 100 units a layer
        on MNIST. The larger it is, the more units become stable.
    setting
        Epochs, batches and rates; weights are those that the module comes with.
    seed
        Of the order of the samples.

    Raises
    ------
    InvalidInputError
        If the module and the data do not fit, or training diverges.
    SolverNotAvailableError
        If PyTorch is not installed.
    """
    torch = import_torch()
    with border("cannot be trained", "give it inputs, and a class for each, of its own kind"):
        optimizer = torch.optim.SGD(module.parameters(), setting.rate, setting.momentum)
        rates = torch.optim.lr_scheduler.StepLR(optimizer, setting.drop_every, setting.drop)
        order = torch.Generator().manual_seed(seed)
        module.train()
        for epoch in range(setting.epochs):
            places = torch.randperm(len(inputs), generator=order)
            for chosen in places.to(inputs.device).split(setting.batch):
                loss = torch.nn.functional.cross_entropy(module(inputs[chosen]), labels[chosen])
                loss = loss + penalty * l1_penalty(module)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            if not all(bool(p.isfinite().all()) for p in module.parameters()):
                raise InvalidInputError(
                    f"training diverged in epoch {epoch} with rate {setting.rate:g}; use a "
                    "smaller one"
                )
            rates.step()
        module.eval()
