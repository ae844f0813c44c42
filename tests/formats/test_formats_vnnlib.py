"""VNN-LIB properties and boxes from files."""

from __future__ import annotations

import gzip
import re
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from networks import find_network, network_folder
from smt_formulas import NUMBERS, TRUTHS, random_formula, read, value

from leo_opt.domain import Box
from leo_opt.errors import FileFormatError, InvalidInputError, LeoOptError
from leo_opt.formats import load, load_domain, vnnlib
from leo_opt.formats.vnnlib import parse_property, read_property


def declare(inputs: int = 2, outputs: int = 2) -> str:
    """Declarations of inputs and outputs."""
    names = [f"X_{k}" for k in range(inputs)] + [f"Y_{k}" for k in range(outputs)]
    return "".join(f"(declare-const {name} Real)\n" for name in names)


UNIT = "(assert (>= X_0 0)) (assert (<= X_0 1)) (assert (>= X_1 0)) (assert (<= X_1 1))\n"


def domain(asserts: str) -> Box:
    """The box of a property of two inputs."""
    return parse_property(declare() + asserts).domain


def test_decimal_bounds_are_rounded_outward():
    generator = np.random.default_rng(0)
    for _ in range(300):
        digits, exponent = generator.integers(1, 10**18), generator.integers(-340, 280)
        text = f"-{digits}e{exponent}", f"{digits / 1e18:.{generator.integers(1, 19)}f}"
        ends = sorted(text, key=Fraction)
        box = domain(
            f"(assert (>= X_0 {ends[0]})) (assert (<= X_0 {ends[1]}))"
            f"(assert (and (<= X_1 {ends[1]}) (<= {ends[0]} X_1)))"
        )
        assert Fraction(box.lower[0]) <= Fraction(ends[0]) < Fraction(np.nextafter(box.lower[0], 1))
        assert (
            Fraction(np.nextafter(box.upper[0], -1)) < Fraction(ends[1]) <= Fraction(box.upper[0])
        )
        assert box.lower[0] == box.lower[1]
        assert box.upper[0] == box.upper[1]


def test_bounds_that_are_floats_stay():
    box = domain("(assert (and (>= X_0 -0.5) (<= X_0 .25) (= X_1 3)))")
    assert box == Box([-0.5, 3.0], [0.25, 3.0])


@pytest.mark.parametrize(
    "asserts",
    [
        UNIT,
        "(assert (and (<= 0 X_0) (and (>= 1.0 X_0)) (<= X_1 1.) (>= X_1 0e5)))",
        "(assert (<= (* 2 X_0) 2)) (assert (>= (- X_0) (- 1))) (assert (>= X_0 0))"
        "(assert (<= (- X_1 1) (/ 0 3))) (assert (<= (+ 1 (* -3 X_1)) 1))",
        UNIT + "(assert (<= X_0 7)) (assert (<= 0 1)) (assert (>= X_0 -3.5))",
        UNIT + "(assert (or (<= Y_0 Y_1) (and (>= Y_0 3) (<= X_0 1))))",
        '(set-logic QF_LRA) (set-info :status "not; a comment") ; comment )(\n'
        + UNIT
        + "(check-sat) (get-model)",
        UNIT.replace(" (", " ; comment )(\r("),
        UNIT + "(exit) (assert (<= X_0 0.5)) )(\u2028",
        UNIT.replace("<=", "<") + "(assert true)",
        "(assert (<= 0 X_0 1)) (assert (not (or (> X_1 1) (< X_1 0))))",
        "(assert (=> (<= 0 1) (and (>= X_0 0) (<= X_0 1)))) (assert (distinct 1 2 3))"
        "(define-fun low () Real (/ 0 2)) (define-fun in () Bool (>= 1 X_1 low)) (assert in)",
        UNIT + "(assert (or (>= 0 1) (>= Y_0 1)))",
        UNIT + "(assert (or (and (> X_0 1) (<= Y_0 0)) (>= Y_0 1)))",
        UNIT + "(assert (let ((a 2) (X_0 Y_0)) (let ((a (* a a))) (<= X_0 a))))",
        "(assert (or (and (>= X_0 0) (<= X_0 1) (<= Y_0 0)) (and (>= X_0 0) (<= X_0 1))))"
        "(assert (>= X_1 0)) (assert (<= X_1 1))",
    ],
)
def test_the_unit_box_in_many_words(asserts: str):
    assert domain(asserts) == Box(np.zeros(2), np.ones(2))


