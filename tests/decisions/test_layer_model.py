"""Every number of a solver is doubted before it counts."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import ClassVar

import numpy as np
import pytest
from networks import find_network
from oracle import exact_pre_activations, exact_ranges
from seeds import seeds

from leo_opt import Cascade, Joint, Phase, classify, load
from leo_opt.bounds import propagate
from leo_opt.deadline import NO_LIMIT, Deadline
from leo_opt.decisions import relaxation as relaxation_module
from leo_opt.decisions import relaxation_rows
from leo_opt.decisions.findings import Direction, Finding
from leo_opt.decisions.layer_model import (
    LayerModel,
    ask,
    build_layer_model,
    obstacle,
)
from leo_opt.decisions.settings import Milps
from leo_opt.domain import Box
from leo_opt.encoding import AffineMap, Encoding
from leo_opt.network import Layer, Network
from leo_opt.solvers import Answer, SolverOptions, Termination, find
from leo_opt.solvers.licences import Licence
from leo_opt.verification import Decision, verify
from leo_opt.verification.units import property_of
from leo_opt.witnesses import ascend

MARGIN = 1e-6
BOX = Box(-1, 1).spread(3)


def network() -> Network:
    generator = np.random.default_rng(3)
    return Network.from_arrays(
        [generator.normal(size=(5, 3)), generator.normal(size=(4, 5))],
        [generator.normal(size=5), generator.normal(size=4)],
        ["relu", "relu"],
    )


class Liar:
    """A session that answers what it is told to, and keeps what it was asked."""

    solver = find("highs")
    tolerances_in_force: ClassVar[dict[str, float]] = {}

    def __init__(self, **answer) -> None:
        self.answer = Answer(**{"termination_condition": Termination.OPTIMAL, **answer})

    def maximize(self, objective, **question) -> Answer:
        self.question = question
        return self.answer


def model() -> LayerModel:
    return build_layer_model(network(), BOX, 1, propagate(network(), BOX), "big-m")


QUESTION = Direction(1, 0, 1)


def highest_input() -> np.ndarray:
    inputs = BOX.sample(5000, np.random.default_rng(0))
    return inputs[network().pre_activations(inputs)[1][:, 0].argmax()]


@pytest.mark.parametrize(
    "condition",
    [
        Termination.INFEASIBLE,
        Termination.UNBOUNDED,
        Termination.INFEASIBLE_OR_UNBOUNDED,
        Termination.ERROR,
    ],
)
@pytest.mark.parametrize("bound", [None, -5.0, -np.inf])
def test_the_impossible_proves_nothing(condition, bound) -> None:
    found = ask(
        Liar(termination_condition=condition, objective_bound=bound), model(), QUESTION, MARGIN
    )
    assert found.bound is None
    assert found.witness is None
    assert "feasible" in found.anomaly


@pytest.mark.parametrize("bound", [None, -np.inf, np.inf, np.nan])
def test_a_bound_that_is_not_finite_proves_nothing(bound) -> None:
    found = ask(Liar(objective_bound=bound), model(), QUESTION, MARGIN)
    assert found.bound is None


def test_a_bound_below_what_the_network_reaches_convicts_the_solver() -> None:
    seen = highest_input()
    held = model()
    value, _ = held.value_at(seen, QUESTION)
    found = ask(Liar(objective_bound=value - 0.1), held, QUESTION, MARGIN, seen)
    assert found.bound is None
    assert "reaches" in found.anomaly
    # The solver's own point is used against it, too.
    point = np.zeros(held.encoding.form.columns)
    point[held.encoding.inputs.columns] = seen
    found = ask(Liar(objective_bound=value - 0.1, point=point), held, QUESTION, MARGIN)
    assert found.bound is None
    assert "reaches" in found.anomaly


def test_an_incumbent_counts_only_if_the_network_shows_it() -> None:
    held = model()
    inputs = BOX.sample(2000, np.random.default_rng(1))
    pre = network().pre_activations(inputs)[1][:, 0]
    for best, shown in ((inputs[pre.argmax()], True), (inputs[pre.argmin()], False)):
        point = np.zeros(held.encoding.form.columns)
        point[held.encoding.inputs.columns] = best
        liar = Liar(point=point, incumbent_objective=9.0, objective_bound=9.0)
        found = ask(liar, held, QUESTION, MARGIN)
        assert (found.witness is not None) == shown
        assert liar.question["confirm"](point) == shown


def test_bounds_are_widened_by_the_margin() -> None:
    held = model()
    scale = held.scales[0]
    widening = MARGIN + held.blur[0]
    for bound in (3.0, -2.0 * widening, -widening, -0.5 * widening):
        found = ask(Liar(objective_bound=bound), held, QUESTION, MARGIN)
        assert found.bound == pytest.approx((bound + widening) / scale, rel=1e-9, abs=1e-300)
        assert (found.bound <= 0.0) == (bound <= -widening)


def trap_network(seed: int) -> Network:
    """Units of range 1e-6 in front of a wide layer that reads them with weights of 1e6."""
    generator = np.random.default_rng(seed)
    small = np.where(generator.random(8) < 0.6, 10.0 ** generator.uniform(-7, -6, 8), 1.0)
    return Network.from_arrays(
        [generator.normal(size=(8, 3)) * small[:, None], generator.normal(size=(12, 8)) / small],
        [generator.normal(size=8) * small, generator.normal(size=12)],
        ["relu", "relu"],
    )


def ask_some(
    held: LayerModel, trap: Network, options: SolverOptions | None = None
) -> list[tuple[Direction, Finding, float]]:
    """Questions about a trap, each with what was answered and the exact maximum."""
    exact = exact_ranges(trap, BOX)[1]
    starts = BOX.sample(50, np.random.default_rng(0))
    answers = []
    with find("highs").open(held.encoding.form, options) as session:
        for unit, sign in ((0, 1), (1, -1), (2, 1)):
            question = Direction(1, unit, sign)
            units, signs = np.full(50, unit), np.full(50, float(sign))
            best = ascend(trap, BOX, 1, units, signs, starts)
            known = best[(sign * trap.pre_activations(best)[1][:, unit]).argmax()]
            found = ask(session, held, question, MARGIN, known, time_limit=10)
            low, high = exact[unit]
            answers.append((question, found, float(high if sign > 0 else -low)))
    return answers


@pytest.mark.parametrize("seed", seeds(5, of=12))
def test_units_of_tiny_range_get_right_answers(seed: int) -> None:
    trap = trap_network(seed)
    held = build_layer_model(trap, BOX, 1, propagate(trap, BOX), "big-m")
    for _, found, true in ask_some(held, trap):
        assert not found.anomaly
        assert found.bound is not None
        assert found.bound >= true
        assert (found.witness is not None) == (true > 0)
        assert found.witness is not None or found.bound <= 0


def test_a_solver_fed_unscaled_rows_is_caught(monkeypatch) -> None:
    """HiGHS's bound of such a model can be far below what the network reaches."""
    anomalies = []
    usual = SolverOptions(integrality_tolerance=1e-6)  # of HiGHS, not of this package
    for seed in range(4):
        trap = trap_network(seed)
        bounds = propagate(trap, BOX)
        scaled = build_layer_model(trap, BOX, 1, bounds, "big-m")
        naive = unscaled_model(trap, bounds, scaled, monkeypatch)
        for _, found, true in ask_some(naive, trap, usual):
            assert found.bound is None or found.bound >= true
            anomalies += [found.anomaly] if found.anomaly else []
    assert any("reaches" in anomaly or "feasible" in anomaly for anomaly in anomalies)


