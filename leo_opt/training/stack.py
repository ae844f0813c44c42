"""Several rectifier classifiers of one shape, trained side by side with an L1 penalty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from leo_opt.errors import InvalidInputError
from leo_opt.network import Network

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Setting:
    """Stochastic gradient descent with momentum and steps of the rate.

    The defaults are those of the programs by the authors of LEO and ISA.

    Parameters
    ----------
    epochs, batch
        Passes over all samples; samples of a step.
    rate, momentum
        Of the descent, as PyTorch's `SGD` has them.
    drop_every, drop
        After so many epochs the rate is multiplied by this.
    variance
        Of the weights at the start, times the inputs of their unit.
    """

    epochs: int = 121
    batch: int = 128
    rate: float = 0.01
    momentum: float = 0.9
    drop_every: int = 50
    drop: float = 0.1
    variance: float = 2.0

    def __str__(self) -> str:
        return (
            f"{self.epochs} epochs of SGD, rate {self.rate:g}, times {self.drop:g} every "
            f"{self.drop_every} epochs, momentum {self.momentum:g}, batches of {self.batch}, "
            f"weights that start with variance {self.variance:.3g} / inputs"
        )


class Stack:
    """Networks of one shape, each with a penalty of its own, in float32.

    They start from the same weights and see the same samples in the same order, so that the
    penalty alone makes them differ. Cross entropy plus the penalty times the sum of the absolute
    weights, biases left out, is what they descend; at 0 the penalty pulls nowhere.

    Parameters
    ----------
    widths
        Inputs, units of each hidden layer, outputs.
    penalties
        One for each network.
    seed
        Of the weights at the start, which are normal (biases are 0), and of the order of the
        samples.
    """

    def __init__(
        self, widths: Sequence[int], penalties: Sequence[float], seed: int, setting: Setting
    ) -> None:
        self.widths, self.seed, self.setting = tuple(widths), seed, setting
        self.epoch = 0
        count, generator = len(penalties), np.random.default_rng([seed, 0])
        self._penalties = np.asarray(penalties, np.float32).reshape(-1, 1, 1)
        self._weights: list[Floats] = []
        for n_in, n_out in pairwise(widths):
            drawn = generator.standard_normal((n_out, n_in)) * np.sqrt(setting.variance / n_in)
            self._weights.append(np.repeat(drawn[None].astype(np.float32), count, axis=0))
        self._biases = [np.zeros((count, n_out, 1), np.float32) for n_out in widths[1:]]
        # Momentum is kept times the rate: it is what was subtracted by the last step.
        self._moves = [np.zeros_like(array) for array in self._arrays]
        # Room that every step uses anew.
        self._gradients = [np.empty_like(array) for array in self._weights]

    @property
    def _arrays(self) -> list[Floats]:
        return [*self._weights, *self._biases]

    def state(self) -> dict[str, NDArray[np.generic]]:
        """All there is to go on from: arrays by name."""
        kept = {f"array_{k}": array for k, array in enumerate(self._arrays)}
        kept |= {f"move_{k}": array for k, array in enumerate(self._moves)}
        return {**kept, "epoch": np.asarray(self.epoch)}

    def restore(self, state: dict[str, NDArray[np.generic]]) -> None:
        """Go on from a `state` of a stack with the same arguments."""
        for name, arrays in (("array", self._arrays), ("move", self._moves)):
            for k, array in enumerate(arrays):
                array[...] = state[f"{name}_{k}"]
        self.epoch = int(state["epoch"])

    def run_epoch(self, inputs: Floats, labels: NDArray[np.integer]) -> None:
        """One pass over all samples, in an order that seed and epoch determine.

        Parameters
        ----------
        inputs : (samples, n_in) array
        labels : (samples,) array

        Raises
        ------
        InvalidInputError
            If weights are no longer finite.
        """
        setting = self.setting
        if self.epoch and self.epoch % setting.drop_every == 0:
            for index in range(len(self._moves)):
                self._moves[index] *= np.float32(setting.drop)
        rate = setting.rate * setting.drop ** (self.epoch // setting.drop_every)
        order = np.random.default_rng([self.seed, 1, self.epoch]).permutation(len(inputs))
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, len(order), setting.batch):
                chosen = order[start : start + setting.batch]
                self._step(inputs[chosen], labels[chosen], rate)
        if not all(np.isfinite(array).all() for array in self._arrays):
            raise InvalidInputError(
                f"training diverged in epoch {self.epoch} with rate {rate:g}; use a smaller one"
            )
        self.epoch += 1

    def _step(self, inputs: Floats, labels: NDArray[np.integer], rate: float) -> None:
        """One step down the gradient of a batch."""
        posts = [inputs.T]
        for weight, bias in zip(self._weights, self._biases, strict=True):
            pre = _times(weight, posts[-1])
            pre += bias
            posts.append(pre)
            if len(posts) <= len(self._weights):
                np.maximum(pre, 0, out=pre)
        # Of cross entropy: softmax minus the label, here times the rate.
        error = posts.pop()
        error -= error.max(axis=1, keepdims=True)
        np.exp(error, out=error)
        error /= error.sum(axis=1, keepdims=True)
        error[:, labels, np.arange(len(labels))] -= 1
        error *= np.float32(rate / len(labels))
        pull = self._penalties * np.float32(rate)
        momentum = np.float32(self.setting.momentum)
        for index in range(len(self._weights) - 1, -1, -1):
            weight, post = self._weights[index], posts[index]
            gradient, offset = self._gradients[index], error.sum(axis=2, keepdims=True)
            _outer(error, post, gradient)
            if index:
                error = weight.transpose(0, 2, 1) @ error
                error *= np.sign(post)
            self._moves[index] *= momentum
            self._moves[index] += gradient
            np.sign(weight, out=gradient)
            gradient *= pull
            self._moves[index] += gradient
            weight -= self._moves[index]
            bias, move = self._biases[index], self._moves[index + len(self._weights)]
            move *= momentum
            move += offset
            bias -= move

    def networks(self) -> list[Network]:
        """The networks as they are now."""
        return [
            Network.from_arrays(
                [weight[which] for weight in self._weights],
                [bias[which, :, 0] for bias in self._biases],
            )
            for which in range(len(self._penalties))
        ]


def _times(weight: Floats, post: Floats) -> Floats:
    """(count, n_out, n_in) times (n_in, batch), which all have in common, or their own."""
    if post.ndim == 3:
        return weight @ post
    count, n_out, n_in = weight.shape
    return (weight.reshape(-1, n_in) @ post).reshape(count, n_out, -1)


def _outer(error: Floats, post: Floats, out: Floats) -> None:
    """(count, n_out, batch) times the transpose of what `_times` has multiplied by."""
    if post.ndim == 3:
        np.matmul(error, post.transpose(0, 2, 1), out=out)
    else:
        n_in, batch = post.shape
        np.matmul(error.reshape(-1, batch), post.T, out=out.reshape(-1, n_in))
