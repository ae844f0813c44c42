"""One question to this package and to its peers: the largest output of a network on a box.

    python benchmarks/peers.py
    python benchmarks/peers.py --network acasxu_1_1.onnx --box -0.05 0.05 --time-limit 60

The network is cut down to one output, which every peer can take, and given to all as the same
float64 weights. Build is all the work from weights to a model in the peer's modelling layer, bounds
included; solve is the rest, one thread, relative gap 1e-6. An answer is checked by evaluating the
network at the point that a peer returns. Peers that are not installed are skipped:

    pip install omlt gurobi-machinelearning gurobipy pyscipopt-ml pyscipopt highs-ml scikit-learn
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click
import numpy as np

from leo_opt import Box, Layer, Network, formulate, load, propagate

SHIPPED = Path(__file__).parent.parent / "leo_opt" / "data" / "mnist_25-25_l1_0.001_s0.onnx"
GAP = 1e-6
WRONG = 2e-6
"""Relative; the gap and a little more."""


@dataclass(frozen=True)
class Question:
    """The largest value of the only output of a network on a box."""

    network: Network
    box: Box
    time_limit: float


@dataclass(frozen=True)
class Result:
    """What a peer says.

    Parameters
    ----------
    binaries, rows, columns
        As its own modelling layer counts them; None where it does not say.
    optimum
        Objective of its best point, or None.
    bound
        Its proved bound from above, or None.
    inputs
        The point.
    """

    build: float
    solve: float
    size: tuple[int | None, int | None, int | None]
    optimum: float | None
    bound: float | None
    inputs: Any


def run_here(question: Question, solver: str, formulation: str) -> Result:
    """This package, bounds by CROWN."""
    from leo_opt.solvers import SolverOptions, compile_model, find

    begin = time.perf_counter()
    bounds = propagate(question.network, question.box)
    block = formulate(question.network, question.box, formulation=formulation, bounds=bounds)
    built = time.perf_counter()
    compiled = compile_model(block)
    objective, constant = compiled.linear(block.outputs[0])
    options = SolverOptions(relative_gap=GAP, absolute_gap=0.0, time_limit=question.time_limit)
    with find(solver).open(compiled.form, options) as session:
        answer = session.maximize(objective, constant=constant)
    solved = time.perf_counter()
    form = compiled.form
    places = compiled.columns_of(block.inputs[k] for k in range(question.network.input_size))
    return Result(
        built - begin,
        solved - built,
        (int(form.integer.sum()), form.rows, form.columns),
        answer.incumbent_objective,
        answer.objective_bound,
        None if answer.point is None else answer.point[places],
    )


def run_omlt(question: Question, solver: str, formulation: str) -> Result:
    """OMLT under Pyomo."""
    import pyomo.environ as pyo
    from omlt import OmltBlock, neuralnet
    from omlt.neuralnet.layer import DenseLayer, InputLayer

    kinds = {
        "big-m": neuralnet.ReluBigMFormulation,
        "partition": neuralnet.ReluPartitionFormulation,
    }
    begin = time.perf_counter()
    box = question.box
    limits = dict(enumerate(zip(box.lower.tolist(), box.upper.tolist(), strict=True)))
    network = neuralnet.NetworkDefinition(scaled_input_bounds=limits)
    before = InputLayer([question.network.input_size])
    network.add_layer(before)
    for layer in question.network.layers:
        after = DenseLayer(
            [layer.n_in],
            [layer.n_out],
            weights=layer.weight.T.copy(),
            biases=layer.bias.copy(),
            activation=layer.activation,
        )
        network.add_layer(after)
        network.add_edge(before, after)
        before = after
    model = pyo.ConcreteModel()
    model.net = OmltBlock()
    model.net.build_formulation(kinds[formulation](network))
    model.goal = pyo.Objective(expr=model.net.outputs[0], sense=pyo.maximize)
    built = time.perf_counter()
    interface, gap, limit, threads = _PYOMO[solver]
    factory = pyo.SolverFactory(interface)
    factory.options.update({gap: GAP, limit: question.time_limit, threads: 1})
    found = factory.solve(model, load_solutions=False)
    solved = time.perf_counter()
    ends = found.problem.lower_bound, found.problem.upper_bound
    low, high = (np.nan if end is None else float(end) for end in ends)
    has_point = bool(np.isfinite(low))
    if has_point:
        factory.load_vars() if interface == "appsi_highs" else model.solutions.load_from(found)
    variables = list(model.component_data_objects(pyo.Var))
    rows = sum(1 for _ in model.component_data_objects(pyo.Constraint, active=True))
    places = range(question.network.input_size)
    return Result(
        built - begin,
        solved - built,
        (sum(v.is_binary() for v in variables), rows, len(variables)),
        low if has_point else None,
        high,
        [pyo.value(model.net.inputs[k]) for k in places] if has_point else None,
    )


_PYOMO: Mapping[str, tuple[str, str, str, str]] = {
    "highs": ("appsi_highs", "mip_rel_gap", "time_limit", "threads"),
    "gurobi": ("gurobi_direct", "MIPGap", "TimeLimit", "Threads"),
}
"""Pyomo's interface to a solver, and the solver's names of gap, time limit and threads."""


def as_regressor(network: Network) -> Any:
    """The network as scikit-learn's MLPRegressor, weights set by hand."""
    from sklearn.neural_network import MLPRegressor

    widths = [layer.n_out for layer in network.layers[:-1]]
    model = MLPRegressor(hidden_layer_sizes=widths, activation="relu")
    model.coefs_ = [layer.weight.T.copy() for layer in network.layers]
    model.intercepts_ = [layer.bias.copy() for layer in network.layers]
    model.n_layers_ = len(network.layers) + 1
    model.n_outputs_, model.out_activation_ = network.output_size, "identity"
    model.n_features_in_, model.n_iter_, model.t_ = network.input_size, 1, 1
    return model


