"""What exact compression buys the verifier and the MILP solver that come after.

    python benchmarks/downstream.py NETWORKS
    python benchmarks/downstream.py NETWORKS --only acasxu --time-limit 30

`NETWORKS` holds acasxu/, mnist/, mnistfc/ and real/. Every instance is asked of the network as it
is, and of the one that `compress` with `form="chain"` makes of it on the
instance's box; what that takes, verdicts by bounds and witnesses and rewriting, is counted. Same
solver, seed and threads (one) on both sides; a time-out counts as the limit. *Hard* is what takes
the network as it is 10 s or more.

* `verify`: the property. Of the smaller network the negation is asked with bounds that are looser
  by the proved deviation, so that "holds" holds of the original, too; a witness counts if the
  original shows it.
* `highs`, `scip`, `gurobi`: the largest value of one output on the box, in the big-M model with
  bounds of CROWN. Both answers are intervals, [value at the point, dual bound], of the smaller
  network wider by the proved deviation, and have to meet.

Seconds are of the processor, of this process.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import click
import numpy as np

from leo_opt import Box, Cascade, Compression, Network, classify, compress, load, propagate
from leo_opt.blas import one_blas_thread
from leo_opt.encoding import Encoding
from leo_opt.errors import LeoOptError
from leo_opt.properties import Property
from leo_opt.solvers import find
from leo_opt.verification import load_property, verify

HARD = 10.0
PROPERTIES = {
    "acasxu/ACASXU_run2a_1_1_batch_2000.onnx": ("prop_1", "prop_2", "prop_3", "prop_4"),
    "acasxu/ACASXU_run2a_3_3_batch_2000.onnx": ("prop_2",),
    "mnistfc/mnist-net_256x2.onnx": ("prop_0_0.03", "prop_1_0.03"),
    "mnistfc/mnist-net_256x4.onnx": ("prop_0_0.03", "prop_1_0.03"),
    "real/safenlp/perturbations_0.onnx": ("hyperrectangle_2076", "hyperrectangle_847"),
    "real/cora/mnist-set.onnx": ("mnist-img6", "mnist-img9", "mnist-img16"),
    "real/rl_benchmarks/cartpole.onnx": ("cartpole_case_safe_9", "cartpole_case_unsafe_36"),
    "real/rl_benchmarks/lunarlander.onnx": (
        "lunarlander_case_safe_27",
        "lunarlander_case_unsafe_90",
    ),
    "real/tllverifybench/tllBench_n=2_N=M=8_m=1_instance_0_0.onnx": ("property_N=8_0",),
}
"""Properties beside their networks."""
WHOLE = {
    "mnist/mnist_25-25_l1_0.001_s0.onnx": (0.0, 1.0),
    "mnist/mnist_25-25_l1_0.001_s1.onnx": (0.0, 1.0),
    "mnist/mnist_50-50_l1_0.001_s0.onnx": (0.0, 1.0),
    "mnist/mnist_50-50_l1_0.001_s1.onnx": (0.0, 1.0),
    "mnist/mnist_100-100_l1_0.0005_s0.onnx": (0.0, 1.0),
    "mnist/mnist_100-100_l1_0.0005_s1.onnx": (0.0, 1.0),
}
"""Networks on the whole box of their inputs, of which the first output is maximised."""


@dataclass(frozen=True)
class Answer:
    """What one side said, and the seconds that it took."""

    seconds: float
    text: str
    low: float = -np.inf
    high: float = np.inf


def looser(asked: Property, deviation: np.ndarray) -> Property:
    """A property whose negation also holds where outputs are off by so much."""
    cases = []
    for case in asked.cases:
        outputs = []
        for row in case.outputs:
            room = sum(
                abs(factor) * Fraction(float(deviation[place]))
                for (kind, place), factor in row.terms
                if kind == "Y"
            )
            outputs.append(replace(row, bound=row.bound + room))
        cases.append(replace(case, outputs=tuple(outputs)))
    return replace(asked, cases=tuple(cases))


def ask_property(
    network: Network, asked: Property, limit: float, smaller: Compression | None
) -> Answer:
    """`verify` of the network, or of the smaller one for it."""
    begin = time.process_time()
    if smaller is None:
        verdict = verify(network, asked, time_limit=limit, workers=1)
        return Answer(time.process_time() - begin, str(verdict.answer))
    wider = looser(asked, smaller.max_deviation)
    verdict = verify(smaller.network, wider, time_limit=limit, workers=1)
    text = str(verdict.answer)
    if text == "violated":
        # The original is asked at the witness alone.
        point = np.asarray(verdict.inputs, dtype=np.float64)
        shown = any(
            all(
                sum(float(f) * network(point)[j] for (kind, j), f in row.terms if kind == "Y")
                <= float(row.bound)
                for row in case.outputs
            )
            for case in asked.cases
        )
        text = text if shown else "unknown"
    return Answer(time.process_time() - begin, text)


def ask_extreme(
    network: Network, box: Box, limit: float, smaller: Compression | None, solver: str
) -> Answer:
    """The largest first output, by a solver."""
    begin = time.process_time()
    used, off = network, 0.0
    if smaller is not None:
        used, off = smaller.network, float(smaller.max_deviation[0])
    encoding = Encoding.of(used, box, propagate(used, box), "big-m")
    goal = np.zeros(used.output_size)
    goal[0] = 1.0
    cost, constant = encoding.objective(goal)
    with find(solver).open(encoding.form) as session:
        answer = session.maximize(cost, constant=constant, time_limit=limit)
    low = -np.inf if answer.incumbent_objective is None else answer.incumbent_objective - off
    high = np.inf if answer.objective_bound is None else answer.objective_bound + off
    closed = high - low <= 1e-4 * max(1.0, abs(high))
    text = f"{high:.6g}" if closed else f"[{low:.6g}, {high:.6g}]"
    return Answer(time.process_time() - begin, text, low, high)


def instances(
    folder: Path, limit: float, solvers: tuple[str, ...]
) -> Iterator[tuple[str, str, Network, Box, Callable[[Compression | None], Answer]]]:
    """All instances: name, who is asked, the network, the box, and the question."""
    for path, names in PROPERTIES.items():
        network = load(folder / path)
        for name in names:
            asked = load_property((folder / path).parent / f"{name}.vnnlib")
            yield (
                f"{Path(path).stem} {name}",
                "verify",
                network,
                asked.domain.box,
                lambda smaller, n=network, a=asked: ask_property(n, a, limit, smaller),
            )
    for path, ends in WHOLE.items():
        network = load(folder / path)
        box = Box(*ends).spread(network.input_size)
        for solver in solvers:
            yield (
                Path(path).stem,
                solver,
                network,
                box,
                lambda smaller, n=network, b=box, s=solver: ask_extreme(n, b, limit, smaller, s),
            )


def warm_up(solvers: tuple[str, ...]) -> None:
    """Ask something easy first, so that nobody pays for imports."""
    network = Network.from_arrays([np.eye(2), np.ones((1, 2))], [None, None])
    box = Box(-1, 1).spread(2)
    compress(network, classify(network, box, strategy=Cascade(stages=())), form="chain")
    for solver in solvers:
        ask_extreme(network, box, 10.0, None, solver)


def disagree(left: Answer, right: Answer) -> bool:
    """Whether two answers contradict each other."""
    if {left.text, right.text} == {"holds", "violated"}:
        return True
    slack = 1e-4 * max(1.0, abs(left.low) if np.isfinite(left.low) else 1.0)
    return left.low > right.high + slack or right.low > left.high + slack


@click.command()
@click.argument("networks", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--only", default="", help="Part of the names to keep.")
@click.option("--time-limit", type=float, default=120.0, show_default=True)
@click.option("--solver", "solvers", multiple=True, default=("highs", "scip", "gurobi"))
def main(networks: Path, only: str, time_limit: float, solvers: tuple[str, ...]) -> None:
    """Print the table, a row an instance, and the medians."""
    headings = ("instance", "asked", "units", "after", "compress s", "before s", "after s")
    click.echo(f"| {' | '.join(headings)} | speed-up | answers |")
    click.echo("|---|---|" + "---:|" * 6 + "---|")
    gains: dict[bool, list[float]] = {True: [], False: []}
    warm_up(solvers)
    for name, who, network, box, ask in instances(networks, time_limit, solvers):
        if only not in f"{name} {who}":
            continue
        with one_blas_thread():
            try:
                before = ask(None)
                begin = time.process_time()
                known = classify(network, box, strategy=Cascade(stages=()))
                smaller = compress(network, known, form="chain")
                made = time.process_time() - begin
                after = ask(smaller)
            except LeoOptError as error:
                click.echo(f"| {name} | {who} | | | | | | | {type(error).__name__} |")
                continue
        gain = before.seconds / (made + after.seconds)
        gains[before.seconds >= HARD].append(gain)
        told = before.text if before.text == after.text else f"{before.text}; {after.text}"
        told += ", CONTRADICTION" if disagree(before, after) else ""
        units = network.kinds.total(), smaller.network.kinds.total()
        seconds = f"{made:.1f} | {before.seconds:.1f} | {after.seconds:.1f} | {gain:.2f}"
        click.echo(f"| {name} | {who} | {units[0]} | {units[1]} | {seconds} | {told} |")
    for hard, values in gains.items():
        if values:
            kind = "hard" if hard else "other"
            click.echo(f"\n{kind}: {len(values)}, median speed-up {statistics.median(values):.2f}")


if __name__ == "__main__":
    main()
