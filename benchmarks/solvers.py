"""What the solver layer costs, and how the solvers compare.

    python benchmarks/solvers.py load --networks FOLDER
    python benchmarks/solvers.py questions --networks FOLDER
    python benchmarks/solvers.py directions --networks FOLDER -o directions.csv

`load` measures the way from bounds to a loaded HiGHS, against Pyomo's own HiGHS interface and,
where it is installed, against OMLT. `questions` asks a thousand objectives on one session and on
a bare HiGHS. `directions` asks every solver the same 50 questions about units of ACAS Xu and
MNIST networks. Each prints a Markdown table.
"""

from __future__ import annotations

import csv
import gc
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyomo.environ as pyo
from pyomo.common.gc_manager import PauseGC

from leo_opt import Bounds, Box, Network, formulate, load, load_domain, propagate
from leo_opt.decisions.findings import Direction
from leo_opt.decisions.layer_model import LayerModel, ask, build_layer_model
from leo_opt.errors import SolverError
from leo_opt.solvers import Session, SolverOptions, StandardForm, compile_model, find

FOLDER = click.option("--networks", type=click.Path(exists=True, path_type=Path), required=True)
LOADED = (
    "mnist/mnist_100-100_l1_0.0005_s0.onnx",
    "mnist/mnist_100-100_l1_0.0001_s0.onnx",
    "mnist/mnist_100-100-100-100-100_l1_0.0002_s0.onnx",
    "mnist/mnist_400-400_l1_0.0001_s0.onnx",
)
MARGIN = 1e-6


@click.group()
def main() -> None:
    """Benchmarks of the solver layer."""


# From bounds to a loaded HiGHS.


def load_here(network: Network, box: Box, bounds: Bounds) -> None:
    """Formulation, compiled form, one call of HiGHS, as the strategies do it."""
    model = pyo.ConcreteModel()
    with PauseGC():
        model.net = formulate(network, box, bounds=bounds)
        find("highs").open(compile_model(model).form).close()


def load_block_by_pyomo(network: Network, box: Box, bounds: Bounds) -> None:
    """The same block, loaded by Pyomo's HiGHS interface."""
    from pyomo.contrib.solver.solvers.highs import Highs

    model = pyo.ConcreteModel()
    model.net = formulate(network, box, bounds=bounds)
    model.goal = pyo.Objective(expr=model.net.inputs[0])
    Highs().set_instance(model)


def load_rows_by_pyomo(form: StandardForm) -> None:
    """The same rows written with `quicksum`, loaded by Pyomo's HiGHS interface."""
    from pyomo.contrib.solver.solvers.highs import Highs

    model = pyo.ConcreteModel()
    kinds = [pyo.Binary if integer else pyo.Reals for integer in form.integer]
    sides = list(zip(form.column_lower.tolist(), form.column_upper.tolist(), strict=True))
    model.x = pyo.Var(
        range(form.columns), domain=lambda _, k: kinds[k], bounds=lambda _, k: sides[k]
    )
    matrix = form.matrix

    def row(_: Any, k: int) -> Any:
        part = slice(matrix.indptr[k], matrix.indptr[k + 1])
        terms = zip(matrix.data[part].tolist(), matrix.indices[part].tolist(), strict=True)
        body = pyo.quicksum(value * model.x[j] for value, j in terms)
        low, high = float(form.row_lower[k]), float(form.row_upper[k])
        if low == high:
            return body == low
        return (low if np.isfinite(low) else None, body, high if np.isfinite(high) else None)

    model.rows = pyo.Constraint(range(form.rows), rule=row)
    model.goal = pyo.Objective(expr=model.x[0])
    Highs().set_instance(model)


def load_omlt(network: Network, box: Box) -> None:
    """OMLT's big-M model of the network, loaded by Pyomo's HiGHS interface."""
    from omlt import OmltBlock
    from omlt.neuralnet import NetworkDefinition, ReluBigMFormulation
    from omlt.neuralnet.layer import DenseLayer, InputLayer
    from pyomo.contrib.solver.solvers.highs import Highs

    ends = zip(box.lower.tolist(), box.upper.tolist(), strict=True)
    definition = NetworkDefinition(scaled_input_bounds=dict(enumerate(ends)))
    before = InputLayer([network.input_size])
    definition.add_layer(before)
    for layer in network.layers:
        dense = DenseLayer(
            [layer.n_in],
            [layer.n_out],
            activation=layer.activation,
            weights=layer.weight.T,
            biases=layer.bias,
        )
        definition.add_layer(dense)
        definition.add_edge(before, dense)
        before = dense
    model = pyo.ConcreteModel()
    model.net = OmltBlock()
    model.net.build_formulation(ReluBigMFormulation(definition))
    model.goal = pyo.Objective(expr=model.net.inputs[0])
    Highs().set_instance(model)


