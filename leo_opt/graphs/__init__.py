"""ONNX graphs made smaller and given back as graphs.

A file with convolutions is rewritten as it stands: a channel goes where it has no part in the
outputs on the domain, with all that is made of it, and whatever read it takes up what it added; the
dense end gets every rewrite of a chain. Nodes, constants and names that this does not touch stay
byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from leo_opt.bounds import propagate
from leo_opt.deviation import add_up, reading_deviation
from leo_opt.domain import Domain
from leo_opt.errors import FileFormatError, InvalidInputError
from leo_opt.formats import has_graph
from leo_opt.formats.agreement import SAMPLES, SLACK, with_room
from leo_opt.formats.onnx.file import parse
from leo_opt.formats.onnx.operation import Tensor
from leo_opt.formats.onnx.reader import Lowered, lower, read_model
from leo_opt.graphs.cutting import Cutting
from leo_opt.graphs.editing import Edits, planned
from leo_opt.graphs.head import Head, Rewritten, find_head, rewrite_head
from leo_opt.graphs.known import Known
from leo_opt.graphs.merging import find_multiples
from leo_opt.graphs.models import copy, stated_shapes
from leo_opt.graphs.opening import Opened
from leo_opt.graphs.planning import plan_removal
from leo_opt.graphs.removal import Removal
from leo_opt.graphs.walking import cut_graph
from leo_opt.lazily import lazy
from leo_opt.network import FloatArray, Network
from leo_opt.stability import Stability
from leo_opt.storage.files import AnyPath, check_readable
from leo_opt.summarised import Reported

MIXING = frozenset({"Conv", "ConvTranspose"})
"""Operators for whose sake a graph is kept: a chain has dense matrices in their place."""

MATRICES = MIXING | {"Gemm", "MatMul"}
"""Operators that make slices of others."""


@dataclass(frozen=True)
class Thinning:
    """A matrix by the name of what it makes, with the channels or units that it made and makes.

    `kept` has their numbers, -1 for new ones.
    """

    name: str
    before: int
    after: int
    kept: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class GraphCompression(Reported):
    """A smaller graph with the same outputs on a domain.

    Parameters
    ----------
    original, network
        What the two files are read as.
    domain
        The domain on which they are equal.
    model
        The smaller graph, an `onnx.ModelProto`.
    parts
        Of each matrix how many slices it made, and makes.
    parameters
        Numbers that the files store for operators that depend on the input, before and after.
    max_deviation : (output_size,) array
        Proved bound, per output, on the difference between the files anywhere on the domain, in
        real arithmetic with the numbers that they store. Exactly 0 where no number was rounded,
        neither in reading the file nor in changing it.
    stability
        The verdicts that it rests on.
    """

    original: Network
    network: Network
    domain: Domain
    model: Any
    parts: tuple[Thinning, ...]
    parameters: tuple[int, int]
    max_deviation: FloatArray
    stability: Stability

    def __repr__(self) -> str:
        before, after = self.parameters
        return (
            f"GraphCompression({before} -> {after} parameters, outputs within "
            f"{np.max(self.max_deviation, initial=0.0):.2g} on {self.domain!r})"
        )

    @lazy
    def max_deviation_read(self) -> FloatArray:
        """Proved bound, per output, on the difference on the domain of `original` from the file
        that it was read from, with the file's own numbers and operators."""
        given = self.stability.own_bounds(self.original, certified_only=True)
        return reading_deviation(self.original, given)

    @property
    def as_read(self) -> Network:
        """`network`, as which the smaller graph is read."""
        return self.network

    @property
    def max_deviation_written(self) -> FloatArray:
        """`max_deviation`, which is from file to file."""
        return self.max_deviation


def compress_graph(
    path: Any,
    stability: Stability,
    *,
    network: Network | None = None,
    output_tensor: str | None = None,
    drop_tail: bool = False,
) -> GraphCompression:
    """Make an ONNX file smaller and keep it a graph of the same operators.

    Parameters
    ----------
    path
        Of a file, or an `onnx.ModelProto`.
    stability
        Of `load(path, output_tensor=output_tensor)`.
    network
        That network, if it is at hand: a large one takes long to hash again.
    drop_tail
        Leave off what follows the network, such as a softmax.

    Raises
    ------
    FileFormatError
        If the file cannot be read.
    InvalidInputError
        If the two differ at points of the domain by more than is proved: a fault of this package.
    MismatchError
        If the stability is of another network.
    OutputError
        If ONNX's checker refuses what was made.

    Examples
    --------
    >>> from leo_opt import Box, classify, load
    >>> from leo_opt.graphs import compress_graph
    >>> network = load("conv.onnx")                               # doctest: +SKIP
    >>> found = compress_graph("conv.onnx", classify(network, Box(0, 1)))  # doctest: +SKIP
    >>> found.save("smaller.onnx")                                # doctest: +SKIP
    """
    opened = Opened.of(path, output_tensor)
    lowered = opened.lowered
    if network is not None and network == lowered.network:
        lowered = replace(lowered, network=network)
    original = lowered.network
    known = Known.of(lowered, stability)
    head = find_head(lowered)
    rewritten = None if head is None else rewrite_head(lowered, head, known)
    before = _parameters(lowered)
    cutting, edits = plan_removal(lowered, rewritten, known)
    thinner, deviation = _made(cutting, edits, stability.domain)
    again = cut_graph(thinner)
    further = planned(again, partial(find_multiples, again))
    smaller, moved = _made(again, further, stability.domain)
    deviation = add_up(deviation, moved)
    if rewritten is not None:
        deviation = add_up(deviation, rewritten.deviation)
    if smaller is not lowered:
        # The verdicts are of the network, which is so far from what the file states.
        bounds = stability.own_bounds(original, certified_only=True)
        deviation = add_up(deviation, reading_deviation(original, bounds))
    finished = opened.close(smaller, drop_tail=drop_tail)
    found = read_model(copy(finished))
    _check(original, found, stability.domain, deviation)
    return GraphCompression(
        original=original,
        network=found,
        domain=stability.domain,
        model=finished,
        parts=(
            *_thinned((cutting, edits.removal), (again, further.removal)),
            *_head_parts(head, rewritten),
        ),
        parameters=(before, _parameters(smaller)),
        max_deviation=deviation,
        stability=stability,
    )


