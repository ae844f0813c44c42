"""Progress of a classification on standard error: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.progress import BarColumn, TaskProgressColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.text import Text

from leo_opt.console import PlainConsole
from leo_opt.decisions import Progress

_STEPS = 10
"""Plain lines of a stage that tells its share: so many, as each of them stays."""


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
            yield _advance(bars)
    else:
        yield _lines(console)


class _Bars(Bars):
    """A line of words, which goes on below where the terminal is narrow, and under it the bar."""

    def get_renderables(self) -> Iterable[RenderableType]:
        for task in self.tasks:
            yield Text(task.description, overflow="fold")
            yield self.make_tasks_table([task])


def _bars(console: Console) -> Bars:
    columns = BarColumn(bar_width=None), TaskProgressColumn(), TimeElapsedColumn()
    return _Bars(*columns, console=console, transient=True, expand=True)


def _advance(bars: Bars) -> Callable[[Progress], None]:
    task = bars.add_task("bounds", total=None)

    def advance(event: Progress) -> None:
        bars.update(task, description=str(event), completed=_done(event), total=1.0)

    return advance


def _lines(console: Console) -> Callable[[Progress], None]:
    last = None

    def tell(event: Progress) -> None:
        nonlocal last
        share = None if event.share is None else int(_STEPS * event.share)
        now = event.layer, event.stage, event.open, event.asked, share
        if share is None or now != last:
            done = "" if event.share is None else f", {event.share:.0%} of the box done"
            console.print(f"{event}{done}")
        last = now

    return tell


def _done(event: Progress) -> float:
    """The share of the stage that is done."""
    if event.share is not None:
        return event.share
    return (event.asked - event.open) / event.asked if event.asked else 1.0
