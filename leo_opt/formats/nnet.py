"""Network to and from .nnet, the text format of networks for collision avoidance of aircraft.

Lines of numbers with commas: the sizes, the least and greatest value of each input, means and
ranges of the inputs with one more of each for all outputs, then weights and biases. The layers take
(x - mean) / range, and y * range + mean is the output. Some tools mean the network in units, with
both steps, others the layers alone; both are read, and both are written back.

References
----------
K. Julian, the NNet repository, https://github.com/sisl/NNet.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from leo_opt import weights
from leo_opt.arithmetic import round_down, round_up
from leo_opt.domain import Box
from leo_opt.errors import FileFormatError, UnsupportedOperatorError
from leo_opt.formats.agreement import check_agreement
from leo_opt.formats.chain import Chain
from leo_opt.formats.outputs import pick
from leo_opt.formats.rounded import Rounded
from leo_opt.formats.selection import EVERYTHING, Selection
from leo_opt.network import FloatArray, Layer, Network
from leo_opt.signature import Normalisation, Signature
from leo_opt.storage.files import read_bytes

_COMMENT = "//"
_PREFIX = "// leo_opt."
_MOST_BYTES = 2**30
_LARGEST = float(np.finfo(np.float64).max)
"""The end of an input that has none."""


class _Lines:
    """The lines of a file that are no comments, each asked for with what it should hold."""

    def __init__(self, text: str) -> None:
        lines = enumerate(text.splitlines(), start=1)
        self._rest = ((k, s) for k, s in lines if s.strip() and not s.lstrip().startswith(_COMMENT))

    def numbers(self, what: str, count: int | None = None) -> list[float]:
        """The numbers of the next line.

        Raises
        ------
        FileFormatError
            If there is none, or it holds something else or another number of them.
        """
        number, line = next(self._rest, (0, ""))
        if not number:
            raise FileFormatError(f"the file ends before the {what}; it is truncated")
        try:
            found = [float(part) for part in line.rstrip().rstrip(",").split(",")]
        except ValueError:
            raise FileFormatError(
                f"line {number} is {line[:60]!r} where the {what} should stand, with commas between"
            ) from None
        if count not in (None, len(found)) or not np.isfinite(found).all():
            raise FileFormatError(
                f"line {number} holds {line[:60]!r} where the {what} should stand: "
                f"{count} finite numbers"
            )
        return found

    def end(self) -> None:
        """Refuse what follows the last layer."""
        for number, line in self._rest:
            raise FileFormatError(f"line {number} is {line[:60]!r} after the last layer")


def read(path: Path, selection: Selection = EVERYTHING) -> Network:
    """The network in a .nnet file, in units or, if it is selected, of the layers alone.

    Raises
    ------
    FileFormatError
        If the file is damaged or something else.
    InvalidInputError
        If an evaluation of the file that shares no code with this gives something else.
    """
    text = _text(path)
    lines = _Lines(text)
    sizes, normalisation = _header(lines)
    means, ranges = np.array(normalisation.means), np.array(normalisation.ranges)
    chain = Chain(sizes[0])
    if not selection.normalised:
        chain.add(-means[:-1])
        chain.divide(ranges[:-1])
        normalisation = _in_units(normalisation.lower, normalisation.upper)
    for index, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
        if index:
            chain.rectify()
        weight, bias = (
            np.array([lines.numbers(f"{what} of layer {index}", count) for _ in range(n_out)])
            for what, count in (("weights", n_in), ("biases", 1))
        )
        chain.apply(weight)
        chain.add(bias.ravel())
    lines.end()
    if not selection.normalised:
        chain.multiply(np.full(sizes[-1], ranges[-1]))
        chain.add(np.full(sizes[-1], means[-1]))
    network = chain.network(Signature(dtype="float64", normalisation=normalisation))
    numbers = _stream(text)

    def forward(inputs: FloatArray) -> FloatArray:
        return _evaluate(numbers, inputs, selection.normalised)

    largest = float(np.abs(numbers).max())
    check_agreement(network, forward, "an evaluation of the file's numbers", largest)
    return pick(network, selection.output_tensor)


def read_domain(path: Path, selection: Selection = EVERYTHING) -> Box:
    """The box of inputs that the header states, in the numbers that the network takes.

    Raises
    ------
    FileFormatError
        If the file is damaged or something else, or leaves an input without ends, as `encode` does.
    """
    _, normalisation = _header(_Lines(_text(path)))
    sides = [np.array(normalisation.lower), np.array(normalisation.upper)]
    endless = (np.abs(sides) == _LARGEST).any(axis=0)
    if endless.any():
        raise FileFormatError(
            f"the header states no ends for {np.count_nonzero(endless)} of {endless.size} inputs, "
            f"the first of them input {np.argmax(endless)}; say by other means where inputs lie"
        )
    if not selection.normalised:
        return Box(*sides)
    means, ranges = (
        Rounded.exact(np.array(s[:-1])) for s in (normalisation.means, normalisation.ranges)
    )
    low, high = ((Rounded.exact(side) - means) / ranges for side in sides)
    return Box(
        np.where(low.error == 0.0, low.values, round_down(low.values - low.error)),
        np.where(high.error == 0.0, high.values, round_up(high.values + high.error)),
    )


def check_end(network: Network) -> None:
    """Refuse a network whose end no .nnet file has, whatever its hidden layers become.

    Raises
    ------
    UnsupportedOperatorError
        If it has a tail, or the last layer is not linear.
    """
    if network.signature.tails:
        raise UnsupportedOperatorError(
            f"a .nnet file holds no {network.signature.tails[0]}; leave the tail off with "
            "--drop-tail, or write .onnx or .npz"
        )
    _check_layer(network, len(network.layers) - 1, "linear")


def _check_layer(network: Network, index: int, wanted: str) -> None:
    """Refuse a layer of other units."""
    layer, count = network.layers[index], len(network.layers)
    if layer.activation != wanted:
        raise UnsupportedOperatorError(
            f"layer {index} of {count} has {layer.label} units; .nnet files hold rectifiers "
            "in all layers but the last, which is linear: write .onnx or .npz"
        )


def encode(network: Network, provenance: Mapping[str, str]) -> bytes:
    """The bytes of a .nnet file, in which every number stands with all its digits.

    Raises
    ------
    UnsupportedOperatorError
        If a layer is none of rectifiers, or the last one has any.
    """
    check_end(network)
    last = len(network.layers) - 1
    for index in range(last):
        _check_layer(network, index, "relu")
    sizes = [network.input_size, *(layer.n_out for layer in network.layers)]
    ends = ((-_LARGEST,) * sizes[0], (_LARGEST,) * sizes[0])
    normalisation = network.signature.normalisation or _in_units(*ends)
    told = [f"{_PREFIX}{name}: {json.dumps(text)}" for name, text in provenance.items()]
    header: list[Iterable[float]] = [
        (last + 1, sizes[0], sizes[-1], max(sizes)),
        sizes,
        (0,),
        *(normalisation.lower, normalisation.upper, normalisation.means, normalisation.ranges),
    ]
    rows = [*header, *(row for layer in network.layers for row in _rows(layer))]
    text = [f"{_COMMENT} Neural network in the NNet format", *told, *map(_line, rows)]
    return ("\n".join(text) + "\n").encode()


def provenance(path: Path) -> dict[str, str]:
    """What `encode` was told about where the network comes from.

    Raises
    ------
    FileFormatError
        If the file is no text, or such a comment is damaged.
    """
    lines = (s.removeprefix(_PREFIX) for s in _text(path).splitlines() if s.startswith(_PREFIX))
    pairs = [line.partition(": ") for line in lines]
    try:
        return {name: str(json.loads(text)) for name, _, text in pairs}
    except ValueError as error:
        raise FileFormatError(f"a comment on where this comes from is damaged: {error}") from error


def _text(path: Path) -> str:
    """The text of a file."""
    try:
        return read_bytes(path, _MOST_BYTES).decode()
    except UnicodeDecodeError as error:
        raise FileFormatError("this is no text file; a .nnet network is text") from error


def _header(lines: _Lines) -> tuple[list[int], Normalisation]:
    """The sizes of input and layers, and how the header scales."""
    count, n_in, n_out, _ = _whole(lines, "numbers of layers, inputs, outputs and units", 4)
    sizes = _whole(lines, "sizes of the layers", count + 1)
    if (sizes[0], sizes[-1]) != (n_in, n_out):
        raise FileFormatError(
            f"the first line says {n_in} inputs and {n_out} outputs, the second {sizes[0]} and "
            f"{sizes[-1]}; correct the file"
        )
    lines.numbers("flag of the header")
    lower, upper = (tuple(lines.numbers(f"{end} inputs", n_in)) for end in ("least", "greatest"))
    means = tuple(lines.numbers("means of inputs and outputs", n_in + 1))
    ranges = tuple(lines.numbers("ranges of inputs and outputs", n_in + 1))
    if 0.0 in ranges[:-1]:
        raise FileFormatError(f"the range of input {ranges.index(0.0)} is 0; correct the file")
    return sizes, Normalisation(lower, upper, means, ranges)


def _whole(lines: _Lines, what: str, count: int) -> list[int]:
    """Positive whole numbers of a line."""
    found = lines.numbers(what, count)
    if any(value < 1 or value != int(value) for value in found):
        raise FileFormatError(f"the {what} are {found}; they must be positive whole numbers")
    return [int(value) for value in found]


def _in_units(lower: tuple[float, ...], upper: tuple[float, ...]) -> Normalisation:
    """The header of a network that is in units itself."""
    count = len(lower) + 1
    return Normalisation(lower, upper, (0.0,) * count, (1.0,) * count)


def _rows(layer: Layer) -> Iterable[Iterable[float]]:
    """The lines of a layer."""
    yield from weights.dense(layer.weight).tolist()
    yield from ((value,) for value in layer.bias.tolist())


def _line(numbers: Iterable[float]) -> str:
    """Numbers with a comma behind each."""
    return "".join(f"{number!r}," for number in numbers)


def _stream(text: str) -> FloatArray:
    """All numbers of a file, in a row."""
    plain = (line for line in text.split("\n") if not line.strip().startswith("//"))
    return np.array([token for token in ",".join(plain).split(",") if token.strip()], dtype=float)


def _evaluate(numbers: FloatArray, inputs: FloatArray, normalised: bool) -> FloatArray:
    """What a file computes, from its numbers in a row and by the places where they stand."""
    count, n_in = int(numbers[0]), int(numbers[1])
    sizes = numbers[4 : 5 + count].astype(int)
    place = 6 + count + 2 * n_in
    shift, scale = numbers[place : place + n_in + 1], numbers[place + n_in + 1 :][: n_in + 1]
    place += 2 * n_in + 2
    values = inputs if normalised else (inputs - shift[:n_in]) / scale[:n_in]
    for k in range(count):
        shape = (sizes[k + 1], sizes[k])
        weight = numbers[place : place + shape[0] * shape[1]].reshape(shape)
        place += weight.size
        values = values @ weight.T + numbers[place : place + shape[0]]
        place += shape[0]
        values = np.maximum(values, 0.0) if k < count - 1 else values
    return values if normalised else values * scale[-1] + shift[-1]