def unscaled_model(trap: Network, bounds, scaled: LayerModel, monkeypatch) -> LayerModel:
    """The same big-M rows with every power of two left out, as a naive encoding has them."""
    monkeypatch.setattr(relaxation_rows, "powers_of_two", np.ones_like)
    monkeypatch.setattr(relaxation_module, "unit_scales", lambda net, *_: np.ones(12))
    naive = relaxation_module.build_relaxation(trap, BOX, 1, bounds)
    phases = naive.columns[0].phase[naive.columns[0].phase >= 0]
    integer = np.zeros(naive.form.columns, dtype=bool)
    lower, upper = naive.form.column_lower.copy(), naive.form.column_upper.copy()
    integer[phases], lower[phases], upper[phases] = True, 0.0, 1.0
    form = replace(naive.form, integer=integer, column_lower=lower, column_upper=upper)
    inputs, post = (
        AffineMap(columns, np.ones(columns.size), np.zeros(columns.size))
        for columns in (np.arange(3), naive.columns[0].post)
    )
    encoding = replace(scaled.encoding, form=form, inputs=inputs, post=(post,))
    return replace(scaled, encoding=encoding, scales=np.ones(12))


def test_no_bound_is_below_what_another_solver_finds() -> None:
    """With HiGHS's own mip_feasibility_tolerance it is, by 6e-6."""
    if not find("scip").available():
        pytest.skip("scip is not installed")
    real = load(find_network("mnist/mnist_25-25_l1_0.001_s1.onnx"))
    box, question = Box(0, 1).spread(784), Direction(1, 5, 1)
    held = build_layer_model(real, box, 1, propagate(real, box), "big-m")
    cost, constant = held.objective(question)
    with find("scip").open(held.encoding.form) as session:
        point = session.maximize(cost, constant=constant).point
    assert point is not None
    value, radius = held.value_at(held.encoding.inputs_of(point), question)
    with find("highs").open(held.encoding.form) as session:
        bound = session.maximize(cost, constant=constant).objective_bound
    assert bound is not None
    assert bound >= value - radius - 1e-7


