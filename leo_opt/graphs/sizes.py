"""Computed sizes stated as numbers, so that what they are computed from may become smaller.

Exporters flatten by sizes that the graph computes: Reshape to Concat(Gather(Shape(x), 0), [-1]) and
the like. Where the first size is that of a batch it becomes 0, which copies it, and all others are
the numbers that they are.
"""

from __future__ import annotations

from typing import Any

from leo_opt.formats.onnx.operation import Tensor
from leo_opt.formats.onnx.reader import Lowered
from leo_opt.graphs.models import copy, drop_unmade, free_name, names_of, tensor_of


def with_stated_sizes(lowered: Lowered) -> Any:
    """The model with stated targets of its Reshapes; None where none is computed."""
    model, values = copy(lowered.model), lowered.values
    stored = {tensor.name for tensor in model.graph.initializer}
    stored |= {proto.output[0] for proto in model.graph.node if proto.op_type == "Constant"}
    taken, old = names_of(model), list[str]()
    for proto in model.graph.node:
        if proto.op_type != "Reshape" or proto.input[1] in stored:
            continue
        given, target, made = (values.get(n) for n in (*proto.input, proto.output[0]))
        if target is None or not (isinstance(given, Tensor) and isinstance(made, Tensor)):
            continue
        assert not isinstance(target, Tensor)
        batched = len(made.shape) > 1 and given.shape[0] == made.shape[0] == 1
        if batched and not any(entry.name == "allowzero" and entry.i for entry in proto.attribute):
            sizes = target.reshape(-1).copy()
            sizes[0] = 0
            old.append(proto.input[1])
            proto.input[1] = free_name(f"{proto.output[0]}.sizes", taken)
            model.graph.initializer.append(tensor_of(sizes, proto.input[1]))
    drop_unmade(model, list(old))
    return model if old else None
