"""What a worker process does in place of `measure`, in tests of lost workers."""

from __future__ import annotations

import os
import time

from leo_opt.comparison.cells import Cell
from leo_opt.comparison.measurement import Measurement, measure


def die_on_partition(cell: Cell) -> Measurement:
    """Measure a cell; the process dies of one with `partition`, as of a crashing solver."""
    if cell.formulation.name == "partition":
        os._exit(9)
    return measure(cell)


def raise_on_partition(cell: Cell) -> Measurement:
    """Measure a cell; an error that nobody expects comes of one with `partition`."""
    if cell.formulation.name == "partition":
        raise ZeroDivisionError("a bug")
    return measure(cell)


def hang_on_partition(cell: Cell) -> Measurement:
    """Measure a cell; one with `partition` takes no notice of time limits."""
    while cell.formulation.name == "partition":
        time.sleep(1.0)
    return measure(cell)


def interrupt(cell: Cell) -> Measurement:
    """What Ctrl-C does to a process that measures a cell."""
    raise KeyboardInterrupt
