"""Random convolutional networks of which many channels do nothing, in the ways files state them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from formats.onnx.random_graphs import Graph
from onnx import TensorProto, helper

IMAGE = (1, 2, 4, 4)


def random_convolutions(generator: np.random.Generator) -> Any:
    """A model in float64 from an image x to a row y: blocks of convolutions, and a dense end."""
    graph = Graph(generator)
    name, shape = "x", IMAGE
    for _ in range(graph.number(1, 4)):
        name, shape = BLOCKS[graph.number(0, len(BLOCKS))](graph, name, shape)
    name, width = _flat(graph, name, shape)
    for _ in range(graph.number(0, 3)):
        name, width = _dense(graph, name, width, graph.number(2, 6))
        name = _activate(graph, name, (1, width))
    _dense(graph, name, width, 2)
    graph.nodes[-1].output[0] = "y"
    kind = TensorProto.DOUBLE
    value = helper.make_graph(
        graph.nodes,
        "random",
        [helper.make_tensor_value_info("x", kind, ("N", *IMAGE[1:]))],
        [helper.make_tensor_value_info("y", kind, ("N", 2))],
        graph.stored,
    )
    return helper.make_model(value, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def _chance(graph: Graph, share: float) -> bool:
    return bool(graph.generator.random() < share)


def _numbers(graph: Graph, values: np.ndarray) -> str:
    """Constants as an initializer or a node."""
    if _chance(graph, 0.7):
        return graph.constant(values)
    return graph.node(
        "Constant",
        [],
        value=helper.make_tensor(
            "value", TensorProto.DOUBLE, values.shape, values.ravel().tolist()
        ),
    )


def _weights(graph: Graph, out: int, *rest: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights and biases: rows that cannot become positive, rows without weights, columns too."""
    weight, bias = graph.draw(out, *rest), graph.draw(out)
    fates = graph.generator.random(out)
    bias[fates < 0.3] -= 100.0
    weight[fates > 0.85] = 0.0
    if rest[0] > 1 and _chance(graph, 0.3):
        weight[:, graph.number(0, rest[0])] = 0.0
    if out > 2 and _chance(graph, 0.2):
        weight[1], bias[1] = 2.0 * weight[0], 2.0 * bias[0]
    return weight, bias


