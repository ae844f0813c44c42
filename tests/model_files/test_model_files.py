"""Model files say what the network says, to every program that reads them."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyomo.environ as pyo
import pytest
from model_readers import READERS, reader_for, same_bound
from oracle import exact_ranges
from random_networks import random_case

from leo_opt import Box, Network, Polytope, classify, formulate, propagate
from leo_opt.errors import (
    FileFormatError,
    InvalidInputError,
    MismatchError,
    OutputError,
)
from leo_opt.formulations import FORMULATIONS, find
from leo_opt.model_files import Sidecar, export_model, export_network
from leo_opt.solvers import compile_model

SUFFIXES = ("mps", "lp")
EXACT = [name for name, kind in FORMULATIONS.items() if kind.exact]
PLAIN = [name for name in FORMULATIONS if not find(name).needs]


def small_case(seed: int) -> tuple[Network, Box]:
    generator = np.random.default_rng(seed)
    network, box = random_case(generator)
    return network, box.spread(network.input_size)


def tolerance(sidecar: Sidecar) -> float:
    """Outputs are as exact as scaled columns are, a little of their range."""
    return max(2e-5 / scale for scale in sidecar.scale[-1])


def export(network, box, path, seed, **options):
    """A file that asks for the maximum or the minimum of some output."""
    sense, output = ("max", "min")[seed % 2], seed % network.output_size
    objective = f"{sense} output {output}"
    return export_network(network, box, path, objective=objective, **options), sense, output


Case = tuple[Network, Box, Path, Sidecar, str, int]


@pytest.fixture(scope="module")
def cases(tmp_path_factory) -> Callable[[str, str], list[Case]]:
    """Files of random networks, written once for all readers."""
    folder = tmp_path_factory.mktemp("models")

    @functools.cache
    def write(formulation: str, suffix: str) -> list[Case]:
        written = []
        for seed in range(6):
            network, box = small_case(seed)
            path = folder / f"{formulation}{seed}.{suffix}"
            question = export(network, box, path, seed, formulation=formulation)
            written.append((network, box, path, *question))
        return written

    return write


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("formulation", EXACT)
def test_the_optimum_of_a_file_is_that_of_the_network(
    formulation: str, suffix: str, reader: str, cases
) -> None:
    program = reader_for(reader, find(formulation).needs)
    for network, box, path, sidecar, sense, output in cases(formulation, suffix):
        low, high = exact_ranges(network, box)[-1][output]
        low, high = (max(low, 0), max(high, 0)) if network.layers[-1].has_phases else (low, high)
        value, point = program.minimise(path, {})
        wanted = float(high if sense == "max" else low)
        slack = tolerance(sidecar) + 1e-6 * abs(wanted)
        assert sidecar.objective_value(value) == pytest.approx(wanted, abs=slack), path
        if point:
            inputs = box.clip(sidecar.input_values(point, sparse=program.leaves_out_zeros))
            outputs = sidecar.output_values(point, sparse=program.leaves_out_zeros)
            assert network(inputs)[output] == pytest.approx(wanted, abs=10 * slack)
            assert outputs[output] == pytest.approx(wanted, abs=slack)


@pytest.mark.system
@pytest.mark.parametrize("reader", ["highs", "gurobi", "cplex", "scip"])
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("formulation", EXACT)
def test_with_inputs_fixed_a_file_is_a_forward_pass(
    formulation: str, suffix: str, reader: str, cases
) -> None:
    program = reader_for(reader, find(formulation).needs)
    compared = 0
    for seed, (network, box, path, sidecar, _, _) in enumerate(cases(formulation, suffix)):
        generator = np.random.default_rng(seed)
        for inputs in [*box.sample(1, generator), box.vertices(generator.normal(size=box.size))]:
            _, point = program.minimise(path, sidecar.input_columns(inputs))
            width = box.upper - box.lower
            assert (np.abs(sidecar.input_values(point) - inputs) <= 1e-6 * width).all()
            slack = tolerance(sidecar)
            assert np.allclose(sidecar.output_values(point), network(inputs), atol=slack)
            compared += _compare_units(sidecar, point, network.pre_activations(inputs))
    assert compared >= 20


def _compare_units(sidecar: Sidecar, point: dict[str, float], truth: list[np.ndarray]) -> int:
    """Pre- and post-activations and binaries against a forward pass."""
    compared = 0
    pres, posts = sidecar.pre_values(point), sidecar.post_values(point)
    for layer, pre in enumerate(truth):
        # A unit that is constant but for rounding may be anywhere in its interval.
        low, high = sidecar.bounds.lower[layer], sidecar.bounds.upper[layer]
        narrow = np.minimum(high - low, 1e-9 * np.maximum(1.0, np.abs(high)))
        slack = np.maximum(2e-5 / sidecar.scale[layer], narrow)
        known = ~np.isnan(pres[layer])
        assert (np.abs(pres[layer] - pre) <= slack)[known].all()
        rectified = np.maximum(pre, 0.0) if sidecar.phases[layer] else pre
        assert (np.abs(posts[layer] - rectified) <= slack).all()
        for unit, name in enumerate(sidecar.active[layer]):
            if name is not None and abs(pre[unit]) > 2 * slack[unit]:
                assert round(point[name]) == (pre[unit] > 0.0)
                compared += 1
    return compared


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("formulation", PLAIN)
def test_reading_gives_the_same_numbers(formulation: str, suffix: str, tmp_path: Path) -> None:
    """Every coefficient, side and bound is the same float64 after HiGHS has read it."""
    highspy = pytest.importorskip("highspy")
    for seed in range(7):
        network, box = small_case(seed)
        model = pyo.ConcreteModel()
        model.net = formulate(network, box, formulation=formulation)
        model.goal = pyo.Objective(expr=sum(model.net.outputs[k] for k in model.net.outputs))
        names = export_model(model, tmp_path / f"m.{suffix}")
        form = compile_model(model).form
        highs = highspy.Highs()
        highs.silent()
        highs.setOptionValue("small_matrix_value", 1e-12)
        assert highs.readModel(str(tmp_path / f"m.{suffix}")) == highspy.HighsStatus.kOk
        lp = highs.getLp()
        place = {name: k for k, name in enumerate(lp.col_names_)}
        order = [place[names[name]] for name in form.column_names]
        assert [lp.col_lower_[k] for k in order] == form.column_lower.tolist()
        assert [lp.col_upper_[k] for k in order] == form.column_upper.tolist()
        assert [lp.col_cost_[k] for k in order] == form.objective.tolist()
        rows = _rows_of_form(form)
        if suffix == "lp" and not rows:
            rows = [((-np.inf, 0.0),)]  # GLPK refuses a file without rows.
        assert _rows_of(lp, order) == rows


def _rows_of(lp, order: list[int]) -> list[tuple]:
    """Rows of a HiGHS model in our order of columns; sides of two-sided rows are rows of theirs."""
    import highspy

    back = {column: k for k, column in enumerate(order)}
    entries: list[list[tuple[int, float]]] = [[] for _ in range(lp.num_row_)]
    matrix = lp.a_matrix_
    by_column = matrix.format_ == highspy.MatrixFormat.kColwise
    for major in range(len(matrix.start_) - 1):
        for k in range(matrix.start_[major], matrix.start_[major + 1]):
            minor = matrix.index_[k]
            row, column = (minor, major) if by_column else (major, minor)
            entries[row].append((back[column], matrix.value_[k]))
    return sorted(
        (*sorted(entry), (low, high))
        for entry, low, high in zip(entries, lp.row_lower_, lp.row_upper_, strict=True)
    )


def _rows_of_form(form) -> list[tuple]:
    rows = []
    for k in range(form.rows):
        part = slice(form.matrix.indptr[k], form.matrix.indptr[k + 1])
        columns, values = form.matrix.indices[part].tolist(), form.matrix.data[part].tolist()
        entry = sorted(zip(columns, values, strict=True))
        low, high = float(form.row_lower[k]), float(form.row_upper[k])
        two = np.isfinite(low) and np.isfinite(high) and low != high
        for side in [(low, np.inf), (-np.inf, high)] if two else [(low, high)]:
            rows.append((*entry, side))
    return sorted(rows)


def trap_model() -> pyo.ConcreteModel:
    """What readers have different defaults for, and names that they would misread."""
    model = pyo.ConcreteModel()
    model.free = pyo.Var()
    model.e1 = pyo.Var(bounds=(None, -1.5))
    model.end = pyo.Var(bounds=(0.1, None))
    model.st = pyo.Var(within=pyo.Integers, bounds=(0, 7))
    model.inf = pyo.Var(within=pyo.Binary)
    model.binary = pyo.Var(within=pyo.Binary, bounds=(1, 1))
    model.neg = pyo.Var(within=pyo.Integers, bounds=(-5, -2))
    model.fixed = pyo.Var(bounds=(-9, 9), initialize=0.3)
    model.fixed.fix()
    model.unused = pyo.Var(["a b", "a-b", "a_b"], bounds=(-1, 2))
    model.Eta = pyo.Var(range(2), bounds=(-1 / 3, 1e-5))
    model.row = pyo.Constraint(expr=(-4.1, model.free + model.e1 + 1e-5 * model.Eta[0], 10))
    model.both = pyo.Constraint(expr=model.end + model.st + model.inf + model.neg <= 100)
    model.last = pyo.Constraint(expr=model.Eta[1] + model.binary + model.fixed >= -7)
    model.largest = pyo.Objective(
        expr=2 * model.st
        - model.end
        + model.inf
        - model.free
        + model.neg
        + 3 * model.fixed
        - 40.25,
        sense=pyo.maximize,
    )
    return model


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_senses_constants_and_default_bounds(suffix: str, reader: str, tmp_path: Path) -> None:
    """free is at least -4.1 - e1, -2.6, where e1 is -1.5."""
    program = reader_for(reader)
    names = export_model(trap_model(), tmp_path / f"trap.{suffix}")
    value, point = program.minimise(tmp_path / f"trap.{suffix}", {})
    assert -value == pytest.approx(14 - 0.1 + 1 + 2.6 - 2 + 0.9 - 40.25, abs=1e-6)
    if point and not program.leaves_out_zeros:
        assert point[names["fixed"]] == 0.3


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_long_names_are_read(suffix: str, reader: str, tmp_path: Path) -> None:
    """Names of nearly as many characters as are kept, and of more, which are cut."""
    program = reader_for(reader)
    model = pyo.ConcreteModel()
    for k in range(12):
        setattr(model, f"{'long' * 32}{k}", pyo.Var(bounds=(0, k)))
        setattr(model, f"{'longer' * 70}{k}", pyo.Var(bounds=(0, 1), within=pyo.Binary))
    variables = list(model.component_data_objects(pyo.Var))
    setattr(model, "row" * 100, pyo.Constraint(expr=sum(variables) <= 70.25))
    model.goal = pyo.Objective(expr=sum(variables), sense=pyo.maximize)
    names = export_model(model, tmp_path / f"long.{suffix}")
    assert len(set(names.values())) == 24
    assert max(map(len, (tmp_path / f"long.{suffix}").read_text().splitlines())) < 560
    assert program.minimise(tmp_path / f"long.{suffix}", {})[0] == pytest.approx(-70.25)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_column_has_its_bounds_written(suffix: str, tmp_path: Path) -> None:
    """Nothing is left to a reader's defaults, which differ for integral columns most of all."""
    names = export_model(trap_model(), tmp_path / f"trap.{suffix}")
    text = (tmp_path / f"trap.{suffix}").read_text()
    for name in names.values():
        assert re.search(
            rf"\b{name}\b", text[text.index("\nBounds" if suffix == "lp" else "BOUNDS") :]
        )


