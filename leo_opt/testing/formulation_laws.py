"""What a formulation must do, each law tried on small random networks."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from leo_opt.bounds import Bounds, propagate
from leo_opt.domain import Box
from leo_opt.encoding import Encoding
from leo_opt.formulations import BigM, Formulation, fill, formulate
from leo_opt.network import FloatArray, Layer, Network
from leo_opt.solvers import Compiled, Feature, Session, Solver, compile_model
from leo_opt.testing.models import expect

TOLERANCE = 1e-5
"""Ten times what solvers allow rows and binaries, in units of range about 1."""

_HEADINGS = ("Mathematics", "Needs", "Adds", "Exact or relaxation", "References")
_SEEDS = range(4)


def random_network(seed: int, widths: tuple[int, ...] = (3, 4, 3, 2)) -> tuple[Network, Box]:
    """A network of rectifiers with a linear output, and a box on which all phases occur."""
    generator = np.random.default_rng(seed)
    layers = []
    for index, (n_in, n_out) in enumerate(pairwise(widths)):
        weight = generator.normal(size=(n_out, n_in))
        tag = "linear" if index == len(widths) - 2 else "relu"
        layers.append(Layer(weight, generator.normal(size=n_out), tag))
    return Network(tuple(layers)), Box(-1.0, 1.0).spread(widths[0])


@dataclass(frozen=True, eq=False)
class Built:
    """A block, compiled, in a session, and the way back from a point."""

    encoding: Encoding
    block: Any
    compiled: Compiled
    session: Session

    @property
    def network(self) -> Network:
        """What was formulated."""
        return self.encoding.network

    @property
    def bounds(self) -> Bounds:
        """What it was formulated with."""
        return self.encoding.bounds

    def fix_inputs(self, inputs: FloatArray) -> None:
        """Ask only about one input (n_in,)."""
        reads = self.encoding.inputs
        self.session.fix(reads.columns, reads.columns_at(inputs))

    def extremes(self, expression: Any, relaxation: bool = False) -> tuple[float, float]:
        """Proved minimum and maximum of a Pyomo expression."""
        objective, constant = self.compiled.linear(expression)
        if not objective.any():
            return constant, constant
        # Solvers compare objectives with absolute tolerances.
        unit = float(np.abs(objective).max())
        low = self.session.minimize(objective / unit, relaxation=relaxation)
        high = self.session.maximize(objective / unit, relaxation=relaxation)
        for answer in (low, high):
            expect(
                answer.objective_bound is not None,
                f"no bound of {expression}: {answer.termination_condition}",
            )
        assert low.objective_bound is not None
        assert high.objective_bound is not None
        return low.objective_bound * unit + constant, high.objective_bound * unit + constant


@contextmanager
def built(
    formulation: Formulation,
    solver: Solver,
    network: Network,
    box: Box,
    bounds: Bounds | None = None,
) -> Iterator[Built]:
    """A formulated network in a session."""
    import pyomo.environ as pyo

    bounds = propagate(network, box) if bounds is None else bounds
    model = pyo.ConcreteModel()
    model.net = formulate(network, box, formulation=formulation, bounds=bounds, centred=True)
    compiled = compile_model(model)
    with solver.open(compiled.form) as session:
        yield Built(Encoding.read(compiled, model.net), model.net, compiled, session)


def _cases(formulation: Formulation, solver: Solver) -> Iterator[tuple[Built, FloatArray]]:
    """Formulated random networks with inputs (N, n_in) of their boxes, corners among them."""
    for seed in _SEEDS:
        network, box = random_network(seed)
        generator = np.random.default_rng(seed)
        corners = box.vertices(generator.normal(size=(2, network.input_size)))
        with built(formulation, solver, network, box) as case:
            yield case, np.vstack([box.sample(1, generator), corners])


def _reach(bounds: Bounds, index: int, unit: int) -> float:
    """Largest magnitude of a pre-activation."""
    return float(max(abs(bounds.lower[index][unit]), abs(bounds.upper[index][unit])))


def _check_value(case: Built, expression: Any, value: float, reach: float, exact: bool) -> None:
    """The model gives an expression this value; a relaxation allows it."""
    low, high = case.extremes(expression)
    slack = TOLERANCE * reach
    inside = low - slack <= value <= high + slack
    expect(inside, f"the network has {value}, outside [{low}, {high}] of {expression}")
    tight = high - low <= 2.0 * slack
    expect(tight or not exact, f"the network has {value}, the model allows [{low}, {high}]")


def check_description(formulation: Formulation, _: Solver) -> None:
    """Name, needs and docstring."""
    words = {str(feature) for feature in Feature}
    expect(bool(formulation.name), "the name is empty")
    unknown = sorted(set(map(str, formulation.needs)) - words)
    expect(not unknown, f"needs has {unknown}; known are {sorted(words)}")
    text = inspect.getdoc(type(formulation)) or ""
    for heading in _HEADINGS:
        expect(f"{heading}\n---" in text, f"the docstring lacks the heading {heading!r}")


def check_outputs(formulation: Formulation, solver: Solver) -> None:
    """With inputs fixed, outputs, pre- and post-activations are those of the network."""
    for case, points in _cases(formulation, solver):
        for point in points:
            case.fix_inputs(point)
            pres = case.network.pre_activations(point)
            for layer, pre in enumerate(pres):
                post = case.network.layers[layer].activate(pre)
                for unit in range(pre.size):
                    reach, at = _reach(case.bounds, layer, unit), (layer, unit)
                    _check_value(case, case.block.pre[at], pre[unit], reach, formulation.exact)
                    _check_value(case, case.block.post[at], post[unit], reach, formulation.exact)
            for k, value in enumerate(case.network(point)):
                reach = _reach(case.bounds, len(pres) - 1, k)
                _check_value(case, case.block.outputs[k], value, reach, formulation.exact)


def check_binaries(formulation: Formulation, solver: Solver) -> None:
    """is_active is 1 exactly where the unit passes its input, and exists where unstable."""
    for case, points in _cases(formulation, solver):
        unstable = {
            (layer, unit)
            for layer in case.network.phased_layers
            for unit in range(case.network.layers[layer].n_out)
            if case.bounds.lower[layer][unit] < 0.0 < case.bounds.upper[layer][unit]
        }
        expected = unstable if formulation.exact else set()
        expect(set(case.block.is_active) == expected, f"is_active has {set(case.block.is_active)}")
        for point in points:
            case.fix_inputs(point)
            pres = case.network.pre_activations(point)
            for layer, unit in expected:
                value = pres[layer][unit]
                if abs(value) <= TOLERANCE * _reach(case.bounds, layer, unit):
                    continue  # At zero both phases are right.
                low, high = case.extremes(case.block.is_active[layer, unit])
                right = abs(low - (value > 0.0)) < TOLERANCE and abs(high - low) < TOLERANCE
                message = f"is_active[{layer}, {unit}] is in [{low}, {high}] where pre is {value}"
                expect(right, message)


def check_optima(formulation: Formulation, solver: Solver) -> None:
    """Optima over the box are those of big-m; a relaxation's are no better than these."""
    for case, _ in _cases(formulation, solver):
        with built(BigM(), solver, case.network, case.bounds.domain.box, case.bounds) as reference:
            for k in range(case.network.output_size):
                low, high = case.extremes(case.block.outputs[k])
                least, most = reference.extremes(reference.block.outputs[k])
                slack = TOLERANCE * _reach(case.bounds, len(case.network.layers) - 1, k)
                message = f"output {k} is in [{low}, {high}], with big-m in [{least}, {most}]"
                expect(low <= least + slack and high >= most - slack, message)
                tight = low >= least - slack and high <= most + slack
                expect(tight or not formulation.exact, message)


