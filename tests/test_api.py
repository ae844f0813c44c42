"""`leo_opt.compress`: the form in which a network comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from graphs.test_graphs import image, store

from leo_opt import Box, Compression, Network, compress, save
from leo_opt.errors import InvalidInputError
from leo_opt.graphs import GraphCompression


@pytest.mark.parametrize(
    "options",
    [{"tolerance": 0.001}, {"minimize": "parameters"}, {"keep_outputs": [0]}],
    ids=lambda options: next(iter(options)),
)
def test_options_of_chains_do_not_make_a_chain_of_a_graph(
    options: dict[str, Any], tmp_path: Path
) -> None:
    path = store(image(), tmp_path)
    for form in ("auto", "graph"):
        with pytest.raises(InvalidInputError, match="of a chain alone; give form='chain'"):
            compress(path, Box(0, 1), form=form, **options)
    assert isinstance(compress(path, Box(0, 1), form="chain", **options), Compression)


def test_the_form_follows_from_what_is_given(tmp_path: Path) -> None:
    # Two units are relu(g) - relu(-g) = g.
    arrays = [[[1.0, 2.0], [-1.0, -2.0], [1.0, -1.0]], [[1.0, -1.0, 1.0]]]
    network, path = Network.from_arrays(arrays, [[0.0, 0.0, 0.0], [0.0]]), tmp_path / "net.onnx"
    save(network, path)
    structured = store(image(), tmp_path)
    assert isinstance(compress(structured, Box(0, 1)), GraphCompression)
    assert isinstance(compress(path, Box(0, 1), form="graph"), GraphCompression)
    for given, form, kinds in (
        (network, "auto", {"rectifiers": 1, "linear": 1}),
        (network, "chain", {"rectifiers": 2}),
        (path, "auto", {"rectifiers": 2}),
    ):
        found = compress(given, Box(-1, 1), form=form)
        assert dict(found.network.kinds) == kinds, (given, form)


def test_forms_that_a_model_does_not_have() -> None:
    network = Network.from_arrays([[[1.0]]], [[0.0]])
    with pytest.raises(InvalidInputError, match="changes an ONNX file in place"):
        compress(network, Box(0, 1), form="graph")
    with pytest.raises(InvalidInputError, match="form"):
        compress(network, Box(0, 1), form="tree")