@pytest.mark.parametrize("solver", ["highs", "scip", "gurobi", "cplex"])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.system
def test_ideal_is_separated(seed: int, solver: str) -> None:
    """Rows are added at the root for each question, and taken out again."""
    if not find(solver).available():
        pytest.skip(f"{solver} is not installed")
    generator = np.random.default_rng(seed)
    deep = Network.from_arrays(
        [generator.normal(size=shape) for shape in ((8, 6), (8, 8), (4, 8))],
        [generator.normal(size=size) for size in (8, 8, 4)],
        ["relu"] * 3,
    )
    box = Box(-1, 1).spread(6)
    held = build_layer_model(deep, box, 2, propagate(deep, box), "ideal")
    plain = build_layer_model(deep, box, 2, propagate(deep, box), "big-m")
    assert held.encoding.separation is not None
    assert plain.encoding.separation is None
    questions = [Direction(2, unit, sign) for unit in range(4) for sign in (-1, 1)]
    with (
        find(solver).open(held.encoding.form, SolverOptions()) as session,
        find(solver).open(plain.encoding.form, SolverOptions()) as other,
    ):
        for question in questions:
            cost, constant = held.objective(question)
            before = session.maximize(cost, constant=constant, relaxation=True).objective_bound
            mine = ask(session, held, question, MARGIN)
            after = session.maximize(cost, constant=constant, relaxation=True).objective_bound
            assert after == pytest.approx(before, abs=1e-6)
            theirs = ask(other, plain, question, MARGIN)
            assert (mine.witness is None) == (theirs.witness is None)
            assert not mine.anomaly


@pytest.mark.parametrize(
    "formulation", ["big-m", "complement", "partition", "convex-hull", "ideal"]
)
def test_a_post_activation_below_the_tolerance_proves_nothing(formulation: str) -> None:
    """Units of [-7e5, 0.4]: scaled, their post is below 1e-6, and HiGHS takes it for 0."""
    width, bump = 764818.958690601, 321958.4919034644
    trap = Network.from_arrays(
        [
            [[0.9], [-0.9]],
            [[-0.3775689943864022, 0.0], [0.0, -2.5562796368511114]],
            [[1.0, 1.0]],
            [[1.0]],
        ],
        [[-0.9 * bump, 0.9 * bump], [0.4, 0.4], [-0.6341071342325343], [0.0]],
    )
    assert trap.pre_activations([bump])[2][0] > 0.1
    milps = Cascade(stages=["milp"], random_points=10)
    for strategy in (milps, "per-unit", Joint(random_points=10)):
        stability = classify(
            trap,
            Box(0.0, width),
            strategy=strategy,
            formulation=formulation,
        )
        assert stability.phases[2][0] is not Phase.STABLY_INACTIVE
        assert stability.trusted.upper[2][0] > 0.1


