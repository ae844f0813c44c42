"""Network to and from NumPy's .npz: every bit of the weights, and the signature."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from leo_opt import weights
from leo_opt.errors import FileFormatError
from leo_opt.formats.outputs import pick
from leo_opt.formats.selection import EVERYTHING, Selection
from leo_opt.network import Layer, Network, Signature
from leo_opt.storage import codec

DENSE = "leo_opt network 1"
STRUCTURED = "leo_opt network 2"
"""With sparse weights, several activations in a layer, or activations with numbers, which earlier
versions cannot read."""

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

    It holds `format`, `activations` (one tag a layer, or one a unit with spaces between them),
    `signature` and `provenance` (JSON), and `weight_0`, `bias_0`, `weight_1` ... in float64; of a
    sparse weight `weight_0_data`, `weight_0_indices`, `weight_0_indptr` and `weight_0_shape`.
    """
    tags = [
        layer.activation if isinstance(layer.activation, str) else " ".join(layer.tags)
        for layer in network.layers
    ]
    plain = not any(" " in tag or "(" in tag for tag in tags) and not any(
        weights.is_sparse(layer.weight) for layer in network.layers
    )
    arrays = {
        "format": np.array(DENSE if plain else STRUCTURED),
        "activations": np.array(tags),
        "signature": np.array(json.dumps(codec.to_tree(network.signature))),
        "provenance": np.array(json.dumps(dict(provenance))),
    }
    for index, layer in enumerate(network.layers):
        for part, array in weights.to_arrays(layer.weight).items():
            arrays[f"weight_{index}{part}"] = array
        arrays[f"bias_{index}"] = layer.bias
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def read(path: Path, selection: Selection = EVERYTHING) -> Network:
    """The network in a .npz file.

    Raises
    ------
    FileFormatError
        If the file is damaged or holds something else.
    """
    with _opened(path) as archive:
        layers = tuple(
            Layer(
                weights.from_arrays(archive, f"weight_{index}"),
                archive[f"bias_{index}"],
                tags[0] if len(tags) == 1 else tags,
            )
            for index, tags in enumerate(str(text).split(" ") for text in archive["activations"])
        )
        tree = json.loads(str(archive["signature"]))
        network = Network(layers, codec.from_tree(tree, Signature, "signature"))
    return pick(network, selection.output_tensor)


def provenance(path: Path) -> dict[str, str]:
    """What `encode` was told about where the network comes from.

    Raises
    ------
    FileFormatError
        If the file is damaged or holds something else.
    """
    with _opened(path) as archive:
        text = str(archive["provenance"])
        if text[:1] != "{":  # Earlier versions kept one sentence here.
            return {"summary": text} if text else {}
        return codec.from_tree(json.loads(text), dict[str, str], "provenance")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The archive, if it is one of a network; whatever NumPy raises on the way is ours."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile) or "format" not in archive.files:
                raise FileFormatError("this .npz holds no network; write one with leo_opt.save")
            if str(archive["format"]) not in (DENSE, STRUCTURED):
                raise FileFormatError(
                    f"this .npz says {str(archive['format'])!r}; this version of leo_opt reads "
                    f"{DENSE!r} and {STRUCTURED!r}"
                )
            yield archive
    except FileFormatError:
        raise
    except READ_ERRORS as error:
        raise FileFormatError(f"this is no .npz file of a network: {error}") from error
