"""Networks and boxes to and from files. The format follows from the suffix of the name."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from leo_opt.errors import FileFormatError, InvalidInputError, UnsupportedOperatorError
from leo_opt.formats import nnet, npz
from leo_opt.formats.boxes import load_domain, load_property
from leo_opt.formats.dtypes import written
from leo_opt.formats.onnx import file, reader, writer
from leo_opt.formats.points import load_points
from leo_opt.formats.selection import Selection
from leo_opt.network import Network, read_network
from leo_opt.storage import codec
from leo_opt.storage.files import (
    AnyPath,
    check_readable,
    check_writable,
    suffix_of,
    write_atomically,
)

Value = TypeVar("Value")
Encoder = Callable[[Network, Mapping[str, str]], bytes]

__all__ = [
    "FORMATS",
    "Format",
    "check_writable",
    "default_dtype",
    "has_graph",
    "load",
    "load_domain",
    "load_points",
    "load_property",
    "load_provenance",
    "save",
    "written",
]


@dataclass(frozen=True)
class Format:
    """A way to keep networks in files.

    Parameters
    ----------
    name
        What people call it.
    read
        From a file, and what is meant of it, to a network.
    encode
        From a network, as `written` returns it, and its provenance to bytes.
    provenance
        From a file to the provenance it was written with.
    lossless
        Whether float64 is stored unless another dtype is asked for, instead of the dtype of the
        signature.
    check_end
        Refuses a network whose end no file of the format has.
    sequential
        Whether hidden layers must be of rectifiers alone.
    """

    name: str
    read: Callable[[Path, Selection], Network]
    encode: Encoder
    provenance: Callable[[Path], Mapping[str, str]]
    lossless: bool
    check_end: Callable[[Network], None] = lambda network: None
    sequential: bool = False


def _packed(encode: Encoder) -> Encoder:
    """The same in gzip; the clock has no part in the bytes."""
    return lambda network, provenance: gzip.compress(encode(network, provenance), mtime=0)


_ONNX = Format("ONNX", reader.read, writer.encode, file.provenance, False)

FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        ".onnx": _ONNX,
        ".onnx.gz": replace(_ONNX, name="ONNX, packed", encode=_packed(writer.encode)),
        ".nnet": Format(
            "NNet", nnet.read, nnet.encode, nnet.provenance, True, nnet.check_end, sequential=True
        ),
        ".npz": Format("NumPy archive", npz.read, npz.encode, npz.provenance, True),
    }
)
"""The one table of network formats, by suffix."""


def load(path: AnyPath, *, output_tensor: str | None = None, normalised: bool = False) -> Network:
    """Read a network.

    Parameters
    ----------
    path
        A file with a suffix of `FORMATS`.
    output_tensor
        The name of one tensor that is taken for the output: one of several outputs, or of an ONNX
        graph any tensor. By default all outputs are one vector.
    normalised
        Of a .nnet file take the layers alone, whose inputs and outputs are normalised, instead of
        the network in units.

    Returns
    -------
    Network
        Its weights are those of the file, exactly; its signature says how the file presents
        input and output. Where a file ends with a softmax or the like, its output is the tensor in
        front of that, and `signature.tails` has the rest.

    Raises
    ------
    FileFormatError
        If the file cannot be read or its suffix is unknown.
    UnsupportedOperatorError
        If an ONNX graph is not a chain of supported operators.
    """
    read, selection = FORMATS[suffix_of(path, FORMATS)].read, Selection(output_tensor, normalised)
    return _read(path, lambda source: read(source, selection))


def load_provenance(path: AnyPath) -> Mapping[str, str]:
    """What `save` was told about where a network comes from; empty for files of other tools.

    Raises
    ------
    FileFormatError
        If the file cannot be read or its suffix is unknown.
    """
    return _read(path, FORMATS[suffix_of(path, FORMATS)].provenance)


def _read(path: AnyPath, reader: Callable[[Path], Value]) -> Value:
    """What a reader makes of a file; its errors get the file's name."""
    source = check_readable(path)
    try:
        return reader(source)
    except UnsupportedOperatorError as error:
        raise UnsupportedOperatorError(_in_one_line(path, error)) from error
    except (FileFormatError, InvalidInputError) as error:
        raise FileFormatError(_in_one_line(path, error)) from error


def save(
    network: Network,
    path: AnyPath,
    *,
    dtype: str | None = None,
    provenance: Mapping[str, str] | None = None,
) -> None:
    """Write a network, whole or not at all.

    What is stored is `written(network, dtype)`, and reading it back gives exactly that.

    Parameters
    ----------
    path
        A file with a suffix of `FORMATS` in a folder that exists.
    dtype
        "float32" or "float64". By default ONNX files take that of the signature, so that they
        can replace the file the network came from, and .npz files keep every bit.
    provenance
        Where the network comes from, as names and texts of any kind, which `load_provenance`
        gives back. An ONNX model has them as `metadata_props` whose keys begin with "leo_opt.",
        and the text named "summary" as its doc string.

    Raises
    ------
    FileFormatError
        If the suffix is unknown.
    OutputError
        If the file cannot be written.
    InvalidInputError
        If a number does not fit `dtype` or the signature does not fit the network.
    """
    read_network(network)
    form = FORMATS[suffix_of(path, FORMATS)]
    try:
        told = codec.from_tree(dict(provenance or {}), dict[str, str], "provenance")
    except ValueError as error:
        raise InvalidInputError(str(error)) from error
    check_writable(path)
    stored = network if dtype is None and form.lossless else written(network, dtype)
    write_atomically(path, form.encode(stored, told))


def is_sequential(network: Network, path: AnyPath) -> bool:
    """Whether a file holds nothing but layers of rectifiers; said before the network is made.

    Parameters
    ----------
    network
        One with the same outputs as the one that will be written.

    Raises
    ------
    FileFormatError
        If the suffix is unknown.
    UnsupportedOperatorError
        If no file of that format has such outputs.
    """
    form = FORMATS[suffix_of(path, FORMATS)]
    form.check_end(network)
    return form.sequential


def has_graph(path: AnyPath) -> bool:
    """Whether a file has the name of an ONNX graph."""
    return str(path).lower().endswith((".onnx", ".onnx.gz"))


def default_dtype(network: Network, path: AnyPath) -> str:
    """The dtype that `save` takes for a file where none is asked for.

    Raises
    ------
    FileFormatError
        If the suffix is unknown.
    """
    lossless = FORMATS[suffix_of(path, FORMATS)].lossless
    return "float64" if lossless else network.signature.dtype


def _in_one_line(path: AnyPath, error: Exception) -> str:
    """The message of an error with the file's name in front; ONNX's own span several lines."""
    return f"{path}: {' '.join(str(error).split())}"