def _check(original: Network, found: Network, domain: Domain, deviation: FloatArray) -> None:
    """Compare what two files are read as at points of the domain.

    Raises
    ------
    InvalidInputError
        If an output differs by more than is proved, and rounding explains.
    """
    points = domain.spread(original.input_size).sample(SAMPLES, np.random.default_rng(0))
    with np.errstate(over="ignore", invalid="ignore"):
        sides = [with_room(network, points, 0.0, SLACK) for network in (original, found)]
        (before, around), (after, about) = sides
        off = np.abs(before - after) - (deviation + around + about)
    if (off > 0.0).any():
        raise InvalidInputError(
            f"the smaller graph is off by {np.abs(before - after).max():.3g}; please report this "
            "with the model, and write --form chain"
        )


def is_structured(path: AnyPath) -> bool:
    """Whether a file is an ONNX graph with convolutions that a chain's matrices are larger than.

    Exporters may write a dense layer as a convolution whose kernel covers the image. Of what is no
    ONNX file `load` says why.
    """
    try:
        model = parse(check_readable(path)) if has_graph(path) else None
    except FileFormatError:
        return False
    nodes = [] if model is None else [n for n in model.graph.node if n.op_type in MIXING]
    return bool(nodes) and not all(map(partial(_is_dense, stated_shapes(model)), nodes))


def _is_dense(shapes: Mapping[str, tuple[int, ...]], node: Any) -> bool:
    """Whether a convolution has a weight for each pair of a number that it reads and makes."""
    image, kernel, made = (shapes.get(n, ())[2:] for n in (*node.input[:2], node.output[0]))
    grouped = any(entry.name == "group" and entry.i > 1 for entry in node.attribute)
    known = 0 < len(image) == len(kernel) and made == (1,) * len(image)
    return known and image == kernel and not grouped and node.op_type == "Conv"


def _made(cutting: Cutting, edits: Edits, domain: Domain) -> tuple[Lowered, FloatArray]:
    """A graph without some slices, and how far rounding what takes them up moves the outputs."""
    before = cutting.lowered
    # Of a new dense end no tensors are known yet.
    whole = all(port.name in before.values for port in before.graph.outputs)
    if whole and not edits.removal.classes:
        return before, np.zeros(before.network.output_size)
    errors = edits.write()
    smaller = lower(copy(cutting.lowered.model), errors)
    network = smaller.network
    if not errors:
        return smaller, np.zeros(network.output_size)
    # The network may be as far from the file with its own numbers, and from that with those meant.
    plain = lower(copy(smaller.model)).network
    bounds = propagate(network, domain)
    return smaller, add_up(*(reading_deviation(read, bounds) for read in (network, plain)))


def _parameters(lowered: Lowered) -> int:
    """Numbers that a file stores for operators that depend on the input."""
    read = {
        name
        for node in lowered.graph.nodes
        for name in node.inputs
        if any(isinstance(lowered.values.get(made), Tensor) for made in node.outputs)
    }
    arrays = (lowered.values[name] for name in read if name)
    return sum(a.size for a in arrays if not isinstance(a, Tensor) and a.dtype.kind == "f")


def _thinned(*passes: tuple[Cutting, Removal]) -> Iterator[Thinning]:
    """What matrices made and make, after slices have gone one time after the other."""
    first = passes[0][0]
    for node in first.lowered.graph.nodes:
        name = node.outputs[0]
        if node.operator in MATRICES and name in first.tensors:
            axis, before = first.tensors[name].axis, len(first.tensors[name].classes)
            left = np.arange(before)
            for cutting, removal in passes:
                slices = cutting.tensors[name]
                # Where one slice is left, a tensor may be cut along another axis and stays whole.
                if slices.axis == axis:
                    left = left[removal.keeps(cutting, slices.classes)]
            yield Thinning(name, before, len(left), tuple(left.tolist()))


def _head_parts(head: Head | None, rewritten: Rewritten | None) -> Iterator[Thinning]:
    """Units of the dense end."""
    if head is not None and rewritten is not None:
        pairs = zip(head.network.hidden_widths, rewritten.kept, strict=False)
        for index, (before, kept) in enumerate(pairs):
            yield Thinning(f"dense {index}", before, len(kept), kept)
