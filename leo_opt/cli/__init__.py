"""The command line, `leo-opt`: one file of commands each."""

from __future__ import annotations

import errno
import os
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from types import MappingProxyType
from typing import Any, NoReturn

import click
import numpy as np

from leo_opt.cli.options import CLOCK, INTERRUPTED
from leo_opt.cli.versions import version_options
from leo_opt.errors import LeoOptError, unknown_word

__all__ = ["COMMANDS", "FAULT", "TRACEBACK", "main"]

_BAD_INPUT = 2
_BROKEN_PIPE = 141
"""What a shell has for a process whose reader has gone."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What standard output says where it is a file for which there is no room."""
FAULT = 70
"""Exit code of what nobody has foreseen, as sysexits.h has it: never that of a verdict."""
TRACEBACK = "LEO_OPT_TRACEBACK"
"""Environment variable that asks for the traceback of what nobody has foreseen."""

COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "compress": "compression",
        "approximate": "approximation",
        "classify": "stability",
        "formulate": "models",
        "info": "network",
        "solvers": "solvers",
        "demo": "demo",
        "bench": "comparison",
        "verify": "verification",
        "difference": "difference",
        "reproduce": "reproduction",
    }
)
"""Command by name: the file of this package that holds it, as a function of that name."""


class _Commands(click.Group):
    """Imports a command when it is used; one line and an exit code for all that goes wrong."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        # The clock of limits: imports of commands and files that are read count.
        started = time.monotonic()
        with _border():
            context = super().make_context(info_name, args, parent, **extra)
        context.meta[CLOCK] = started
        return context

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(
        self,
        ctx: click.Context,
        cmd_name: str,
    ) -> click.Command:
        if cmd_name not in COMMANDS:
            ctx.fail(unknown_word("command", cmd_name, COMMANDS))
        module = import_module(f"leo_opt.cli.{COMMANDS[cmd_name]}")
        command = getattr(module, cmd_name)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        # Sums that overflow are no information: what rests on them ends as infinite or unknown.
        with _border(), np.errstate(over="ignore", invalid="ignore"):
            return super().invoke(ctx)


@contextmanager
def _border() -> Iterator[None]:
    """The border to the shell, for which 1 is a verdict: one line and an exit code for it all."""
    try:
        yield
    except LeoOptError as error:
        _fail(str(error))
    except MemoryError:
        _fail("out of memory; use a smaller network or close other programs")
    except KeyboardInterrupt:
        click.echo("Interrupted.", err=True)
        sys.exit(INTERRUPTED)
    except (click.ClickException, click.Abort, click.exceptions.Exit):
        raise
    except BrokenPipeError:
        # Python would fail once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(_BROKEN_PIPE)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _FULL:
            _fail(f"output cannot be written: {error.strerror}; make room and run again")
        _confess(error)


def _confess(error: Exception) -> NoReturn:
    """Say that this should not have happened, and how to find out more."""
    if os.environ.get(TRACEBACK):
        traceback.print_exception(error)
    said = " ".join(str(error).split()) or "no message"
    click.echo(
        f"Error: unforeseen {type(error).__name__}: {said}; this is a fault of leo-opt: run the "
        f"command again with {TRACEBACK}=1 to see the traceback, and send it to the maintainers "
        "with what you ran",
        err=True,
    )
    sys.exit(FAULT)


def _fail(message: str) -> NoReturn:
    """Say what is wrong in one line and leave with exit code 2."""
    click.echo(f"Error: {' '.join(message.split())}", err=True)
    sys.exit(_BAD_INPUT)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@version_options
def main() -> None:
    """Lossless compression and stability verdicts for ReLU networks.

    A trained network and a box of inputs go in; every hidden unit is proved stably active, stably
    inactive or unstable on the box; a smaller network with the same outputs on the box comes out.

    Exit codes: 0 done; 2 bad input; 70 a fault of this program (LEO_OPT_TRACEBACK=1 shows the
    traceback); 130 interrupted. `verify` and `bench` have more, see their own help.
    """