@pytest.mark.parametrize(
    ("asserts", "words"),
    [
        ("(assert (<= X_0 1))", "X_0 has no lower bound"),
        (UNIT.replace("(assert (<= X_1 1))", ""), "X_1 has no upper bound"),
        (UNIT + "(assert (<= X_0 -1))", "X_0 has the lower bound 0.0 and the upper bound -1.0"),
        (UNIT + "(assert (< X_0 0))", "the lower bound 0.0 and the upper bound 0.0 .excluded."),
        (UNIT + "(assert (not (<= X_0 1)))", "lower bound 1.0 .excluded. and the upper bound 1.0"),
        (UNIT + "(assert (or (> X_1 1) (< X_1 0)))", "no input satisfies its last case"),
        (UNIT + "(assert (or (<= X_0 0.5) (<= X_0 0.6)))", "union of 2 boxes"),
        (UNIT + "(assert (<= (+ X_0 X_1) -0.1))", "no input satisfies"),
        (UNIT + "(assert (<= (* X_0 X_1) 1))", "not linear"),
        (UNIT + "(assert (<= (/ 1 X_0) 1))", "not linear"),
        (UNIT + "(assert (<= (/ X_0 0) 1))", "not linear"),
        (UNIT + "(assert (<= X_2 1))", "X_2 is used and not declared"),
        (UNIT + "(assert (xor (<= X_0 1) (<= X_1 1)))", "no formula"),
        (UNIT + "(assert (= (<= X_0 1) (<= X_1 1)))", "no term"),
        (UNIT + "(assert (<= (ite (<= X_0 1) 1 2) 1))", "no term"),
        (UNIT + "(assert (not))", "0 operands; 1 are expected"),
        (UNIT + "(assert (=> (<= X_0 1)))", "fewer than 2 operands"),
        (UNIT + "(assert (<= (* 2) X_0))", "1 operand; 2 or more"),
        (UNIT + "(assert (let ((a 1) (a 2)) (<= a X_0)))", "binds a twice"),
        (UNIT + "(assert (let ((+ 1)) (<= 1 X_0)))", "cannot be defined"),
        (UNIT + "(assert (let ((a 1)) (let ((b (+ c 1))) (<= b X_0))))", "c is neither"),
        (UNIT + "(assert (let a (<= a X_0)))", "no .name value."),
        (UNIT + "(assert (let ((a 1))))", "has 1 operands; 2 are expected"),
        (UNIT + "(assert (<= 0 (let ((a 1)))))", "has 1 operands; 2 are expected"),
        (UNIT + "(assert (let))", "has 0 operands; 2 are expected"),
        (UNIT + "(assert (<= |X_0| 1))", "neither a number"),
        (UNIT + "(define-fun f ((x Real)) Real 1)", "defines neither"),
        (UNIT + "(define-fun X_0 () Real 1)", "X_0 is declared twice"),
        (UNIT + "(declare-const X_0 Real)", "X_0 is declared twice"),
        (UNIT + "(push 1)", "a command of SMT-LIB that is not supported"),
        (UNIT + "(check-sat-assuming (a))", "not supported"),
        (UNIT + "(check-sat) (assert (<= Y_0 1))", "stands behind .check-sat."),
        (UNIT + "assert", "has parentheses around"),
        (UNIT + "()", "has parentheses around"),
        (UNIT + "(assert (<= X_0 1)) ; a line \u2028(assert (<= X_0 0))", "out of place"),
        (UNIT + "(assert (<= X_0\u00a01))", "out of place"),
        (UNIT + f"(assert (<= X_0 {'9' * 5000}))", "more than 3900 digits"),
        (UNIT + "(assert (<= (* 1e2000 1e2000) X_0))", "more than 3900 digits"),
        (UNIT + "(assert (<= X_0 0.1.2))", "0.1.2 is neither a number"),
        (UNIT + "(assert (<= X_0 nan))", "nan is neither a number"),
        (UNIT + "(assert (<= X_0 1e99999))", "neither a number"),
        (UNIT + "(assert (<= X_0))", "1 operands; 2 are expected"),
        (UNIT + "(assert (or))", "never hold"),
        (UNIT + "(assert (<= 1 0))", "never hold"),
        (UNIT + "(assert (or (and (<= Y_0 1) (< 1 1)) false))", "never hold"),
        (UNIT + "(assert something)", "no formula"),
        (UNIT + "(assert (<= X_0 (sin 1)))", "no term"),
        (UNIT + "(assert (<= X_0 (+)))", "no term"),
        (UNIT + "(assert (<= X_0 1)", "never closed"),
        (UNIT + "(assert (<= X_0 1)))", "'\\)' without"),
        (UNIT + '(assert "', "out of place"),
        (UNIT + "(" * 999, "nested deeper"),
        (UNIT + "(declare-const Z_0 Real)", "neither an input"),
        (UNIT + "(declare-const X_9 Int)", "no real variable"),
        (UNIT + "(declare-const X_3 Real)", "X_2 is not declared and X_3 is"),
        ("(vnnlib-version <2.0>)" + UNIT, "no command of VNN-LIB 1.0"),
        (UNIT + "words", "no command"),
        (UNIT + "(words)", "no command of VNN-LIB 1.0"),
        (UNIT.replace("(<= X_0 1)", "(<= X_0 1e999)"), "inf.*finite"),
        (UNIT + "(assert (or (<= Y_0 1) (<= Y_0 2)))" * 20, "more than 100000 cases"),
    ],
)
def test_what_is_no_box_is_an_error_of_one_line(asserts: str, words: str):
    with pytest.raises(LeoOptError, match=words) as caught:
        _ = domain(asserts)
    assert "\n" not in str(caught.value)


