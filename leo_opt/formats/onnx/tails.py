"""Where a graph ends: which tensor is read, and what the file makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from leo_opt.errors import InvalidInputError, LeoOptError, UnsupportedOperatorError, unknown_word
from leo_opt.formats.dtypes import output_parts
from leo_opt.formats.onnx.evaluator import run_node
from leo_opt.formats.onnx.file import domain_of
from leo_opt.formats.onnx.graph import Array, Node, read_node
from leo_opt.formats.outputs import slices
from leo_opt.network import Network
from leo_opt.tails import ELEMENTWISE, OPERATORS, WINNER, WINNERS, Shape, Tail, TailStep

_BEHIND = frozenset({"Cast", "Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"})
"""Operators that may stand behind those of a tail: they keep values and order."""
_ONE_AXIS = 13
"""Since this opset Softmax works along one axis; before, along all from one on."""
_NEAR = 1e-9
_SHOWN = 20
"""Most names in a message."""
_KINDS = {1: "float32", 6: "int32", 7: "int64", 11: "float64"}
"""Element types as ONNX numbers them."""
_CLASSIFIERS = "ai.onnx.ml"
"""Domain of the operators of exports from scikit-learn and others."""


@dataclass(frozen=True)
class Ending:
    """An output of a graph.

    Parameters
    ----------
    source
        The tensor that is read.
    nodes
        What leads from it to the output.
    name
        Of the output.
    """

    source: str
    nodes: tuple[Node, ...]
    name: str


def find_endings(model: Any, output_tensor: str | None) -> list[Ending]:
    """The ends of a graph, or the one that is chosen.

    Raises
    ------
    InvalidInputError
        If no tensor has the name that is chosen.
    """
    if output_tensor is None:
        return list(_endings(model).values())
    makers = _makers(model)
    known = dict.fromkeys([*(port.name for port in model.graph.output), *makers])
    if output_tensor not in known:
        raise InvalidInputError(unknown_word("tensor", output_tensor, list(known)[:_SHOWN]))
    return [_ending(output_tensor, makers)]


def labels(model: Any) -> tuple[str, ...]:
    """The outputs of a classifier that are no numbers, and are not read beside its scores."""
    read = _endings(model)
    return tuple(port.name for port in model.graph.output if port.name not in read)


def _endings(model: Any) -> dict[str, Ending]:
    """How the outputs of a graph are read, by name.

    A classifier that looks labels up in a table gives them beside its scores, which may be named
    class by class (ZipMap). Where there is one output of scores, labels are not read.
    """
    makers = _makers(model)
    endings: dict[str, Ending] = {}
    scores: dict[str, Ending] = {}
    for port in model.graph.output:
        zipped = port.name in makers and makers[port.name].op_type == "ZipMap"
        ending = _ending(makers[port.name].input[0] if zipped else port.name, makers)
        endings[port.name] = ending
        if zipped or not _is_label(port.name, makers):
            scores[port.name] = ending
    return scores if len(scores) == 1 else endings


def _is_label(name: str, makers: Mapping[str, Any]) -> bool:
    """Whether an output is what an operator for classifiers, such as a look-up, gives."""
    while name in makers:
        node = makers[name]
        if domain_of(node.domain) == _CLASSIFIERS:
            return True
        name = node.input[0] if node.op_type in _BEHIND and node.input else ""
    return False


def _makers(model: Any) -> dict[str, Any]:
    """The node that makes each tensor."""
    return {name: proto for proto in model.graph.node for name in proto.output if name}


def _ending(output: str, makers: Mapping[str, Any]) -> Ending:
    """How a graph ends at an output."""
    chain: list[Node] = []
    name, kept = output, 0
    while name in makers:
        node = read_node(makers[name])
        if (node.operator not in _BEHIND and node.operator not in OPERATORS) or not node.inputs:
            break
        chain.append(node)
        name = node.inputs[0]
        kept = len(chain) if node.operator in OPERATORS else kept
    nodes = tuple(reversed(chain[:kept]))
    return Ending(nodes[0].inputs[0] if nodes else output, nodes, output)


def stated_ports(model: Any) -> dict[str, Any]:
    """What a model states of its outputs and the tensors within, by name."""
    import onnx

    ports = {}
    for value in (*model.graph.value_info, *model.graph.output):
        ports[value.name] = onnx.ValueInfoProto()
        ports[value.name].CopyFrom(value)
    return ports


def end_at(model: Any, names: Sequence[str], ports: Mapping[str, Any]) -> None:
    """Make tensors the outputs of a model, each once."""
    import onnx

    del model.graph.output[:]
    model.graph.output.extend(
        ports.get(name) or onnx.ValueInfoProto(name=name) for name in dict.fromkeys(names)
    )


def with_tails(network: Network, model: Any, endings: list[Ending]) -> Network:
    """The network with what the file makes of its outputs, compared with ONNX's evaluator.

    Raises
    ------
    UnsupportedOperatorError
        If that is not one of the ways that are written back.
    """
    if not any(ending.nodes for ending in endings):
        return network
    opsets = {domain_of(entry.domain): entry.version for entry in model.opset_import}
    signature, shapes, sizes = network.signature, dict(output_parts(network)), dict(slices(network))
    tails = []
    for ending in endings:
        place = sizes[ending.source]
        reading = _Reading(ending, shapes[ending.source], place.stop - place.start)
        tail = reading.tail(_constants(model, ending), opsets)
        tails.append(tail if tail.dtype != signature.dtype else replace(tail, dtype=None))
    return replace(network, signature=replace(signature, tails=tuple(tails)))


@dataclass(frozen=True)
class _Reading:
    """The way from a tensor to an output of the file.

    Parameters
    ----------
    shape
        Of the tensor, as the file states it.
    size
        Number of its values for one input.
    """

    ending: Ending
    shape: Shape
    size: int

    def tail(self, constants: Mapping[str, Array], opsets: Mapping[str, int]) -> Tail:
        """What the nodes amount to."""
        shape, ending = self.shape, self.ending
        # Two inputs at once where their number is free, so that none is taken for the batch.
        sizes = tuple(size if isinstance(size, int) else 2 for size in shape)
        values = np.random.default_rng(0).standard_normal(sizes)
        given: dict[str, Array] = {**constants, ending.source: values}
        steps: list[TailStep] = []
        dtype, result = None, values
        for node in ending.nodes:
            plain = node
            if node.operator in OPERATORS:
                if steps and (steps[-1].operator in WINNERS or result.shape != sizes):
                    raise self._refused(node, "does not follow another tail as it is")
                steps.append(self._step(node, result.shape, opsets))
                dtype = "int64" if node.operator == WINNER else dtype
                plain = _along(node, steps[-1])
            elif node.operator == "Cast":
                dtype = _KINDS.get(node.attributes["to"])
                if dtype is None or (steps[-1].operator != WINNER and dtype.startswith("int")):
                    raise self._refused(node, "rounds")
                given[node.outputs[0]] = result
                continue
            versions = opsets if plain is node else {**opsets, "": max(opsets[""], _ONE_AXIS)}
            try:
                made = run_node(plain, {n: given[n] for n in node.inputs if n}, versions)
            except (LeoOptError, KeyError) as error:
                raise self._refused(node, "cannot be evaluated") from error
            given.update(made)
            result = np.asarray(made[node.outputs[0]])
        tail = Tail(ending.source, shape, tuple(steps), ending.name, (), dtype)
        out: list[int | str | None] = list(result.shape)
        if tail.batched(self.size):
            if out[:1] != [sizes[0]]:
                raise self._refused(ending.nodes[-1], "does not keep the batch as its first axis")
            out[0] = shape[0]
        rows = tail(values.reshape(-1, self.size)).ravel()
        wanted = result.astype(np.float64).ravel()
        if rows.shape != wanted.shape or not np.allclose(rows, wanted, _NEAR, _NEAR):
            raise self._refused(ending.nodes[-1], "ends in a way that is not known")
        return replace(tail, shape=tuple(out))

    def _step(self, node: Node, shape: tuple[int, ...], opsets: Mapping[str, int]) -> TailStep:
        """An operator and the axis along which it works."""
        if node.operator in ELEMENTWISE:
            return TailStep(node.operator)
        old = opsets[""] < _ONE_AXIS and node.operator != WINNER
        default = 0 if node.operator == WINNER else 1 if old else -1
        axis = int(node.attributes.get("axis", default)) % max(len(shape), 1)
        if old:
            wide = [k for k in range(axis, len(shape)) if shape[k] > 1]
            if len(wide) > 1:
                raise self._refused(node, f"works along {len(wide)} axes at once")
            axis = wide[0] if wide else axis
        if node.attributes.get("select_last_index", 0):
            raise self._refused(node, "takes the last of several winners")
        batched = Tail("", self.shape, (), "", ()).batched(self.size)
        if shape != tuple(k if isinstance(k, int) else 2 for k in self.shape):
            raise self._refused(node, "works on a tensor that was shaped anew")
        if batched and axis == 0 and len(shape) > 0:
            raise self._refused(node, "works along the axis of the batch")
        return TailStep(node.operator, axis)

    def _refused(self, node: Node, reason: str) -> UnsupportedOperatorError:
        """An error about a node of the tail."""
        return UnsupportedOperatorError(
            f"{node.label} {reason}; read the tensor in front with --output-tensor "
            f"{self.ending.source!r}, or load(..., output_tensor={self.ending.source!r})"
        )


def _along(node: Node, step: TailStep) -> Node:
    """A node that says its axis itself."""
    from onnx import NodeProto, helper

    proto = NodeProto()
    proto.CopyFrom(node.proto)
    if step.axis is not None:
        kept = [attribute for attribute in proto.attribute if attribute.name != "axis"]
        del proto.attribute[:]
        proto.attribute.extend([*kept, helper.make_attribute("axis", step.axis)])
    return replace(node, proto=proto)


def _constants(model: Any, ending: Ending) -> dict[str, Array]:
    """Constants that the nodes of a tail read."""
    from onnx import numpy_helper

    read = {name for node in ending.nodes for name in node.inputs}
    found = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer if t.name in read}
    for proto in model.graph.node:
        if proto.op_type == "Constant" and read.intersection(proto.output):
            found.update(run_node(read_node(proto), {}, {"": _ONE_AXIS}))
    return found