def check_relaxation(formulation: Formulation, solver: Solver) -> None:
    """Every point of the network is one of the linear relaxation."""
    for case, points in _cases(formulation, solver):
        for point in points:
            case.fix_inputs(point)
            for k, value in enumerate(case.network(point)):
                low, high = case.extremes(case.block.outputs[k], relaxation=True)
                slack = TOLERANCE * _reach(case.bounds, len(case.network.layers) - 1, k)
                inside = low - slack <= value <= high + slack
                expect(inside, f"the network has {value}, the relaxation allows [{low}, {high}]")


def check_given_bounds(formulation: Formulation, solver: Solver) -> None:
    """Given pre-activation bounds are rows of the model and of its linear relaxation."""
    network, box = random_network(1)
    wide = propagate(network, box, method="interval")
    half = Box(0.5 * box.lower, 0.5 * box.upper)
    tight = propagate(network, half).intersect(wide)
    with built(formulation, solver, network, half, tight) as case:
        for layer, unit in case.block.scaled_pre:
            low, high = case.extremes(case.block.pre[layer, unit], relaxation=True)
            slack = TOLERANCE * _reach(tight, layer, unit)
            least, most = tight.lower[layer][unit], tight.upper[layer][unit]
            held = low >= least - slack and high <= most + slack
            expect(held, f"pre[{layer}, {unit}] is in [{low}, {high}], not in [{least}, {most}]")