def median_seconds(work: Callable[[], None], repeats: int) -> float:
    """Median wall-clock time, each run after a collection of garbage."""
    times = []
    for _ in range(repeats):
        gc.collect()
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


@main.command(name="load")
@FOLDER
@click.option("--repeats", default=3, show_default=True)
@click.option("--omlt/--no-omlt", default=True, help="Leave OMLT out; it takes minutes.")
def load_command(networks: Path, repeats: int, omlt: bool) -> None:
    """From bounds to a loaded HiGHS, in seconds, and how many times longer the others take."""
    click.echo("| network | here | same block, Pyomo | same rows, Pyomo | OMLT |")
    click.echo("|---|---:|---:|---:|---:|")
    for name in LOADED:
        network = load(networks / name)
        box = Box(0.0, 1.0).spread(network.input_size)
        bounds = propagate(network, box)
        model = pyo.ConcreteModel()
        model.net = formulate(network, box, bounds=bounds)
        form = compile_model(model).form
        base = median_seconds(lambda: load_here(network, box, bounds), repeats)  # noqa: B023
        cells = [f"{base:.2f} s"]
        for other in (
            lambda: load_block_by_pyomo(network, box, bounds),  # noqa: B023
            lambda: load_rows_by_pyomo(form),  # noqa: B023
        ):
            cells.append(f"{median_seconds(other, repeats) / base:.1f}x")
        if omlt and find_spec("omlt") is not None:
            seconds = median_seconds(lambda: load_omlt(network, box), 1)  # noqa: B023
            cells.append(f"{seconds / base:.1f}x")
        else:
            cells.append("-")
        click.echo(f"| {Path(name).stem} | {' | '.join(cells)} |")


# A thousand objectives.


