"""The dense end of a graph, which every rewrite of a chain applies to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from leo_opt.activations import LINEAR
from leo_opt.arithmetic import round_down, round_up
from leo_opt.arrays import IntArray
from leo_opt.balance import balanced
from leo_opt.bounds import propagate
from leo_opt.compression import rewrite
from leo_opt.deviation import add_up, rounding_deviation
from leo_opt.domain import Box
from leo_opt.formats.onnx.graph import Node, read_node
from leo_opt.formats.onnx.operation import Tensor
from leo_opt.formats.onnx.reader import Lowered
from leo_opt.formats.onnx.writer import layer_nodes
from leo_opt.graphs.known import Known
from leo_opt.graphs.models import drop_unread, names_of, remove, state_ends
from leo_opt.network import FloatArray, Layer, Network, Signature
from leo_opt.rewrites import Draft, Step
from leo_opt.rewrites.draft import Units
from leo_opt.rewrites.pieces import settle

_READS_ENDS = 11
"""The version of ONNX since which the ends of a Clip are inputs."""


@dataclass(frozen=True, eq=False)
class Head:
    """The last matrices of a graph with the activations between them.

    Parameters
    ----------
    nodes
        From the first to the last.
    source, target
        The rows that it reads, and those that it makes.
    network
    units
        For each hidden layer the variables that its units are.
    """

    nodes: tuple[Node, ...]
    source: str
    target: str
    network: Network
    units: tuple[IntArray, ...]


@dataclass(frozen=True, eq=False)
class Rewritten:
    """A head made smaller.

    Parameters
    ----------
    network
        With the numbers that are stored.
    steps
        What was done.
    kept
        For each layer of the old head the units that are left, -1 for new ones.
    deviation : (output_size,) array
        Proved bound on what that and storing the numbers changed.
    """

    network: Network
    steps: tuple[Step, ...]
    kept: tuple[tuple[int, ...], ...]
    deviation: FloatArray


def find_head(lowered: Lowered) -> Head | None:
    """The dense end of a graph, None where there is none with a hidden layer."""
    graph = lowered.graph
    if len(graph.outputs) != 1:
        return None
    way = _Way(lowered)
    source = target = graph.outputs[0].name
    layers: list[Layer] = []
    units: list[IntArray] = []
    nodes: list[Node] = []
    while True:
        tag, own, first = way.activation(source, hidden=bool(layers))
        matrix = way.matrix(first[0].inputs[0] if first else source, alone=bool(layers or first))
        if matrix is None or (layers and not first):
            break
        weight, bias, others = matrix
        layers.insert(0, Layer(weight, bias, tag))
        units.insert(0, own)
        nodes[:0] = [*others, *first]
        source = others[0].inputs[0]
    if len(layers) < 2:
        return None
    signature = Signature(source, target, dtype=graph.inputs[0].dtype)
    return Head(tuple(nodes), source, target, Network(tuple(layers), signature), tuple(units[:-1]))


class _Way:
    """The way back through a graph, along tensors that one node reads."""

    def __init__(self, lowered: Lowered) -> None:
        self._values = lowered.values
        self._blocks = {block.first: block for block in lowered.levels.blocks}
        self._makers = {name: node for node in lowered.graph.nodes for name in node.outputs}
        self._uses = Counter(name for proto in lowered.model.graph.node for name in proto.input)

    def activation(
        self, name: str, hidden: bool
    ) -> tuple[str | tuple[str, ...], IntArray, list[Node]]:
        """Tags of what makes a tensor, the variables that its units are, and the node, if any."""
        none = LINEAR, np.empty(0, dtype=np.int64), list[Node]()
        node, made = self._maker(name, alone=hidden), self._values[name]
        if node is None or not isinstance(made, Tensor):
            return none
        # Whatever the operator is called: units of what it reads, and nothing else.
        block = self._blocks.get(next(iter(made.values.columns.tolist()), -1))
        given = self._values[node.inputs[0]]
        if block is None or not isinstance(given, Tensor) or block.pre is not given.values:
            return none
        own = np.arange(block.first, block.first + len(block.pre))
        if not (made.values.is_variables and np.array_equal(made.values.columns, own)):
            return none
        return block.tags, own, [node]

    def matrix(self, name: str, alone: bool) -> tuple[FloatArray, FloatArray, list[Node]] | None:
        """Weight, bias and nodes of a product of a row that makes a tensor."""
        node, added = self._maker(name, alone), list[Node]()
        if node is not None and node.operator == "Add":
            tensors = [given for given in node.inputs if self._depends(given)]
            added = [node]
            node = self._maker(tensors[0], alone=True) if len(tensors) == 1 else None
        known = ("MatMul",) if added else ("Gemm", "MatMul")
        if node is None or node.operator not in known or not self._is_plain(node):
            return None
        weight = self._numbers(node.inputs[1])
        weight = weight if node.attributes.get("transB", 0) else weight.T
        others = [*node.inputs[2:], *(given for last in added for given in last.inputs)]
        constants = [self._numbers(n) for n in others if n and not self._depends(n)]
        shift = constants[0] if constants else np.zeros(1)
        if shift.size not in (1, len(weight)):
            return None
        return weight, np.broadcast_to(shift.reshape(-1), len(weight)), [node, *added]

    def _is_plain(self, node: Node) -> bool:
        """Whether a node multiplies one row by a constant matrix, and nothing more."""
        row, flags = self._values[node.inputs[0]], node.attributes
        plain = flags.get("alpha", 1.0) == flags.get("beta", 1.0) == 1.0
        others = [name for name in node.inputs[1:] if name]
        return (
            isinstance(row, Tensor)
            and len(row.shape) == 2
            and row.shape[0] == 1
            and plain
            and not flags.get("transA", 0)
            and not any(map(self._depends, others))
            and self._numbers(others[0]).ndim == 2
        )

    def _maker(self, name: str, alone: bool) -> Node | None:
        """The node that makes a tensor, which only one may read, if so asked."""
        return None if alone and self._uses[name] != 1 else self._makers.get(name)

    def _depends(self, name: str) -> bool:
        return isinstance(self._values[name], Tensor)

    def _numbers(self, name: str) -> FloatArray:
        return np.asarray(self._values[name], dtype=np.float64)


def rewrite_head(lowered: Lowered, head: Head, known: Known) -> Rewritten | None:
    """The head with every rewrite of a chain made, None where that makes it no smaller."""
    values = lowered.values[head.source]
    assert isinstance(values, Tensor)
    lower, upper = known.interval(values.values)
    if not (np.isfinite(lower).all() and np.isfinite(upper).all()):
        return None
    box, network = Box(lower, upper), head.network
    bounds = propagate(network, box)
    layers: list[Layer] = []
    units: list[Units] = []
    for index, layer in enumerate(network.layers):
        low, high = believed = bounds.lower[index], bounds.upper[index]
        moved = np.zeros(layer.n_out)
        if index < len(head.units):
            own = head.units[index]
            moved = known.moved[own]
            # No rewrite counts how far the pieces that `settle` takes away are from the file's.
            room = np.where([tag == "relu" for tag in layer.tags], 0.0, moved)
            low, high = known.believed_lower[own], known.believed_upper[own]
            believed = (
                np.where(room > 0.0, round_down(low - room), low),
                np.where(room > 0.0, round_up(high + room), high),
            )
            low, high = bounds.lower[index], bounds.upper[index]
            low = np.maximum(known.pre_lower[own], low)
            high = np.minimum(known.pre_upper[own], high)
        settled, active, inactive, constant = settle(layer, *believed)
        layers.append(settled)
        low, high = (np.where(constant, settled.bias, end) for end in (low, high))
        sure = np.where(inactive, -believed[1], believed[0])
        own = np.arange(layer.n_out)
        units.append(Units(own, active, inactive, low, high, moved * ~constant, sure))
    network = Network(tuple(layers), network.signature)
    draft = rewrite(Draft.of(network, box, tuple(units)))
    if not draft.steps or not np.isfinite(draft.deviation).all():
        return None
    bounds = propagate(draft.network, box)
    stored = balanced(draft.network, bounds)
    # A bias may be new, and what others read, too, stays.
    if sum((layer.n_in + 1) * layer.n_out for layer in stored.layers) > _own_numbers(lowered, head):
        return None
    rounding = rounding_deviation(draft.network, stored, bounds)
    kept = draft.kept(len(network.layers))
    return Rewritten(stored, draft.steps, kept, add_up(draft.deviation, rounding))


def _own_numbers(lowered: Lowered, head: Head) -> int:
    """How many numbers a head stores that nothing else reads."""
    own = Counter(name for node in head.nodes for name in node.inputs)
    uses = Counter(name for proto in lowered.model.graph.node for name in proto.input)
    values = [lowered.values[name] for name, count in own.items() if name and uses[name] == count]
    return sum(value.size for value in values if not isinstance(value, Tensor))


def replace_head(lowered: Lowered, head: Head, rewritten: Rewritten) -> Lowered:
    """A graph with another dense end, in place; of its tensors only constants are known."""
    from onnx import numpy_helper

    graph = lowered.model.graph
    protos, tensors = layer_nodes(rewritten.network, names_of(lowered.model))
    made = {tensor.name: numpy_helper.to_array(tensor) for tensor in tensors}
    for proto in protos:
        if proto.op_type == "Clip" and lowered.graph.opsets[""] < _READS_ENDS:
            state_ends(proto, made)
    old = {node.outputs for node in head.nodes}
    places = [k for k, proto in enumerate(graph.node) if tuple(proto.output) in old]
    remove(graph.node, lambda proto: tuple(proto.output) in old)
    for proto in reversed(protos):
        graph.node.insert(places[-1] + 1 - len(places), proto)
    graph.initializer.extend(tensors)
    before = {name for node in head.nodes for name in node.inputs}
    drop_unread(lowered.model, before | set(made))
    remove(graph.value_info, lambda value: (value.name,) in old)
    kept = [node for node in lowered.graph.nodes if node.outputs not in old]
    values = {name: value for name, value in lowered.values.items() if (name,) not in old}
    values |= made
    nodes = (*kept, *map(read_node, protos))
    return replace(lowered, graph=replace(lowered.graph, nodes=nodes), values=values)
