"""Random ONNX models that are chains, written in the many ways in which exporters write them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

KINDS = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}

SHAPES: tuple[tuple[int | str | None, ...], ...] = (
    ("N", 6),
    (None, 6),
    (1, 6),
    (3, 6),
    (6,),
    (6, 1),
    (1, 1, 1, 6),
    (1, 6, 1),
    ("N", 1, 2, 3),
    ("N", 6, 1),
)


@dataclass
class Model:
    """A model under construction: rows of `width` values, one a batch entry, from node to node."""

    generator: np.random.Generator
    dtype: str
    opset: int
    shape: tuple[int | str | None, ...]
    width: int = 6
    current: str = "input"
    nodes: list[Any] = field(default_factory=list)
    initializers: list[Any] = field(default_factory=list)

    def node(self, operator: str, inputs: list[str], **attributes: Any) -> str:
        """Add a node; the name of its output."""
        name = f"t{len(self.nodes)}"
        label = f"n{len(self.nodes)}" if self.generator.random() < 0.8 else ""
        self.nodes.append(helper.make_node(operator, inputs, [name], name=label, **attributes))
        return name

    def then(self, operator: str, *constants: str, **attributes: Any) -> None:
        """Add a node that takes the tensor of the chain first."""
        self.current = self.node(operator, [self.current, *constants], **attributes)

    def stored(self, values: Any, dtype: Any = None) -> str:
        """An initializer."""
        name = f"w{len(self.initializers)}"
        array = np.asarray(values, dtype=dtype or self.dtype)
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def constant(self, values: Any) -> str:
        """A constant, as an initializer or through nodes that compute it."""
        array = np.asarray(values, dtype=self.dtype)
        way = self.generator.integers(6)
        if way == 0:
            return self.node("Constant", [], value=numpy_helper.from_array(array))
        if way == 1:
            return self.node("Transpose", [self.stored(array.T)])
        if way == 2:
            return self.node("Identity", [self.stored(array)])
        if way == 3:
            wide = self.stored(array, np.float64)
            return self.node("Cast", [wide], to=KINDS[self.dtype])
        return self.stored(array)

    def numbers(self, *shape: int) -> np.ndarray:
        """Random weights: dyadic ones, whose products are exact, or any."""
        if self.generator.random() < 0.3:
            return self.generator.integers(-8, 9, shape) / 4.0
        return self.generator.standard_normal(shape).astype(self.dtype).astype(np.float64)

    def vector(self) -> np.ndarray:
        """A random constant that spreads over a row."""
        shape = [(), (1,), (self.width,), (1, self.width)][self.generator.integers(4)]
        return self.numbers(*shape)

    def finish(self) -> Any:
        """The model, ready to run, with things in it that do not matter."""
        generator = self.generator
        next(n for n in self.nodes if n.output[0] == self.current).output[0] = "output"
        if generator.random() < 0.3:
            self.node("Exp", ["output"])
            self.stored(np.ones(3))
        batch = self.shape[0] if len(self.shape) > 1 and self.shape != (6, 1) else 1
        kind = KINDS[self.dtype]
        inputs = [helper.make_tensor_value_info("input", kind, self.shape)]
        if generator.random() < 0.3:
            inputs += [
                helper.make_tensor_value_info(w.name, w.data_type, w.dims)
                for w in self.initializers
            ]
        outputs = [helper.make_tensor_value_info("output", kind, (batch, self.width))]
        graph = helper.make_graph(self.nodes, "random", inputs, outputs, self.initializers)
        opsets = [helper.make_opsetid("", self.opset)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def random_model(
    generator: np.random.Generator,
    dtype: str | None = None,
    shape: tuple[int | str | None, ...] | None = None,
) -> Any:
    """A random chain of supported operators."""
    model = Model(
        generator,
        dtype or ("float32", "float64")[generator.integers(2)],
        int(generator.choice([9, 11, 13, 17, 19])),
        shape or SHAPES[generator.integers(len(SHAPES))],
    )
    if generator.random() < 0.4:
        _preprocess(model)
    _to_rows(model)
    for _ in range(generator.integers(1, 4)):
        LINEAR[generator.integers(len(LINEAR))](model)
        while generator.random() < 0.5:
            ELEMENTWISE[generator.integers(len(ELEMENTWISE))](model)
        if generator.random() < 0.7:
            model.then("Relu")
        if generator.random() < 0.1:
            model.then("Relu")
        while generator.random() < 0.2:
            ELEMENTWISE[generator.integers(len(ELEMENTWISE))](model)
    return model.finish()


def _preprocess(model: Model) -> None:
    """(x - mean) / deviation, in the shape of the input."""
    rank = len(model.shape)
    batched = rank > 1 and model.shape != (6, 1)
    sizes = [1 if k == 0 and batched else size for k, size in enumerate(model.shape)]
    mean, deviation = model.numbers(*sizes), np.abs(model.numbers(*sizes)) + 0.25
    model.then("Sub", model.constant(mean))
    if model.generator.random() < 0.7:
        model.then("Div", model.constant(deviation))


def _to_rows(model: Model) -> None:
    """Shape (batch, 6), in one of several ways."""
    fixed = model.shape in ((6,), (6, 1))
    whole = [1, 6] if fixed else [-1, 6]
    ways = [lambda: model.then("Reshape", model.stored(whole, np.int64))]
    if not fixed:
        ways.append(lambda: model.then("Flatten"))
        ways.append(lambda: model.then("Reshape", model.stored([0, -1], np.int64)))
        ways.append(lambda: _reshape_by_shape(model))
    else:
        ways.append(lambda: model.then("Flatten", axis=0))
    if model.shape == (6, 1):
        ways.append(lambda: model.then("Transpose", perm=[1, 0]))
    if len(model.shape) == 2 and not fixed:
        ways.append(lambda: None)
    ways[model.generator.integers(len(ways))]()


def _reshape_by_shape(model: Model) -> None:
    """x.view(x.size(0), -1), as PyTorch exports it."""
    size = model.node("Shape", [model.current])
    first = model.node("Gather", [size, model.stored([0], np.int64)], axis=0)
    target = model.node("Concat", [first, model.stored([-1], np.int64)], axis=0)
    model.then("Reshape", target)


def _gemm(model: Model) -> None:
    width = int(model.generator.integers(1, 6))
    weight = model.numbers(width, model.width)
    trans = int(model.generator.integers(2))
    attributes: dict[str, Any] = {"transB": trans} if trans else {}
    if model.generator.random() < 0.3:
        attributes |= {"alpha": 0.3, "beta": -1.7}
    inputs = [model.constant(weight if trans else weight.T)]
    model.width = width
    if model.generator.random() < 0.7 or model.opset < 11:
        inputs.append(model.constant(model.vector()))
    model.then("Gemm", *inputs, **attributes)


def _gemm_left(model: Model) -> None:
    """W @ x' with columns of inputs, then back to rows."""
    width = int(model.generator.integers(1, 6))
    weight, bias = model.numbers(width, model.width), model.numbers(width, 1)
    names = [model.constant(weight), model.current, model.constant(bias)]
    model.current = model.node("Gemm", names, transB=1)
    model.then("Transpose", perm=[1, 0])
    model.width = width