def test_a_model_without_time_or_room_is_not_begun() -> None:
    weight = np.zeros((2000, 2000))
    layers = [Layer(weight, np.zeros(2000), "relu")] * 2
    wide = Network((*layers, Layer(np.ones((1, 2000)), np.zeros(1))))
    bounds, roomy = propagate(wide, Box(0, 1), "interval"), Deadline(memory=math.inf)

    def against(layer: int, deadline: Deadline, milps: Milps | None = None) -> str:
        return str(obstacle(wide, layer, bounds, milps or Milps(), deadline))

    assert against(2, roomy) == "None"
    assert "no time left" in against(2, Deadline(5.0, memory=math.inf))
    assert against(0, Deadline(5.0)) == "None"
    assert against(1, NO_LIMIT) == "None"
    said = "a big-m model of 8000000 weights needs about 3.2 GB, and memory is 2"
    assert said in against(2, NO_LIMIT)
    assert "about 20 GB" in against(1, NO_LIMIT, Milps(formulation="convex-hull"))


def test_a_model_beyond_a_licence_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = Layer([[1.0, 1.0], [1.0, -1.0]], [0.0, 0.0], "relu")
    small, box = Network((hidden, Layer([[1.0, 1.0]], [-2.5], "relu"))), Box(-1, 1)
    little = Licence("restricted", 7, 100)
    monkeypatch.setattr(type(find("highs")), "_licence", lambda *_: little)
    monkeypatch.setattr(Encoding, "of", lambda *_: pytest.fail("it was made"))
    for strategy in (Cascade(stages=("milp",)), "joint"):
        refused = classify(small, box, strategy=strategy).upper_evidence[1][0].anomaly
        assert "the model has at least 8 rows and 8 columns" in refused
        assert "the restricted licence of highs takes 7 and 100" in refused


def test_without_room_for_a_model_bounds_and_reasons_are_left() -> None:
    # relu(x + y) + relu(x - y) is at most 2, and 3 where each is bounded by itself.
    hidden = Layer([[1.0, 1.0], [1.0, -1.0]], [0.0, 0.0], "relu")
    small, box = Network((hidden, Layer([[1.0, 1.0]], [-2.5], "relu"))), Box(-1, 1)
    for strategy in (Cascade(stages=("milp",)), "joint"):
        decided = classify(small, box, strategy=strategy)
        assert decided.phases[1][0] is Phase.STABLY_INACTIVE
        refused = classify(small, box, strategy=strategy, memory=1e-7)
        assert refused.phases[1][0] is Phase.UNDECIDED
        assert "model of 4 weights needs about 1.6e-06 GB" in refused.upper_evidence[1][0].anomaly
        assert np.isfinite(refused.certified.upper[1][0])
    asked = property_of(small, box.spread(2), Direction(1, 0, 1))
    verdict = verify(*asked, stages=("milp",), memory=1e-7)
    assert verdict.answer is Decision.UNKNOWN
    assert "give more, or a formulation that needs less" in verdict.reasons[0]
    assert verify(*asked, stages=("milp",)).answer is Decision.HOLDS


def test_a_search_may_end_only_below_the_margin_that_a_proof_needs() -> None:
    session = Liar(objective_bound=-1.0)
    asked = model()
    ask(session, asked, QUESTION, MARGIN)
    assert session.question["stop_below"] == -(MARGIN + asked.blur[QUESTION.unit])


def test_scaled_values_are_within_their_radius() -> None:
    asked = model()
    for point in BOX.sample(20, np.random.default_rng(1)):
        value, radius = asked.value_at(point, QUESTION)
        exact = exact_pre_activations(asked.network, point)[QUESTION.layer][QUESTION.unit]
        scale = Fraction(float(asked.scales[QUESTION.unit]))
        assert abs(Fraction(float(value)) - QUESTION.sign * scale * exact) <= Fraction(radius)
