"""Networks in .npz files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from random_networks import random_network, structured
from scipy.sparse import csr_array

from leo_opt.errors import FileFormatError, InvalidInputError
from leo_opt.formats import default_dtype, load, load_provenance, save, written
from leo_opt.network import Layer, Network, Signature


def some_network() -> Network:
    """A network whose weights need all bits of float64."""
    generator = np.random.default_rng(0)
    weights = [generator.standard_normal(s) * 1e-30 for s in ((3, 2), (4, 3))]
    biases = [generator.standard_normal(3), [np.pi, 5e-324, 1.7e308, -1 / 3]]
    network = Network.from_arrays(weights, biases, ["relu", "relu"])
    return Network(network.layers, Signature("a", "b", (None, 2), ("N", 2, 2), "float32"))


def test_every_bit_and_the_signature_come_back(tmp_path: Path):
    network = some_network()
    save(network, tmp_path / "net.npz", provenance={"box": "a test's"})
    back = load(tmp_path / "net.npz")
    assert back == network
    assert back.content_hash == network.content_hash
    assert back.signature == network.signature
    assert load_provenance(tmp_path / "net.npz") == {"box": "a test's"}


@pytest.mark.parametrize("seed", range(20))
def test_structured_networks_come_back(seed: int, tmp_path: Path):
    generator = np.random.default_rng(seed)
    network = structured(generator, random_network(generator, widths=(4, 3)))
    save(network, tmp_path / "net.npz")
    back = load(tmp_path / "net.npz")
    assert back == network
    assert back.content_hash == network.content_hash
    kinds = [type(layer.weight) for layer in network.layers]
    assert [type(layer.weight) for layer in back.layers] == kinds


def test_what_is_no_csr_array_is_refused(tmp_path: Path):
    network = Network((Layer(csr_array(np.eye(3)), np.zeros(3)),))
    save(network, tmp_path / "net.npz")
    with np.load(tmp_path / "net.npz", allow_pickle=False) as archive:
        arrays = dict(archive)
    np.savez(tmp_path / "net.npz", **arrays | {"weight_0_indices": np.array([0, 7, 1])})
    with pytest.raises(FileFormatError):
        load(tmp_path / "net.npz")


def test_a_sentence_of_an_earlier_version_is_a_summary(tmp_path: Path):
    save(some_network(), tmp_path / "net.npz")
    assert load_provenance(tmp_path / "net.npz") == {}
    with np.load(tmp_path / "net.npz", allow_pickle=False) as archive:
        arrays = dict(archive)
    np.savez(tmp_path / "net.npz", **arrays | {"provenance": np.array("Compressed by hand.")})
    assert load_provenance(tmp_path / "net.npz") == {"summary": "Compressed by hand."}


@pytest.mark.parametrize("name", ["net.npz", "net.onnx"])
def test_a_provenance_of_something_else_than_texts_is_refused(name: str, tmp_path: Path):
    with pytest.raises(InvalidInputError, match="expected a text in quotes, got a whole number"):
        save(Network.from_arrays([np.eye(2)], [None]), tmp_path / name, provenance={"seed": 1})
    assert not (tmp_path / name).exists()


def test_an_unknown_shape_stays_unknown(tmp_path: Path):
    save(Network.from_arrays([[[1.0]]], [None]), tmp_path / "net.npz")
    assert load(tmp_path / "net.npz").signature == Signature()


def test_a_dtype_that_is_asked_for_is_kept(tmp_path: Path):
    network = Network.from_arrays([[[np.pi]]], [None])
    save(network, tmp_path / "net.npz", dtype="float32")
    assert load(tmp_path / "net.npz") == written(network, "float32") != network


def test_only_archives_take_float64_by_default():
    network = some_network()
    assert default_dtype(network, "net.npz") == "float64"
    assert default_dtype(network, "net.onnx") == "float32"


def test_what_is_no_network_is_refused(tmp_path: Path):
    path = tmp_path / "net.npz"
    save(some_network(), path)
    whole = path.read_bytes()
    stream = io.BytesIO()
    np.savez(stream, lower=np.zeros(2), upper=np.ones(2))
    objects = io.BytesIO()
    np.savez(objects, format=np.array([{}], dtype=object))
    single = io.BytesIO()
    np.save(single, np.zeros(3))
    for content in (
        b"",
        b"text\n",
        whole[:100],
        whole[: len(whole) // 2],
        whole[:-5],
        stream.getvalue(),
        objects.getvalue(),
        single.getvalue(),
    ):
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match=r"net\.npz") as caught:
            load(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weight_0": np.full((3, 2), np.nan)}, "weight holds nan"),
        ({"weight_1": np.ones((4, 2))}, "widths must chain"),
        ({"activations": np.array(["relu", "tanh"])}, "'tanh' is unknown"),
        ({"activations": np.array(["relu"] * 3)}, "weight_2"),
        ({"signature": np.array("[]")}, r"signature is \[\]; expected a table"),
        ({"signature": np.array('{"input_shape": 3}')}, "signature.input_shape is 3; expected"),
        ({"format": np.array("leo_opt network 3")}, "leo_opt network 3"),
    ],
)
def test_damaged_contents_are_named(change: dict[str, np.ndarray], words: str, tmp_path: Path):
    path = tmp_path / "net.npz"
    save(some_network(), path)
    with np.load(path) as archive:
        arrays = {**archive, **change}
    np.savez(path, **arrays)
    with pytest.raises(FileFormatError, match=words):
        load(path)
