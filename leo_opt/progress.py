"""Progress of a classification on standard error: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from leo_opt.console import PlainConsole
from leo_opt.strategies import Progress


@contextmanager
def progress_display(quiet: bool) -> Iterator[Callable[[Progress], None] | None]:
    """A callback for `classify` that shows where it stands.

    Parameters
    ----------
    quiet
        Show nothing; the callback is then None.
    """
    console = PlainConsole(stderr=True)
    if quiet:
        yield None
    elif console.is_terminal:
        with _bars(console) as bars:
            task = bars.add_task("bounds", total=None)

            def advance(event: Progress) -> None:
                bars.update(
                    task,
                    description=_describe(event),
                    completed=event.asked - event.open,
                    total=event.asked,
                )

            yield advance
    else:
        yield lambda event: console.print(_describe(event))


def _bars(console: Console) -> Bars:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    return Bars(*columns, TimeElapsedColumn(), console=console, transient=True)


def _describe(event: Progress) -> str:
    """One line about an event."""
    left = "" if event.remaining is None else f", {event.remaining:.0f} s left"
    return (
        f"layer {event.layer}: {event.stage}, {event.open} of {event.asked} directions open{left}"
    )
