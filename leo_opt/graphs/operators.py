"""What each operator does to slices: hand them on, join them, or mix them with a matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import numpy as np

from leo_opt.arrays import IntArray
from leo_opt.errors import LeoOptError
from leo_opt.formats.onnx.evaluator import run_node
from leo_opt.formats.onnx.graph import Array, Node
from leo_opt.formats.onnx.linear import grouped
from leo_opt.formats.onnx.operation import Operation, Tensor
from leo_opt.graphs.cutting import Cutting, StuckError
from leo_opt.graphs.slices import STAYS, Consumer, Count, Pick, Slices


def row_product(cutting: Cutting, node: Node) -> Slices:
    """Gemm and MatMul: rows times a stored matrix."""
    given, matrix = cutting.given(node), cutting.constant(node, 1)
    last = len(given.shape) - 1
    if given.axis != last or last < 1 or matrix is None or matrix.ndim != 2:
        raise StuckError
    flags = {name: node.attributes.get(name, default) for name, default in _GEMM.items()}
    if flags["transA"]:
        raise StuckError
    across = int(bool(flags["transB"]))
    made = cutting.fresh(matrix.shape[1 - across])
    cutting.trim(node, 1, across, given.classes)
    cutting.trim(node, 1, 1 - across, made)
    if node.operator == "Gemm":
        bias = cutting.constant(node, 2)
        cutting.trim(node, 2, -1 if bias is None else bias.ndim - 1, made)
    weight = np.asarray(matrix.T if across else matrix, dtype=np.float64)[:, :, None]
    # A MatMul takes up a constant as a Gemm, which multiplies one row.
    plain, axes = flags["alpha"] == flags["beta"] == 1.0 and last == 1, (across, 1 - across)
    cutting.consumers.append(Consumer(node, node.inputs[0], given, made, weight, axes, plain))
    return Slices(cutting.shape_of(node), last, made)


def convolution(cutting: Cutting, node: Node) -> Slices:
    """Conv and ConvTranspose."""
    given, weight = cutting.given(node), cutting.constant(node, 1)
    if weight is None:
        raise StuckError
    if given.axis != 1:
        cutting.keep(given)
        given = Slices(given.shape, 1, np.full(given.shape[1], STAYS))
    groups = int(node.attributes.get("group", 1))
    transposed = node.operator == "ConvTranspose"
    shape = cutting.shape_of(node)
    if groups > 1:
        return _grouped(cutting, node, given, weight, groups, shape)
    made = cutting.fresh(shape[1])
    cutting.trim(node, 1, int(not transposed), given.classes)
    cutting.trim(node, 1, int(transposed), made)
    cutting.trim(node, 2, 0, made)
    numbers = np.asarray(weight if transposed else np.swapaxes(weight, 0, 1), dtype=np.float64)
    automatic = node.attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID")
    padded = transposed or automatic or any(node.attributes.get("pads", ()))
    flat, axes = numbers.reshape(*numbers.shape[:2], -1), (int(not transposed), int(transposed))
    cutting.consumers.append(Consumer(node, node.inputs[0], given, made, flat, axes, not padded))
    return Slices(shape, 1, made)


def _grouped(
    cutting: Cutting, node: Node, given: Slices, weight: Array, groups: int, shape: tuple[int, ...]
) -> Slices:
    """A convolution in groups: a group goes as a whole."""
    each = given.classes.reshape(groups, -1)
    for column in each.T[1:]:
        cutting.join(each[:, 0], column)
    made = np.repeat(each[:, 0], shape[1] // groups)
    own = given.classes if node.operator == "ConvTranspose" else made
    if weight.shape[0] != len(own):
        raise StuckError
    cutting.trim(node, 1, 0, own)
    cutting.trim(node, 2, 0, made)
    cutting.counts.append(Count(node, "group", 0, each[:, 0]))
    return Slices(shape, 1, made)


def elementwise(cutting: Cutting, node: Node) -> Slices:
    """Operators that combine elements at the same place."""
    shape, values = cutting.shape_of(node), cutting.lowered.values
    tensors = [cutting.given(node, k) for k in _depending(cutting, node)]
    behind = tensors[0].axis - len(tensors[0].shape)
    first = tensors[0].classes
    for other in tensors[1:]:
        if other.axis - len(other.shape) != behind or len(other.classes) != len(first):
            raise StuckError
        cutting.join(first, other.classes)
    if shape[behind] != len(first):
        raise StuckError
    for place, name in enumerate(node.inputs):
        value = values[name] if name else None
        if value is None or isinstance(value, Tensor):
            continue
        axis = value.ndim + behind
        if axis >= 0 and value.shape[axis] > 1:
            cutting.trim(node, place, axis, first)
    return Slices(shape, len(shape) + behind, first)


def _depending(cutting: Cutting, node: Node) -> Iterator[int]:
    """Places of the inputs that depend on the network's."""
    for place, name in enumerate(node.inputs):
        if name and isinstance(cutting.lowered.values[name], Tensor):
            yield place


