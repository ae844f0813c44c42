"""What a network does stage by stage, and which stages are matrices that can be replaced."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from leo_opt import weights
from leo_opt.approximation.costs import Cost, of_layer
from leo_opt.approximation.parts import Parts
from leo_opt.arrays import BoolArray, FloatArray
from leo_opt.layer import Layer
from leo_opt.network import Network

FEWEST = 8
"""Weights that a row must have for an approximation to be worth while."""

Tensors = Mapping[str, FloatArray]
"""Tensors of a batch by name, a sample along the first axis."""


class Stage(ABC):
    """One stage of an evaluation."""

    @property
    @abstractmethod
    def reads(self) -> tuple[str, ...]:
        """Names of the tensors that it depends on."""

    @abstractmethod
    def run(self, given: Tensors) -> Tensors:
        """The tensors that it makes."""


@dataclass(frozen=True, eq=False)
class Activate(Stage):
    """The activation of a layer of a chain."""

    layer: Layer
    source: str
    target: str

    @property
    def reads(self) -> tuple[str, ...]:
        """See `Stage.reads`."""
        return (self.source,)

    def run(self, given: Tensors) -> Tensors:
        """See `Stage.run`."""
        return {self.target: self.layer.activate(given[self.source])}


@dataclass(frozen=True, eq=False)
class Matrix(Stage):
    """A stage that multiplies rows, each of a sample or of a window, by a matrix.

    Parameters
    ----------
    index
        What reports call it.
    source, target
        The tensors that it reads and makes.
    layer
        Weight and bias, and the activation behind.
    units : (n_out,) array
        Those for which there can be parts instead; if none, it stays.
    readers : (n_out, n_out) array
        What is made of units: products of the columns that read each two of them (`relative`).
    positions
        Rows of one sample.
    channels
        Of a convolution: its columns are the windows of so many channels. 0 if it is none.
    """

    index: int
    source: str
    target: str
    layer: Layer
    units: BoolArray
    readers: FloatArray
    positions: int
    channels: int

    @property
    def reads(self) -> tuple[str, ...]:
        """See `Stage.reads`."""
        return (self.source,)

    def run(self, given: Tensors) -> Tensors:
        """See `Stage.run`."""
        return {self.target: self.multiply(given[self.source], None)}

    @abstractmethod
    def multiply(self, given: FloatArray, parts: Parts | None) -> FloatArray:
        """What the matrix makes of a tensor, or parts in its place."""

    @abstractmethod
    def rows(self, given: FloatArray) -> FloatArray:
        """Rows (N, n_in) of a tensor that it reads, on which parts are fitted."""

    @abstractmethod
    def made(self, tensor: FloatArray) -> FloatArray:
        """What a tensor that it makes holds for these rows, (N, n_out)."""

    @abstractmethod
    def cost(self, parts: Parts | None) -> Cost:
        """What the matrix takes, or parts in its place."""


@dataclass(frozen=True, eq=False)
class ChainMatrix(Matrix):
    """The affine map of a layer of a chain."""

    def multiply(self, given: FloatArray, parts: Parts | None) -> FloatArray:
        """See `Matrix.multiply`."""
        return self.layer.affine(given) if parts is None else self._whole(parts).pre(given)

    def rows(self, given: FloatArray) -> FloatArray:
        """See `Matrix.rows`."""
        return given

    def made(self, tensor: FloatArray) -> FloatArray:
        """See `Matrix.made`."""
        return tensor

    def cost(self, parts: Parts | None) -> Cost:
        """See `Matrix.cost`."""
        if parts is None:
            return of_layer(self.layer, sparse=False)
        return sum(map(of_layer, self.layers(parts)), Cost())

    def layers(self, parts: Parts) -> tuple[Layer, ...]:
        """The layers that stand in the place of this one."""
        return self._whole(parts).layers(self.layer.activation)

    def _whole(self, parts: Parts) -> Parts:
        """Parts of some units, with those that stay."""
        return parts.within(self.layer, self.units)


def chain_stages(network: Network) -> Iterator[Stage]:
    """The stages of a chain: layer k makes `pre k`, and behind the activation `post k+1`."""
    following = (*network.layers[1:], None)
    for index, (layer, after) in enumerate(zip(network.layers, following, strict=True)):
        units = (layer.lanes < 0) & _is_open(layer)
        readers = np.eye(layer.n_out if units.any() else 0)
        if after is not None and units.any():
            readers = relative(weights.dense(after.weight.T @ after.weight), units)
        ends = f"post {index}", f"pre {index}"
        yield ChainMatrix(index, *ends, layer, units, readers, positions=1, channels=0)
        yield Activate(layer, ends[1], f"post {index + 1}")


def _is_open(layer: Layer) -> bool:
    """Whether parts may be worth while: rows are no short ones, and numbers are not shared, as
    those of a convolution are."""
    if layer.n_in < FEWEST:
        return False
    numbers = weights.entries(layer.weight)
    return not weights.is_sparse(layer.weight) or 2 * len(np.unique(numbers)) > len(numbers)


def relative(products: FloatArray, units: BoolArray) -> FloatArray:
    """Products of columns, whose length is 1 on average of some units, and nowhere nearly 0."""
    mean = np.sqrt(np.diag(products))[units].mean()
    if not mean:
        return np.eye(len(products))
    products = products / mean**2
    products[np.diag_indices_from(products)] = np.maximum(np.diag(products), 1e-6)
    return products
