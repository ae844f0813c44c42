"""Every operator that computes constants agrees with onnxruntime, over opsets, axes and types."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from formats.onnx.onnx_models import session
from onnx import TensorProto, helper, numpy_helper
from onnx.backend.test.loader import load_model_tests

from leo_opt.errors import LeoOptError, UnsupportedOperatorError
from leo_opt.formats.onnx.evaluator import EVALUATED, evaluate, evaluate_node
from leo_opt.formats.onnx.graph import Node

OPSETS = range(9, 24)
Case = tuple[list[Any], dict[str, Any]]
GENERATOR = np.random.default_rng(0)
TYPES = (np.float32, np.float64, np.int64, np.int32)


def numbers(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    """Numbers of both signs, also integers whose quotients are not whole."""
    values = GENERATOR.standard_normal(shape) if np.dtype(dtype).kind == "f" else None
    return (GENERATOR.integers(-9, 10, shape) if values is None else values).astype(dtype)


def unary(dtypes: tuple[Any, ...] = TYPES, positive: bool = False) -> Any:
    def cases(opset: int) -> Iterator[Case]:
        for dtype in dtypes:
            values = numbers(2, 3, dtype=dtype)
            yield [np.abs(values) + 1 if positive else values], {}

    return cases


def binary(dtypes: tuple[Any, ...] = TYPES, nonzero: bool = False) -> Any:
    def cases(opset: int) -> Iterator[Case]:
        for dtype in dtypes:
            for shape in ((2, 3), (3,), (1, 2, 1), ()):
                right = numbers(*shape, dtype=dtype)
                if nonzero:
                    right = np.where(right == 0, np.array(2, dtype), right)
                yield [numbers(2, 3, dtype=dtype), right], {}

    return cases


def reduction(axes_as_input: int) -> Any:
    """Axes are an attribute below an opset and an input from it on."""

    def cases(opset: int) -> Iterator[Case]:
        for dtype, axes, keep in itertools.product(
            (np.float32, np.int64), ([0], [-1], [0, 2], [1, -1], None), (0, 1)
        ):
            values, given = [numbers(2, 3, 4, dtype=dtype)], {"keepdims": keep}
            if axes is not None and opset >= axes_as_input:
                values.append(np.array(axes))
            elif axes is not None:
                given["axes"] = axes
            yield values, given

    return cases


def squeezing(shape: tuple[int, ...], choices: Any) -> Any:
    def cases(opset: int) -> Iterator[Case]:
        for axes in choices:
            if axes is None:
                yield [numbers(*shape)], {}
            elif opset < 13:
                yield [numbers(*shape)], {"axes": axes}
            else:
                yield [numbers(*shape), np.array(axes)], {}

    return cases


def over_axes(make: Callable[[int], Case]) -> Any:
    def cases(opset: int) -> Iterator[Case]:
        for axis in (-3, -2, -1, 0, 1, 2):
            yield make(axis)

    return cases


def cast(opset: int) -> Iterator[Case]:
    kinds = [TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.INT32]
    halves = [np.float16, *([ml_dtypes.bfloat16] if opset >= 13 else [])]
    for dtype, kind in itertools.product((*TYPES, np.int8, np.uint8, np.bool_, *halves), kinds):
        yield [np.arange(6).reshape(2, 3).astype(dtype)], {"to": kind}
    yield [numbers(2, 3) * 5], {"to": TensorProto.INT64}


def logical(opset: int) -> Iterator[Case]:
    for right in (np.array([True, False, True]), np.array(False)):
        yield [numbers(2, 3) > 0, right], {}


def remainders(opset: int) -> Iterator[Case]:
    yield from binary((np.int64, np.int32), nonzero=True)(opset)
    for inputs, _ in binary(nonzero=True)(opset):
        yield inputs, {"fmod": 1}


def constant(opset: int) -> Iterator[Case]:
    for dtype in TYPES:
        yield [], {"value": numpy_helper.from_array(numbers(2, 3, dtype=dtype))}
    if opset >= 12:
        yield [], {"value_float": 0.3}
        yield [], {"value_floats": [0.3, 2.0]}
        yield [], {"value_int": 3}
        yield [], {"value_ints": [3, -2]}


def constant_of_shape(opset: int) -> Iterator[Case]:
    yield [np.array([2, 3])], {}
    for dtype in TYPES:
        yield [np.array([2, 1])], {"value": numpy_helper.from_array(numbers(1, dtype=dtype))}


def dequantise(opset: int) -> Iterator[Case]:
    for kind in (np.int8, np.uint8):
        values = GENERATOR.integers(0, 100, (2, 3, 4)).astype(kind)
        yield [values, np.float32(0.3), np.array(7, kind)], {}
        yield [values, np.float32(0.3)], {}
        for axis in (-3, -2, -1, 0, 1, 2) if opset >= 13 else ():
            scales = np.abs(numbers(values.shape[axis])) + 0.1
            zeros = GENERATOR.integers(0, 9, scales.shape).astype(kind)
            yield [values, scales, zeros], {"axis": axis}
    yield [np.array([[70_000, -3]], np.int32), np.float32(0.1)], {}


def flatten(opset: int) -> Iterator[Case]:
    for axis in (*((-3, -2, -1) if opset >= 11 else ()), 0, 1, 2, 3):
        yield [numbers(2, 3, 4)], {"axis": axis}


def gather(opset: int) -> Iterator[Case]:
    for axis in (-3, -2, -1, 0, 1, 2):
        for index in (np.array([1, 0]), np.array(1), np.array([[0, -1 if opset >= 11 else 1]])):
            yield [numbers(2, 3, 4), index], {"axis": axis}


def gemm(opset: int) -> Iterator[Case]:
    for trans_a, trans_b in itertools.product((0, 1), (0, 1)):
        left = numbers(*((3, 2) if trans_a else (2, 3)))
        right = numbers(*((4, 3) if trans_b else (3, 4)))
        for bias in (numbers(4), numbers(2, 1), numbers(2, 4)):
            given = {"transA": trans_a, "transB": trans_b, "alpha": 0.3, "beta": -2.0}
            yield [left, right, bias], given
        if opset >= 11:
            yield [left, right], {"transA": trans_a, "transB": trans_b}


def matmul(opset: int) -> Iterator[Case]:
    for left, right in (((2, 3), (3, 4)), ((3,), (3, 4)), ((2, 3), (3,)), ((5, 2, 3), (3, 4))):
        for dtype in (np.float32, np.float64):
            yield [numbers(*left, dtype=dtype), numbers(*right, dtype=dtype)], {}


def power(opset: int) -> Iterator[Case]:
    for exponent in (2.0, 0.5, -0.5, 3.0):
        for dtype in (np.float32, np.float64):
            yield [np.abs(numbers(2, 3, dtype=dtype)) + 0.1, np.array(exponent, dtype)], {}


def ranges(opset: int) -> Iterator[Case]:
    for start, limit, step in ((0, 5, 2), (5, 0, -2), (1, 1, 1)):
        for dtype in TYPES:
            yield [np.array(v, dtype) for v in (start, limit, step)], {}


def reshape(opset: int) -> Iterator[Case]:
    for target in ([6, 4], [-1, 4], [0, -1], [2, 0, 4], [24]):
        yield [numbers(2, 3, 4), np.array(target)], {}
    if opset >= 14:
        yield [numbers(2, 3, 4), np.array([4, 6])], {"allowzero": 1}


def shape(opset: int) -> Iterator[Case]:
    yield [numbers(2, 3, 4)], {}
    if opset >= 15:
        for start, end in ((1, 3), (-2, 5), (0, -1), (2, 1)):
            yield [numbers(2, 3, 4)], {"start": start, "end": end}


def slices(opset: int) -> Iterator[Case]:
    for starts, ends, axes, steps in (
        ([0, 1], [1, 3], None, None),
        ([1], [100], [1], None),
        ([-3], [-1], [-1], None),
        ([0, 0], [2, 3], [2, 0], [2, 1]),
        ([3], [-100], [2], [-1]),
    ):
        if opset >= 10:
            inputs = [numbers(2, 3, 4), np.array(starts), np.array(ends)]
            if steps is not None:
                inputs += [np.array(axes), np.array(steps)]
            elif axes is not None:
                inputs.append(np.array(axes))
            yield inputs, {}
        elif steps is None:
            given = {"starts": starts, "ends": ends}
            yield [numbers(2, 3, 4)], given | ({"axes": axes} if axes else {})


def split(opset: int) -> Iterator[Case]:
    for axis in (-2, -1, 0, 1):
        sizes = [1, 3] if axis in (-2, 0) else [2, 3]
        values = numbers(4, 5)
        if opset < 13:
            yield [values], {"axis": axis, "split": sizes}
        else:
            yield [values, np.array(sizes)], {"axis": axis}


def transpose(opset: int) -> Iterator[Case]:
    yield [numbers(2, 3, 4)], {}
    for order in itertools.permutations(range(3)):
        yield [numbers(2, 3, 4)], {"perm": list(order)}


def variadic(opset: int) -> Iterator[Case]:
    for dtype in TYPES if opset >= 12 else (np.float32, np.float64):
        yield [numbers(2, 3, dtype=dtype), numbers(3, dtype=dtype), numbers(1, dtype=dtype)], {}
        yield [numbers(2, 3, dtype=dtype)], {}


FLOATS = (np.float32, np.float64)
FIRST = {
    "DequantizeLinear": 10,
    "GreaterOrEqual": 12,
    "LessOrEqual": 12,
    "Mod": 10,
    "Range": 11,
}
"""The first opset of operators that ONNX had not from the beginning."""
CASES: dict[str, Callable[[int], Iterator[Case]]] = {
    "Abs": unary(),
    "Add": binary(),
    "And": logical,
    "Cast": cast,
    "Ceil": unary(FLOATS),
    "Concat": over_axes(lambda axis: ([numbers(2, 2, 2), numbers(2, 2, 2)], {"axis": axis})),
    "Constant": constant,
    "ConstantOfShape": constant_of_shape,
    "DequantizeLinear": dequantise,
    "Div": binary(nonzero=True),
    "Equal": binary((np.int64, np.int32, np.bool_)),
    "Exp": unary(FLOATS),
    "Expand": lambda opset: iter(
        [([numbers(3, 1), np.array(s)], {}) for s in ([3, 4], [2, 3, 4], [1, 1])]
    ),
    "Flatten": flatten,
    "Floor": unary(FLOATS),
    "Gather": gather,
    "Gemm": gemm,
    "Greater": binary(),
    "GreaterOrEqual": binary(),
    "Identity": unary(),
    "Less": binary(),
    "LessOrEqual": binary(),
    "Log": unary(FLOATS, positive=True),
    "MatMul": matmul,
    "Max": variadic,
    "Min": variadic,
    "Mod": remainders,
    "Mul": binary(),
    "Neg": unary(),
    "Not": lambda opset: iter([([np.array([True, False])], {})]),
    "Or": logical,
    "Pow": power,
    "Range": ranges,
    "Reciprocal": unary(FLOATS, positive=True),
    "ReduceL2": reduction(18),
    "ReduceMax": reduction(18),
    "ReduceMean": reduction(18),
    "ReduceMin": reduction(18),
    "ReduceProd": reduction(18),
    "ReduceSum": reduction(13),
    "ReduceSumSquare": reduction(18),
    "Reshape": reshape,
    "Shape": shape,
    "Sign": unary(),
    "Size": unary(),
    "Slice": slices,
    "Split": split,
    "Sqrt": unary(FLOATS, positive=True),
    "Squeeze": squeezing((1, 3, 1), ([0], [-1], [0, 2], [-3, -1], None)),
    "Sub": binary(),
    "Sum": lambda opset: iter(
        [([numbers(2, 3, dtype=d), numbers(3, dtype=d)], {}) for d in FLOATS]
    ),
    "Tile": lambda opset: iter([([numbers(2, 3), np.array(r)], {}) for r in ([1, 2], [3, 1])]),
    "Transpose": transpose,
    "Unsqueeze": squeezing((2, 3), ([0], [-1], [0, 3], [-4, -1])),
    "Where": lambda opset: iter([([numbers(2, 3) > 0, numbers(2, 3), numbers(3)], {})]),
}


def node_of(operator: str, case: Case, prefix: str = "") -> tuple[Node, dict[str, np.ndarray]]:
    """A node and its constants."""
    inputs, attributes = case
    arrays = {f"{prefix}i{k}": np.asarray(array) for k, array in enumerate(inputs)}
    outputs = [f"{prefix}y", f"{prefix}z"] if operator == "Split" else [f"{prefix}y"]
    proto = helper.make_node(operator, list(arrays), outputs, **attributes)
    return Node(operator, operator, tuple(arrays), tuple(outputs), attributes, proto), arrays


def runtime(cases: list[tuple[Node, dict[str, np.ndarray]]], opset: int) -> dict[str, np.ndarray]:
    """What onnxruntime computes, by output, of those that it takes."""
    protos = [node.proto for node, _ in cases]
    names = [name for node, _ in cases for name in node.outputs]
    stored = [numpy_helper.from_array(a, name) for _, arrays in cases for name, a in arrays.items()]
    outputs = [helper.make_empty_tensor_value_info(name) for name in names]
    graph = helper.make_graph(protos, "g", [], outputs, stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    try:
        return dict(zip(names, session(model).run(None, {}), strict=True))
    except Exception:
        # It does not take one of them.
        halves = (cases[::2], cases[1::2]) if len(cases) > 1 else ()
        return {name: array for half in halves for name, array in runtime(half, opset).items()}


def assert_same(mine: list[np.ndarray], theirs: list[np.ndarray], what: Any) -> None:
    for left, right in zip(mine, theirs, strict=True):
        assert (left.shape, left.dtype) == (np.shape(right), right.dtype), what
        exact = left.dtype.kind != "f"
        close = (
            np.array_equal(left, right)
            if exact
            else np.allclose(left, right, 1e-5, 1e-6, equal_nan=True)
        )
        assert close, (what, left, right)


def test_every_operator_has_cases_and_no_other() -> None:
    assert set(CASES) == EVALUATED


def compare(operator: str, opset: int) -> int:
    """Compare all cases of an operator; how many the runtime takes."""
    cases = [node_of(operator, case, f"c{k}") for k, case in enumerate(CASES[operator](opset))]
    theirs = runtime(cases, opset)
    compared = 0
    for node, arrays in cases:
        if node.outputs[0] in theirs:
            mine = evaluate_node(node, arrays, {"": opset})
            what = (operator, opset, [a.shape for a in arrays.values()], dict(node.attributes))
            assert_same(list(mine.values()), [theirs[name] for name in node.outputs], what)
            compared += 1
    return compared


@pytest.mark.parametrize("operator", sorted(EVALUATED))
def test_an_operator_computes_what_onnxruntime_computes(operator: str) -> None:
    for opset in (max(11, FIRST.get(operator, 0)), 13, 18):
        assert compare(operator, opset)


@pytest.mark.slow
@pytest.mark.parametrize("operator", sorted(EVALUATED))
def test_an_operator_does_so_at_every_opset(operator: str) -> None:
    for opset in range(FIRST.get(operator, OPSETS[0]), OPSETS[-1] + 1):
        assert compare(operator, opset)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # ONNX's tests overflow while they are made.
def test_the_tests_of_onnx_itself_are_passed() -> None:
    passed = 0
    for test in load_model_tests(kind="node"):
        graph = test.model.graph
        if len(graph.node) != 1 or graph.node[0].op_type not in EVALUATED:
            continue
        [proto] = graph.node
        opset = next(e.version for e in test.model.opset_import if not e.domain)
        attributes = {a.name: helper.get_attribute_value(a) for a in proto.attribute}
        names = tuple(proto.input)
        node = Node(proto.op_type, proto.op_type, names, tuple(proto.output), attributes, proto)
        for inputs, outputs in test.data_sets:
            arrays = dict(zip(names, inputs, strict=False))
            plain = (np.ndarray, np.generic)
            if not all(isinstance(array, plain) for array in (*arrays.values(), *outputs)):
                continue
            try:
                mine = evaluate_node(node, arrays, {"": opset})
            except LeoOptError:
                continue
            assert_same(list(mine.values()), outputs, test.name)
            passed += 1
    assert passed > 150


@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax", "Hardmax", "LpNormalization", "If"])
def test_others_are_refused_by_name(operator: str) -> None:
    node, arrays = node_of(operator, ([numbers(2, 3, 4)], {}))
    with pytest.raises(UnsupportedOperatorError, match=f"{operator} computes a constant"):
        evaluate_node(node, arrays, {"": 11})


def test_constants_that_are_no_plain_numbers_are_refused() -> None:
    sparse = helper.make_sparse_tensor(
        numpy_helper.from_array(np.ones(1, np.float32)), numpy_helper.from_array(np.array([2])), [4]
    )
    for attributes in ({"sparse_value": sparse}, {"value_string": "a"}):
        node, _ = node_of("Constant", ([], attributes))
        with pytest.raises(UnsupportedOperatorError, match=f"with {next(iter(attributes))}"):
            evaluate_node(node, {}, {"": 13})


def test_opsets_reach_to_the_newest_that_the_runtime_takes() -> None:
    assert OPSETS[-1] <= onnx.defs.onnx_opset_version()


@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("strides", [[1, 1], [2, 1]])
def test_pools_may_be_padded_differently_along_their_axes(operator: str, strides: list[int]):
    values = numbers(1, 2, 3, 2)
    for kernel, pads in (([1, 2], [0, 1, 0, 1]), ([3, 2], [2, 1, 1, 0]), ([2, 1], [1, 0, 1, 0])):
        for more in ({}, {"count_include_pad": 1}) if operator == "AveragePool" else ({},):
            given = {"kernel_shape": kernel, "pads": pads, "strides": strides, **more}
            graph = helper.make_graph(
                [helper.make_node(operator, ["x"], ["y"], **given)],
                "pool",
                [helper.make_tensor_value_info("x", TensorProto.FLOAT, values.shape)],
                [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            )
            [found] = evaluate(graph, {"": 13}, {"x": values}, "the graph")
            opsets = [helper.make_opsetid("", 13)]
            model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
            [wanted] = session(model).run(None, {"x": values})
            assert found.shape == wanted.shape
            assert np.allclose(found, wanted, atol=1e-6)