def by_channel(cutting: Cutting, node: Node) -> Slices:
    """Pools, and normalisation by numbers of the channels."""
    given, shape = cutting.given(node), cutting.shape_of(node)
    if given.axis != 1 or shape[1] != given.shape[1]:
        raise StuckError
    if node.operator == "BatchNormalization":
        for place in range(1, 5):
            cutting.trim(node, place, 0, given.classes)
    return Slices(shape, 1, given.classes)


def reduced(cutting: Cutting, node: Node) -> Slices:
    """Sums and the like over axes other than that of the slices."""
    given, values = cutting.given(node), cutting.lowered.values
    inputs = tuple(values[name] if name else None for name in node.inputs)
    step = Operation(node, inputs, cutting.lowered.levels, cutting.lowered.graph.opsets, 1)
    _, places, shape = grouped(step)
    numbers = given.numbered(1).ravel()[places]
    if not (numbers == numbers[:, :1]).all():
        raise StuckError
    classes = np.concatenate([[STAYS], given.classes])
    return cutting.cut_again(numbers[:, 0].reshape(shape), classes)[0]


def moved(cutting: Cutting, node: Node) -> Slices:
    """Operators that move elements: run once on the numbers of the slices."""
    if node.operator == "Squeeze" and len(node.inputs) < 2 and "axes" not in node.attributes:
        raise StuckError  # An axis with one slice left would go, too.
    given, classes = _numbered(cutting, node)
    try:
        [found] = run_node(node, given, cutting.lowered.graph.opsets).values()
    except (LeoOptError, ValueError):
        raise StuckError from None
    numbers = np.asarray(np.rint(np.float64(found)), dtype=np.int64)
    if numbers.shape != cutting.shape_of(node):
        raise StuckError
    whole = np.concatenate(classes)
    slices, rows = cutting.cut_again(numbers, whole)
    straight = len(classes) == 2 and np.array_equal(rows, np.arange(1, len(whole)))
    if node.operator in _ALONG and not straight:
        raise StuckError
    if node.operator in _NOTES:
        _NOTES[node.operator](cutting, node, slices)
    return slices


def _numbered(cutting: Cutting, node: Node) -> tuple[dict[str, Array], list[IntArray]]:
    """The inputs of a node with the number of its slice for each element, 0 for what constants
    fill in; and the classes of the slices."""
    given: dict[str, Array] = {}
    classes = [np.array([STAYS])]
    for place, name in enumerate(node.inputs):
        if not name or name in given:
            continue
        value = cutting.lowered.values[name]
        if isinstance(value, Tensor):
            slices = cutting.given(node, place)
            given[name] = slices.numbered(sum(map(len, classes)))
            classes.append(slices.classes)
        else:
            filling = node.operator == "Concat" or (node.operator == "Pad" and place == _VALUE)
            given[name] = np.zeros_like(value) if filling else value
    return given, classes


def _reshaped(cutting: Cutting, node: Node, slices: Slices) -> None:
    """Note that the target of a Reshape has another number of slices."""
    target, given = cutting.lowered.values[node.inputs[1]], cutting.given(node)
    assert not isinstance(target, Tensor)
    sizes = target.reshape(-1).tolist()
    copied = [k for k, size in enumerate(sizes) if size == 0]
    if (node.attributes.get("allowzero", 0) and copied) or len(sizes) != len(slices.shape):
        raise StuckError
    if any((k == slices.axis) != (k == given.axis) for k in copied):
        raise StuckError
    if sizes[slices.axis] > 0:
        cutting.constant(node, 1)
        cutting.counts.append(Count(node, 1, slices.axis, slices.classes))


def _filled(cutting: Cutting, node: Node, slices: Slices) -> None:
    """Note that what a Concat puts beside slices, along another axis, has a part of each."""
    if node.attributes["axis"] % len(slices.shape) == slices.axis:
        return
    for place, name in enumerate(node.inputs):
        if not isinstance(cutting.lowered.values[name], Tensor):
            cutting.trim(node, place, slices.axis, slices.classes)
            cutting.rigid.append(slices.classes)


def _resized(cutting: Cutting, node: Node, slices: Slices) -> None:
    """Note that the sizes which a Resize states have the number of slices among them."""
    if cutting.constant(node, _SIZES) is not None:
        if "axes" in node.attributes:
            raise StuckError
        cutting.counts.append(Count(node, _SIZES, slices.axis, slices.classes))


def _cut_out(cutting: Cutting, node: Node, slices: Slices) -> None:
    """Note that a Slice takes others where slices in front of its ends are gone."""
    given, axis = cutting.given(node), slices.axis
    if given.axis == axis and len(given.classes) == len(slices.classes):
        return
    starts, ends, axes, steps = (cutting.constant(node, place) for place in range(1, 5))
    if given.axis != axis or starts is None or ends is None:
        raise StuckError
    along = range(len(starts)) if axes is None else (axes % len(given.shape)).tolist()
    entry = list(along).index(axis)
    if steps is not None and steps[entry] != 1:
        raise StuckError
    for place, numbers in ((1, starts), (2, ends)):
        stop = slice(int(numbers[entry])).indices(len(given.classes))[1]
        cutting.counts.append(Count(node, place, entry, given.classes, stop))


