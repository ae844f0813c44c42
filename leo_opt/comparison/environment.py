"""Machine and versions that a measurement was made with."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from leo_opt.comparison.contestants import SolverEntry
from leo_opt.report.compression_run import describe_versions
from leo_opt.solvers import find


def describe_environment(solvers: Sequence[SolverEntry]) -> dict[str, Any]:
    """CPU, cores, operating system; versions of this package, Python and the solvers."""
    versions = describe_versions()
    for entry in solvers:
        solver = find(entry.name)
        if solver.available():
            versions[f"solver {entry.name}"] = f"{solver.version()} ({solver.licence()})"
    return {
        "cpu": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "versions": versions,
    }


def _processor() -> str:
    """The model of the CPU, as far as the system tells."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return names[0] if names else platform.processor() or "unknown"
