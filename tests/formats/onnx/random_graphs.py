"""Random ONNX graphs: branches and joins of convolutions, pools, activations, layout operators."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

IMAGE = (1, 2, 3, 2)
_MOST_VALUES = 40
_MOST_RECTIFIERS = 60


@dataclass
class Graph:
    """A graph under construction; `made` are its tensors, by name with their shapes.

    A share `dead` of the rows of its matrices has no weights.
    """

    generator: np.random.Generator
    rectifiers: int = 0
    dead: float = 0.0
    made: list[tuple[str, tuple[int, ...]]] = field(default_factory=lambda: [("x", IMAGE)])
    nodes: list[Any] = field(default_factory=list)
    stored: list[Any] = field(default_factory=list)

    def draw(self, *shape: int) -> np.ndarray:
        """Weights: dyadic ones, whose products are exact, or any."""
        if self.generator.random() < 0.5:
            return self.generator.integers(-4, 5, shape) / 4.0
        return 0.7 * self.generator.standard_normal(shape)

    def rows(self, *shape: int) -> np.ndarray:
        """Weights of a matrix, row by row."""
        values = self.draw(*shape)
        if self.dead:
            values[self.generator.random(shape[0]) < self.dead] = 0.0
        return values

    def number(self, low: int, high: int) -> int:
        """A random integer below `high`."""
        return int(self.generator.integers(low, high))

    def constant(self, values: Any) -> str:
        """The name of an initializer."""
        name = f"w{len(self.stored)}"
        self.stored.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def node(self, operator: str, inputs: list[str], outputs: int = 1, **attributes: Any) -> Any:
        """A node; the name of its output, or their names."""
        names = [f"t{len(self.nodes)}_{k}" for k in range(outputs)]
        self.nodes.append(
            helper.make_node(
                operator, inputs, names, name=f"{operator}{len(self.nodes)}", **attributes
            )
        )
        return names[0] if outputs == 1 else names

    def pick(self, shape: tuple[int, ...] | None = None) -> tuple[str, tuple[int, ...]]:
        """A tensor that was made, rather a late one; of a shape if one is given."""
        fitting = [entry for entry in self.made if shape in (None, entry[1])]
        late = min(len(fitting), 1 + self.number(0, 4))
        return fitting[-late]

    def add(self, name: str, shape: tuple[int, ...], rectifiers: int = 0) -> None:
        """A tensor that later nodes may read."""
        self.made.append((name, shape))
        self.rectifiers += rectifiers


def random_graph(generator: np.random.Generator, dead: float = 0.0) -> Any:
    """A model in float64 whose input x is an image and whose output y is a row of numbers."""
    graph = Graph(generator, dead=dead)
    for _ in range(generator.integers(2, 9)):
        operation = OPERATIONS[generator.integers(len(OPERATIONS))]
        name, shape = graph.pick()
        before = len(graph.nodes)
        operation(graph, name, shape)
        if graph.rectifiers > _MOST_RECTIFIERS and len(graph.nodes) > before:
            break
    name, shape = graph.made[-1]
    rows = graph.node("Reshape", [name, graph.constant(np.array([1, -1]))])
    if generator.random() < 0.7:
        weight = graph.constant(graph.draw(math.prod(shape), 2))
        rows = graph.node("MatMul", [rows, weight])
    graph.nodes[-1].output[0] = "y"
    kind = TensorProto.DOUBLE
    value = helper.make_graph(
        graph.nodes,
        "random",
        [helper.make_tensor_value_info("x", kind, IMAGE)],
        [helper.make_tensor_value_info("y", kind, (1, None))],
        graph.stored,
    )
    return helper.make_model(value, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def _unary(operator: str, rectifiers: int = 1, **attributes: Any) -> Any:
    def step(graph: Graph, name: str, shape: tuple[int, ...]) -> None:
        size = rectifiers * math.prod(shape)
        graph.add(graph.node(operator, [name], **attributes), shape, size)

    return step


def _prelu(graph: Graph, name: str, shape: tuple[int, ...]) -> None:
    slopes = graph.constant(graph.draw(*shape[1:]))
    graph.add(graph.node("PRelu", [name, slopes]), shape, math.prod(shape))


def _clip(graph: Graph, name: str, shape: tuple[int, ...]) -> None:
    low, high = np.sort(graph.draw(2))
    if graph.generator.random() < 0.5:
        low, high = -1.0, 6.0
    ends = [[low, high], [low, None], [None, high]][graph.number(0, 3)]
    names = ["" if end is None else graph.constant(np.float64(end)) for end in ends]
    graph.add(graph.node("Clip", [name, *names]), shape, 2 * math.prod(shape))


def _with_constant(operator: str) -> Any:
    def step(graph: Graph, name: str, shape: tuple[int, ...]) -> None:
        parts = [shape, shape[-1:], ()]
        values = graph.draw(*parts[graph.number(0, 3)])
        if operator == "Div":
            values = np.where(np.abs(values) < 0.2, 2.0, values)
        names = [name, graph.constant(values)]
        if operator != "Div" and graph.generator.random() < 0.4:
            names.reverse()
        size = math.prod(shape) * (operator in ("Max", "Min"))
        graph.add(graph.node(operator, names), shape, size)

    return step


def _joined(operator: str) -> Any:
    def step(graph: Graph, name: str, shape: tuple[int, ...]) -> None:
        others = [graph.pick(shape)[0] for _ in range(1 + (operator in ("Max", "Min", "Sum")))]
        size = len(others) * math.prod(shape) * (operator in ("Max", "Min"))
        graph.add(graph.node(operator, [name, *others]), shape, size)

    return step


def _convolution(graph: Graph, name: str, shape: tuple[int, ...]) -> None:
    if len(shape) != 4:
        return
    height, width = shape[2:]
    kernel = [graph.number(1, min(3, size) + 1) for size in (height, width)]
    pads = [graph.number(0, 2) for _ in range(4)]
    strides = [graph.number(1, 3) for _ in range(2)]
    group = shape[1] if graph.generator.random() < 0.3 else 1
    out = group * graph.number(1, 3)
    weight = graph.constant(graph.rows(out, shape[1] // group, *kernel))
    inputs = [name, weight]
    if graph.generator.random() < 0.5:
        inputs.append(graph.constant(graph.draw(out)))
    made = graph.node("Conv", inputs, kernel_shape=kernel, pads=pads, strides=strides, group=group)
    sizes = [
        (size + pads[k] + pads[k + 2] - kernel[k]) // strides[k] + 1
        for k, size in enumerate((height, width))
    ]
    _small(graph, made, (1, out, *sizes))


def _small(graph: Graph, name: str, shape: tuple[int, ...], rectifiers: int = 0) -> None:
    """Keep a tensor unless it is large, or empty; what nobody reads does not matter."""
    if 0 < math.prod(shape) <= _MOST_VALUES:
        graph.add(name, shape, rectifiers)
    else:
        graph.nodes.pop()


def _pool(operator: str) -> Any:
    def step(graph: Graph, name: str, shape: tuple[int, ...]) -> None:
        if len(shape) != 4:
            return
        kernel = [graph.number(1, min(3, size) + 1) for size in shape[2:]]
        pads = [graph.number(0, k) for k in kernel * 2]
        strides = [graph.number(1, 3) for _ in range(2)]
        extra = {}
        if operator == "AveragePool":
            extra = {"count_include_pad": graph.number(0, 2)}
        sizes = [
            (size + pads[k] + pads[k + 2] - kernel[k]) // strides[k] + 1
            for k, size in enumerate(shape[2:])
        ]
        made = graph.node(
            operator, [name], kernel_shape=kernel, pads=pads, strides=strides, **extra
        )
        size = math.prod(kernel) * math.prod(sizes) * shape[1] * (operator == "MaxPool")
        _small(graph, made, (1, shape[1], *sizes), size)

    return step


def _global(operator: str) -> Any:
    def step(graph: Graph, name: str, shape: tuple[int, ...]) -> None:
        if len(shape) == 4:
            size = math.prod(shape) * (operator == "GlobalMaxPool")
            graph.add(graph.node(operator, [name]), (*shape[:2], 1, 1), size)

    return step


def _reduced(operator: str) -> Any:
    def step(graph: Graph, name: str, shape: tuple[int, ...]) -> None:
        axis = graph.number(1, len(shape))
        made = graph.node(operator, [name], axes=[axis], keepdims=1)
        size = math.prod(shape) * (operator in ("ReduceMax", "ReduceMin"))
        graph.add(made, (*shape[:axis], 1, *shape[axis + 1 :]), size)

    return step


def _sum_of_axis(graph: Graph, name: str, shape: tuple[int, ...]) -> None:
    axis = graph.number(1, len(shape))
    made = graph.node("ReduceSum", [name, graph.constant(np.array([axis]))], keepdims=1)
    graph.add(made, (*shape[:axis], 1, *shape[axis + 1 :]))


def _matmul(graph: Graph, name: str, shape: tuple[int, ...]) -> None:
    width = graph.number(1, 5)
    made = graph.node("MatMul", [name, graph.constant(graph.draw(shape[-1], width))])
    _small(graph, made, (*shape[:-1], width))


def _gemm(graph: Graph, name: str, shape: tuple[int, ...]) -> None:
    rows, width = graph.node("Flatten", [name]), graph.number(1, 7)
    weight = graph.constant(graph.rows(width, math.prod(shape)))
    bias = graph.constant(graph.draw(width))
    graph.add(graph.node("Gemm", [rows, weight, bias], transB=1, alpha=0.5), (1, width))


def _normalised(graph: Graph, name: str, shape: tuple[int, ...]) -> None:
    scale, shift, mean, variance = (graph.draw(shape[1]) for _ in range(4))
    values = (scale, shift, mean, np.abs(variance) + 0.1)
    names = [name, *map(graph.constant, values)]
    graph.add(graph.node("BatchNormalization", names, momentum=1.0), shape)


def _transposed(graph: Graph, name: str, shape: tuple[int, ...]) -> None:
    order = [0, *(1 + graph.generator.permutation(len(shape) - 1)).tolist()]
    graph.add(graph.node("Transpose", [name], perm=order), tuple(shape[k] for k in order))


def _reshaped(graph: Graph, name: str, shape: tuple[int, ...]) -> None:
    total = math.prod(shape)
    ways = [(1, total), (1, 1, total, 1), (1, total, 1, 1)]
    ways += [(1, 2, total // 2, 1), (1, 1, 2, total // 2)] * (total % 2 == 0)
    wanted = ways[graph.number(0, len(ways))]
    graph.add(graph.node("Reshape", [name, graph.constant(np.array(wanted))]), wanted)


def _sliced(graph: Graph, name: str, shape: tuple[int, ...]) -> None:
    axis = graph.number(1, len(shape))
    start, step = graph.number(0, shape[axis]), graph.number(1, 3)
    ends = [np.array([number]) for number in (start, shape[axis], axis, step)]
    made = graph.node("Slice", [name, *map(graph.constant, ends)])
    graph.add(made, (*shape[:axis], len(range(start, shape[axis], step)), *shape[axis + 1 :]))


def _gathered(graph: Graph, name: str, shape: tuple[int, ...]) -> None:
    axis = graph.number(1, len(shape))
    places = graph.generator.integers(-shape[axis], shape[axis], graph.number(1, 4))
    made = graph.node("Gather", [name, graph.constant(places)], axis=axis)
    _small(graph, made, (*shape[:axis], len(places), *shape[axis + 1 :]))


def _split(graph: Graph, name: str, shape: tuple[int, ...]) -> None:
    axis = graph.number(1, len(shape))
    if shape[axis] < 2:
        return
    first = graph.number(1, shape[axis])
    sizes = [first, shape[axis] - first]
    names = graph.node("Split", [name, graph.constant(np.array(sizes))], 2, axis=axis)
    for made, size in zip(names, sizes, strict=True):
        graph.add(made, (*shape[:axis], size, *shape[axis + 1 :]))


def _padded(graph: Graph, name: str, shape: tuple[int, ...]) -> None:
    pads = [0] * (2 * len(shape))
    axis = graph.number(1, len(shape))
    pads[axis], pads[axis + len(shape)] = graph.number(0, 2), graph.number(0, 2)
    value = graph.constant(np.float64(graph.number(-1, 2)))
    made = graph.node("Pad", [name, graph.constant(np.array(pads)), value])
    grown = shape[axis] + pads[axis] + pads[axis + len(shape)]
    _small(graph, made, (*shape[:axis], grown, *shape[axis + 1 :]))


def _concatenated(graph: Graph, name: str, shape: tuple[int, ...]) -> None:
    axis = graph.number(1, len(shape))
    other, _ = graph.pick(shape)
    made = graph.node("Concat", [name, other], axis=axis)
    _small(graph, made, (*shape[:axis], 2 * shape[axis], *shape[axis + 1 :]))


def _where(graph: Graph, name: str, shape: tuple[int, ...]) -> None:
    mask = graph.constant(graph.generator.random(shape) < 0.5)
    other, _ = graph.pick(shape)
    graph.add(graph.node("Where", [mask, name, other]), shape)


RECTIFIERS = (
    _unary("Relu"),
    _unary("LeakyRelu", alpha=0.25),
    _unary("LeakyRelu", alpha=0.1),
    _unary("Abs"),
    _unary("HardSigmoid", 2),
    _prelu,
    _clip,
    _with_constant("Max"),
    _with_constant("Min"),
    _joined("Max"),
    _joined("Min"),
    _pool("MaxPool"),
    _global("GlobalMaxPool"),
    _reduced("ReduceMax"),
    _reduced("ReduceMin"),
)
LINEAR = (
    _unary("Neg", 0),
    _with_constant("Add"),
    _with_constant("Sub"),
    _with_constant("Mul"),
    _with_constant("Div"),
    _joined("Add"),
    _joined("Sub"),
    _joined("Sum"),
    _convolution,
    _convolution,
    _convolution,
    _matmul,
    _gemm,
    _normalised,
    _pool("AveragePool"),
    _global("GlobalAveragePool"),
    _reduced("ReduceMean"),
    _sum_of_axis,
)
LAYOUT = (_transposed, _reshaped, _sliced, _gathered, _split, _padded, _concatenated, _where)
OPERATIONS = (*RECTIFIERS, _unary("Relu"), _unary("Relu"), *LINEAR, *LAYOUT)