def run_gurobi_ml(question: Question, solver: str, formulation: str) -> Result:  # noqa: ARG001
    """gurobi-machinelearning."""
    import gurobipy
    from gurobi_ml import add_predictor_constr

    regressor = as_regressor(question.network)
    options = {"OutputFlag": 0, "Threads": 1, "MIPGap": GAP, "TimeLimit": question.time_limit}
    begin = time.perf_counter()
    with gurobipy.Env(params=options) as env, gurobipy.Model(env=env) as model:
        shape = (1, question.network.input_size)
        x = model.addMVar(shape, lb=question.box.lower, ub=question.box.upper)
        y = model.addMVar((1, 1), lb=-gurobipy.GRB.INFINITY)
        add_predictor_constr(model, regressor, x, y)
        model.setObjective(y[0, 0], gurobipy.GRB.MAXIMIZE)
        model.update()
        built = time.perf_counter()
        model.optimize()
        solved = time.perf_counter()
        found = model.SolCount > 0
        return Result(
            built - begin,
            solved - built,
            (None, model.NumConstrs + model.NumGenConstrs, model.NumVars),
            model.ObjVal if found else None,
            model.ObjBound,
            x.X[0] if found else None,
        )


def run_pyscipopt_ml(question: Question, solver: str, formulation: str) -> Result:  # noqa: ARG001
    """PySCIPOpt-ML."""
    import pyscipopt
    from pyscipopt_ml.add_predictor import add_predictor_constr

    regressor = as_regressor(question.network)
    begin = time.perf_counter()
    model = pyscipopt.Model()
    model.hideOutput()
    model.setParams({"limits/gap": GAP, "limits/time": question.time_limit})
    ends = zip(question.box.lower.tolist(), question.box.upper.tolist(), strict=True)
    x = np.array([[model.addVar(lb=low, ub=high) for low, high in ends]])
    y = np.array([[model.addVar(lb=None, ub=None)]])
    add_predictor_constr(model, regressor, x, y, formulation=formulation)
    model.setObjective(y[0, 0], "maximize")
    size = (None, model.getNConss(), model.getNVars())
    built = time.perf_counter()
    model.optimize()
    solved = time.perf_counter()
    found = model.getNSols() > 0
    return Result(
        built - begin,
        solved - built,
        size,
        model.getObjVal() if found else None,
        model.getDualbound(),
        [model.getVal(v) for v in x[0]] if found else None,
    )


def run_highs_ml(question: Question, solver: str, formulation: str) -> Result:  # noqa: ARG001
    """highs-ml."""
    import highspy
    from highs_ml import add_predictor_constr

    regressor = as_regressor(question.network)
    begin = time.perf_counter()
    model = highspy.Highs()
    model.silent()
    for name, value in (("threads", 1), ("mip_rel_gap", GAP), ("time_limit", question.time_limit)):
        model.setOptionValue(name, value)
    ends = zip(question.box.lower.tolist(), question.box.upper.tolist(), strict=True)
    x = [model.addVariable(lb=low, ub=high) for low, high in ends]
    y = add_predictor_constr(model, regressor, x).output_var
    built = time.perf_counter()
    model.maximize(1.0 * y)
    solved = time.perf_counter()
    info, lp = model.getInfo(), model.getLp()
    integral = sum(kind == highspy.HighsVarType.kInteger for kind in lp.integrality_)
    found = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    return Result(
        built - begin,
        solved - built,
        (integral, lp.num_row_, lp.num_col_),
        info.objective_function_value if found else None,
        info.mip_dual_bound,
        [model.variableValue(v) for v in x] if found else None,
    )


