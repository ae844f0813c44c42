"""What values say of themselves: short on the prompt, a table on request."""

from __future__ import annotations

import io
import re
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import leo_opt
from leo_opt import (
    Box,
    Cascade,
    Compression,
    Layer,
    Network,
    Phase,
    Stability,
    approximate,
    classify,
    compress,
    frontier,
    load,
    propagate,
)
from leo_opt.console import PlainConsole
from leo_opt.difference import bound_difference
from leo_opt.graphs import compress_graph
from leo_opt.report.compression_run import describe_sequential, measure
from leo_opt.report.files import FILES
from leo_opt.report.scenes import PICTURES
from leo_opt.report.summaries import TABLES, as_text
from leo_opt.report.tables import compression_table
from leo_opt.summarised import Pictured, Reported, Summarised
from leo_opt.verification import keep_class, verify

DATA = Path(leo_opt.__file__).parent / "data"
SHORT = 400
"""Characters that a prompt has room for."""


@cache
def case() -> tuple[Network, Stability, Compression]:
    network = load(DATA / "mnist_25-25_l1_0.001_s0.onnx")
    stability = classify(network, (0.0, 1.0), strategy=Cascade(stages=[], random_points=0))
    return network, stability, compress(network, stability)


def values() -> dict[str, object]:
    network, stability, compression = case()
    generator = np.random.default_rng(0)
    box = Box.around(generator.random(784), 0.03, within=(0, 1))
    tall = Network.from_arrays([generator.random((30, 9)), generator.random((9, 30))], [None] * 2)
    deep = Network.from_arrays([np.eye(3)] * 100, [None] * 100)
    return {
        "network": network,
        "deep": deep,
        "layer": network.layers[0],
        "box": box,
        "difference": bound_difference(tall, tall, (0, 1)),
        "bounds": propagate(network, (0, 1)),
        "stability": stability,
        "compression": compression,
        "graph": compress_graph(DATA / "mnist_25-25_l1_0.001_s0.onnx", stability),
        "approximation": approximate(tall, generator.random((50, 9)), method="svd"),
        "frontier": frontier(tall, generator.random((50, 9)), method="svd"),
        "steps": compression.steps[0],
        "verdict": verify(network, keep_class(box, 0, 10), stages=[]),
        "property": keep_class(box, 0, 10),
        "evidence": stability.lower_evidence[0][0],
        "statistics": stability.statistics,
        "signature": network.signature,
    }


def test_no_value_prints_more_than_a_prompt_has_room_for() -> None:
    for name, value in values().items():
        assert len(repr(value)) < SHORT, name
        assert "array(" not in repr(value), name
        assert "\n" not in repr(value), name


def test_every_value_with_tables_has_a_summary_and_the_other_way_round() -> None:
    levels = Summarised, Pictured, Reported
    told = {kind for level in levels for kind in level.__subclasses__()}
    assert set(TABLES) == told - set(levels)
    assert set(FILES) == set(Reported.__subclasses__())
    assert set(PICTURES) == {*FILES, *Pictured.__subclasses__()} - {Reported}
    told = [value for value in values().values() if isinstance(value, Summarised)]
    assert {type(value) for value in told} == set(TABLES)
    for value in told:
        lines = value.summary().splitlines()
        assert 3 <= len(lines) < 110
        assert max(map(len, lines)) < 200
        assert value._repr_html_().startswith("<pre>")
        assert "\x1b" not in value.summary()


def test_a_page_shows_what_the_text_says() -> None:
    network, _, _ = case()
    html = Network(network.layers, leo_opt.Signature(input_name="<b>x & y</b>"))._repr_html_()
    assert "&lt;b&gt;x &amp; y&lt;/b&gt;" in html
    assert "<b>" not in html


def test_figures_of_the_tables_are_those_of_the_values() -> None:
    network, stability, compression = case()
    rows = [line.split() for line in stability.summary().splitlines()[1:3]]
    for layer, row in enumerate(rows):
        told = [phase for phase in Phase if phase is not Phase.LINEAR]
        counts = [stability.count(layer, phase) for phase in told]
        assert list(map(int, row)) == [layer, 25, *counts, stability.certified_phases(layer)]
    text = compression.summary()
    for layer, row in enumerate(line.split() for line in text.splitlines()[1:3]):
        assert list(map(int, row)) == [layer, 25, len(compression.kept[layer])]
    assert f"{network.parameters} -> {compression.network.parameters}" in text
    steps = Counter(step.rewrite for step in compression.steps)
    assert all(f"{name} {count}" in text for name, count in steps.items())
    rows = [line.split() for line in propagate(network, (0, 1)).summary().splitlines()[1:4]]
    assert [int(row[1]) for row in rows] == [25, 25, 10]
    assert all(sum(map(int, row[2:5])) == int(row[1]) for row in rows)