def check_stable_units(formulation: Formulation, solver: Solver) -> None:
    """Without unstable units the model has one variable and one row a unit, or none."""
    weight = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    bias = np.array([2.0, 3.0, -4.0])
    layers = (Layer(weight, bias, "relu"), Layer(np.ones((1, 3)), np.zeros(1), "linear"))
    with built(formulation, solver, Network(layers), Box(-1.0, 1.0).spread(2)) as case:
        form = case.compiled.form
        counts = form.columns, form.rows, int(form.integer.sum())
        # Two inputs, two active units and the output; the inactive unit is nothing.
        expect(counts == (5, 3, 0), f"columns, rows and binaries are {counts}, not (5, 3, 0)")


def check_extreme_ranges(formulation: Formulation, solver: Solver) -> None:
    """Units of range 1e-6 and 1e6 side by side change nothing."""
    for seed in _SEEDS:
        network, box = random_network(seed)
        first, *rest = network.layers
        factors = np.array([1e-6, 1e6, 1.0, 2.0**-30])[: first.n_out]
        second = Layer(rest[0].weight / factors, rest[0].bias, rest[0].activation)
        scaled = Layer(first.weight * factors[:, None], first.bias * factors, first.activation)
        extreme = Network((scaled, second, *rest[1:]))
        point = box.sample(1, np.random.default_rng(seed))[0]
        with built(formulation, solver, extreme, box) as case:
            case.fix_inputs(point)
            for k, value in enumerate(extreme(point)):
                reach = _reach(case.bounds, len(extreme.layers) - 1, k)
                _check_value(case, case.block.outputs[k], value, reach, formulation.exact)


def check_two_in_one_model(formulation: Formulation, solver: Solver) -> None:
    """Two copies of a network on the same inputs differ by nothing."""
    import pyomo.environ as pyo

    network, box = random_network(2, (2, 3, 1))
    model = pyo.ConcreteModel()
    model.first = formulate(network, box, formulation=formulation)
    model.second = formulate(network, box, inputs=model.first.inputs, formulation=formulation)
    compiled = compile_model(model)
    with solver.open(compiled.form) as session:
        case = Built(Encoding.read(compiled, model.first), model.first, compiled, session)
        low, high = case.extremes(model.first.outputs[0] - model.second.outputs[0])
        slack = TOLERANCE * _reach(case.bounds, 1, 0)
        expect(low <= slack and high >= -slack, f"the difference is in [{low}, {high}]")
        same = max(abs(low), abs(high)) <= 2.0 * slack
        expect(same or not formulation.exact, f"the difference is in [{low}, {high}]")


def check_filled_points(formulation: Formulation, solver: Solver) -> None:
    """`fill` gives every variable a value that belongs to the input, and violates nothing."""
    for case, points in _cases(formulation, solver):
        for point in points:
            fill(case.block, point)
            values = [variable.value for variable in case.compiled.variables]
            expect(None not in values, "fill leaves a variable without a value")
            excess = case.compiled.form.violation(np.array(values, dtype=np.float64))
            expect(excess <= 1e-6, f"the filled point violates the model by {excess}")
            for k, value in enumerate(case.network(point)):
                reach = _reach(case.bounds, len(case.network.layers) - 1, k)
                found = float(case.block.outputs[k]())
                expect(abs(found - value) <= TOLERANCE * reach, f"output {k} is {found}")


def check_separated_rows(formulation: Formulation, solver: Solver) -> None:
    """Rows that `violated_rows` finds cut off the point, and no point of the network."""
    if not formulation.separates:
        return
    for case, points in _cases(formulation, solver):
        separation = case.encoding.separation
        assert separation is not None
        objective, _ = case.compiled.linear(case.block.outputs[0])
        answer = case.session.maximize(objective, relaxation=True)
        expect(answer.point is not None, f"the relaxation ends {answer.termination_condition}")
        assert answer.point is not None
        rows = separation(answer.point)
        if rows is None:
            continue
        cut_off = rows.matrix @ answer.point > rows.upper
        expect(bool(cut_off.all()), "a separated row does not cut off the point")
        for point in points:
            case.fix_inputs(point)
            inside = case.session.maximize(objective).point
            expect(inside is not None, "the model has no point at a fixed input")
            assert inside is not None
            excess = float((rows.matrix @ inside - rows.upper).max())
            expect(excess <= TOLERANCE, f"a separated row cuts off the network by {excess}")
