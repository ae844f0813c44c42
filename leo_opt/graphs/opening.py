"""An ONNX model opened where its network ends, and closed again with all that follows."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from leo_opt.errors import FileFormatError, OutputError
from leo_opt.formats import has_graph
from leo_opt.formats.onnx.file import LARGEST, PREFIX, parse
from leo_opt.formats.onnx.reader import Lowered, lower
from leo_opt.formats.onnx.tails import end_at, find_endings, stated_ports, with_tails
from leo_opt.graphs.models import copy, ended
from leo_opt.network import Network
from leo_opt.storage.files import AnyPath, check_readable, check_writable, write_atomically


@dataclass(frozen=True, eq=False)
class Opened:
    """A model that ends where its network does.

    Parameters
    ----------
    lowered
    network
        The network, with the tails that the model has behind it.
    sources
        The tensors at which it ends.
    names
        The outputs of the model.
    ports
        What the model states of its tensors.
    again
        Reads the model once more.
    """

    lowered: Lowered
    network: Network
    sources: tuple[str, ...]
    names: tuple[str, ...]
    ports: Mapping[str, Any]
    again: Callable[[], Any]

    @classmethod
    def of(cls, source: Any, output_tensor: str | None = None) -> Opened:
        """From a path or an `onnx.ModelProto`.

        Raises
        ------
        FileFormatError
            If it cannot be read.
        """

        def again() -> Any:
            is_file = isinstance(source, (str, os.PathLike))
            return parse(check_readable(source)) if is_file else copy(source)

        model = again()
        endings, ports = find_endings(model, output_tensor), stated_ports(model)
        names = [value.name for value in model.graph.output if output_tensor is None]
        names = names or [ending.name for ending in endings]
        sources = tuple(ending.source for ending in endings)
        end_at(model, sources, ports)
        lowered = lower(model)
        tailed = with_tails(lowered.network, model, endings)
        return cls(lowered, tailed, sources, tuple(names), ports, again)

    def close(self, lowered: Lowered, *, drop_tail: bool = False) -> Any:
        """A graph in the place of this one as a model with the outputs that this one has.

        Raises
        ------
        OutputError
            If ONNX's checker refuses it.
        """
        keep = self.sources if drop_tail else self.names
        return ended(lowered.model, keep, self.ports, self.network, self.again)


def save_model(model: Any, path: AnyPath, provenance: Mapping[str, str] | None = None) -> None:
    """Write a model, `.onnx` or `.onnx.gz`, whole or not at all.

    Parameters
    ----------
    provenance
        As for `leo_opt.formats.save`; the model's own doc string stays.

    Raises
    ------
    FileFormatError
        If the path is of another format.
    OutputError
        If it cannot be written.
    """
    if not has_graph(path):
        raise FileFormatError(
            f"{path}: a graph can be written as .onnx or .onnx.gz alone; for other formats make a "
            "chain of it"
        )
    check_writable(path)
    model = copy(model)
    told = [entry for entry in model.metadata_props if not entry.key.startswith(PREFIX)]
    del model.metadata_props[:]
    model.metadata_props.extend(told)
    for name, text in (provenance or {}).items():
        model.metadata_props.add(key=PREFIX + name, value=text)
    if model.ByteSize() > LARGEST:
        raise OutputError(f"the model has {model.ByteSize()} bytes; ONNX holds {LARGEST}")
    content: bytes = model.SerializeToString()
    packed = str(path).lower().endswith(".gz")
    write_atomically(path, gzip.compress(content, mtime=0) if packed else content)
