"""`verify` on small networks against the exact truth: all stages, and each by itself."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from oracle import exact_output
from random_networks import bent, random_case
from random_properties import lowest_slack, make_property, random_joint_rows, random_rows
from seeds import seeds

from leo_opt.domain import Box
from leo_opt.errors import InvalidInputError, MismatchError
from leo_opt.formats.vnnlib import parse_property
from leo_opt.network import Network
from leo_opt.properties import Property
from leo_opt.rectify import rectified
from leo_opt.verification import STAGES, Decision, Verdict, keep_class, verify
from leo_opt.verification.lanes import carry


def confirm_witness(network: Network, asked: Property, verdict: Verdict) -> None:
    """The witness lies in its box as the file has it and satisfies its case, in rationals."""
    assert verdict.inputs is not None
    assert verdict.case is not None
    case = asked.cases[verdict.case]
    assert (case.domain.lower <= verdict.inputs).all()
    assert (verdict.inputs <= case.domain.upper).all()
    point = verdict.exact_inputs or tuple(map(Fraction, verdict.inputs.tolist()))
    assert [float(value) for value in point] == verdict.inputs.tolist()
    values = {("X", k): value for k, value in enumerate(point)}
    values |= {("Y", k): value for k, value in enumerate(exact_output(network, point))}
    for inequality in (*case.inputs, *case.outputs):
        value = sum(factor * values[variable] for variable, factor in inequality.terms)
        assert value < inequality.bound or (value == inequality.bound and not inequality.strict)


def check(network: Network, asked: Property, verdict: Verdict, lowest: Fraction) -> None:
    """An answer that is given is true; `lowest` is the least largest slack."""
    if verdict.answer is Decision.HOLDS:
        assert lowest > 0
    if verdict.answer is Decision.VIOLATED:
        assert lowest <= 0
        confirm_witness(network, asked, verdict)


@pytest.mark.parametrize("seed", seeds(25, of=60))
def test_answers_are_true(seed: int) -> None:
    generator = np.random.default_rng((100, seed))
    network, box = random_case(generator)
    rows = random_rows(generator, network, box)
    lowest = lowest_slack(network, box, rows)
    asked = make_property(network, [(box, rows)])
    verdict = verify(network, asked, seed=seed)
    check(network, asked, verdict, lowest)
    if abs(lowest) > 1e-3 * max(1.0, float(np.abs(rows[1]).max())):
        assert verdict.answer is not Decision.UNKNOWN


@pytest.mark.parametrize("seed", seeds(4, of=60))
def test_answers_on_leaky_units_and_clips_are_true(seed: int) -> None:
    generator = np.random.default_rng((108, seed))
    network, box = random_case(generator)
    network = bent(generator, network)
    rows = random_rows(generator, network, box)
    lowest = lowest_slack(rectified(network), box, rows)
    asked = make_property(network, [(box, rows)])
    verdict = verify(network, asked, seed=seed)
    assert verdict.network_hash == network.content_hash
    check(rectified(network), asked, verdict, lowest)
    if abs(lowest) > 1e-3 * max(1.0, float(np.abs(rows[1]).max())):
        assert verdict.answer is not Decision.UNKNOWN
    if verdict.inputs is not None:
        np.testing.assert_array_equal(verdict.outputs, network(verdict.inputs))


@pytest.mark.parametrize("seed", seeds(15, of=60))
def test_answers_about_inputs_that_rows_join_are_true(seed: int) -> None:
    generator = np.random.default_rng((109, seed))
    network, box = random_case(generator)
    box = box.spread(network.input_size)
    weight, bound = random_rows(generator, network, box)
    padded = np.hstack([weight, np.zeros((len(weight), network.input_size))])
    joint = random_joint_rows(generator, network, box)
    rows = np.vstack([padded, joint[0]]), np.concatenate([bound, joint[1]])
    lowest = lowest_slack(carry(network, range(network.input_size)), box, rows)
    asked = make_property(network, [(box, rows)])
    verdict = verify(network, asked, seed=seed)
    check(network, asked, verdict, lowest)
    if abs(lowest) > 1e-3 * max(1.0, float(np.abs(rows[1]).max())):
        assert verdict.answer is not Decision.UNKNOWN


def test_equations_of_inputs_have_exact_witnesses() -> None:
    """Where x = 2 y and x + y = 1 there is no float64 point, but a rational one."""
    text = "".join(f"(declare-const {name} Real)" for name in ("X_0", "X_1", "Y_0"))
    text += "".join(f"(assert (and (>= X_{k} 0) (<= X_{k} 1)))" for k in range(2))
    text += "(assert (= X_0 (* 3 X_1)))(assert (= (+ X_0 X_1) 1))(assert (>= Y_0 0.5))"
    network = Network.from_arrays([[[1.0, 0.3], [1.0, -1.0]], [[1.0, 1.0]]], [[0, 0], [0]])
    asked = parse_property(text)
    verdict = verify(network, asked)
    assert verdict.exact_inputs is None
    assert verdict.inputs.tolist() == [0.75, 0.25]
    asked = parse_property(text.replace("(* 3 X_1)", "(* 2 X_1)"))
    verdict = verify(network, asked)
    assert verdict.exact_inputs == (Fraction(2, 3), Fraction(1, 3))
    confirm_witness(network, asked, verdict)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("seed", seeds(6, of=15))
def test_each_stage_by_itself_is_true(seed: int, stage: str) -> None:
    generator = np.random.default_rng((101, seed))
    network, box = random_case(generator)
    rows = random_rows(generator, network, box)
    asked = make_property(network, [(box, rows)])
    verdict = verify(network, asked, stages=[stage], piece_limit=2000)
    check(network, asked, verdict, lowest_slack(network, box, rows))


@pytest.mark.parametrize("seed", seeds(5, of=30))
@pytest.mark.parametrize("step", [0, Fraction(1, 2**80), -Fraction(1, 2**80), Fraction(1, 10**9)])
def test_properties_at_the_edge_are_never_answered_wrongly(seed: int, step: Fraction | int) -> None:
    generator = np.random.default_rng((102, seed))
    network, box = random_case(generator)
    rows = random_rows(generator, network, box)
    lowest = lowest_slack(network, box, rows)
    # With the least slack added to all sides exactly one value, 0, is left to satisfy them.
    asked = make_property(network, [(box, rows)], lowest + step)
    check(network, asked, verify(network, asked, piece_limit=500), -Fraction(step))


@pytest.mark.parametrize("seed", seeds(6, of=20))
def test_strict_inequalities_are_satisfied_strictly_or_not_at_all(seed: int) -> None:
    generator = np.random.default_rng((105, seed))
    network, box = random_case(generator)
    rows = random_rows(generator, network, box)
    lowest = lowest_slack(network, box, rows)
    # The strict set is empty, and its closure is not: its least slack is 0.
    asked = make_property(network, [(box, rows)], lowest, strict=True)
    assert verify(network, asked, piece_limit=500).answer is not Decision.VIOLATED
    wider = make_property(network, [(box, rows)], lowest + Fraction(1, 10), strict=True)
    verdict = verify(network, wider, piece_limit=500)
    check(network, wider, verdict, Fraction(-1, 10))


@pytest.mark.parametrize("seed", seeds(8, of=20))
def test_several_cases_on_several_boxes(seed: int) -> None:
    generator = np.random.default_rng((103, seed))
    network, box = random_case(generator)
    box = box.spread(network.input_size)
    middle = box.centre
    boxes = [box, Box(box.lower, middle), box]
    cases = [(some, random_rows(generator, network, box)) for some in boxes]
    lows = [lowest_slack(network, some, rows) for some, rows in cases]
    asked = make_property(network, cases)
    verdict = verify(network, asked, piece_limit=5000)
    check(network, asked, verdict, min(lows))
    for low, case in zip(lows, verdict.cases, strict=True):
        assert low > 0 or case.answer is not Decision.HOLDS


@pytest.mark.system
@pytest.mark.parametrize("solver", ["highs", "gurobi", "cplex", "scip"])
def test_milps_of_every_solver_refute_and_find(solver: str) -> None:
    if solver != "highs":
        pytest.importorskip({"gurobi": "gurobipy", "scip": "pyscipopt"}.get(solver, solver))
    settled = 0
    for seed in range(6):
        generator = np.random.default_rng((104, seed))
        network = Network.from_arrays(
            [generator.normal(size=(6, 3)), generator.normal(size=(4, 6))],
            [generator.normal(size=6), generator.normal(size=4)],
        )
        rows = random_rows(generator, network, Box(-1, 1))
        asked = make_property(network, [(Box(-1, 1), rows)])
        verdict = verify(network, asked, stages=["milp"], solver=solver)
        check(network, asked, verdict, lowest_slack(network, Box(-1, 1), rows))
        settled += verdict.answer is not Decision.UNKNOWN
        if verdict.answer is Decision.HOLDS and verdict.milps:
            assert not verdict.certified
            assert verdict.premises[0].solver == solver
    assert settled == 6


LINE = Network.from_arrays([[[1.0]], [[1.0]]], [[0.0], [0.0]])
"""y = max(0, x)."""


def ask(outputs: str, box: tuple[str, str] = ("-1.0", "1.0")) -> Property:
    """A property of a network with one input and one output."""
    lower, upper = box
    return parse_property(
        "(declare-const X_0 Real) (declare-const Y_0 Real)"
        f"(assert (>= X_0 {lower})) (assert (<= X_0 {upper})) {outputs}"
    )


@pytest.mark.parametrize(
    ("outputs", "answer"),
    [
        ("(assert (>= Y_0 1.0))", Decision.VIOLATED),
        ("(assert (>= Y_0 1.0000001))", Decision.HOLDS),
        ("(assert (<= Y_0 0.0))", Decision.VIOLATED),
        ("(assert (<= Y_0 -1e-30))", Decision.HOLDS),
        ("(assert (and (>= Y_0 0.3) (<= Y_0 0.3)))", Decision.VIOLATED),
        ("(assert (and (>= Y_0 0.6) (<= Y_0 0.4)))", Decision.HOLDS),
        ("(assert (or (>= Y_0 2.0) (<= Y_0 -2.0)))", Decision.HOLDS),
        ("(assert (or (>= Y_0 2.0) (>= Y_0 0.5)))", Decision.VIOLATED),
        ("", Decision.VIOLATED),
        ("(assert (<= (* 1e-320 Y_0) -1e-321))", Decision.HOLDS),
        ("(assert (<= (* 1e400 Y_0) -1e400))", Decision.HOLDS),
    ],
)
def test_plain_cases(outputs: str, answer: Decision) -> None:
    asked = ask(outputs)
    verdict = verify(LINE, asked)
    if outputs.count("0.3") == 2:
        # No float64 input gives exactly 0.3, so that no witness can be shown.
        assert verdict.answer is not Decision.HOLDS
        return
    assert verdict.answer is answer
    if answer is Decision.VIOLATED:
        confirm_witness(LINE, asked, verdict)


@pytest.mark.parametrize(
    ("box", "outputs", "answer", "witness"),
    [
        # The float64 number below 0.1 lies outside, and the one above is larger than 0.1.
        (("0.1", "1"), "(<= Y_0 0.0999999999999999999)", None, None),
        (("0.1", "1"), "(<= Y_0 0.1)", Decision.VIOLATED, Fraction(1, 10)),
        (("0.1", "1"), "(<= Y_0 0.11)", Decision.VIOLATED, None),
        (("0.1", "0.1"), "(>= Y_0 0.1)", Decision.VIOLATED, Fraction(1, 10)),
        (("0.1", "0.1"), "(< Y_0 0.11)", Decision.VIOLATED, Fraction(1, 10)),
        (("0.1", "0.1"), "(> Y_0 0.1)", None, None),
        (("0.1", "0.1"), "(< Y_0 0.1)", None, None),
        (("(/ 1 3)", "(/ 1 3)"), "(= (* 3 Y_0) 1)", Decision.VIOLATED, Fraction(1, 3)),
        (("-0.3", "0.7"), "(>= Y_0 0.7)", Decision.VIOLATED, Fraction(7, 10)),
        (("-1", "1"), "(> Y_0 1.0)", None, None),
        (("-1", "1"), "(< Y_0 0.0)", Decision.HOLDS, None),
        (("-1", "1"), "(not (and (>= Y_0 0) (<= Y_0 1.01)))", Decision.HOLDS, None),
        (("-1", "1"), "(distinct Y_0 0)", Decision.VIOLATED, None),
        (("-1", "1"), "(and (< X_0 1) (>= Y_0 1))", None, None),
        (("-1", "1"), "(and (< 0.5 X_0) (< X_0 0.50000000000000000001) (> Y_0 0.5))", None, "any"),
        (("-1", "1"), "(=> (<= Y_0 1) (> X_0 0))", Decision.VIOLATED, None),
    ],
)
def test_witnesses_lie_in_the_box_of_the_file(
    box: tuple[str, str], outputs: str, answer: Decision | None, witness: Fraction | str | None
) -> None:
    asked = ask(f"(assert {outputs})", box)
    verdict = verify(LINE, asked, piece_limit=200, stages=STAGES[:3])
    if answer is None and witness is None:
        assert verdict.answer is not Decision.VIOLATED
        return
    assert verdict.answer is (answer or Decision.VIOLATED)
    if verdict.answer is Decision.VIOLATED:
        confirm_witness(LINE, asked, verdict)
        exact = verdict.exact_inputs
        assert exact == (None if witness is None else exact if witness == "any" else (witness,))
        assert witness is None or exact is not None


def decimal_case(seed: int) -> tuple[Network, str, list[list[Fraction]]]:
    """A network, the input part of a file whose ends are no floats, and points of its box."""
    generator = np.random.default_rng((106, seed))
    network, _ = random_case(generator)
    lines = [f"(declare-const X_{k} Real)" for k in range(network.input_size)]
    lines += [f"(declare-const Y_{k} Real)" for k in range(network.output_size)]
    ends = []
    for k in range(network.input_size):
        low = round(float(generator.uniform(-1, 1)), 2)
        high = low + round(float(generator.choice([0.0, 0.7, 1.9])), 2)
        lines.append(f"(assert (<= {low:.2f} X_{k} {high:.2f}))")
        ends.append((Fraction(f"{low:.2f}"), Fraction(f"{high:.2f}")))
    shares = [[Fraction(int(s), 2) for s in row] for row in generator.integers(3, size=(12, 9))]
    points = [[a + s * (b - a) for (a, b), s in zip(ends, row, strict=False)] for row in shares]
    return network, "\n".join(lines), points


@pytest.mark.parametrize("seed", seeds(8, of=20))
def test_boxes_of_decimals_are_decided_as_the_file_has_them(seed: int) -> None:
    network, lines, points = decimal_case(seed)
    outputs = [exact_output(network, point) for point in points]
    # The threshold is what an output is at the best point that is known.
    best = max(values[0] for values in outputs)
    number = f"(/ {best.numerator} {best.denominator})"
    for head in (">=", ">"):
        asked = parse_property(f"{lines}\n(assert ({head} Y_0 {number}))")
        verdict = verify(network, asked, piece_limit=300, seed=seed, stages=STAGES[:3])
        if head == ">=":
            assert verdict.answer is not Decision.HOLDS
        if verdict.answer is Decision.VIOLATED:
            confirm_witness(network, asked, verdict)


def test_a_box_of_one_point_is_decided() -> None:
    for outputs, answer in (("(>= Y_0 0.5)", Decision.VIOLATED), ("(>= Y_0 0.6)", Decision.HOLDS)):
        assert verify(LINE, ask(f"(assert {outputs})", ("0.5", "0.5"))).answer is answer


def test_no_time_is_unknown_and_says_so() -> None:
    generator = np.random.default_rng(5)
    network = Network.from_arrays(
        [generator.normal(size=(40, 20)), generator.normal(size=(40, 40)) / 3, np.ones((1, 40))],
        [None, None, None],
    )
    box = Box(-1, 1)
    highest = float(network(box.spread(20).sample(1000, generator)).max())
    rows = (np.array([[-1.0]]), np.array([-2.0 * highest]))
    verdict = verify(network, make_property(network, [(box, rows)]), time_limit=0.3)
    assert verdict.answer is Decision.UNKNOWN
    # Which stage runs out depends on the machine.
    assert len(verdict.reasons) == 1
    assert "time" in verdict.reasons[0]
    assert verdict.seconds < 5.0
    assert not verdict.certified


def test_bad_requests_are_refused() -> None:
    two = make_property(Network.from_arrays([np.ones((1, 2))], [None]), [])
    with pytest.raises(MismatchError, match="2 inputs"):
        verify(LINE, two)
    asked = ask("(assert (>= Y_0 1.0))")
    with pytest.raises(InvalidInputError, match="time_limit is -1"):
        verify(LINE, asked, time_limit=-1)
    with pytest.raises(InvalidInputError, match="stage 'guess'"):
        verify(LINE, asked, stages=["guess"])
    with pytest.raises(InvalidInputError, match="solver"):
        verify(LINE, asked, solver="nonsense")


def test_keep_class_is_local_robustness() -> None:
    network = Network.from_arrays([np.eye(3)], [[0.0, 0.0, 0.0]])
    image = [0.5, 0.2, 0.1]
    for radius, answer in ((0.14, Decision.HOLDS), (0.16, Decision.VIOLATED)):
        verdict = verify(network, keep_class(Box.around(image, radius), 0, 3))
        assert verdict.answer is answer
    assert verdict.case == 0
    with pytest.raises(InvalidInputError, match="class 3 of 3"):
        keep_class(Box.around(image, 0.1), 3, 3)
    with pytest.raises(InvalidInputError, match="class 0 of 3"):
        keep_class(Box(0, 1), 0, 3)


def test_sums_refute_what_no_inequality_does_alone() -> None:
    # y_0 = x and y_1 = -x cannot both be at least 0.1, though each can.
    network = Network.from_arrays([[[1.0], [-1.0]], np.eye(2)], [[2.0, 2.0], None])
    rows = (np.array([[-1.0, 0.0], [0.0, -1.0]]), np.array([-2.125, -2.125]))
    asked = make_property(network, [(Box(-1, 1), rows)])
    verdict = verify(network, asked, stages=[])
    assert verdict.answer is Decision.HOLDS
    assert verdict.cases[0].method == "crown"


def test_overflow_proves_nothing_and_warns_of_nothing() -> None:
    weights, biases = [[[1e200], [1e200]], [[1e200, -1e200]]], [[0.0, 1e-300], [0.0]]
    huge = Network.from_arrays(weights, biases)
    for outputs in ("(assert (>= Y_0 1.0))", "(assert (<= Y_0 -1.0))"):
        assert verify(huge, ask(outputs), time_limit=5).answer is Decision.UNKNOWN


def test_many_cases_are_decided_together() -> None:
    parts = [f"(and (>= Y_0 {1.5 + k / 1000}) (<= Y_0 {k / 1000}))" for k in range(500)]
    verdict = verify(LINE, ask(f"(assert (or {' '.join(parts)}))"))
    assert verdict.answer is Decision.HOLDS
    assert len(verdict.cases) == 500


def test_a_tie_that_no_bound_can_refute_is_given_up_soon() -> None:
    """The output is 0 but for rounding all over the box: halving it would never end."""
    network = Network.from_arrays([[[1.0], [3.0]], [[0.3, -0.1]]], [[2.0, 6.0], None])
    lowest = min(exact_output(network, [x])[0] for x in (-1.0, 1.0))
    assert 0 < abs(lowest) < 1e-15
    box = Box(-1.0, 1.0).spread(1)
    for bound, answer in ((1e-9, Decision.VIOLATED), (float(lowest) - 1e-18, Decision.UNKNOWN)):
        rows = np.array([[1.0]]), np.array([bound])
        verdict = verify(network, make_property(network, [(box, rows)]), stages=["splitting"])
        assert verdict.answer is answer
        assert verdict.seconds < 20.0