def _convolution(
    graph: Graph, name: str, shape: tuple[int, ...], out: int, keep: bool = False, group: int = 1
) -> tuple[str, tuple[int, ...]]:
    """A convolution, of which the padding may keep the size of the image."""
    kernel = 1 if shape[2] < 3 else 3 if keep else graph.number(1, 4)
    pad = kernel // 2 if keep else graph.number(0, 2)
    weight, bias = _weights(graph, out, shape[1] // group, kernel, kernel)
    inputs = [name, _numbers(graph, weight)]
    if keep or _chance(graph, 0.8):
        inputs.append(_numbers(graph, bias))
    attributes: dict[str, Any] = {"group": group} if group > 1 else {}
    if pad or _chance(graph, 0.5):
        attributes["pads"] = [pad] * 4
    size = shape[2] + 2 * pad - kernel + 1
    return graph.node("Conv", inputs, **attributes), (1, out, size, size)


def _activate(graph: Graph, name: str, shape: tuple[int, ...]) -> str:
    choice = graph.number(0, 6)
    if choice == 0:
        return graph.node("LeakyRelu", [name], alpha=0.25)
    if choice == 1:
        low, high = graph.constant(np.float64(0.0)), graph.constant(np.float64(6.0))
        return graph.node("Clip", [name, low, high])
    if choice == 2:
        slopes = np.where(graph.generator.random(shape[1]) < 0.5, 0.0, 0.5)
        sizes = [-1, *[1] * (len(shape) - 2)]
        return graph.node("PRelu", [name, graph.constant(slopes.reshape(sizes))])
    return graph.node("Relu", [name])


def _plain(graph: Graph, name: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    name, shape = _convolution(graph, name, shape, graph.number(2, 5))
    if _chance(graph, 0.3):
        values = (graph.draw(shape[1]), graph.draw(shape[1]), graph.draw(shape[1]))
        names = [*map(graph.constant, values), graph.constant(np.abs(graph.draw(shape[1])) + 0.1)]
        # The evaluator that takes part needs this momentum below opset 14.
        name = graph.node("BatchNormalization", [name, *names], momentum=1.0)
    if _chance(graph, 0.3):
        operator = ("Add", "Mul", "Sub")[graph.number(0, 3)]
        sizes = [(shape[1], 1, 1), (1, shape[1], 1, 1), (), (1,)][graph.number(0, 4)]
        name = graph.node(operator, [name, graph.constant(graph.draw(*sizes))])
    return _activate(graph, name, shape), shape


def _pooled(graph: Graph, name: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    name, shape = _plain(graph, name, shape)
    if shape[2] < 2:
        return name, shape
    if _chance(graph, 0.2):
        axes = {"axes": [2, 3], "keepdims": 1}
        return graph.node("ReduceMean", [name], **axes), (1, shape[1], 1, 1)
    pad = graph.number(0, 2)
    more = {"count_include_pad": graph.number(0, 2)} if _chance(graph, 0.5) else {}
    operator = "AveragePool" if more else "MaxPool"
    size = shape[2] + pad - 1
    sides = {"kernel_shape": [2, 2], "pads": [pad, pad, 0, 0], **more}
    return graph.node(operator, [name], **sides), (1, shape[1], size, size)


def _residual(graph: Graph, name: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    made, _ = _convolution(graph, name, shape, shape[1] + 1, keep=True)
    made, _ = _convolution(
        graph, graph.node("Relu", [made]), (1, shape[1] + 1, *shape[2:]), shape[1], keep=True
    )
    return _activate(graph, graph.node("Add", [made, name]), shape), shape


def _branches(graph: Graph, name: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    parts = [_convolution(graph, name, shape, graph.number(1, 4), keep=True) for _ in range(2)]
    rectified = [graph.node("Relu", [part]) for part, _ in parts]
    if _chance(graph, 0.3):
        rectified.append(name)
        parts.append((name, shape))
    out = sum(sizes[1] for _, sizes in parts)
    return graph.node("Concat", rectified, axis=1), (1, out, *shape[2:])


def _groups(graph: Graph, name: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    name, shape = _plain(graph, name, shape)
    group = shape[1] if _chance(graph, 0.6) or shape[1] % 2 else 2
    out = group * graph.number(1, 3)
    name, shape = _convolution(graph, name, shape, out, keep=True, group=group)
    return _activate(graph, name, shape), shape


def _transposed(graph: Graph, name: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    out = graph.number(1, 4)
    weight, bias = _weights(graph, out, shape[1], 2, 2)
    names = [graph.constant(np.swapaxes(weight, 0, 1)), graph.constant(bias)]
    made = graph.node("ConvTranspose", [name, *names])
    return _activate(graph, made, (1, out, 1, 1)), (1, out, shape[2] + 1, shape[3] + 1)


def _parted(graph: Graph, name: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    """Channels taken apart, by Split or by Slices, and put together in another way."""
    name, shape = _plain(graph, name, shape)
    count, half = shape[1], max(shape[1] // 2, 1)
    if count < 2 or _chance(graph, 0.5):
        axes, end = graph.constant(np.array([1])), graph.number(count, count + 3)
        start = graph.number(0, count) - count * graph.number(0, 2)
        ends = graph.constant(np.array([start])), graph.constant(np.array([end]))
        made = graph.node("Slice", [name, *ends, axes])
        return _activate(graph, made, (1, 1, 1, 1)), (
            1,
            -start if start < 0 else count - start,
            *shape[2:],
        )
    sizes = [half, count - half]
    stated = [graph.constant(np.array(sizes))] if count % 2 or _chance(graph, 0.5) else []
    parts = graph.node("Split", [name, *stated], outputs=2, axis=1)
    made = [
        graph.node("Relu", [_convolution(graph, part, (1, k, *shape[2:]), 3, keep=True)[0]])
        for part, k in zip(parts, sizes, strict=True)
    ]
    if _chance(graph, 0.5):
        return graph.node("Add", made), (1, 3, *shape[2:])
    return graph.node("Concat", made, axis=1), (1, 6, *shape[2:])


def _moved(graph: Graph, name: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    """Channels shuffled, taken in any order, repeated or spread over an image."""
    name, shape = _plain(graph, name, shape)
    count, way = shape[1], graph.number(0, 4)
    if way == 0 and count % 2 == 0:
        rows = graph.constant(np.array([0, 2, count // 2, *shape[2:]]))
        name = graph.node("Transpose", [graph.node("Reshape", [name, rows])], perm=[0, 2, 1, 3, 4])
        return graph.node("Reshape", [name, graph.constant(np.array([-1, *shape[1:]]))]), shape
    if way == 1:
        repeats = graph.constant(np.array([1, 2, 1, 1]))
        return graph.node("Tile", [name, repeats]), (1, 2 * count, *shape[2:])
    if way == 2:
        sizes = graph.constant(np.array([(count, 1)[graph.number(0, 2)], *shape[2:]]))
        return graph.node("Expand", [graph.node("GlobalMaxPool", [name]), sizes]), shape
    taken = graph.generator.integers(-count, count, size=graph.number(1, count + 2))
    made = graph.node("Gather", [name, graph.constant(taken)], axis=1)
    return made, (1, len(taken), *shape[2:])


BLOCKS = (
    *(_plain, _plain, _pooled, _pooled, _residual, _branches, _groups, _transposed, _parted),
    *(_moved, _moved),
)


def _flat(graph: Graph, name: str, shape: tuple[int, ...]) -> tuple[str, int]:
    """An image as a row."""
    total, way = math.prod(shape), graph.number(0, 8)
    if way == 0:
        name = graph.node("GlobalAveragePool", [name])
        return graph.node("Flatten", [name], axis=1), shape[1]
    if way == 1:
        name = graph.node("Transpose", [name], perm=[0, 2, 3, 1])
    if way == 2:
        name = graph.node("Reshape", [name, graph.constant(np.array([0, shape[1], -1]))])
    if way == 3:
        return graph.node("Reshape", [name, graph.constant(np.array([-1, total]))]), total
    if way == 4:
        return graph.node("Reshape", [name, graph.constant(np.array([0, -1]))]), total
    if way == 5:
        counted = graph.node("Gather", [graph.node("Shape", [name]), graph.constant(np.array([0]))])
        sizes = graph.node("Concat", [counted, graph.constant(np.array([total]))], axis=0)
        return graph.node("Reshape", [name, sizes]), total
    if way == 6:
        name = graph.node("Reshape", [name, graph.constant(np.array([0, shape[1], -1]))])
        weight, bias = _weights(graph, 3, shape[1])
        name = graph.node("Transpose", [name], perm=[0, 2, 1])
        name = graph.node("MatMul", [name, _numbers(graph, weight.T)])
        name = graph.node("Relu", [graph.node("Add", [name, graph.constant(bias)])])
        total = 3 * shape[2] * shape[3]
    return graph.node("Flatten", [name], axis=1), total


def _dense(graph: Graph, name: str, width: int, out: int) -> tuple[str, int]:
    """A matrix in one of the ways in which files state them."""
    weight, bias = _weights(graph, out, width)
    if _chance(graph, 0.3):
        made = graph.node("MatMul", [name, _numbers(graph, weight.T)])
        return graph.node("Add", [made, graph.constant(bias)]), out
    if _chance(graph, 0.5):
        return graph.node(
            "Gemm", [name, _numbers(graph, weight), graph.constant(bias)], transB=1
        ), out
    return graph.node("Gemm", [name, _numbers(graph, weight.T), graph.constant(bias)]), out
