"""Seconds of `verify` on ACAS Xu and MNIST properties, as a Markdown table.

    python benchmarks/verification.py --networks FOLDER --time-limit 60

`FOLDER` holds `acasxu/` and `mnistfc/` with ONNX networks and VNN-LIB properties.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from leo_opt import load
from leo_opt.verification import Verdict, load_property, verify

MNIST = ("256x2", "256x4")


def describe(verdict: Verdict) -> str:
    """A cell of the table: the answer, seconds, and what it took."""
    mark = "" if verdict.certified or str(verdict.answer) != "holds" else ", trusted"
    return f"{verdict.answer}, {verdict.seconds:.1f} s{mark}"


def main() -> None:
    """Measure all pairs that are there and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=Path, required=True)
    parser.add_argument("--time-limit", type=float, default=60.0)
    parser.add_argument("--solver", default="highs")
    options = parser.parse_args()
    folder = options.networks

    def cell(network: Path, asked: Path) -> str:
        verdict = verify(
            load(network),
            load_property(asked),
            time_limit=options.time_limit,
            solver=options.solver,
        )
        return describe(verdict)

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