@main.command()
@FOLDER
@click.option("--count", default=1000, show_default=True)
def questions(networks: Path, count: int) -> None:
    """Changed objectives on one session, and the same on a bare HiGHS."""
    network = load(networks / LOADED[1])
    box = Box(0.0, 1.0).spread(network.input_size)
    model = build_layer_model(network, box, 1, propagate(network, box), "big-m")
    units = network.layers[1].n_out
    costs = [
        model.objective(Direction(1, k % units, 1 - 2 * (k // units % 2))) for k in range(count)
    ]
    here, bare = 0.0, 0.0
    with find("highs").open(model.encoding.form) as session:
        highs, columns = _bare_highs(model.encoding.form)
        # Interleaved, so that both see the same machine.
        for cost, constant in costs:
            begin = time.perf_counter()
            answer = session.maximize(cost, constant=constant, relaxation=True)
            here += time.perf_counter() - begin
            begin = time.perf_counter()
            highs.changeColsCost(columns.size, columns, cost)
            highs.changeObjectiveOffset(constant)
            highs.run()
            bare += time.perf_counter() - begin
            value = highs.getInfo().objective_function_value
            assert answer.objective_bound is not None
            assert abs(answer.objective_bound - value) < 1e-6
    click.echo("| relaxations | session | bare HiGHS | more |\n|---:|---:|---:|---:|")
    click.echo(f"| {count} | {here:.2f} s | {bare:.2f} s | {100.0 * (here / bare - 1.0):.1f} % |")


def _bare_highs(form: StandardForm) -> tuple[Any, np.ndarray[Any, np.dtype[np.int32]]]:
    """The relaxation in a HiGHS object without any callback."""
    import highspy

    highs = highspy.Highs()
    for name, value in (("output_flag", False), ("threads", 1), ("small_matrix_value", 1e-12)):
        highs.setOptionValue(name, value)
    highs.passModel(
        form.columns, form.rows, form.matrix.nnz, 2, -1, 0.0, np.zeros(form.columns),
        form.column_lower, form.column_upper, form.row_lower, form.row_upper,
        form.matrix.indptr.astype(np.int32), form.matrix.indices.astype(np.int32),
        form.matrix.data, np.zeros(form.columns, dtype=np.int32),
    )  # fmt: skip
    return highs, np.arange(form.columns, dtype=np.int32)


# The same questions to every solver.


@dataclass(frozen=True)
class Batch:
    """Open directions of one layer of one network."""

    name: str
    model: LayerModel
    directions: list[Direction]


def batches(folder: Path, count: int) -> Iterator[Batch]:
    """Directions that intervals and random points leave open, half ACAS Xu and half MNIST."""
    acas = folder / "acasxu" / "ACASXU_run2a_1_1_batch_2000.onnx"
    box = load_domain(acas.parent / "prop_3.vnnlib", 5)
    yield from _batches(acas, box, (2, 3, 4, 5), count // 2)
    rest = count - count // 2
    for name, share in (("25-25_l1_0.0002_s0", rest // 3), ("100-100_l1_0.0001_s0", rest)):
        taken = min(share, rest)
        rest -= taken
        yield from _batches(folder / "mnist" / f"mnist_{name}.onnx", Box(0.0, 1.0), (1,), taken)


def _batches(path: Path, domain: Box, layers: tuple[int, ...], count: int) -> Iterator[Batch]:
    network = load(path)
    box = domain.spread(network.input_size)
    bounds = propagate(network, box)
    seen = network.pre_activations(box.sample(2000, np.random.default_rng(0)))
    share = -(-count // len(layers))
    for layer in layers:
        directions = [
            Direction(layer, unit, sign)
            for unit in range(network.layers[layer].n_out)
            for sign, end in ((1, bounds.upper[layer][unit]), (-1, -bounds.lower[layer][unit]))
            if end > 0.0 and (sign * seen[layer][:, unit]).max() <= 0.0
        ]
        # Spread over the layer, so that hard and easy ones are among them.
        chosen = directions[:: max(1, len(directions) // share)][:share]
        if chosen:
            model = build_layer_model(network, box, layer, bounds, "big-m")
            yield Batch(f"{path.stem} layer {layer}", model, chosen)


FIELDS = ("solver", "batch", "layer", "unit", "sign", "verdict", "seconds", "nodes", "note")


def ask_all(solver: str, batch: Batch, time_limit: float) -> Iterator[dict[str, object]]:
    """The answers of one solver, or the reason why it refuses the model."""
    try:
        session: Session = find(solver).open(batch.model.encoding.form, SolverOptions())
    except SolverError as error:
        for layer, unit, sign in batch.directions:
            yield dict(
                zip(
                    FIELDS,
                    (solver, batch.name, layer, unit, sign, "refused", 0, 0, error),
                    strict=True,
                )
            )
        return
    with session:
        for direction in batch.directions:
            found = ask(session, batch.model, direction, MARGIN, time_limit=time_limit)
            verdict = "open"
            if found.witness is not None:
                verdict = "witness"
            elif found.bound is not None and found.bound <= 0.0:
                verdict = "proved"
            values = (
                solver,
                batch.name,
                *direction,
                verdict,
                found.seconds,
                found.nodes,
                found.anomaly,
            )
            yield dict(zip(FIELDS, values, strict=True))


@main.command()
@FOLDER
@click.option("-o", "--output", type=click.Path(path_type=Path), default="directions.csv")
@click.option("--solvers", default="highs,gurobi,cplex,scip", show_default=True)
@click.option("--count", default=50, show_default=True)
@click.option("--time-limit", default=30.0, show_default=True, help="Seconds for each question.")
def directions(networks: Path, output: Path, solvers: str, count: int, time_limit: float) -> None:
    """The same open directions asked of every solver."""
    rows: list[dict[str, object]] = []
    with output.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, FIELDS)
        writer.writeheader()
        for batch in batches(networks, count):
            for solver in solvers.split(","):
                if find(solver).available():
                    for row in ask_all(solver, batch, time_limit):
                        rows.append(row)
                        writer.writerow(row)
                        stream.flush()
    click.echo(directions_table(rows))


def directions_table(rows: list[dict[str, object]]) -> str:
    """Medians and verdicts of each solver on each batch, and where they contradict each other."""
    lines = [
        "| questions | solver | median s | total s | nodes | witness | proved | open | refused |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for batch in dict.fromkeys(row["batch"] for row in rows):
        for solver in dict.fromkeys(row["solver"] for row in rows):
            here = [r for r in rows if (r["batch"], r["solver"]) == (batch, solver)]
            seconds = [float(str(row["seconds"])) for row in here]
            nodes = statistics.median(int(str(row["nodes"])) for row in here) if here else 0
            counts = Counter(str(row["verdict"]) for row in here)
            words = (str(counts[word]) for word in ("witness", "proved", "open", "refused"))
            lines.append(
                f"| {batch} ({len(here)}) | {solver} | {statistics.median(seconds):.2f} | "
                f"{sum(seconds):.1f} | {nodes:g} | {' | '.join(words)} |"
            )
    verdicts: dict[tuple[object, ...], set[object]] = {}
    for row in rows:
        key = (row["batch"], row["layer"], row["unit"], row["sign"])
        verdicts.setdefault(key, set()).add(row["verdict"])
    clashes = [key for key, said in verdicts.items() if {"witness", "proved"} <= said]
    return "\n".join([*lines, f"\ncontradictions: {clashes or 'none'}"])


if __name__ == "__main__":
    main()
