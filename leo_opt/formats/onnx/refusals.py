"""What to say of a file that cannot be read: all that is in the way, and which part could be read.

A part is offered only after it was read: it is cut out in memory, as the line that is given to the
user would cut it out of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from leo_opt.errors import LeoOptError, UnsupportedOperatorError
from leo_opt.formats.onnx.evaluator import may_evaluate
from leo_opt.formats.onnx.file import EVALUATOR_ERRORS, current
from leo_opt.formats.onnx.graph import Node, read_node
from leo_opt.formats.onnx.operators import OPERATORS
from leo_opt.network import Network

CutAt = tuple[str, str]
"""Names of the tensors that are input and output of a part."""

_SUPPORTED = f"supported are {', '.join(OPERATORS)}, and constants that do not depend on the input"
_MATRICES = frozenset({"Conv", "Gemm", "MatMul"})
_SHOWN = 20
"""Most nodes of one operator in a message."""
_TRIES = 3
"""Parts that are tried from either end."""


def explain(
    error: UnsupportedOperatorError, model: Any, path: Path | None, read: Callable[[Any], Network]
) -> str:
    """The message of a refusal, completed.

    Parameters
    ----------
    error
        The first thing in the way.
    model
        The file as ONNX's model.
    path
        The file; where there is none, no part of it can be offered.
    read
        From a model to a network.
    """
    skeleton = _Skeleton(current(model))
    others = [node for node in skeleton.obstacles() if node.label not in str(error)]
    parts = [str(error)]
    if others:
        parts.append(f"also in the way: {_listed(others)}")
    parts.append(_SUPPORTED)
    # Functions hold nodes that the file itself does not show, and so nowhere to cut.
    inputs = {port.name for port in model.graph.input}
    whole = path is None or model.functions
    for source, target in [] if whole else _readable(model, skeleton, read):
        how = (
            f"can be read with --output-tensor {target}, or" if source in inputs else "can be read"
        )
        parts.append(
            f"the part from {source!r} to {target!r} {how} once it is cut out: "
            f"onnx.utils.extract_model({str(path)!r}, 'part.onnx', [{source!r}], [{target!r}])"
        )
    return "; ".join(parts)


def _listed(nodes: list[Node]) -> str:
    """Nodes by their operators."""
    by_operator: dict[str, list[str]] = {}
    for node in nodes:
        name = node.label.removeprefix(f"{node.operator} ")
        by_operator.setdefault(node.operator, []).append(name)
    return ", ".join(
        f"{operator} {', '.join(names[:_SHOWN])}"
        + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
        for operator, names in by_operator.items()
    )


class _Skeleton:
    """The nodes on which the outputs depend, and which tensors depend on an input."""

    def __init__(self, model: Any) -> None:
        graph = model.graph
        stored = {tensor.name for tensor in graph.initializer}
        self.inputs = [value.name for value in graph.input if value.name not in stored]
        self.outputs = [value.name for value in graph.output]
        self.nodes: list[Node] = []
        needed = set(self.outputs)
        for node in map(read_node, reversed(graph.node)):
            if needed.intersection(node.outputs):
                self.nodes.insert(0, node)
                needed.update(node.inputs)
        self.dependent = set(self.inputs)
        for node in self.nodes:
            # The shape of a tensor is known, whatever its values are.
            if self.reads(node) and node.operator != "Shape":
                self.dependent.update(filter(None, node.outputs))

    def reads(self, node: Node) -> list[str]:
        """The tensors a node reads that depend on an input."""
        return [name for name in dict.fromkeys(node.inputs) if name in self.dependent]

    def obstacles(self) -> list[Node]:
        """The nodes that are not read."""
        return [node for node in self.nodes if not self._fits(node)]

    def _fits(self, node: Node) -> bool:
        """Whether a node is one of those that are read."""
        if node.operator in ("Shape", "Size"):
            return True
        return node.operator in OPERATORS if self.reads(node) else may_evaluate(node)

    def cuts(self) -> Iterator[list[CutAt]]:
        """Parts that may be chains of layers: from an input as far as it goes, and to an output.

        Each in a few sizes, the largest first.
        """
        for source in self.inputs:
            yield [(source, end) for end in self._forward(source)][::-1][:_TRIES]
        for target in self.outputs:
            yield [(start, target) for start in self._backward(target)][::-1][:_TRIES]

    def _forward(self, source: str) -> Iterator[str]:
        """Tensors behind the matrices of the chain that begins at a tensor."""
        seen = False
        while True:
            users = [n for n in self.nodes if source in n.inputs and n.operator != "Shape"]
            if len(users) != 1 or not self._fits(users[0]):
                return
            source = users[0].outputs[0]
            seen = seen or users[0].operator in _MATRICES
            if seen:
                yield source

    def _backward(self, target: str) -> Iterator[str]:
        """Tensors in front of the matrices of the chain that ends at a tensor."""
        seen = False
        while True:
            makers = [n for n in self.nodes if target in n.outputs]
            if len(makers) != 1 or not self._fits(makers[0]) or len(self.reads(makers[0])) != 1:
                return
            [target] = self.reads(makers[0])
            seen = seen or makers[0].operator in _MATRICES
            if seen:
                yield target


def _readable(model: Any, skeleton: _Skeleton, read: Callable[[Any], Network]) -> list[CutAt]:
    """The parts that were cut out and read, the largest from either end."""
    import onnx
    import onnx.utils

    foreign = (*EVALUATOR_ERRORS, onnx.checker.ValidationError, onnx.shape_inference.InferenceError)
    try:
        extractor = onnx.utils.Extractor(onnx.shape_inference.infer_shapes(model))
    except foreign:
        return []

    def reads(cut: CutAt) -> bool:
        try:
            read(extractor.extract_model([cut[0]], [cut[1]]))
        except (LeoOptError, *foreign):
            return False
        return True

    largest = (next(filter(reads, sizes), None) for sizes in skeleton.cuts())
    return [cut for cut in dict.fromkeys(largest) if cut is not None]
