"""Where words go that people read: as they are, whatever brackets and colons are in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, NoReturn

from rich.console import Console, RenderableType

_WIDE = 1000
"""Columns where nobody looks: no line of a file is wrapped."""


class PlainConsole(Console):
    """A console for which `[cplex]` is no markup and `:key:` no emoji.

    Words come from everywhere: file names, messages, names of solvers. Lines are not wrapped, and
    tables only on a terminal.
    """

    def __init__(self, stderr: bool = False, file: IO[str] | None = None) -> None:
        super().__init__(
            stderr=stderr, file=file, highlight=False, soft_wrap=True, markup=False, emoji=False
        )
        if not self.is_terminal:
            self.width = _WIDE

    def on_broken_pipe(self) -> NoReturn:
        """Leave it to the command line, which has an exit code for it; rich's own is a verdict."""
        raise BrokenPipeError


def show(parts: Sequence[RenderableType]) -> None:
    """Print parts to standard output, unwrapped where it is not a terminal."""
    console = PlainConsole()
    for part in parts:
        console.print(part)