def test_output_constraints_are_kept_exactly_by_case():
    found = parse_property(
        declare() + UNIT + "(assert (or (and (<= Y_0 0.1) (>= Y_1 Y_0)) (= (+ Y_0 Y_1) (* 2 Y_0))))"
    )
    assert (found.input_size, found.output_size) == (2, 2)
    y0, y1, one = ("Y", 0), ("Y", 1), Fraction(1)
    terms = [[(c.terms, c.bound) for c in case.outputs] for case in found.cases]
    assert terms == [
        [(((y0, one),), Fraction(1, 10)), (((y0, one), (y1, -one)), 0)],
        [(((y0, -one), (y1, one)), 0), (((y0, one), (y1, -one)), 0)],
    ]


BOUNDED = "(assert (<= -1 X_0 1)) (assert (<= -1 X_1 1))"


def may_hold(text: str) -> bool:
    """Whether a property is not refused because its assertions contradict each other."""
    try:
        parse_property(text)
    except LeoOptError as error:
        if re.search("never hold|no input satisfies", str(error)) is None:
            raise
        return False
    return True


@pytest.mark.parametrize("seed", range(80))
def test_cases_say_what_the_formula_says(seed: int):
    generator = np.random.default_rng((140, seed))
    formulas = [random_formula(generator) for _ in range(generator.integers(1, 3))]
    asserts = "".join(f"(assert {formula})" for formula in formulas)
    text = declare() + BOUNDED + asserts
    cases = parse_property(text).cases if may_hold(text) else ()
    corners = [value(read(number), {}) for number in NUMBERS]
    for _ in range(40):
        point = [corners[k] for k in generator.integers(len(corners), size=4)]
        point = [number + generator.integers(-1, 2) * Fraction(1, 10**20) for number in point]
        names = dict(zip(("X_0", "X_1", "Y_0", "Y_1"), point, strict=True))
        truth = all(value(read(formula), {**names, **TRUTHS}) for formula in formulas)
        truth = truth and max(map(abs, point[:2])) <= 1
        # Of which cases the point satisfies all inequalities.
        held = [
            case
            for case in cases
            if all(
                one.allows(sum(f * names[f"{kind}_{k}"] for (kind, k), f in one.terms))
                for one in (*case.inputs, *case.outputs)
            )
        ]
        assert bool(held) is truth
        for case in held:
            for k in range(2):
                assert Fraction(case.domain.lower[k]) <= point[k] <= Fraction(case.domain.upper[k])


def test_boxes_of_cases_may_differ():
    halves = "(assert (or (and (<= X_0 0.5) (<= Y_0 1)) (and (>= X_0 0.5) (<= Y_1 1))))"
    found = parse_property(declare() + UNIT + "(assert (<= Y_0 Y_1))" + halves)
    assert [case.domain for case in found.cases] == [
        Box([0.0, 0.0], [0.5, 1.0]),
        Box([0.5, 0.0], [1.0, 1.0]),
    ]
    assert [len(case.outputs) for case in found.cases] == [2, 2]


def test_formulas_that_grow_without_end_are_refused():
    doubled = "(assert (let ((n0 (* 10 10)))" + "".join(
        f"(let ((n{k + 1} (* n{k} n{k})))" for k in range(40)
    )
    with pytest.raises(FileFormatError, match="more than 3900 digits"):
        domain(UNIT + doubled + "(<= n40 X_0)" + ")" * 42)
    names = "".join(f"(let ((b{k + 1} (and b{k} b{k})))" for k in range(60))
    with pytest.raises(FileFormatError, match="more than"):
        domain(UNIT + f"(assert (let ((b0 (= Y_0 1))) {names} (not b60)" + ")" * 62)
    choices = "(assert (or (<= Y_0 1) (<= Y_0 2)))" * 15
    many = "(<= Y_0 1)" * 1000
    with pytest.raises(FileFormatError, match="inequalities in its cases"):
        domain(UNIT + f"(assert (and {many} {choices.replace('(assert ', '(and ')}))")


