"""`report()` and `save()` of every value that has them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from leo_opt.approximation import Approximation
from leo_opt.compression import Compression
from leo_opt.formats import default_dtype
from leo_opt.graphs import GraphCompression
from leo_opt.report import (
    approximation_page,
    approximation_run,
    compression_page,
    compression_run,
)
from leo_opt.storage.codec import to_tree
from leo_opt.storage.files import AnyPath, check_writable, write_atomically


class Files(NamedTuple):
    """What is written of a value: its page, the figures of its JSON, and the network itself."""

    page: Callable[[Any], str]
    figures: Callable[[Any], object]
    save: Callable[[Any, AnyPath], None]


_COMPRESSION = Files(
    compression_page.write_page,
    lambda value: compression_run.describe_compression(compression_run.measured(value)),
    lambda value, path: compression_run.measured(value, path).save(path),
)
FILES: Mapping[type, Files] = MappingProxyType(
    {
        Approximation: Files(
            approximation_page.write_page,
            approximation_run.describe_approximation,
            lambda value, path: approximation_run.write(
                value, path, default_dtype(value.network, path)
            ),
        ),
        Compression: _COMPRESSION,
        GraphCompression: _COMPRESSION,
    }
)
"""By the class of the value."""


def report(value: Any, path: AnyPath) -> None:
    """Write the page of a value, or its figures, whose class is one of `FILES`.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    check_writable(path)
    files = FILES[type(value)]
    text = report_text(path, lambda: files.page(value), lambda: files.figures(value))
    write_atomically(path, text.encode())


def save(value: Any, path: AnyPath) -> None:
    """Write the network of a value, whose class is one of `FILES`.

    Raises
    ------
    FileFormatError
        If the suffix is unknown.
    OutputError
        If the file cannot be written.
    """
    FILES[type(value)].save(value, path)


def report_text(path: AnyPath, page: Callable[[], str], figures: Callable[[], object]) -> str:
    """A page or JSON, whichever the file is named for."""
    return page() if str(path).lower().endswith(".html") else json_text(figures())


def json_text(tree: object) -> str:
    """JSON of what `storage.codec` knows."""
    return json.dumps(to_tree(tree), indent=2, allow_nan=False) + "\n"
