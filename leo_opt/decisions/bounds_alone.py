"""What bounds prove and nothing else: the verdicts that compression needs, in the least time.

Witnesses show units to be unstable, which no rewrite asks for, and in a large network they take
most of the time of what comes before linear programs.
"""

from __future__ import annotations

from dataclasses import dataclass

from leo_opt.arguments import Options
from leo_opt.decisions.run import Classification
from leo_opt.decisions.strategies import Strategy


@dataclass(frozen=True)
class BoundsAlone(Options, Strategy):
    """Decide units by intervals and CROWN; what these leave open is undecided."""

    name = "bounds"

    def settle(self, run: Classification) -> None:
        """See `Strategy.settle`."""
        run.bound_layers()