@pytest.mark.parametrize("reader", ["highs", "gurobi", "cplex", "scip"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_readers_see_our_bounds(suffix: str, reader: str, tmp_path: Path) -> None:
    program = reader_for(reader)
    model = trap_model()
    names = export_model(model, tmp_path / f"trap.{suffix}")
    seen = program.bounds(tmp_path / f"trap.{suffix}")
    for variable in model.component_data_objects(pyo.Var):
        low, high = (variable.value, variable.value) if variable.fixed else variable.bounds
        low, high = -np.inf if low is None else low, np.inf if high is None else high
        seen_low, seen_high, whole = seen[names[variable.name]]
        assert same_bound(seen_low, low), variable.name
        assert same_bound(seen_high, high), variable.name
        assert whole == variable.is_integer()


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_without_an_objective_a_file_is_a_question_of_feasibility(
    suffix: str, reader: str, tmp_path: Path
) -> None:
    program = reader_for(reader)
    network, box = small_case(3)
    export_network(network, box, tmp_path / f"m.{suffix}")
    assert program.minimise(tmp_path / f"m.{suffix}", {})[0] == 0.0


def test_given_bounds_are_in_the_file(tmp_path: Path) -> None:
    network, box = small_case(3)
    bounds = propagate(network, box, "interval")
    wide = export_network(network, box, tmp_path / "wide.mps", bounds=bounds)
    tight = export_network(network, box, tmp_path / "tight.mps", method="crown")
    reader = reader_for("highs")
    for sidecar, name in ((wide, "wide"), (tight, "tight")):
        columns = reader.bounds(tmp_path / f"{name}.mps")
        for layer, names in enumerate(sidecar.pre):
            for unit, column in enumerate(names):
                if column is not None:
                    low, high, _ = columns[column]
                    scale, shift = sidecar.scale[layer][unit], sidecar.shift[layer][unit]
                    low, high = low / scale + shift, high / scale + shift
                    assert low == pytest.approx(sidecar.bounds.lower[layer][unit], abs=1e-9)
                    assert high == pytest.approx(sidecar.bounds.upper[layer][unit], abs=1e-9)


def test_ideal_is_written_with_its_rows(tmp_path: Path) -> None:
    """Without integrality the file of `ideal` is as tight as that of `convex-hull`."""
    generator = np.random.default_rng(0)
    weights = [generator.normal(size=shape) for shape in ((6, 4), (6, 6), (1, 6))]
    network = Network.from_arrays(weights, [None] * 3)
    relaxed = {}
    for name in ("ideal", "convex-hull", "big-m"):
        path = tmp_path / f"{name}.lp"
        export_network(network, Box(-1, 1), path, formulation=name, objective="max output 0")
        text = path.read_text()
        path.write_text(text[: text.index("Binaries")].replace("Bounds", _unit_box(text)) + "End\n")
        relaxed[name] = reader_for("highs").minimise(path, {})[0]
    assert relaxed["ideal"] == pytest.approx(relaxed["convex-hull"], rel=1e-5)
    assert relaxed["ideal"] > relaxed["big-m"] + 1e-3
    with pytest.raises(InvalidInputError, match="objective"):
        export_network(network, Box(-1, 1), tmp_path / "no.lp", formulation="ideal")


def test_the_rows_of_a_polytope_stand_in_the_file_and_its_sidecar(tmp_path: Path) -> None:
    network = Network.from_arrays([[[1.0, 1.0], [1.0, -1.0]], [[1.0, 2.0]]], [[-1.0, 0.0], [0.0]])
    polytope = Polytope((0.0, 100.0), [[1.0, 3.0]], [20.0])
    for path in (tmp_path / "rows.mps", tmp_path / "rows.lp"):
        bounds = classify(network, polytope)
        written = export_network(network, None, path, bounds=bounds, objective="max output 0")
        value, point = reader_for("highs").minimise(path, {})
        read = Sidecar.load(path)
        assert read.domain == polytope
        assert read.objective_value(value) == pytest.approx(59.0)
        np.testing.assert_allclose(read.input_values(point), [20.0, 0.0], atol=1e-6)
        assert written.to_json() == read.to_json()


def _unit_box(text: str) -> str:
    """The binaries of an LP file as bounds of continuous columns."""
    names = text.partition("Binaries")[2].split("End")[0].split()
    return "Bounds\n" + "\n".join(f" 0 <= {name} <= 1" for name in names)


def test_a_sidecar_comes_back_as_it_was(tmp_path: Path) -> None:
    for seed in range(7):
        network, box = small_case(seed)
        chosen = FORMULATIONS.read("partition:parts=3,split=random,seed=5,part_bounds=crown")
        written, _, _ = export(network, box, tmp_path / "m.lp", seed, formulation=chosen)
        read = Sidecar.load(tmp_path / "m.lp")
        assert read.to_json() == json.loads(json.dumps(written.to_json()))
        assert read.domain == box
        assert read.network_hash == network.content_hash
        assert read.about["formulation"]["options"] == {
            "parts": 3,
            "split": "random",
            "seed": 5,
            "part_bounds": "crown",
        }
        for layer, bounds in enumerate(zip(read.bounds.lower, read.bounds.upper, strict=True)):
            assert np.array_equal(bounds[0], written.bounds.lower[layer])
            assert np.array_equal(bounds[1], written.bounds.upper[layer])


def test_a_sidecar_knows_its_file(tmp_path: Path) -> None:
    network, box = small_case(3)
    export_network(network, box, tmp_path / "m.mps", formulation="big-m")
    export_network(network, box, tmp_path / "m.lp", formulation="big-m")
    assert Sidecar.load(tmp_path / "m.mps").identity == Sidecar.load(tmp_path / "m.lp").identity
    export_network(network, box, tmp_path / "m.lp", formulation="complement")
    with pytest.raises(MismatchError, match="another model"):
        Sidecar.load(tmp_path / "m.mps")


def test_another_json_file_is_not_overwritten(tmp_path: Path) -> None:
    network, box = small_case(3)
    (tmp_path / "m.json").write_text('{"format": "leo_opt stability 1"}')
    with pytest.raises(OutputError, match="another name"):
        export_network(network, box, tmp_path / "m.mps")
    assert not (tmp_path / "m.mps").exists()
    with pytest.raises(FileFormatError, match="sidecar"):
        Sidecar.load(tmp_path / "m.json")


def test_solutions_that_are_none(tmp_path: Path) -> None:
    network, box = small_case(3)
    sidecar = export_network(network, box, tmp_path / "m.mps")
    with pytest.raises(InvalidInputError, match="column input_0"):
        sidecar.input_values({})
    with pytest.raises(InvalidInputError, match="nan"):
        sidecar.input_values(dict.fromkeys(sidecar.inputs, float("nan")))
    with pytest.raises(InvalidInputError, match="no objective"):
        sidecar.objective_value(0.0)


def test_bad_requests_write_nothing(tmp_path: Path) -> None:
    network, box = small_case(3)
    other, _ = small_case(4)
    path = tmp_path / "m.mps"
    with pytest.raises(FileFormatError, match="known are"):
        export_network(network, box, tmp_path / "m.txt")
    with pytest.raises(MismatchError):
        export_network(network, box, path, bounds=propagate(other, Box(0, 1)))
    with pytest.raises(InvalidInputError, match="output 99"):
        export_network(network, box, path, objective="max output 99")
    with pytest.raises(InvalidInputError, match="domain"):
        export_network(network, None, path)
    model = pyo.ConcreteModel()
    model.x = pyo.Var(bounds=(0, 1e22))
    model.c = pyo.Constraint(expr=model.x >= 1)
    with pytest.raises(InvalidInputError, match="1e\\+22"):
        export_model(model, path)
    assert not list(tmp_path.iterdir())
