"""Network to and from NumPy's .npz: every bit of the weights, and the signature."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from leo_opt.errors import FileFormatError
from leo_opt.network import Layer, Network, Signature

_FORMAT = "leo_opt network 1"

READ_ERRORS = (
    EOFError,
    KeyError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What NumPy and zipfile raise on files that are damaged or something else."""


def encode(network: Network, provenance: Mapping[str, str]) -> bytes:
    """The bytes of a .npz file.

    It holds `format`, `activations` (one tag a layer), `signature` and `provenance` (JSON),
    and `weight_0`, `bias_0`, `weight_1` ... in float64.
    """
    arrays = {
        "format": np.array(_FORMAT),
        "activations": np.array([layer.activation for layer in network.layers]),
        "signature": np.array(json.dumps(asdict(network.signature))),
        "provenance": np.array(json.dumps(dict(provenance))),
    }
    for index, layer in enumerate(network.layers):
        arrays[f"weight_{index}"] = layer.weight
        arrays[f"bias_{index}"] = layer.bias
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def read(path: Path) -> Network:
    """The network in a .npz file.

    Raises
    ------
    FileFormatError
        If the file is damaged or holds something else.
    """
    with _opened(path) as archive:
        layers = tuple(
            Layer(archive[f"weight_{index}"], archive[f"bias_{index}"], str(tag))
            for index, tag in enumerate(archive["activations"])
        )
        return Network(layers, _signature(str(archive["signature"])))


def provenance(path: Path) -> dict[str, str]:
    """What `encode` was told about where the network comes from.

    Raises
    ------
    FileFormatError
        If the file is damaged or holds something else.
    """
    with _opened(path) as archive:
        text = str(archive["provenance"])
    try:
        tree = json.loads(text)
    except ValueError:  # Earlier versions kept one sentence here.
        tree = {"summary": text} if text else {}
    return {str(name): str(value) for name, value in dict(tree).items()}


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The archive, if it is one of a network; whatever NumPy raises on the way is ours."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile) or "format" not in archive.files:
                raise FileFormatError("this .npz holds no network; write one with leo_opt.save")
            if str(archive["format"]) != _FORMAT:
                raise FileFormatError(
                    f"this .npz says {str(archive['format'])!r}; this version of leo_opt reads "
                    f"{_FORMAT!r}"
                )
            yield archive
    except FileFormatError:
        raise
    except READ_ERRORS as error:
        raise FileFormatError(f"this is no .npz file of a network: {error}") from error


def _signature(text: str) -> Signature:
    """A signature from JSON."""
    tree = json.loads(text)
    if not isinstance(tree, dict):
        raise FileFormatError(f"the signature is {text!r}, not an object")
    input_shape, output_shape = (
        None if tree[name] is None else tuple(tree[name])
        for name in ("input_shape", "output_shape")
    )
    return Signature(
        input_name=str(tree["input_name"]),
        output_name=str(tree["output_name"]),
        input_shape=input_shape,
        output_shape=output_shape,
        dtype=str(tree["dtype"]),
    )
