"""`report()` of every value that has one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from leo_opt.approximation import Approximation
from leo_opt.compression import Compression
from leo_opt.graphs import GraphCompression
from leo_opt.report import approximation_page, compression_page
from leo_opt.storage.files import AnyPath, check_writable, write_atomically

PAGES: Mapping[type, Callable[[Any], str]] = MappingProxyType(
    {
        Approximation: approximation_page.write_page,
        Compression: compression_page.write_page,
        GraphCompression: compression_page.write_page,
    }
)
"""How each value is told on a page, by its class."""


def save(value: Any, path: AnyPath) -> None:
    """Write the page of a value, whose class is one of `PAGES`.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    check_writable(path)
    write_atomically(path, PAGES[type(value)](value).encode())
