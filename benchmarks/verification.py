"""Seconds of `verify` on ACAS Xu and MNIST properties, as a Markdown table.

    python benchmarks/verification.py --networks FOLDER --time-limit 60
    python benchmarks/verification.py --networks FOLDER --only mnist-net_256x2.onnx:prop_1_0.03

`FOLDER` holds `acasxu/` and `mnistfc/` with ONNX networks and VNN-LIB properties. CPU seconds are
those of this process and of its workers.
"""

from __future__ import annotations

import argparse
import resource
from pathlib import Path

from leo_opt.formats import load
from leo_opt.verification import Verdict, load_property, verify

MNIST = ("256x2", "256x4")


def describe(verdict: Verdict, cpu: float) -> str:
    """A cell of the table: the answer and what it took."""
    mark = "" if verdict.certified or str(verdict.answer) != "holds" else ", trusted"
    return f"{verdict.answer}, {verdict.seconds:.1f} s, CPU {cpu:.1f} s{mark}"


def cpu_seconds() -> float:
    """Of this process and of those that it has waited for."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    used = [resource.getrusage(kind) for kind in kinds]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def main() -> None:
    """Measure all pairs that are there and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=Path, required=True)
    parser.add_argument("--time-limit", type=float, default=60.0)
    parser.add_argument("--solver", default="highs")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--only", metavar="NETWORK:PROPERTY", help="One question: file names.")
    options = parser.parse_args()
    folder = options.networks

    def cell(network: Path, asked: Path) -> str:
        if options.only not in (None, f"{network.name}:{asked.stem}"):
            return ""
        begin = cpu_seconds()
        verdict = verify(
            load(network),
            load_property(asked),
            time_limit=options.time_limit,
            solver=options.solver,
            workers=options.workers,
        )
        return describe(verdict, cpu_seconds() - begin)

    print("| ACAS Xu | prop_1 | prop_2 | prop_3 | prop_4 |\n|---|---|---|---|---|", flush=True)
    for path in sorted((folder / "acasxu").glob("*.onnx")):
        name = "_".join(path.stem.split("_")[2:4])
        cells = [cell(path, folder / "acasxu" / f"prop_{k}.vnnlib") for k in range(1, 5)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    print("\n| MNIST | prop_0_0.03 | prop_1_0.03 |\n|---|---|---|", flush=True)
    for name in MNIST:
        path = folder / "mnistfc" / f"mnist-net_{name}.onnx"
        cells = [cell(path, folder / "mnistfc" / f"prop_{k}_0.03.vnnlib") for k in range(2)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
