"""A network as a compiled model, and the way back from a point of it.

What formulating knows of where each input, pre- and post-activation stands is kept as arrays:
whoever asks a solver about a network asks in columns and reads the answer here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from leo_opt.arrays import IntArray
from leo_opt.bounds import Bounds
from leo_opt.domain import Box
from leo_opt.formulations import FormulationLike, formulate
from leo_opt.network import FloatArray, Network
from leo_opt.separation import Separation
from leo_opt.solvers import Compiled, StandardForm, compile_model
from leo_opt.storage.locks import PYOMO


@dataclass(frozen=True, eq=False)
class AffineMap:
    """Values as functions of one column each: factor * column + offset, or offset without one.

    Parameters
    ----------
    columns : (n,) integer array
        -1 where a value has no column. Two values may share one.
    factors : (n,) array
        Powers of two, 1 where there is no column.
    offsets : (n,) array
        NaN where a value is not known from one column.
    """

    columns: IntArray
    factors: FloatArray
    offsets: FloatArray

    def at(self, point: FloatArray) -> FloatArray:
        """The values (n,) at a point (columns,) of the model."""
        values, held = self.offsets.copy(), self.columns >= 0
        values[held] += self.factors[held] * point[self.columns[held]]
        return values

    def columns_at(self, values: FloatArray) -> FloatArray:
        """What the columns (n,) are at values (n,)."""
        return (values - self.offsets) / self.factors


@dataclass(frozen=True, eq=False)
class Encoding:
    """A network on a box under a formulation, as arrays; picklable.

    Parameters
    ----------
    network
    bounds
        What it was formulated with, on the box of its inputs.
    form
        The compiled model that holds it.
    inputs
        The columns that the network reads: scaled ones where the range of an input is far from 1.
    pre, post
        One a layer. A pre-activation is not known from one column where the unit is stably
        inactive, or inactive up to noise.
    active : one (n_out,) integer array a layer
        Columns of the binaries, -1 where a unit has none.
    separation
        Finds the rows that the formulation leaves out; None where it leaves out none.
    """

    network: Network
    bounds: Bounds
    form: StandardForm
    inputs: AffineMap
    pre: tuple[AffineMap, ...]
    post: tuple[AffineMap, ...]
    active: tuple[IntArray, ...]
    separation: Separation | None

    def __repr__(self) -> str:
        size = f"{self.form.rows} rows, {self.form.columns} columns"
        return f"Encoding(of {self.network!r}, {size})"

    @classmethod
    @PYOMO
    def of(
        cls, network: Network, domain: Box, bounds: Bounds, formulation: FormulationLike
    ) -> Encoding:
        """Formulate and compile a network; its stable units are held centred.

        Parameters
        ----------
        bounds
            Finite, on a box that contains the domain.

        Raises
        ------
        InvalidInputError, MismatchError, UnsupportedOperatorError
            As `formulate` does.
        """
        # Pyomo takes longer to import than most networks take to decide, so only MILPs wait for it.
        import pyomo.environ as pyo
        from pyomo.common.gc_manager import PauseGC

        model = pyo.ConcreteModel()
        # Each pauses collection by itself; between them it would walk the whole model.
        with PauseGC():
            model.net = formulate(
                network, domain, formulation=formulation, bounds=bounds, memory=math.inf
            )
            return cls.read(compile_model(model), model.net)

    @classmethod
    def read(cls, compiled: Compiled, block: Any) -> Encoding:
        """The encoding of a block of `formulate` that stands in a compiled model.

        Raises
        ------
        InvalidInputError
            If the block stands in another model.
        """
        post = tuple(_map_of(compiled, columns) for columns in block.posts)
        return cls(
            network=block.network,
            bounds=block.bounds,
            form=compiled.form,
            inputs=_inputs_of(compiled, block),
            pre=_pre_of(compiled, block, post),
            post=post,
            active=_active_of(compiled, block),
            separation=Separation.of(compiled, block) if block.formulation.separates else None,
        )

    @property
    def domain(self) -> Box:
        """The box of inputs."""
        return self.bounds.domain.box

    def inputs_of(self, point: FloatArray) -> FloatArray:
        """The network's input (n_in,) at a point of the model, clipped into the domain."""
        return self.domain.clip(self.inputs.at(point))

    def post_of(self, point: FloatArray) -> list[FloatArray]:
        """Post-activations of all layers at a point of the model."""
        return [values.at(point) for values in self.post]

    def pre_of(self, point: FloatArray) -> list[FloatArray]:
        """Pre-activations of all layers at a point of the model."""
        reads = [self.inputs.at(point), *self.post_of(point)]
        pres = []
        for layer, own, below in zip(self.network.layers, self.pre, reads, strict=False):
            values = own.at(point)
            pres.append(np.where(np.isnan(values), layer.weight @ below + layer.bias, values))
        return pres

    def objective(self, weights: FloatArray, index: int = -1) -> tuple[FloatArray, float]:
        """Coefficients over the columns and constant of weights (n,) @ post of a layer."""
        post = self.post[index]
        held = post.columns >= 0
        cost = np.zeros(self.form.columns)
        np.add.at(cost, post.columns[held], (weights * post.factors)[held])
        return cost, float(weights @ post.offsets)


def _map_of(compiled: Compiled, reads: Any) -> AffineMap:
    """Where values stand that a layer reads."""
    scaling = reads.scaling
    columns = np.full(scaling.shift.size, -1)
    columns[scaling.kept] = compiled.columns_of(reads.variables)
    factors = np.ones(scaling.shift.size)
    factors[scaling.kept] = np.ldexp(1.0, -scaling.exponent)
    return AffineMap(columns, factors, scaling.shift)


def _inputs_of(compiled: Compiled, block: Any) -> AffineMap:
    """Where the inputs stand; one that cannot vary has a column if it is the block's own."""
    inputs = _map_of(compiled, block.reads)
    columns, offsets = inputs.columns, inputs.offsets.copy()
    for k in np.flatnonzero(columns < 0).tolist():
        if block.inputs[k].is_variable_type():
            columns[k], offsets[k] = compiled.column_of(block.inputs[k]), 0.0
    return AffineMap(columns, inputs.factors, offsets)


def _pre_of(compiled: Compiled, block: Any, post: tuple[AffineMap, ...]) -> tuple[AffineMap, ...]:
    """Where pre-activations stand: at the post-activation's column, but for rectified units."""
    columns = [values.columns.copy() for values in post]
    for address in block.scaled_post:
        layer, unit = address
        muted = address not in block.scaled_pre
        columns[layer][unit] = -1 if muted else compiled.column_of(block.scaled_pre[address])
    pre = []
    for index, (layer, own, values) in enumerate(
        zip(block.network.layers, columns, post, strict=True)
    ):
        inactive = layer.phased & (block.bounds.upper[index] <= 0.0)
        unknown = (own < 0) & (inactive | (values.columns >= 0))
        pre.append(AffineMap(own, values.factors, np.where(unknown, np.nan, values.offsets)))
    return tuple(pre)


def _active_of(compiled: Compiled, block: Any) -> tuple[IntArray, ...]:
    """Columns of the binaries of all units."""
    active = tuple(np.full(layer.n_out, -1) for layer in block.network.layers)
    for (layer, unit), variable in block.is_active.items():
        active[layer][unit] = compiled.column_of(variable)
    return active