def _picked(cutting: Cutting, node: Node, slices: Slices) -> None:
    """Note that a Gather names the slices that are left by other numbers."""
    given = cutting.given(node)
    if node.attributes.get("axis", 0) % len(given.shape) != given.axis:
        return
    places = cutting.constant(node, 1)
    if places is None or places.ndim > 1 or (places.size > 1 and slices.axis != given.axis):
        raise StuckError
    if places.size > 1:
        cutting.trim(node, 1, 0, slices.classes)
    cutting.picks.append(Pick(node, 1, given.classes))


def _expanded(cutting: Cutting, node: Node, slices: Slices) -> None:
    """Note that the shape which an Expand states has another number of slices."""
    shape = cutting.constant(node, 1)
    if shape is None or cutting.given(node).classes.shape != slices.classes.shape:
        raise StuckError
    entry = slices.axis - len(slices.shape) + shape.size
    if entry >= 0 and shape[entry] > 1:
        cutting.counts.append(Count(node, 1, entry, slices.classes))


def divided(cutting: Cutting, node: Node) -> list[Slices]:
    """Split."""
    given, shapes = cutting.given(node), cutting.shapes_of(node)
    if node.attributes.get("axis", 0) % len(given.shape) != given.axis:
        return [Slices(shape, given.axis, given.classes) for shape in shapes]
    ends = np.cumsum([shape[given.axis] for shape in shapes])
    parts = np.split(given.classes, ends[:-1])
    place: int | str = "split" if "split" in node.attributes else _DIVISION
    if place == _DIVISION:
        cutting.constant(node, _DIVISION)
        if cutting.lowered.graph.opsets[""] < _DIVIDES_BY_INPUT:
            raise StuckError
    for entry, own in enumerate(parts):
        # All are stated where any changes: there may have been no numbers before.
        before = np.concatenate([own, *parts[:entry], *parts[entry + 1 :]])
        cutting.counts.append(Count(node, place, entry, before, len(own)))
    return [Slices(shape, given.axis, own) for shape, own in zip(shapes, parts, strict=True)]


_GEMM: Mapping[str, float] = MappingProxyType({"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0})

HOMOGENEOUS = frozenset(
    (
        *("Abs", "AveragePool", "Cast", "Concat", "Conv", "ConvTranspose", "Dropout", "Flatten"),
        *("Gemm", "GlobalAveragePool", "GlobalMaxPool", "Identity", "LeakyRelu", "MatMul"),
        *("MaxPool", "Neg", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "Relu"),
        *("Reshape", "Squeeze", "Transpose", "Unsqueeze"),
    )
)
"""Operators that make c times as much of c > 0 times a slice, the same for each; and matrices,
which begin new classes."""

_SIZES = 3
"""Place of the input of a Resize that states sizes, the number of slices among them."""

_DIVISION, _DIVIDES_BY_INPUT = 1, 13
"""Place of the input of a Split that states sizes, and the version of ONNX since which it may."""

_VALUE = 2
"""Place of the input of a Pad that states the number to pad with."""

_ALONG = frozenset({"Pad", "Resize", "Upsample"})
"""Operators with numbers for each axis: they may do nothing along that of the slices."""

_NOTES: Mapping[str, Callable[[Cutting, Node, Slices], None]] = MappingProxyType(
    {
        "Concat": _filled,
        "Expand": _expanded,
        "Gather": _picked,
        "Reshape": _reshaped,
        "Resize": _resized,
        "Slice": _cut_out,
    }
)
"""What changes in an operator that moves elements where slices that it made are gone."""

OPERATORS: Mapping[str, Callable[[Cutting, Node], Slices | list[Slices]]] = MappingProxyType(
    {
        "Split": divided,
        **dict.fromkeys(("Gemm", "MatMul"), row_product),
        **dict.fromkeys(("Conv", "ConvTranspose"), convolution),
        **dict.fromkeys(
            (
                *("Abs", "Add", "Cast", "Clip", "Div", "Dropout", "HardSigmoid", "Identity"),
                *("LeakyRelu", "Max", "Mean", "Min", "Mul", "Neg", "PRelu", "Relu", "Sub", "Sum"),
            ),
            elementwise,
        ),
        **dict.fromkeys(
            (
                *("AveragePool", "BatchNormalization", "GlobalAveragePool", "GlobalMaxPool"),
                "MaxPool",
            ),
            by_channel,
        ),
        **dict.fromkeys(
            ("ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"),
            reduced,
        ),
        **dict.fromkeys(
            (
                *("Flatten", "Squeeze", "Tile", "Transpose", "Unsqueeze"),
                *(*_ALONG, *_NOTES),
            ),
            moved,
        ),
    }
)
"""Operators whose slices can be deleted; all others keep what they read and make."""
