"""Table 1 of the paper on LEO, made anew.

    python benchmarks/table1.py --data mnist.npz --seeds 5 -o FOLDER
    python benchmarks/table1.py FOLDER/results.json

The first is `leo-opt reproduce table1`; the second prints the table of a file of results in
Markdown, as it stands in docs/table1.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from leo_opt.cli.reproduction import reproduce
from leo_opt.reproduction import EXPERIMENTS, QUICK, read_results


def markdown(path: Path) -> str:
    """The table of a file of results."""
    results = read_results(path)
    known = (*EXPERIMENTS.values(), *QUICK.values())
    experiment = next(one for one in known if one.title == results.title)
    table = results.table(experiment)
    return "\n\n".join((table.markdown(), *table.remarks))


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1].endswith(".json"):
        click.echo(markdown(Path(sys.argv[1])))
    else:
        reproduce(["table1", *sys.argv[1:]])