def test_a_table_tells_the_size_of_a_network_of_clips() -> None:
    clips = Network.from_arrays([np.eye(2), np.eye(2)], [None] * 2, ["clip(0,1)", "linear"])
    stability = classify(clips, (-1.0, 2.0))
    run = measure(clips, stability, compress(clips, stability), "float64", 0.0)
    stream = io.StringIO()
    PlainConsole(file=stream).print(compression_table(run))
    assert "parameters:   12 -> 12" in stream.getvalue()
    assert run.deviation_read == 0.0


def test_kinds_of_units_and_what_became_of_linear_ones_are_told() -> None:
    layers = (
        Layer(np.eye(3), np.zeros(3), ["linear", "linear", "relu"]),
        Layer([[1.0, 1.0, 1.0]], [0.0]),
    )
    network = Network(layers)
    assert "3 hidden units (1 rectifiers, 2 linear)" in network.summary()
    compression = compress(network, Box([0, -1, -1], [1, 1, 1]), form="chain")
    text = " ".join(compression.summary().split())
    assert "hidden units: 3 -> 2" in text
    assert "linear: 2 -> 0" in text
    assert "made sequential: 1 linear units are shifted by a certified lower bound" in text
    assert describe_sequential(compression) == {"shifted": 1}


def test_reprs_tell_counts_and_the_box() -> None:
    _, stability, compression = case()
    phases = Counter(phase for layer in stability.phases for phase in layer)
    for phase, count in phases.items():
        assert f"{count} {phase.replace('_', ' ')}" in repr(stability)
    assert "784 inputs, each in [0.0, 1.0]" in repr(stability)
    assert re.match(r"Compression\(50 -> \d+ hidden units, ", repr(compression))


@pytest.mark.parametrize(
    ("box", "text"),
    [
        (Box(0, 1), "Box(0.0, 1.0)"),
        (Box([0, -1], [1, 2]), "Box([0.0, -1.0], [1.0, 2.0])"),
        (Box(0, 1).spread(9), "Box(9 inputs, each in [0.0, 1.0])"),
        (
            Box.around(np.linspace(0, 1, 9), 0.25, within=(0, 1)),
            "Box(9 inputs, widths 0.25 to 0.5, all within [0.0, 1.0])",
        ),
    ],
)
def test_a_box_is_not_told_as_the_whole_that_it_lies_in(box: Box, text: str) -> None:
    assert repr(box) == text


def test_phases_and_intervals_are_arrays() -> None:
    _, stability, _ = case()
    for layer, phases in enumerate(stability.phases):
        array = stability.phases_array[layer]
        assert array.tolist() == [str(phase) for phase in phases]
        unstable = array == "unstable"
        assert unstable.sum() == (stability.count(layer, Phase.UNSTABLE) if phases else 0)
        if phases:
            assert (stability.upper[layer][array == Phase.STABLY_INACTIVE] <= 0).all()
            assert (stability.lower[layer][array == "stably_active"] >= 0).all()
    assert stability.lower is stability.trusted.lower
    assert stability.upper is stability.trusted.upper


def test_a_verdict_is_told_with_what_it_rests_on() -> None:
    hat = Network.from_arrays([[[1.0], [-1.0]], [[1.0, 1.0], [0.0, 0.0]]], [[0.0, 0.0], [0.0, 0.5]])
    violated = verify(hat, keep_class(Box([0.0], [1.0]), 0, 2))
    assert "\ninputs:  " in violated.summary()
    held = verify(hat, keep_class(Box([0.75], [1.0]), 0, 2))
    assert "certified: rests on arithmetic alone" in held.summary()
    assert [held.summary().split()[0], violated.summary().split()[0]] == ["holds", "violated"]


def test_a_network_without_units_to_tell_of_is_told() -> None:
    affine = Network.from_arrays([np.eye(2)], [None])
    stability = classify(affine, (0, 1))
    assert "no units with phases" in repr(stability)
    assert "evidence: none needed" in as_text(stability)
    assert "steps: none" in compress(affine, stability).summary()
