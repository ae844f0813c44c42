"""What the suite says at its end besides passed and failed."""

from __future__ import annotations

from collections import Counter

import pytest
import seeds

from leo_opt import registry


def pytest_configure(config: pytest.Config) -> None:
    """Hide plug-ins that are installed beside us: lists of names are compared as we wrote them."""
    seeds.collects_slow = "slow" in config.option.markexpr.replace("not slow", "")
    registry.entry_points = lambda group: ()  # type: ignore[attr-defined]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many units brute force has confirmed, and how many stayed undecided."""
    tally: Counter[str] = Counter()
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "phases":
                tally.update(value)
    if tally:
        counts = ", ".join(f"{count} {phase}" for phase, count in sorted(tally.items()))
        terminalreporter.write_line(f"verdicts confirmed by brute force: {counts}")
