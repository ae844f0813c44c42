"""Small random networks and boxes on which every special case occurs often.

Weights are mostly small integers or multiples of 1/8, and biases are set so that the least or the
largest value of an interval is exactly zero: ties at zero, dependent rows and stable layers are
then exact, not nearly so.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.sparse import csr_array

from leo_opt.domain import Box
from leo_opt.network import Layer, Network
from leo_opt.weights import dense

Generator = np.random.Generator
Array = np.ndarray


def random_case(generator: Generator) -> tuple[Network, Box]:
    """A network and a box that its ties at zero are made for."""
    box = random_box(generator, int(generator.integers(1, 5)))
    return random_network(generator, box=box), box


def opposite_case(generator: Generator) -> tuple[Network, Box]:
    """A random network in which some rows are made opposite to others."""
    box = Box(-1, 1).spread(int(generator.integers(1, 4)))
    widths = tuple(int(w) for w in generator.integers(2, 7, size=generator.integers(1, 3)))
    network = random_network(generator, box=box, widths=widths)
    layers = list(network.layers)
    for index in range(len(layers) - 1):
        weight, bias = np.array(dense(layers[index].weight)), layers[index].bias.copy()
        following = layers[index + 1]
        outgoing = np.array(dense(following.weight))
        order = generator.permutation(bias.size)
        for first, second in zip(order[::2], order[1::2], strict=False):
            factor = -float(generator.choice([1.0, 2.0, 0.5, 3.0, 0.1, generator.exponential()]))
            weight[second], bias[second] = factor * weight[first], factor * bias[first]
            kind = generator.integers(5)
            if kind == 0:
                weight[second] = np.nextafter(weight[second], 9.0)
            if kind <= 2:
                outgoing[:, second] = outgoing[:, first] / factor
            if kind == 1:
                outgoing[:, second] = np.nextafter(outgoing[:, second], 9.0)
            if kind == 4:
                outgoing[:, second] = 0.0
        layers[index] = Layer(weight, bias, layers[index].activation)
        layers[index + 1] = Layer(outgoing, following.bias, following.activation)
    changed = Network(tuple(layers))
    return (structured(generator, changed) if generator.random() < 0.4 else changed), box


def convolution_case(generator: Generator) -> tuple[Network, Box]:
    """Rows that are one kernel at several places: channels that are multiples or opposites of each
    other, or but for the last bits, or read by nobody; linear units; dense rows behind."""
    places, size, channels = 2, 2, int(generator.integers(2, 4))
    kernels = generator.choice([generator.normal(size=2), generator.integers(-2, 3, size=2) * 1.0])
    factors = generator.choice([1.0, 2.0, -1.0, -0.5, 0.1, 3.0], size=channels)
    rows, biases = [], []
    for channel, factor in enumerate(factors):
        kernel, bias = factor * kernels, float(factor * generator.integers(-1, 3))
        if channel and generator.random() < 0.3:
            kernel = np.nextafter(kernel, 9.0)
        if generator.random() < 0.2:
            bias += float(generator.choice([0.0, 3.0, -3.0]))
        for place in range(places):
            row = np.zeros(places + size - 1)
            row[place : place + size] = kernel
            rows.append(row)
            biases.append(bias)
    count = int(generator.integers(1, 4))
    behind = generator.normal(size=(count, len(rows)))
    behind[:, np.repeat(generator.random(channels) < 0.2, places)] = 0.0
    linear = np.repeat(generator.random(channels) < 0.2, places)
    layers = (
        Layer(np.array(rows), np.array(biases), np.where(linear, "linear", "relu").tolist()),
        Layer(behind, generator.normal(size=count), "relu"),
        Layer(generator.normal(size=(1, count)), np.zeros(1)),
    )
    box = Box(float(generator.choice([-1.0, 0.0])), 1.0).spread(places + size - 1)
    return Network(layers), box


def random_box(generator: Generator, n: int) -> Box:
    """A box of n inputs: usual, negative, tiny, large, or with inputs that cannot vary."""
    kind = generator.choice(["unit", "symmetric", "dyadic", "real", "tiny", "large"], p=_BOX_ODDS)
    lower, upper = _BOXES[kind](generator, n)
    if generator.random() < 0.15:
        stuck = generator.random(n) < 0.5
        upper = np.where(stuck, lower, upper)
    return Box(lower, upper)


def _dyadic_box(generator: Generator, n: int) -> tuple[Array, Array]:
    lower = generator.integers(-16, 9, size=n) / 8
    return lower, lower + generator.integers(1, 17, size=n) / 8


def _real_box(generator: Generator, n: int) -> tuple[Array, Array]:
    lower = generator.normal(size=n)
    return lower, lower + generator.exponential(size=n)


def _tiny_box(generator: Generator, n: int) -> tuple[Array, Array]:
    lower = generator.integers(-3, 4, size=n) * 1.0
    return lower, lower + 2.0**-20


def _large_box(generator: Generator, n: int) -> tuple[Array, Array]:
    return -generator.integers(0, 2, size=n) * 1e6, generator.integers(1, 3, size=n) * 1e6


_BOXES: dict[str, Callable[[Generator, int], tuple[Array, Array]]] = {
    "unit": lambda _, n: (np.zeros(n), np.ones(n)),
    "symmetric": lambda _, n: (-np.ones(n), np.ones(n)),
    "dyadic": _dyadic_box,
    "real": _real_box,
    "tiny": _tiny_box,
    "large": _large_box,
}
_BOX_ODDS = [0.3, 0.25, 0.2, 0.15, 0.05, 0.05]

_WEIGHTS: dict[str, Callable[[Generator, tuple[int, int]], Array]] = {
    "integer": lambda g, shape: g.integers(-3, 4, size=shape) * 1.0,
    "sparse": lambda g, shape: g.integers(-2, 3, size=shape) * (g.random(shape) < 0.4) * 1.0,
    "dyadic": lambda g, shape: g.integers(-16, 17, size=shape) / 8,
    "float32": lambda g, shape: g.normal(size=shape).astype(np.float32).astype(np.float64),
    "float64": lambda g, shape: g.normal(size=shape),
}
BENT = (
    *("leaky-relu(0.1)", "leaky-relu(0.5)", "clip(-1,2)", "clip(0,1)", "clip(-0.3,0)"),
    *("clip(-inf,1)", "clip(-0.7,inf)", "clip(0,6)", "clip(-inf,0)"),
)
"""Tags of activations that are neither rectifiers nor linear."""

_WEIGHT_ODDS = [0.35, 0.2, 0.2, 0.15, 0.1]


def random_network(
    generator: Generator,
    *,
    box: Box | None = None,
    inputs: int | None = None,
    widths: tuple[int, ...] | None = None,
    outputs: int | None = None,
) -> Network:
    """A network with 1-4 inputs, 0-3 hidden layers of 1-5 units and 1-3 outputs.

    Parameters
    ----------
    box
        The box for which biases make ties at zero and stable layers; by default the unit box or
        the box from -1 to 1.
    inputs, widths, outputs
        Sizes; by default random.
    """
    if box is not None:
        inputs = box.lower.size
    elif inputs is None:
        inputs = int(generator.integers(1, 5))
    if widths is None:
        depth = int(generator.choice(4, p=[0.05, 0.3, 0.4, 0.25]))
        widths = tuple(int(w) for w in generator.integers(1, 6, size=depth))
    if outputs is None:
        outputs = int(generator.integers(1, 4))
    if box is None:
        box = Box(-float(generator.integers(0, 2)), 1.0).spread(inputs)
    low, high = box.lower, box.upper
    arrays: list[tuple[Array, Array, str]] = []
    for n_out, activation in _plan(generator, widths, inputs, outputs):
        weight, bias = _random_layer(generator, n_out, low, high, hidden=activation == "relu")
        arrays.append((weight, bias, activation))
        low, high = _image(weight, bias, low, high)
        if activation == "relu":
            low, high = np.maximum(low, 0.0), np.maximum(high, 0.0)
    _change_pairs(generator, arrays)
    network = Network.from_arrays(*(list(part) for part in zip(*arrays, strict=True)))
    return structured(generator, network) if generator.random() < 0.3 else network


def structured(generator: Generator, network: Network) -> Network:
    """The same kind of network with linear units among its rectifiers, lanes and sparse weights."""
    layers = list(network.layers)
    for index, layer in enumerate(layers[:-1]):
        if layer.has_phases and generator.random() < 0.5:
            linear = generator.random(layer.n_out) < 0.4
            tags = np.where(linear, "linear", layer.activation).tolist()
            layers[index] = Layer(layer.weight, layer.bias, tags)
    if len(layers) > 1 and generator.random() < 0.7:
        _add_lanes(generator, layers, int(generator.integers(len(layers) - 1)))
    if generator.random() < 0.25:
        layers = [Layer(csr_array(part.weight), part.bias, part.activation) for part in layers]
    return Network(tuple(layers))


def bent(generator: Generator, network: Network) -> Network:
    """The same network with leaky units and clips among its rectifiers, of the last layer, too."""
    layers = []
    for layer in network.layers:
        tags = np.where(generator.random(layer.n_out) < 0.5, generator.choice(BENT), layer.tags)
        layers.append(Layer(layer.weight, layer.bias, tags.tolist()))
    return Network(tuple(layers), network.signature)


def _add_lanes(generator: Generator, layers: list[Layer], index: int) -> None:
    """Carry some of what a layer reads past it, to be read by the next layer."""
    layer, following = layers[index : index + 2]
    carried = np.flatnonzero(generator.random(layer.n_in) < 0.6)
    lanes = np.eye(layer.n_in)[carried]
    layers[index] = Layer(
        np.vstack([dense(layer.weight), lanes]),
        np.append(layer.bias, np.zeros(carried.size)),
        [*layer.tags, *["linear"] * carried.size],
    )
    skip = generator.integers(-1, 2, size=(following.n_out, carried.size)) * 1.0
    layers[index + 1] = Layer(
        np.hstack([dense(following.weight), skip]), following.bias, following.activation
    )


def _plan(
    generator: Generator, widths: tuple[int, ...], inputs: int, outputs: int
) -> list[tuple[int, str]]:
    """Widths and tags of all layers, with linear layers strewn in and a relu output sometimes."""
    plan = []
    if generator.random() < 0.15:
        plan.append((inputs, "linear"))
    for width in widths:
        plan.append((width, "relu"))
        if generator.random() < 0.08:
            plan.append((int(generator.integers(1, 5)), "linear"))
    plan.append((outputs, "relu" if generator.random() < 0.15 else "linear"))
    return plan


def _random_layer(
    generator: Generator, n_out: int, low: Array, high: Array, hidden: bool
) -> tuple[Array, Array]:
    """Weight and bias of one layer that reads the box [low, high]."""
    style = str(generator.choice(list(_WEIGHTS), p=_WEIGHT_ODDS))
    weight = _WEIGHTS[style](generator, (n_out, low.size))
    bias = _WEIGHTS[style](generator, (n_out, 1))[:, 0]
    for change in _CHANGES:
        if generator.random() < 0.09:
            change(generator, weight, bias)
    if hidden:
        _set_phases(generator, weight, bias, low, high)
    return weight, bias


def _set_phases(generator: Generator, weight: Array, bias: Array, low: Array, high: Array) -> None:
    """Shift some biases so that the interval of a unit ends or begins at or beyond zero."""
    layer_kind = generator.choice(["mixed", "active", "inactive"], p=[0.87, 0.09, 0.04])
    down, up = _image(weight, bias, low, high)
    for unit in range(bias.size):
        kind = layer_kind
        if kind == "mixed":
            kind = str(generator.choice(["free", "active", "inactive"], p=[0.65, 0.27, 0.08]))
        slack = float(generator.choice([0.0, 0.0, 0.125, 1.0]))
        if kind == "active":
            bias[unit] += slack - down[unit]
        elif kind == "inactive":
            bias[unit] -= slack + up[unit]


def _image(weight: Array, bias: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """Interval of weight @ h + bias, exact where all numbers are small integers over 8."""
    positive, negative = np.maximum(weight, 0.0), np.minimum(weight, 0.0)
    return positive @ low + negative @ high + bias, positive @ high + negative @ low + bias


def _zero_row(generator: Generator, weight: Array, bias: Array) -> None:
    weight[generator.integers(bias.size)] = 0.0


def _zero_column(generator: Generator, weight: Array, bias: Array) -> None:
    weight[:, generator.integers(weight.shape[1])] = 0.0


def _proportional_row(generator: Generator, weight: Array, bias: Array) -> None:
    """A duplicate, a multiple or an opposite of another row, bias included or not."""
    source, target = generator.integers(bias.size, size=2)
    factor = float(generator.choice([1.0, 1.0, 2.0, 0.5, 3.0, 0.1, -1.0, -2.0]))
    weight[target] = factor * weight[source]
    if generator.random() < 0.7:
        bias[target] = factor * bias[source]


def _dependent_row(generator: Generator, weight: Array, bias: Array) -> None:
    first, second, target = generator.integers(bias.size, size=3)
    factors = generator.integers(-2, 3, size=2)
    weight[target] = factors[0] * weight[first] + factors[1] * weight[second]


_CHANGES = [_zero_row, _zero_column, _proportional_row, _dependent_row, _dependent_row]


def _change_pairs(generator: Generator, arrays: list[tuple[Array, Array, str]]) -> None:
    """Give some units a range of about 1e-6 or 1e6; the next layer mostly makes up for it."""
    for index, (weight, bias, activation) in enumerate(arrays[:-1]):
        if activation == "relu" and generator.random() < 0.15:
            unit = generator.integers(bias.size)
            factor = float(generator.choice([2.0**-20, 2.0**20, 1e-6, 1e6]))
            weight[unit] *= factor
            bias[unit] *= factor
            if generator.random() < 0.7:
                arrays[index + 1][0][:, unit] /= factor
