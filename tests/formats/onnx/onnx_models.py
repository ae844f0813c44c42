"""Small ONNX models by hand, their files, and sessions of onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper


def store(model: Any, folder: Path) -> Path:
    """A file with a model."""
    path = folder / "model.onnx"
    onnx.save(model, path)
    return path


def session(model: Any) -> onnxruntime.InferenceSession:
    """An onnxruntime session that is quiet and uses one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def node(operator: str, inputs: str, outputs: str, **attributes: Any) -> Any:
    """A node named after its operator, with blank-separated tensor names."""
    return helper.make_node(
        operator, inputs.split(), outputs.split(), name=f"my{operator}", **attributes
    )


def chain(*nodes: Any, shape: Any = ("N", 2), out: Any = ("N", 2), opset: int = 13, **given: Any):
    """A model of the nodes, with initializers by keyword; x goes in and y comes out."""
    arrays = {"w": np.array([[1.0, -2.0], [3.0, 4.0]], np.float32), **given}
    graph = helper.make_graph(
        list(nodes),
        "chain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, out)],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