def test_boxes_that_would_fill_the_memory_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(vnnlib, "_MOST_ENDS", 20)
    parts = [f"(<= X_0 0.{k})" for k in range(1, 10)]
    assert len(parse_property(declare() + UNIT + f"(assert (or {' '.join(parts)}))").cases) == 9
    with pytest.raises(FileFormatError, match="more than 20 inputs together"):
        parse_property(declare() + UNIT + f"(assert (or {' '.join(parts + parts)}))")


@pytest.mark.slow
def test_many_boxes_are_read_in_seconds():
    generator = np.random.default_rng(0)
    low = generator.random((20_000, 5)).round(9)
    boxes = [
        "(and"
        + "".join(f" (>= X_{k} {end:.9f}) (<= X_{k} {end + 0.1:.9f})" for k, end in enumerate(row))
        + " (>= Y_0 Y_1))"
        for row in low.tolist()
    ]
    text = declare(5) + "(assert (or " + "\n".join(boxes) + "))"
    start = time.process_time()
    found = parse_property(text)
    assert time.process_time() - start < 7.0
    assert len(found.cases) == 20_000
    assert np.array_equal(found.cases[-1].domain.lower.round(9), low[-1])


def test_files_plain_and_compressed(tmp_path: Path):
    text = (declare() + UNIT).encode()
    plain, packed = tmp_path / "p.vnnlib", tmp_path / "p.vnnlib.gz"
    plain.write_bytes(b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"))
    packed.write_bytes(gzip.compress(text))
    assert load_domain(plain) == load_domain(str(packed), 2) == Box(np.zeros(2), np.ones(2))
    with pytest.raises(InvalidInputError, match=r"p\.vnnlib: the box has 2 inputs"):
        load_domain(plain, 3)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"\x1f\x8bjunk", b"(assert"])
@pytest.mark.parametrize("name", ["p.vnnlib", "p.vnnlib.gz"])
def test_damaged_files_are_refused(name: str, content: bytes, tmp_path: Path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FileFormatError, match=name):
        load_domain(tmp_path / name)


def test_truncated_archives_are_refused(tmp_path: Path):
    whole = gzip.compress((declare() + UNIT).encode())
    for length in range(0, len(whole), 7):
        (tmp_path / "p.vnnlib.gz").write_bytes(whole[:length])
        with pytest.raises(FileFormatError):
            load_domain(tmp_path / "p.vnnlib.gz")


def test_missing_files_and_unknown_suffixes(tmp_path: Path):
    with pytest.raises(FileFormatError, match="does not exist"):
        load_domain(tmp_path / "p.vnnlib")
    with pytest.raises(FileFormatError, match=r"known are \.npz, \.nnet, \.vnnlib, \.vnnlib\.gz"):
        load_domain(tmp_path / "p.txt")


def test_boxes_in_archives(tmp_path: Path):
    path = tmp_path / "box.npz"
    np.savez(path, lower=np.zeros(2, np.float32), upper=[1, 2])
    assert load_domain(path) == Box([0.0, 0.0], [1.0, 2.0])
    np.savez(path, lower=0.0, upper=1.0)
    assert load_domain(path, 3) == Box(np.zeros(3), np.ones(3))
    for arrays, words in (
        ({"lower": 0.0}, "lower and upper"),
        ({"lower": [2.0], "upper": [1.0]}, "exceeds upper"),
        ({"lower": [-np.inf], "upper": [1.0]}, "finite"),
        ({"lower": ["a"], "upper": ["b"]}, "type <U1"),
        ({"lower": np.array([None]), "upper": 1.0}, "lower and upper"),
        ({"lower": [0.0, 1.0], "upper": [1.0]}, "they must agree"),
    ):
        np.savez(path, **{name: np.asarray(value) for name, value in arrays.items()})
        with pytest.raises(LeoOptError, match=words) as caught:
            load_domain(path)
        assert "box.npz" in str(caught.value)
    np.save(tmp_path / "one.npy", np.zeros(2))
    (tmp_path / "one.npy").rename(path)
    with pytest.raises(FileFormatError, match="lower and upper"):
        load_domain(path)


@pytest.mark.slow
def test_every_property_of_the_folder_is_read():
    for folder in ("acasxu", "mnistfc"):
        for path in sorted((network_folder() / folder).glob("*.vnnlib")):
            network = load(next(path.parent.glob("*.onnx")))
            assert load_domain(path, network.input_size).size == network.input_size
    for path in sorted(network_folder().rglob("*.vnnlib")):
        assert read_property(path).cases


def test_a_trained_property():
    box = load_domain(find_network("acasxu/prop_1.vnnlib"))
    assert Fraction(box.upper[0]) >= Fraction("0.679857769")
    assert box.upper[0] == pytest.approx(0.679857769, rel=1e-15)
    assert np.array_equal(box.lower[1:], [-0.5, -0.5, np.nextafter(0.45, 0), -0.5])
