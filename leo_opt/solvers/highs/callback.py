"""What HiGHS calls while it solves."""

from __future__ import annotations

from typing import Any

import numpy as np

from leo_opt.solvers.watch import Watch

MIP_INTERRUPT, IMPROVING_SOLUTION = 6, 4
"""HiGHS's codes for its callbacks; a test compares them with highspy's."""


class HighsCallback:
    """Tells the watch of one solve after another what HiGHS reports."""

    def __init__(self) -> None:
        self.watch: Watch | None = None

    def __call__(self, kind: Any, _message: str, out: Any, answer: Any, _data: object) -> None:
        """HiGHS calls this at limit checks and for improving solutions, never for sub-MIPs."""
        if self.watch is None:
            return
        if int(kind) == IMPROVING_SOLUTION:
            self.watch.see_incumbent(np.asarray(out.mip_solution))
        elif int(kind) == MIP_INTERRUPT:
            self.watch.see_bound(float(out.mip_dual_bound))
        # The flag is sticky: it has to be set in every call, or later solves stop at once.
        answer.user_interrupt = self.watch.should_stop()
