"""The one table of operators that are read where they depend on the input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from leo_opt.formats.onnx import convolutions, layout, linear, piecewise
from leo_opt.formats.onnx.operation import Operation, Tensor

OPERATORS: Mapping[str, Callable[[Operation], list[Tensor]]] = MappingProxyType(
    {
        **dict.fromkeys(layout.LAYOUTS, layout.move),
        "Cast": layout.cast,
        "Dropout": layout.drop_out,
        "Identity": layout.keep,
        "Add": linear.add,
        "AveragePool": convolutions.average_pool,
        "BatchNormalization": linear.normalise,
        "Conv": convolutions.convolve,
        "ConvTranspose": convolutions.convolve_transposed,
        "CumSum": linear.cumulate,
        "Div": linear.divide,
        "Einsum": linear.einsum,
        "Gemm": linear.gemm,
        "GlobalAveragePool": linear.reduce_mean,
        "MatMul": linear.matmul,
        "Mean": linear.mean,
        "Mul": linear.multiply,
        "Neg": linear.negate,
        "ReduceMean": linear.reduce_mean,
        "ReduceSum": linear.reduce_sum,
        "Sub": linear.subtract,
        "Sum": linear.add,
        "ai.onnx.ml.LinearRegressor": linear.regress,
        "ai.onnx.ml.Scaler": linear.scale,
        "Abs": piecewise.absolute,
        "Clip": piecewise.clip,
        "GlobalMaxPool": piecewise.reduce_max,
        "HardSigmoid": piecewise.hard_sigmoid,
        "LeakyRelu": piecewise.leak,
        "Max": piecewise.maximum,
        "MaxPool": piecewise.max_pool,
        "Min": piecewise.minimum,
        "PRelu": piecewise.leak_by_slopes,
        "ReduceMax": piecewise.reduce_max,
        "ReduceMin": piecewise.reduce_min,
        "Relu": piecewise.rectify,
    }
)
