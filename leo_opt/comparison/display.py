"""Progress of a comparison on standard error: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from leo_opt.comparison.runs import Finished, Found
from leo_opt.console import PlainConsole


@contextmanager
def show_progress(quiet: bool) -> Iterator[Callable[[Found | Finished], None] | None]:
    """A callback for `run_plan` that shows where it stands.

    Parameters
    ----------
    quiet
        Show nothing; the callback is then None.
    """
    console = PlainConsole(stderr=True)
    if quiet:
        yield None
    elif console.is_terminal:
        columns = (TextColumn("{task.description}", markup=False), BarColumn())
        with Progress(
            *columns, MofNCompleteColumn(), TimeElapsedColumn(), console=console, transient=True
        ) as bars:
            task = bars.add_task("questions", total=None)

            def move(event: Found | Finished) -> None:
                if isinstance(event, Found) and event.done:
                    console.print(f"{event.done} of {event.total}: {_describe(event)}")
                bars.update(
                    task, description=_describe(event), completed=event.done, total=event.total
                )

            yield move
    else:

        def tell(event: Found | Finished) -> None:
            if isinstance(event, Finished) or event.done:
                console.print(f"{event.done} of {event.total}: {_describe(event)}")

        yield tell


def _describe(event: Found | Finished) -> str:
    """One line about a cell that is finished, or about those that were."""
    if isinstance(event, Found):
        return "found in the folder" if event.done else "questions"
    cell, found = event.cell, event.measurement
    layer, unit, sign = cell.direction
    asked = f"{cell.network_name} ({layer}, {unit}) {'above' if sign > 0 else 'below'}"
    end = found.outcome
    if found.outcome == "answered":
        end = f"{found.termination_condition}, {found.seconds or 0.0:.2f} s"
    return f"{asked}, {cell.formulation.label}, {cell.solver.label}: {end}"
