"""What exact compression buys the verifier and the MILP solver that come after.

    python benchmarks/downstream.py NETWORKS DATA --rows rows.csv
    python benchmarks/downstream.py NETWORKS DATA --rows rows.csv --only acasxu

`NETWORKS` holds acasxu/, mnist/, mnistfc/ and real/, and `DATA` mnist.npz. Every instance is asked
of the network as it is, and of the one that `compress` with `form="chain"` makes of it on the
instance's box; what that takes, verdicts of bounds (`strategy="bounds"`) and rewriting, is counted.
Same solver, seed and threads (one) on both sides. A time-out counts as the limit, which the seconds
of compression are part of. *Hard* is what takes the network as it is 10 s or more. Rows are added
to a file as they come, and what stands in it is not asked again, so that a run can be in parts.

* `verify`: the property. Of the smaller network the negation is asked with bounds that are looser
  by the proved deviation, so that "holds" holds of the original, too; a witness counts if the
  original shows it.
* `highs`, `scip`, `gurobi`: the largest value of one output on the box, in the big-M model with
  bounds of CROWN. Both answers are intervals, [value at the point, dual bound], of the smaller
  network wider by the proved deviation, and have to meet.

Seconds are of the processor, of this process; limits are of the wall clock.
"""

from __future__ import annotations

import csv
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import click
import numpy as np

from leo_opt import Box, Compression, Network, classify, compress, load, propagate
from leo_opt.blas import one_blas_thread
from leo_opt.encoding import Encoding
from leo_opt.errors import LeoOptError
from leo_opt.properties import Property, keep_class
from leo_opt.solvers import find
from leo_opt.verification import load_property, verify

