"""Operators that only move values: run once, on the numbers of the places instead of the values.

So no operator's rules about axes are written again. The number 0 stands for a zero that an operator
fills in.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from leo_opt.formats.affine import Affine
from leo_opt.formats.onnx.evaluator import run_node
from leo_opt.formats.onnx.graph import Array
from leo_opt.formats.onnx.operation import LoweringError, Operation, Tensor

_FLOAT, _DOUBLE = 1, 11
"""Element types as ONNX numbers them."""

LAYOUTS: Mapping[str, tuple[int, ...] | None] = MappingProxyType(
    {
        "Concat": None,
        "DepthToSpace": (0,),
        "Expand": (0,),
        "Flatten": (0,),
        "Gather": (0,),
        "GatherElements": (0,),
        "GatherND": (0,),
        "Pad": (0, 2),
        "Reshape": (0,),
        "Resize": (0,),
        "Slice": (0,),
        "SpaceToDepth": (0,),
        "Split": (0,),
        "Squeeze": (0,),
        "Tile": (0,),
        "Transpose": (0,),
        "Trilu": (0,),
        "Unsqueeze": (0,),
        "Upsample": (0,),
        "Where": (1, 2),
    }
)
"""Operators that move values, with the inputs that hold these; None where all do."""


def move(step: Operation) -> list[Tensor]:
    """What an operator of `LAYOUTS` makes of its inputs."""
    _check(step)
    chosen = LAYOUTS[step.node.operator]
    parts, count = [Affine.constants(np.zeros(1))], 1
    given: dict[str, Array] = {}
    for index, name in enumerate(step.node.inputs):
        if not name or name in given:
            continue
        if chosen is not None and index not in chosen:
            value = step.constant(index)
            if value is not None:
                given[name] = _fitting(step, value) if step.node.operator == "Reshape" else value
            continue
        tensor = step.lifted(index)
        given[name] = tensor.places + count
        parts.append(tensor.values)
        count += len(tensor.values)
    whole = Affine.stacked(parts) if len(parts) > 2 else None
    tensors = []
    for places in run_node(step.node, given, step.opsets).values():
        numbers = np.asarray(np.rint(places.astype(np.float64)), dtype=np.int64)
        if whole is None and bool((numbers > 0).all()):
            tensors.append(Tensor(numbers.shape, parts[1].take(numbers.ravel() - 1)))
            continue
        whole = Affine.stacked(parts) if whole is None else whole
        tensors.append(Tensor(numbers.shape, whole.take(numbers.ravel())))
    return tensors


def _check(step: Operation) -> None:
    """Refuse what does more than move values."""
    mode = step.text("mode", "nearest")
    if step.node.operator in ("Resize", "Upsample") and mode != "nearest":
        raise LoweringError(f"has the mode {mode!r}; 'nearest' is supported")
    if step.node.operator == "Pad" and step.number("value", 0.0):
        raise LoweringError("pads with a number other than 0; export the model with opset 11")


def _fitting(step: Operation, target: Array) -> Array:
    """The target of a reshape, with 1 for the size of a batch that the tensors lack."""
    sizes = [int(size) for size in target.reshape(-1)]
    values, known = len(step.tensor().values), math.prod(size for size in sizes if size > 0)
    if step.batch == 1 or step.batch not in sizes or (-1 not in sizes and known == values):
        return target
    sizes[sizes.index(step.batch)] = 1
    return np.array(sizes, dtype=np.int64)


def keep(step: Operation) -> list[Tensor]:
    """Identity."""
    return [step.tensor()]


def drop_out(step: Operation) -> list[Tensor]:
    """Dropout, which does nothing but in training."""
    training = step.constant(2)
    if training is not None and bool(training.any()):
        raise LoweringError("is in training mode")
    return [step.tensor()]


def cast(step: Operation) -> list[Tensor]:
    """Cast between float32 and float64."""
    if step.integer("to", 0) not in (_FLOAT, _DOUBLE):
        raise LoweringError("casts to a type other than float (float32) and double (float64)")
    return [step.tensor()]
