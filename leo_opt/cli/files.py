"""Files on the command line: what a command reads, what it writes, and that these are not the same.

Every option that names a file is an `InputFile`, an `OutputFile` or a folder, and a command with
such options is a `FileCommand`. So no command can replace what it reads, or work for what it cannot
write, and none has to look.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterator
from typing import Any

import click


class InputFile(click.Path):
    """A file that a command reads."""


class OutputFile(click.Path):
    """A file that a command writes.

    Parameters
    ----------
    known
        Gives the suffixes that it may have; by default any.
    beside
        Gives the names of further files that are written with it.
    """

    def __init__(
        self,
        known: Callable[[], Collection[str]] | None = None,
        beside: Callable[[str], tuple[str, ...]] | None = None,
    ) -> None:
        super().__init__()
        self.known = known
        self.beside = beside

    def check(self, path: str) -> None:
        """Refuse a file that cannot be written."""
        from leo_opt.storage.files import check_writable

        check_writable(path, None if self.known is None else self.known())
        for further in self.files(path)[1:]:
            check_writable(further)

    def files(self, path: str) -> tuple[str, ...]:
        """All files that are written where this one is asked for."""
        return (path, *(self.beside(path) if self.beside is not None else ()))


_GIVEN = "leo_opt.given"
"""Key of the context's `meta`: the words of the command line."""


class FileCommand(click.Command):
    """A command that refuses, before any work, what it cannot write, or reads, or writes twice."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        kinds = {type(parameter.type) for parameter in self.params}
        if {InputFile, OutputFile} <= kinds:
            self.params.append(
                click.Option(
                    ["--force"],
                    is_flag=True,
                    help="Let an output replace a file that is read.",
                )
            )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments, and keep them as they were given."""
        ctx.meta[_GIVEN] = [*ctx.command_path.split(), *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Look at the files that the options name, then run the command."""
        from leo_opt.storage.files import check_distinct

        force = ctx.params.pop("force", False)
        check_distinct(dict(self._named(ctx, InputFile)), dict(self._named(ctx, OutputFile)), force)
        for parameter in self.params:
            value = ctx.params.get(parameter.name or "")
            if isinstance(parameter.type, OutputFile) and value is not None:
                parameter.type.check(value)
        return super().invoke(ctx)

    def _named(self, ctx: click.Context, kind: type[click.Path]) -> Iterator[tuple[str, Any]]:
        """What users call each file of a kind, and its path."""
        for parameter in self.params:
            value = ctx.params.get(parameter.name or "")
            if not isinstance(parameter.type, kind) or value is None:
                continue
            label = parameter.human_readable_name
            if isinstance(parameter, click.Option):
                label = max(parameter.opts, key=len)
            if not isinstance(parameter.type, OutputFile):
                paths = value if isinstance(value, tuple) else (value,)
                for number, path in enumerate(paths):
                    yield f"{label} {number + 1}" if number else label, path
                continue
            for number, path in enumerate(parameter.type.files(value)):
                yield f"{label} (the file beside it)" if number else label, path


def repeated() -> str:
    """The command line that is running, for a shell."""
    return shlex.join(click.get_current_context().meta[_GIVEN])


def network_suffixes() -> Collection[str]:
    """Suffixes of the files that networks are kept in."""
    from leo_opt.formats import FORMATS

    return FORMATS


network_output = click.option(
    "-o",
    "--output",
    required=True,
    type=OutputFile(network_suffixes),
    help="The smaller network: .onnx, .onnx.gz, .nnet or .npz.",
)
stored_dtype = click.option(
    "--dtype", type=click.Choice(["float32", "float64"]), help="Of the written weights."
)
report_output = click.option(
    "--report",
    "report_file",
    type=OutputFile(),
    help="Write all figures: .html is a page to read, all else JSON.",
)
