"""Processor time to decide every unit: networks x strategies x solvers, side by side in one run.

    python benchmarks/stability.py --networks FOLDER -o stability.csv

Each cell is one call of `classify` in this process, after one warm-up that loads the packages; the
strategies of a network follow one another, so that ratios see the same machine. Processor time is
what other programs disturb least; the limit is one of wall-clock time. The CSV is written row by
row, and cells that it holds already are not run again. A Markdown table of all its rows, with the
ratio of each strategy to the cascade, goes to standard output.
"""

from __future__ import annotations

import csv
import json
import platform
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from leo_opt import Box, Network, Phase, classify, load, load_domain
from leo_opt.report.compression_run import describe_versions

FIELDS = (
    "network", "domain", "strategy", "solver", "cpu", "seconds", "units", "undecided", "certified",
    "milps", "lps", "nodes", "settled", "machine", "versions",
)  # fmt: skip
WIDEST_ACAS = Box([-0.303531156, -0.5, -0.5, -0.5, -0.5], [0.679857769, 0.5, 0.5, 0.5, 0.5])


@dataclass(frozen=True)
class Case:
    """A network on a box, under the names that the table shows."""

    network: Path
    domain: str

    def load(self) -> tuple[Network, Box]:
        network = load(self.network)
        if self.domain == "[0, 1]":
            return network, Box(0.0, 1.0)
        if self.domain == "widest":
            return network, WIDEST_ACAS
        return network, load_domain(self.network.parent / self.domain, network.input_size)


def cases(folder: Path) -> Iterator[Case]:
    """The networks of a folder laid out as mnist/, cifar10/, acasxu/, mnistfc/."""
    for name in ("mnist", "cifar10"):
        for path in sorted((folder / name).glob("*.onnx")):
            yield Case(path, "[0, 1]")
    for path in sorted((folder / "acasxu").glob("*.onnx")):
        yield Case(path, "prop_3.vnnlib")
        yield Case(path, "widest")
    for path in sorted((folder / "mnistfc").glob("*.onnx")):
        for domain in sorted((folder / "mnistfc").glob("*.vnnlib")):
            yield Case(path, domain.name)


def measure(case: Case, strategy: str, solver: str, time_limit: float) -> dict[str, object]:
    """One cell."""
    network, domain = case.load()
    begin = time.process_time()
    stability = classify(network, domain, strategy=strategy, solver=solver, time_limit=time_limit)
    spent = time.process_time() - begin
    phased = network.phased_layers
    cost = stability.statistics
    return {
        "network": case.network.stem,
        "domain": case.domain,
        "strategy": strategy,
        "solver": solver,
        "cpu": round(spent, 4),
        "seconds": round(cost.seconds, 4),
        "units": sum(network.layers[k].n_out for k in phased),
        "undecided": sum(stability.count(k, Phase.UNDECIDED) for k in phased),
        "certified": sum(stability.certified_phases(k) for k in phased),
        "milps": cost.milps_solved,
        "lps": cost.lps_solved,
        "nodes": cost.nodes,
        "settled": json.dumps(dict(cost.settled)),
        "machine": f"{platform.machine()} {platform.system()}",
        "versions": json.dumps(describe_versions()),
    }


def read_rows(path: Path) -> list[dict[str, str]]:
    """Rows of an earlier run."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def table(rows: list[dict[str, str]]) -> str:
    """All rows as Markdown, and the median ratio of each strategy to the cascade."""
    seconds = {(r["network"], r["domain"], r["strategy"], r["solver"]): r for r in rows}
    lines = [
        "| network | domain | strategy | CPU seconds | ratio | undecided | LPs | MILPs |",
        "|---|---|---|---:|---:|---:|---:|---:|",
    ]
    ratios: dict[str, list[float]] = {}
    for (network, domain, strategy, solver), row in seconds.items():
        base = seconds.get((network, domain, "cascade", solver))
        ratio = float(row["cpu"]) / float(base["cpu"]) if base else float("nan")
        ratios.setdefault(strategy, []).append(ratio)
        lines.append(
            f"| {network} | {domain} | {strategy} | {float(row['cpu']):.2f} | {ratio:.1f} | "
            f"{row['undecided']}/{row['units']} | {row['lps']} | {row['milps']} |"
        )
    for strategy, values in ratios.items():
        lines.append(f"\nmedian ratio {strategy} / cascade: {statistics.median(values):.1f}")
    return "\n".join(lines)


@click.command()
@click.option("--networks", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), default="stability.csv")
@click.option("--strategies", default="cascade,per-unit,joint", show_default=True)
@click.option("--solvers", default="highs", show_default=True)
@click.option("--only", default="", help="Only networks and domains whose name contains this.")
@click.option("--time-limit", type=float, default=600.0, show_default=True)
def main(
    networks: Path, output: Path, strategies: str, solvers: str, only: str, time_limit: float
) -> None:
    """Run what the CSV does not hold yet, then print the table."""
    done = {(r["network"], r["domain"], r["strategy"], r["solver"]) for r in read_rows(output)}
    fresh = not output.exists()
    with output.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, FIELDS)
        if fresh:
            writer.writeheader()
        chosen = [c for c in cases(networks) if only in f"{c.network.stem} {c.domain}"]
        classify(*chosen[0].load(), time_limit=time_limit)
        for case in chosen:
            for solver in solvers.split(","):
                for strategy in strategies.split(","):
                    if (case.network.stem, case.domain, strategy, solver) not in done:
                        writer.writerow(measure(case, strategy, solver, time_limit))
                        stream.flush()
    click.echo(table(read_rows(output)))


if __name__ == "__main__":
    main()