def _matmul(model: Model) -> None:
    width = int(model.generator.integers(1, 6))
    model.then("MatMul", model.constant(model.numbers(model.width, width)))
    model.width = width


def _matmul_left(model: Model) -> None:
    width = int(model.generator.integers(1, 6))
    model.then("Transpose", perm=[1, 0])
    names = [model.constant(model.numbers(width, model.width)), model.current]
    model.current = model.node("MatMul", names)
    model.width = width
    if model.generator.random() < 0.5:
        model.then("Add", model.constant(model.numbers(width, 1)))
    model.then("Transpose")


def _either_side(operator: str, model: Model) -> None:
    """A commutative operator with the constant on either side, or Sub."""
    names = [model.current, model.constant(model.vector())]
    if model.generator.random() < 0.4:
        names.reverse()
    model.current = model.node(operator, names)


def _divide(model: Model) -> None:
    values = model.vector()
    model.then("Div", model.constant(np.where(np.abs(values) < 0.1, 2.0, values)))


def _normalise(model: Model) -> None:
    scale, shift, mean = (model.numbers(model.width) for _ in range(3))
    names = [model.constant(v) for v in (scale, shift, mean, np.abs(model.numbers(model.width)))]
    # ONNX's reference evaluator takes part in the tests, and needs this momentum below opset 14.
    model.then("BatchNormalization", *names, epsilon=1e-3, momentum=1.0)


def _drop_out(model: Model) -> None:
    model.then("Dropout", **({"ratio": 0.5} if model.opset < 12 else {}))


def _squeeze(model: Model) -> None:
    """An axis that comes and goes."""
    if model.opset < 13:
        model.then("Unsqueeze", axes=[1])
        model.then("Squeeze", axes=[1])
    else:
        model.then("Unsqueeze", model.stored([-1], np.int64))
        model.then("Squeeze", model.stored([2], np.int64))


LINEAR = (_gemm, _gemm, _gemm_left, _matmul, _matmul_left)
ELEMENTWISE = (
    lambda model: _either_side("Add", model),
    lambda model: _either_side("Add", model),
    lambda model: _either_side("Mul", model),
    lambda model: _either_side("Sub", model),
    _divide,
    _normalise,
    _drop_out,
    _squeeze,
    lambda model: model.then("Identity"),
    lambda model: model.then("Cast", to=KINDS[model.dtype]),
)


def random_inputs(
    generator: np.random.Generator, shape: tuple[int | str | None, ...], dtype: str
) -> np.ndarray:
    """Inputs of the shape that a model states, 5 where the batch is free."""
    sizes = [size if isinstance(size, int) else 5 for size in shape]
    return generator.standard_normal(sizes).astype(dtype)
