"""Arguments of public functions: refused in our own words where they are wrong, granted where the
wish is plain."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from scipy.sparse import csr_array

import leo_opt.api
import leo_opt.compression
from leo_opt import (
    Bounds,
    Box,
    Cascade,
    Layer,
    Network,
    PerUnit,
    Stability,
    classify,
    compress,
    formulate,
    load,
    load_domain,
    propagate,
    save,
)
from leo_opt.arguments import read_number, read_whole
from leo_opt.domain import read_box
from leo_opt.errors import InvalidInputError, LeoOptError
from leo_opt.formulations import FORMULATIONS, BigM, Formulation, Partition, fill, find
from leo_opt.model_files import export_network
from leo_opt.solvers import solve
from leo_opt.verification import keep_class, verify

NET = Network.from_arrays(
    [[[1.0, 1.0], [1.0, -1.0]], [[-1.0, 1.0], [0.5, 2.0]]], [[0.0, 0.5], [0.0, 0.1]]
)
BOX = Box(-1, 1)
ASKED = keep_class(BOX.spread(2), 0, 2)


def foreign(package: str) -> Any:
    return type("Thing", (type("Base", (), {"__module__": f"{package}.parts"}),), {})()


def variables() -> Any:
    model = pyo.ConcreteModel()
    model.x = pyo.Var([0, 1], initialize=0.5)
    return model.x


WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "layer-activation": (lambda: Layer([[1.0]], [0.0], 3), "activation is 3, not a tag"),
    "layer-variable": (lambda: Layer(foreign("torch"), [0.0]), r"weight is a Thing.*detach"),
    "arrays-complex": (
        lambda: Network.from_arrays([np.array([[1.0 + 2.0j]])], [[0.0]]),
        "weight is a ndarray, not an array of real numbers",
    ),
    "arrays-complex-bias": (
        lambda: Network.from_arrays([[[1.0]]], [np.array([2.0j])]),
        "bias is a ndarray, not an array of real numbers",
    ),
    "layer-complex": (
        lambda: Layer(np.array([[1.0 + 2.0j]]), [0.0]),
        "weight is a ndarray, not an array of real numbers",
    ),
    "layer-complex-sparse": (
        lambda: Layer(csr_array(np.array([[1.0 + 2.0j]])), [0.0]),
        "weight is a csr_array, not an array of real numbers",
    ),
    "box-complex": (lambda: Box(np.array([1.0j]), 1), "lower of the box is a ndarray, not an ar"),
    "inputs-complex": (lambda: NET(np.array([1.0j, 0.0])), "inputs is a ndarray, not an array of"),
    "layers-none": (lambda: Network(None), "layers is None, not a row of Layers"),
    "layers-numbers": (lambda: Network([1]), "layer 0 is 1, not a Layer; make one with Layer"),
    "rounding": (lambda: Network(NET.layers, rounding=(1, 2)), "rounding is 1, not a Rounding"),
    "arrays-none": (lambda: Network.from_arrays(None, None), "weights is None, not a list"),
    "arrays-tag": (lambda: Network.from_arrays([[[1]]], [[1]], "relu"), "activations is 'relu'"),
    "box-words": (lambda: Box("a", 1), "lower of the box is 'a', not an array of real numbers"),
    "around-words": (lambda: Box.around("a", 1), "point is 'a', not an array of real numbers"),
    "around-radius": (
        lambda: Box.around([0, 0], "a"),
        "radius is 'a', not an array of real numbers",
    ),
    "around-shape": (lambda: Box.around([0, 0], [1, 1, 1]), r"radius has shape \(3,\) and point"),
    "bounds-none": (lambda: Bounds(BOX, None, None), "lower is None, not a list of arrays"),
    "bounds-words": (
        lambda: Bounds(BOX, ["a"], [[1]]),
        "lower is 'a', not an array of real numbers",
    ),
    "bounds-box": (lambda: Bounds("box", [[0]], [[1]]), "domain is 'box', not a box"),
    "bounds-other": (lambda: propagate(NET, BOX).intersect(3), "other is 3, not a Bounds"),
    "bounds-path": (lambda: propagate(NET, BOX).save(3), "path is 3, not the name of a file"),
    "stability-path": (lambda: Stability.load(3), "path is 3, not the name of a file"),
    "stability-out": (lambda: classify(NET, BOX).save(3), "path is 3, not the name of a file"),
    "formulation-abstract": (
        lambda: formulate(NET, BOX, formulation=Formulation),
        "formulation is a .*, not a formulation; give one of big-m",
    ),
    "fill-words": (lambda: fill(formulate(NET, BOX), "ab"), "inputs is 'ab', not an array"),
    "solve-options": (
        lambda: solve(pyo.ConcreteModel(), "highs", options={"gap": 1}),
        "options is a dict, not a SolverOptions; give SolverOptions",
    ),
    "classify-class": (lambda: classify(Network, BOX), "network is a type, not a Network"),
    "classify-no-box": (lambda: classify(NET, None), "domain is None, not a box"),
    "classify-list": (lambda: classify(NET, [(0, 1), (0, 1)]), r"domain is a list.*Box\(lower"),
    "classify-pairs": (lambda: classify(NET, ((0, 1), (0, 1))), "domain is a tuple, not a box"),
    "classify-limit": (lambda: classify(NET, BOX, time_limit="10"), "time_limit is '10'"),
    "classify-unit": (lambda: classify(NET, BOX, unit_time_limit="1"), "unit_time_limit is '1'"),
    "classify-nan": (lambda: classify(NET, BOX, margin=float("nan")), "margin is nan, not a fin"),
    "classify-zero": (lambda: classify(NET, BOX, workers=0), "workers is 0; it must be positive"),
    "classify-half": (lambda: classify(NET, BOX, workers=1.5), "workers is 1.5, not a whole"),
    "classify-true": (lambda: classify(NET, BOX, node_limit=True), "node_limit is True, not a fin"),
    "classify-seed": (lambda: classify(NET, BOX, seed=-1), "seed is -1; it must not be negative"),
    "classify-stage": (
        lambda: classify(NET, BOX, strategy=Cascade(stages=["pl"])),
        "stage 'pl' is unknown; known",
    ),
    "classify-stages": (
        lambda: classify(NET, BOX, strategy=Cascade(stages="lp")),
        "stages is 'lp', not a list",
    ),
    "classify-word": (
        lambda: classify(NET, BOX, strategy=3),
        "strategy is 3, not a strategy; give one of c",
    ),
    "classify-formulation": (
        lambda: classify(NET, BOX, formulation=3),
        "formulation is 3, not",
    ),
    "classify-class-of": (
        lambda: classify(NET, BOX, formulation=dict),
        "formulation is a type",
    ),
    "classify-solver": (
        lambda: classify(NET, BOX, solver=["highs"]),
        "solver is a list, not",
    ),
    "classify-progress": (lambda: classify(NET, BOX, progress=1), "progress is 1, not a function"),
    "classify-checkpoint": (
        lambda: classify(NET, BOX, checkpoint=3),
        "checkpoint is 3, not",
    ),
    "classify-executor": (lambda: classify(NET, BOX, executor=4), "executor is 4, .*workers=4"),
    "classify-samples": (lambda: classify(NET, BOX, samples="no"), "inputs is 'no', not an array"),
    "classify-flag": (
        lambda: classify(NET, BOX, strategy=PerUnit(skip_stable=1)),
        "skip_stable is 1, not a bool",
    ),
    "compress-bounds": (
        lambda: compress(NET, propagate(NET, BOX)),
        "stability is a Bounds, not a Stability or a box",
    ),
    "compress-network": (lambda: compress(BOX, BOX), "network is a Box, not a Network"),
    "rewrite-box": (
        lambda: leo_opt.compression.compress(NET, BOX),
        r"stability is a Box, not a Stability; classify\(network, box\)",
    ),
    "propagate-network": (lambda: propagate(foreign("keras"), BOX), "network is a Thing.*export"),
    "propagate-box": (lambda: propagate(NET, 1), "domain is 1, not a box"),
    "propagate-method": (lambda: propagate(NET, BOX, "deep"), "method 'deep' is unknown; known ar"),
    "formulate-network": (lambda: formulate(foreign("keras"), BOX), "network is a Thing.*export"),
    "formulate-box": (lambda: formulate(NET, "unit"), "domain is 'unit', not a box"),
    "formulate-bounds": (lambda: formulate(NET, BOX, bounds=BOX), "bounds is a Box, not a Bounds"),
    "formulate-formulation": (lambda: formulate(NET, BOX, formulation=None), "formulation is None"),
    "verify-network": (lambda: verify(foreign("onnx"), ASKED), "network is a Thing.*leo_opt.load"),
    "verify-property": (lambda: verify(NET, BOX), "asked is a Box, not a Property; .*keep_class"),
    "verify-limit": (lambda: verify(NET, ASKED, time_limit="10"), "time_limit is '10'"),
    "verify-pieces": (lambda: verify(NET, ASKED, piece_limit=0), "piece_limit is 0; it must be p"),
    "keep-half": (lambda: keep_class(BOX.spread(2), 0.5, 2), "label is 0.5, not a whole number"),
    "keep-words": (
        lambda: keep_class(BOX.spread(2), 0, "2"),
        "classes is '2', not a finite number",
    ),
    "keep-class": (lambda: keep_class([0, 1], 0, 2), "domain is a list, not a box"),
    "call-variables": (
        lambda: NET(variables()),
        "inputs is a IndexedVar, not .*leo_opt.form",
    ),
    "call-list": (
        lambda: NET([*variables().values()]),
        "inputs is a list, .*leo_opt.formulate",
    ),
    "call-words": (lambda: NET(["a", "b"]), "inputs is a list, not .*; give floats"),
    "load-number": (lambda: load(3), "path is 3, not the name of a file"),
    "save-module": (lambda: save(foreign("torch"), "a.onnx"), "network is a Thing.*from_torch"),
    "save-nowhere": (lambda: save(NET, None), "path is None, not the name of a file"),
    "domain-number": (lambda: load_domain(3, 2), "path is 3, not the name of a file"),
    "check-network": (lambda: classify(NET, BOX).check(3), "network is 3, not a Network"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_argument_is_told_by_name_with_the_cure(name: str) -> None:
    call, message = WRONG[name]
    with pytest.raises(InvalidInputError, match=message):
        call()


PAIRS: list[Any] = [(-1, 1), (-1.0, np.float32(1)), (-np.ones(2), np.ones(2)), (-1, np.ones(2))]


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_pair_is_a_box_wherever_a_domain_is_taken(pair: Any, tmp_path: Path) -> None:
    box = BOX.spread(2)
    assert read_box(pair).spread(2) == box
    assert propagate(NET, pair).domain == box
    stability = classify(NET, pair)
    assert stability.domain == box
    stability.check(NET, pair)
    propagate(NET, box).check(NET, pair)
    assert compress(NET, pair).domain == box
    assert formulate(NET, pair).inputs[0].bounds == (-1, 1)
    assert Box.around(np.zeros(2), 3, within=pair) == box
    assert export_network(NET, pair, tmp_path / "net.lp").bounds.domain == box
    sides = tuple(np.broadcast_to(side, 2) for side in pair)
    assert verify(NET, keep_class(sides, 0, 2)).answer == verify(NET, ASKED).answer
    stability.save(tmp_path / "stability.json")
    assert Stability.load(tmp_path / "stability.json", NET, pair).domain == box


def test_a_pair_that_is_no_box_is_told_as_a_box_would() -> None:
    with pytest.raises(LeoOptError, match="exceeds upper"):
        classify(NET, (1, 0))
    with pytest.raises(LeoOptError, match="the box has 3 inputs and the network 2"):
        classify(NET, (np.zeros(3), np.ones(3)))


def test_compress_classifies_where_it_is_given_a_box() -> None:
    rewritten = compress(NET, BOX)
    assert rewritten.network == compress(NET, classify(NET, BOX)).network
    assert leo_opt.compress is leo_opt.api.compress


@pytest.mark.parametrize("name", FORMULATIONS)
def test_the_class_of_a_formulation_is_its_default_instance(name: str) -> None:
    kind = FORMULATIONS[name]
    assert type(find(kind)) is kind
    assert formulate(NET, BOX, formulation=kind).formulation.name == name


def test_classify_and_verify_take_formulations_and_name_them() -> None:
    known = classify(NET, BOX, strategy=Cascade(stages=["milp"], random_points=0))
    for formulation in (BigM, BigM(), Partition(parts=2)):
        stability = classify(
            NET, BOX, strategy=Cascade(stages=["milp"], random_points=0), formulation=formulation
        )
        assert stability.phases == known.phases
        assert stability.statistics.formulation == formulation.name
        assert Stability.from_json(stability.to_json()).phases == known.phases
        verdict = verify(NET, ASKED, formulation=formulation, stages=["milp"])
        assert verdict.settings["formulation"] == formulation.name
        assert verdict.answer == verify(NET, ASKED).answer


def test_numbers_of_numpy_are_numbers() -> None:
    assert read_whole(np.int64(3), "n") == 3
    assert read_whole(4.0, "n") == 4
    assert type(read_whole(4.0, "n")) is int
    assert read_number(np.float32(0.5), "x") == 0.5