Run = Callable[[Question, str, str], Result]
RUNS: tuple[tuple[str, tuple[str, ...], Run, str, str], ...] = (
    ("leo-opt", ("leo-opt",), run_here, "highs", "big-m"),
    ("OMLT", ("omlt",), run_omlt, "highs", "big-m"),
    ("OMLT", ("omlt",), run_omlt, "highs", "partition"),
    ("highs-ml", ("highs-ml", "scikit-learn"), run_highs_ml, "highs", "big-m"),
    ("leo-opt", ("leo-opt", "gurobipy"), run_here, "gurobi", "big-m"),
    ("OMLT", ("omlt", "gurobipy"), run_omlt, "gurobi", "big-m"),
    ("gurobi-machinelearning", ("gurobi-machinelearning", "scikit-learn"), run_gurobi_ml,
     "gurobi", "max"),
    ("leo-opt", ("leo-opt", "pyscipopt"), run_here, "scip", "big-m"),
    ("PySCIPOpt-ML", ("pyscipopt-ml", "scikit-learn"), run_pyscipopt_ml, "scip", "bigm"),
    ("PySCIPOpt-ML", ("pyscipopt-ml", "scikit-learn"), run_pyscipopt_ml, "scip", "sos"),
    ("leo-opt", ("leo-opt", "cplex"), run_here, "cplex", "big-m"),
)  # fmt: skip
"""Name, packages, function, solver, formulation: the rows of the table."""


def missing(packages: tuple[str, ...]) -> list[str]:
    """Packages that are not installed."""
    absent = []
    for package in packages:
        try:
            version(package)
        except PackageNotFoundError:
            absent.append(package)
    return absent


@click.command()
@click.option("--network", "path", type=click.Path(path_type=Path), default=SHIPPED)
@click.option("--box", nargs=2, type=float, default=(0.0, 1.0), show_default=True)
@click.option("--output", default=3, show_default=True, help="Which output is maximised.")
@click.option("--time-limit", default=120.0, show_default=True, help="Seconds for each peer.")
@click.option("--only", help="Rows of this peer.")
def main(
    path: Path, box: tuple[float, float], output: int, time_limit: float, only: str | None
) -> None:
    """Print the table of peers."""
    full = load(path)
    last = full.layers[-1]
    cut = Layer(last.weight[[output]], last.bias[[output]], last.activation)
    network = Network((*full.layers[:-1], cut))
    question = Question(network, Box(*box).spread(network.input_size), time_limit)
    click.echo(f"{path.name}: {network!r}, inputs in {list(box)}, largest output {output}\n")
    click.echo(
        "| | version | solver | formulation | binaries | rows | columns | build s | solve s "
        "| optimum | gap | network there | |"
    )
    click.echo("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
    results: list[tuple[str, Result | str]] = []
    for name, packages, run, solver, formulation in RUNS:
        if only is not None and name != only:
            continue
        absent = missing(packages)
        label = f"| {name} | {'' if absent else version(packages[0])} | {solver} | {formulation} |"
        if absent:
            results.append((label, f"not run: pip install {' '.join(absent)}"))
            continue
        click.echo(label, err=True)
        try:
            results.append((label, run(question, solver, formulation)))
        except Exception as error:  # A peer's failure is what its row says.
            results.append((label, f"{type(error).__name__}: {' '.join(str(error).split())[:90]}"))
    best = max((confirmed(question, r) for _, r in results if isinstance(r, Result)), default=0.0)
    for label, result in results:
        row = result if isinstance(result, str) else describe(question, result, best)
        click.echo(f"{label} {row} |")


def confirmed(question: Question, result: Result) -> float:
    """What the network gives at the point of a result, moved into the box."""
    if result.inputs is None:
        return -np.inf
    point = np.clip(np.asarray(result.inputs), question.box.lower, question.box.upper)
    return float(question.network(point)[0])


def describe(question: Question, result: Result, best: float) -> str:
    """The columns of a table that a result fills; `best` is the largest value seen."""
    size = " | ".join("" if count is None else str(count) for count in result.size)
    times = f"{result.build:.2f} | {result.solve:.2f}"
    if result.optimum is None or result.bound is None:
        return f"{size} | {times} | none | | | time limit"
    there = float(question.network(np.asarray(result.inputs))[0])
    gap = abs(result.bound - result.optimum) / max(abs(result.optimum), 1e-9)
    verdict = ""
    if result.bound < best - WRONG * abs(best):
        verdict = f"bound wrong by {best - result.bound:.1e}"
    elif abs(there - result.optimum) > WRONG * abs(best):
        verdict = f"its point gives {there - result.optimum:+.1e}"
    elif gap > 2.0 * GAP:
        verdict = "time limit"
    return f"{size} | {times} | {result.optimum:.6f} | {gap:.1e} | {there:.6f} | {verdict}"


if __name__ == "__main__":
    main()