HARD = 10.0
SOLVERS = ("highs", "scip", "gurobi")
_ACAS = "acasxu/ACASXU_run2a_{}_batch_2000.onnx"
PROPERTIES = {
    _ACAS.format("1_1"): ("prop_1", "prop_2", "prop_3", "prop_4"),
    _ACAS.format("2_3"): ("prop_1", "prop_2"),
    _ACAS.format("4_2"): ("prop_1", "prop_2"),
    _ACAS.format("5_9"): ("prop_1", "prop_2", "prop_3"),
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
"""Properties beside their networks, asked of `verify`."""
BALLS = {
    "mnist/mnist_100-100_l1_0.0001_s0.onnx": (0.055, 0.075, 0.046),
    "mnist/mnist_400-400_l1_0.0001_s0.onnx": (0.058, 0.063, 0.042),
    "mnist/mnist_800-800_l1_0.0001_s0.onnx": (0.066, 0.071, 0.046),
    "mnistfc/mnist-net_256x2.onnx": (0.013, 0.023, 0.016),
    "mnistfc/mnist-net_256x4.onnx": (0.029, 0.035, 0.017),
}
"""Largest radii around the first test images on which CROWN proves that the class stays."""
FACTORS = (1.1,)
"""Times that, the radii at which `verify` is asked: what is larger an attack mostly refutes."""
EXTREMES = {
    _ACAS.format("1_1"): ("prop_3", "prop_4"),
    "mnistfc/mnist-net_256x2.onnx": ("prop_0_0.03",),
    "real/safenlp/perturbations_0.onnx": ("hyperrectangle_2076", "hyperrectangle_847"),
    "real/cora/mnist-set.onnx": ("mnist-img6", "mnist-img9", "mnist-img16"),
}
"""Boxes of properties on which the first output is maximised."""
WHOLE = {
    "mnist/mnist_25-25_l1_0.001_s0.onnx": (0,),
    "mnist/mnist_25-25_l1_0.001_s1.onnx": (0,),
    "mnist/mnist_50-50_l1_0.001_s0.onnx": (0, 1, 2),
    "mnist/mnist_50-50_l1_0.001_s1.onnx": (0, 1, 2),
    "mnist/mnist_100-100_l1_0.0005_s0.onnx": (0, 1, 2),
    "mnist/mnist_100-100_l1_0.0005_s1.onnx": (0, 1, 2),
}
"""Networks whose outputs with these numbers are maximised on [0, 1]."""


@dataclass(frozen=True)
class Instance:
    """A question about a network on a box, which is also asked of a smaller network."""

    name: str
    asked: str
    network: Network
    box: Box
    ask: Callable[[float, Compression | None], Answer]


@dataclass(frozen=True)
class Answer:
    """What one side said, and the seconds that it took."""

    seconds: float
    text: str
    open: bool = False
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
        text = str(verdict.answer)
        return Answer(time.process_time() - begin, text, text == "unknown")
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
    return Answer(time.process_time() - begin, text, text == "unknown")


def ask_extreme(
    network: Network, box: Box, limit: float, smaller: Compression | None, solver: str, output: int
) -> Answer:
    """The largest value of an output, by a solver."""
    begin = time.process_time()
    used, off = network, 0.0
    if smaller is not None:
        used, off = smaller.network, float(smaller.max_deviation[output])
    encoding = Encoding.of(used, box, propagate(used, box), "big-m")
    goal = np.zeros(used.output_size)
    goal[output] = 1.0
    cost, constant = encoding.objective(goal)
    with find(solver).open(encoding.form) as session:
        answer = session.maximize(cost, constant=constant, time_limit=limit)
    low = -np.inf if answer.incumbent_objective is None else answer.incumbent_objective - off
    high = np.inf if answer.objective_bound is None else answer.objective_bound + off
    closed = high - low <= 1e-4 * max(1.0, abs(high))
    text = f"{high:.6g}" if closed else f"[{low:.6g}, {high:.6g}]"
    return Answer(time.process_time() - begin, text, not closed, low, high)


def property_instances(networks: Path) -> Iterator[Instance]:
    """Properties of files."""
    for path, names in PROPERTIES.items():
        network = load(networks / path)
        for name in names:
            asked = load_property((networks / path).parent / f"{name}.vnnlib")
            yield of_property(f"{Path(path).stem} {name}", network, asked)


def ball_instances(networks: Path, data: Path) -> Iterator[Instance]:
    """Balls around test images on which the class has to stay."""
    images = np.load(data / "mnist.npz")["x_test"].reshape(10000, -1) / 255.0
    for factor in FACTORS:
        for path, radii in BALLS.items():
            network = load(networks / path)
            for number, radius in enumerate(radii):
                size = round(factor * radius, 3)
                box = Box.around(images[number], size, within=Box(0.0, 1.0))
                label = int(network(images[number]).argmax())
                asked = keep_class(box, label, network.output_size)
                yield of_property(f"{Path(path).stem} image {number} {size}", network, asked)


def of_property(name: str, network: Network, asked: Property) -> Instance:
    """`verify`, asked about a property."""
    return Instance(
        name,
        "verify",
        network,
        asked.domain.box,
        lambda limit, smaller: ask_property(network, asked, limit, smaller),
    )


def extreme_instances(networks: Path) -> Iterator[Instance]:
    """Largest outputs on boxes of properties and on [0, 1]."""
    boxes = [
        (path, name, load_property((networks / path).parent / f"{name}.vnnlib").domain.box, 0)
        for path, names in EXTREMES.items()
        for name in names
    ]
    boxes += [(path, "", Box(0, 1), out) for path, outs in WHOLE.items() for out in outs]
    for path, name, box, output in boxes:
        network = load(networks / path)
        label = f"{Path(path).stem} {name or '[0, 1]'} output {output}"
        for solver in SOLVERS:
            yield of_extreme(label, network, box.spread(network.input_size), solver, output)


def of_extreme(name: str, network: Network, box: Box, solver: str, output: int) -> Instance:
    """A solver, asked for the largest value of an output."""
    return Instance(
        name,
        solver,
        network,
        box,
        lambda limit, smaller: ask_extreme(network, box, limit, smaller, solver, output),
    )


def warm_up() -> None:
    """Ask something easy first, so that nobody pays for imports."""
    network = Network.from_arrays([np.eye(2), np.ones((1, 2))], [None, None])
    box = Box(-1, 1).spread(2)
    compress(network, classify(network, box, strategy="bounds"), form="chain")
    for solver in SOLVERS:
        ask_extreme(network, box, 10.0, None, solver, 0)


def disagree(left: Answer, right: Answer) -> bool:
    """Whether two answers contradict each other."""
    if {left.text, right.text} == {"holds", "violated"}:
        return True
    slack = 1e-4 * max(1.0, abs(left.low) if np.isfinite(left.low) else 1.0)
    return left.low > right.high + slack or right.low > left.high + slack


def measure(case: Instance, limit: float) -> dict[str, str]:
    """A row of the table."""
    before = case.ask(limit, None)
    begin = time.process_time()
    known = classify(case.network, case.box, strategy="bounds")
    smaller = compress(case.network, known, form="chain")
    made = time.process_time() - begin
    after = case.ask(limit - made, smaller)
    first = limit if before.open else before.seconds
    second = limit if after.open else made + after.seconds
    told = before.text if before.text == after.text else f"{before.text}; {after.text}"
    return {
        "instance": case.name,
        "asked": case.asked,
        "units": str(case.network.kinds.total()),
        "after": str(smaller.network.kinds.total()),
        "parameters": str(case.network.parameters),
        "parameters after": str(smaller.network.parameters),
        "compress s": f"{made:.2f}",
        "before s": "limit" if before.open else f"{before.seconds:.2f}",
        "after s": "limit" if after.open else f"{after.seconds:.2f}",
        "speed-up": f"{first / second:.2f}",
        "hard": "hard" if first >= HARD else "",
        "answers": told + (", CONTRADICTION" if disagree(before, after) else ""),
    }


def show(rows: list[dict[str, str]]) -> None:
    """The table and the medians."""
    click.echo(f"| {' | '.join(rows[0])} |\n|{'---|' * len(rows[0])}")
    for row in rows:
        click.echo(f"| {' | '.join(row.values())} |")
    for hard in ("hard", ""):
        gains = [float(row["speed-up"]) for row in rows if row["hard"] == hard]
        if gains:
            median = statistics.median(gains)
            click.echo(f"\n{hard or 'other'}: {len(gains)}, median speed-up {median:.2f}")


@click.command()
@click.argument("networks", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--rows", type=click.Path(path_type=Path), default="downstream.csv")
@click.option("--only", default="", help="Part of the names to keep.")
@click.option("--time-limit", type=float, default=120.0, show_default=True)
def main(networks: Path, data: Path, rows: Path, only: str, time_limit: float) -> None:
    """Print the table, a row an instance, and the medians."""
    known = list(csv.DictReader(rows.open())) if rows.is_file() else []
    done = {(row["instance"], row["asked"]) for row in known}
    warm_up()
    cases = *property_instances(networks), *ball_instances(networks, data)
    for case in (*cases, *extreme_instances(networks)):
        if (case.name, case.asked) in done or only not in f"{case.name} {case.asked}":
            continue
        try:
            with one_blas_thread():
                row = measure(case, time_limit)
        except LeoOptError as error:
            click.echo(f"{case.name} {case.asked}: {error}", err=True)
            continue
        known.append(row)
        with rows.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            if len(known) == 1:
                writer.writeheader()
            writer.writerow(row)
    if known:
        show(known)


if __name__ == "__main__":
    main()
