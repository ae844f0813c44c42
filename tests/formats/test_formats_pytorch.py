"""PyTorch modules to networks and back, judged by PyTorch itself."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_networks import random_network, structured

from leo_opt import from_torch, to_torch
from leo_opt.errors import InvalidInputError, UnsupportedOperatorError
from leo_opt.formats import load, save
from leo_opt.formats.pytorch import reading
from leo_opt.network import Layer, Network, Signature
from leo_opt.tails import Tail, TailStep
from leo_opt.weights import dense

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
nn = torch.nn
pytestmark = pytest.mark.extras

WIDTH = 4


def outputs_of(module: Any, inputs: np.ndarray) -> np.ndarray:
    """What a module computes in evaluation mode and double precision."""
    with torch.no_grad():
        return copy.deepcopy(module).double().eval()(torch.tensor(inputs)).numpy()


def random_sequential(generator: np.random.Generator, depth: int = 0) -> Any:
    """Modules in a row and nested, of which some occur several times."""
    shared = [nn.ReLU(), nn.Identity(), nn.Dropout(), nn.Linear(WIDTH, WIDTH), nn.ReLU(True)]
    makers: list[Callable[[], Any]] = [
        lambda: nn.Linear(WIDTH, WIDTH, bias=bool(generator.integers(2))),
        lambda: trained_normalisation(bool(generator.integers(2))),
        nn.Flatten,
        lambda: random_sequential(generator, depth + 1) if depth < 2 else nn.ReLU(),
        lambda: shared[int(generator.integers(len(shared)))],
        lambda: shared[int(generator.integers(len(shared)))],
    ]
    count = int(generator.integers(1, 7))
    return nn.Sequential(*(makers[int(generator.integers(len(makers)))]() for _ in range(count)))


def trained_normalisation(affine: bool) -> Any:
    """A batch normalisation with statistics of its own."""
    norm = nn.BatchNorm1d(WIDTH, affine=affine)
    norm(torch.randn(20, WIDTH) * 3 + 1)
    if affine:
        nn.init.uniform_(norm.weight, -2, 2)
        nn.init.normal_(norm.bias)
    return norm


@pytest.mark.parametrize("seed", range(40))
def test_what_is_read_is_what_the_module_computes(seed: int) -> None:
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    # The first is such that the number of inputs is known.
    module = nn.Sequential(nn.Linear(WIDTH, WIDTH), random_sequential(generator)).eval()
    inputs = generator.standard_normal((50, WIDTH)) * 3
    expected = outputs_of(module, inputs)
    assert np.allclose(from_torch(module)(inputs), expected, rtol=1e-9, atol=1e-9)


def test_a_module_that_occurs_twice_is_applied_twice() -> None:
    torch.manual_seed(0)
    relu, linear = nn.ReLU(), nn.Linear(3, 3)
    network = from_torch(nn.Sequential(linear, relu, linear, relu, nn.Linear(3, 2)))
    assert [layer.activation for layer in network.layers] == ["relu", "relu", "linear"]
    assert network.layers[0] == network.layers[1]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_come_back(dtype: str) -> None:
    generator = np.random.default_rng(0)
    layers = (
        Layer(np.float32(generator.standard_normal((3, 2))), np.float32([1, 2, 3]), "relu"),
        Layer(np.eye(3), np.zeros(3)),
        Layer(np.float32(generator.standard_normal((1, 3))), [0.5]),
    )
    network = Network(layers)
    module = to_torch(network, dtype)
    inputs = generator.standard_normal((9, 2))
    assert np.allclose(outputs_of(module, inputs), network(inputs), rtol=1e-12)
    back = from_torch(module)
    assert back == network
    assert back.signature.dtype == dtype


@pytest.mark.parametrize("seed", range(8))
def test_layers_of_several_activations_and_sparse_weights_come_back(seed: int) -> None:
    generator = np.random.default_rng(seed)
    network = structured(generator, random_network(generator, widths=(4, 3)))
    module = to_torch(network, "float64")
    inputs = generator.standard_normal((9, network.input_size))
    np.testing.assert_allclose(outputs_of(module, inputs), network(inputs), 1e-12, 1e-12)
    np.testing.assert_allclose(from_torch(module)(inputs), network(inputs), 1e-12, 1e-12)
    # Each module's numbers are those of its layer.
    linear = [part for part in module if isinstance(part, nn.Linear)]
    for layer, part in zip(network.layers, linear, strict=True):
        assert np.array_equal(part.weight.detach().numpy(), dense(layer.weight))


@pytest.mark.parametrize(
    ("tags", "kind"),
    [
        ("leaky-relu(0.1)", nn.LeakyReLU),
        (("leaky-relu(0.1)", "relu", "linear"), nn.PReLU),
        ("clip(-1.5,2)", nn.Hardtanh),
        ("clip(0,6)", nn.Hardtanh),
    ],
)
def test_activations_with_numbers_are_modules_in_float64(tags: Any, kind: type) -> None:
    generator = np.random.default_rng(0)
    network = Network((Layer(generator.standard_normal((3, 2)), generator.random(3), tags),))
    module = to_torch(network, "float64")
    assert isinstance(module[1], kind)
    inputs = generator.standard_normal((99, 2)) * 9.0
    np.testing.assert_allclose(outputs_of(module, inputs), network(inputs), 1e-14, 1e-14)
    if kind is not nn.Hardtanh:
        np.testing.assert_allclose(from_torch(module)(inputs), network(inputs), 1e-12, 1e-12)
        with pytest.raises(UnsupportedOperatorError, match=r"float32 rounds 0\.1"):
            to_torch(network, "float32")


def test_clips_beside_others_are_rectifiers() -> None:
    weight = np.random.default_rng(0).standard_normal((3, 2))
    mixed = Network((Layer(weight, [0.25, -0.5, 0.0], ("clip(0,6)", "relu", "linear")),))
    inputs = np.random.default_rng(1).standard_normal((99, 2)) * 9.0
    np.testing.assert_allclose(outputs_of(to_torch(mixed, "float64"), inputs), mixed(inputs), 1e-12)
    leaky = Network((Layer(np.eye(2), np.zeros(2), ("clip(0,6)", "leaky-relu(0.1)")),))
    with pytest.raises(UnsupportedOperatorError, match="float32 would round"):
        to_torch(leaky, "float32")


@pytest.mark.parametrize(
    "ends",
    [(nn.Softmax(dim=1),), (nn.LogSoftmax(dim=-1),), (nn.Sigmoid(),), (nn.Sigmoid(), nn.Tanh())],
)
def test_a_tail_is_read_and_given_back(ends: Any, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 4), *ends)
    network = from_torch(module)
    [tail] = network.signature.tails
    assert [step.operator for step in tail.steps] == [type(end).__name__ for end in ends]
    inputs = np.random.default_rng(0).standard_normal((9, 3))
    np.testing.assert_allclose(network(inputs), outputs_of(module[:3], inputs), 1e-12)
    back = to_torch(network)
    np.testing.assert_allclose(outputs_of(back, inputs), outputs_of(module, inputs), 1e-12)
    assert from_torch(back).signature == network.signature
    save(network, tmp_path / "net.onnx")
    assert load(tmp_path / "net.onnx") == network
    assert str(load(tmp_path / "net.onnx").signature.tails[0]) == str(tail)


def test_a_tail_that_is_no_module_is_refused() -> None:
    shape = ("batch", 2)
    tail = Tail("scores", shape, (TailStep("ArgMax", 1),), "output", ("batch", 1), "int64")
    layers = (Layer(np.eye(2), np.zeros(2)),)
    with pytest.raises(UnsupportedOperatorError, match="ends with ArgMax"):
        to_torch(Network(layers, Signature(output_name="scores", tails=(tail,))))


class Plain(nn.Sequential):
    """Named, and nothing else."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 1))


def parametrized(kind: Callable[[Any], Any]) -> Any:
    module = Plain()
    kind(module[0])
    # An optimiser moves what the weight is computed from.
    with torch.no_grad():
        for number in module.parameters():
            number.add_(torch.rand_like(number))
    return module.eval()


@pytest.mark.parametrize(
    "make",
    [
        Plain,
        lambda: parametrized(torch.nn.utils.parametrizations.weight_norm),
        lambda: parametrized(torch.nn.utils.parametrizations.spectral_norm),
        lambda: parametrized(torch.nn.utils.parametrizations.orthogonal),
    ],
    ids=["subclass", "weight-norm", "spectral-norm", "orthogonal"],
)
def test_a_subclass_that_inherits_its_forward_is_read(make: Callable[[], Any]) -> None:
    torch.manual_seed(0)
    module = make()
    inputs = np.random.default_rng(0).standard_normal((20, 3))
    assert np.allclose(from_torch(module)(inputs), outputs_of(module, inputs), rtol=1e-9)


class Twice(nn.Linear):
    """A known type with a forward of its own."""

    def forward(self, inputs: Any) -> Any:
        return super().forward(inputs) * 2


class Skip(nn.Sequential):
    """A container with a forward of its own."""

    def forward(self, inputs: Any) -> Any:
        return super().forward(inputs) + inputs


def scripted() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.script(Plain())


def with_number(module: Any, number: float) -> Any:
    module.register_buffer("unused", torch.tensor(number))
    return module


def with_own_forward() -> Any:
    module = Plain()
    module[1].forward = lambda inputs: inputs
    return module


def hooked(register: str) -> Any:
    module = Plain()

    def twist(*given: Any) -> Any:
        return given[-1]

    getattr(module[2], register)(twist)
    return module


def stale_weight_norm() -> Any:
    module = Plain()
    with pytest.warns(FutureWarning):
        torch.nn.utils.weight_norm(module[0])
    with torch.no_grad():
        module[0].weight_g.mul_(2)
    return module


def stale_prune() -> Any:
    from torch.nn.utils import prune

    module = Plain()
    prune.l1_unstructured(module[2], "weight", amount=1)
    with torch.no_grad():
        module[2].weight_orig.mul_(2)
    return module


class Branches(nn.Module):
    """Functional calls, a residual, a reshape and a maximum."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(8, 3)

    def forward(self, inputs: Any) -> Any:
        values = torch.relu(self.first(inputs)) + inputs
        other = nn.functional.leaky_relu(self.second(values), 0.25).reshape(inputs.shape[0], -1)
        both = torch.cat([torch.maximum(values, other), other.clamp(-1, 2)], dim=1)
        return self.last(both), values - other


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.pixels, self.numbers = nn.Conv2d(1, 2, 3), nn.Linear(3, 8)

    def forward(self, pixels: Any, numbers: Any) -> Any:
        return self.pixels(pixels).flatten(1) * 0.5 + torch.relu(self.numbers(numbers))


def convolutions() -> Any:
    module = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(3, 4, 3, groups=1),
        nn.LeakyReLU(0.1),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(4, 2),
    )
    module(torch.randn(9, 2, 8, 8))
    return module.eval()


class Exactly(nn.Linear):
    """Operators whose numbers ONNX keeps as attributes of single precision; one is in place."""

    def forward(self, inputs: Any) -> Any:
        values, call = super().forward(inputs), nn.functional
        kinked = call.leaky_relu(values, 0.1, True) + call.rrelu(values) + call.hardsigmoid(values)
        mean, variance = torch.full((2, 3), 0.7, dtype=inputs.dtype)
        # Numbers of its own a module may look at.
        slope = 0.3 if self.bias.sum().item() > -9.0 else 1.0
        return slope * call.batch_norm(kinked, mean, variance, eps=0.1)


def shared() -> Any:
    """Modules that occur twice, and batch normalisations in front of rectifiers and behind them."""
    linear, relu = nn.Linear(WIDTH, WIDTH), nn.ReLU()
    norms = trained_normalisation(True), trained_normalisation(True)
    parts = linear, norms[0], relu, linear, relu, norms[1], nn.Linear(WIDTH, 3)
    return nn.Sequential(*parts).eval()


READ: dict[str, tuple[Callable[[], Any], Any]] = {
    "sequential": (lambda: nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)), None),
    "shared-and-normalised": (shared, None),
    "weight-norm-parametrized": (
        lambda: parametrized(torch.nn.utils.parametrizations.weight_norm),
        None,
    ),
    "training": (lambda: Skip(nn.Linear(3, 3), nn.ReLU()).train(), None),
    "own-linear": (lambda: nn.Sequential(Twice(2, 2)), None),
    "own-container": (lambda: Skip(nn.Linear(2, 2), nn.ReLU()), None),
    "instance": (with_own_forward, None),
    "hook": (lambda: hooked("register_forward_hook"), None),
    "pre-hook": (lambda: hooked("register_forward_pre_hook"), None),
    "weight-norm": (stale_weight_norm, None),
    "prune": (stale_prune, None),
    "flatten": (lambda: nn.Sequential(nn.Linear(2, 2), nn.Flatten(-1)), None),
    "branches": (Branches, None),
    "two-inputs": (TwoInputs, (torch.zeros(1, 1, 4, 4), np.zeros((7, 3)))),
    "convolutions": (convolutions, torch.zeros(1, 2, 8, 8)),
    "one-dimensional": (lambda: nn.Conv1d(1, 2, 3, stride=2), torch.zeros(3, 1, 9)),
    "double": (lambda: Branches().double(), None),
    "exactly": (lambda: Exactly(4, 3), None),
    "compiled": (lambda: nn.Sequential(torch.compile(Plain(), backend="eager")), None),
    "scripted": (scripted, torch.zeros(1, 3)),
    "unused-infinity": (lambda: with_number(Plain(), float("inf")), None),
}


@pytest.mark.parametrize("name", READ)
def test_whatever_exports_is_read(name: str) -> None:
    torch.manual_seed(0)
    make, example = READ[name]
    module = make()
    before = list(vars(module))
    network = from_torch(module, example)
    assert list(vars(module)) == before
    examples = example if isinstance(example, tuple) else (example,)
    shapes = [(network.input_size,) if one is None else tuple(one.shape)[1:] for one in examples]
    inputs = 3.0 * np.random.default_rng(0).standard_normal((1000, network.input_size))
    parts = np.split(inputs, np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1], axis=1)
    with torch.no_grad():
        given = [torch.tensor(p).reshape(-1, *s) for p, s in zip(parts, shapes, strict=True)]
        # Hooks that compute a weight leave it on the module, which is then not copied.
        found = module.double().eval()(*given)
    found = found if isinstance(found, tuple) else (found,)
    expected = np.hstack([one.numpy().reshape(1000, -1) for one in found])
    np.testing.assert_allclose(network(inputs), expected, 1e-11, 1e-11)


class Choice(nn.Linear):
    def forward(self, inputs: Any) -> Any:
        return super().forward(inputs) if inputs.sum() > 100 else inputs


def far(function: Callable[[Any], Any]) -> Callable[[], Any]:
    """Makes a module that goes another way where a function of inputs exceeds 10,000."""

    class Far(nn.Linear):
        def forward(self, inputs: Any) -> Any:
            values = super().forward(inputs)
            return values.relu() if function(inputs) > 1e4 else values

    return lambda: nn.Sequential(Far(2, 2))


class Counter(nn.Linear):
    count = 0

    def forward(self, inputs: Any) -> Any:
        self.count = self.count + 1
        return super().forward(inputs).relu() if self.count > 9 else super().forward(inputs)


class Memory(nn.Linear):
    last: Any = 0.0

    def forward(self, inputs: Any) -> Any:
        self.last = super().forward(inputs + self.last)
        return self.last


class Parts(nn.Sequential):
    def forward(self, inputs: Any) -> Any:
        return self[1](inputs, self[0](inputs))


class Words(nn.Linear):
    def forward(self, inputs: Any) -> Any:
        return {"scores": super().forward(inputs)}


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "unknown": (lambda: nn.Sequential(nn.Linear(2, 2), nn.GELU()), r"Erf '/1/Erf' is not"),
    "inside": (
        lambda: nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2)),
        r"Tanh '/1/Tanh' is not supported",
    ),
    "axis": (lambda: nn.Sequential(nn.Linear(2, 2), nn.Softmax(dim=0)), r"axis of the batch"),
    "choice": (lambda: Choice(2, 2), r"module takes numbers out of tensors \(__bool__\)"),
    "words": (lambda: Words(2, 2), "the module gives a dict"),
    "item": (far(lambda x: x.max().item()), r"module\.0 takes numbers .* \(item\)"),
    "float": (far(lambda x: float(x.max())), r"module\.0 takes numbers .* \(__float__\)"),
    "array": (far(lambda x: x.numpy().max()), r"module\.0 takes numbers .* \(numpy\)"),
    "list": (far(lambda x: x.tolist()[0][0]), r"module\.0 takes numbers .* \(tolist\)"),
    "count": (far(lambda x: (x > 1e4).nonzero().numel() * 1e5), r"module\.0 takes .* \(nonzero\)"),
    "mask": (far(lambda x: x[x > 1e4].numel() * 1e5), r"module\.0 takes .* \(__getitem__\)"),
    "constant": (far(lambda x: torch.tensor(x.max())), r"module\.0 takes .* \(tensor\)"),
    "length": (far(len), r"module\.0 takes numbers .* \(__len__\)"),
    "size": (far(lambda x: x.shape[0]), r"decides by sizes .* line \d+ of .*test_formats_pytorch"),
    "counter": (lambda: Counter(2, 2), r"changes module\.count"),
    "memory": (lambda: Memory(2, 2), "gives something else for the same inputs"),
    "bilinear": (
        lambda: Parts(nn.Linear(2, 2), nn.Bilinear(2, 2, 1)),
        r"does not export .*aten::bilinear.*; write what",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_piecewise_linear_is_refused_by_name(
    name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    make, message = REFUSED[name]
    with pytest.raises(UnsupportedOperatorError, match=message) as caught:
        from_torch(make())
    assert "extract_model" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ["forward_hook", "forward_pre_hook"])
def test_hooks_of_all_modules_have_their_part(kind: str) -> None:
    torch.manual_seed(0)
    module, inputs = Plain(), np.random.default_rng(0).standard_normal((20, 3))

    def double(part: Any, *given: Any) -> Any:
        if isinstance(part, nn.Linear):
            return 2 * given[-1] if kind == "forward_hook" else (2 * given[-1][0],)
        return None

    handle = getattr(nn.modules.module, f"register_module_{kind}")(double)
    try:
        network, expected = from_torch(module), outputs_of(module, inputs)
    finally:
        handle.remove()
    np.testing.assert_allclose(network(inputs), expected, 1e-12)
    assert not np.allclose(from_torch(module)(inputs), expected)


def test_values_that_cannot_be_read_are_named() -> None:
    for module, message in (
        (nn.Sequential(nn.Linear(2, 2), nn.Dropout()), r"module\.1 drops .*module\.eval"),
        (nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), r"module\.1 norm.*module\.eval"),
        (
            nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2, track_running_stats=False)).eval(),
            r"module\.1 has no running statistics",
        ),
        (
            nn.Sequential(nn.Linear(2, 2), nn.Linear(3, 1)),
            "computes no outputs: RuntimeError: mat1 and mat2.*; give example=",
        ),
        (nn.Sequential(nn.ReLU()), "no Linear layer.*give example="),
        (nn.Conv1d(1, 1, 1), "module is a Conv1d, which does not say .*give example="),
        (nn.Sequential(nn.Linear(2, 2)).half(), r"module\.0\.weight has type float16"),
        (nn.Linear(2, 2, device="meta"), "cannot be copied"),
        (nn.Sequential(nn.LazyLinear(2)), r"module\.0 is a LazyLinear that has no weights yet"),
        ({"weight": 1}, "takes a torch.nn.Module and was given a dict"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            from_torch(module)


def test_an_input_without_a_part_in_the_outputs_is_named() -> None:
    class Second(nn.Linear):
        def forward(self, _: Any, inputs: Any) -> Any:
            return super().forward(inputs)

    module = Second(3, 3)
    with pytest.raises(InvalidInputError, match="of the 2 inputs in example only input_1 have"):
        from_torch(module, (torch.zeros(1, 2), torch.zeros(1, 3)))


def test_a_forward_that_was_replaced_for_all_has_its_part(monkeypatch: pytest.MonkeyPatch) -> None:
    module, inputs = Plain(), np.random.default_rng(0).standard_normal((20, 3))
    monkeypatch.setattr(nn.ReLU, "forward", lambda self, inputs: inputs + 0.25)
    np.testing.assert_allclose(from_torch(module)(inputs), outputs_of(module, inputs), 1e-12)
    monkeypatch.setattr(nn.ReLU, "forward", lambda self, inputs: 1 / 0)
    with pytest.raises(InvalidInputError, match="computes no outputs: ZeroDivisionError"):
        from_torch(Plain())


def test_what_the_exporter_makes_of_it_is_judged_by_the_module(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "plain", lambda twin, _: twin.apply(blur))
    with pytest.raises(InvalidInputError, match=r"disagrees with PyTorch's own forward pass by \d"):
        from_torch(Plain())


def blur(part: Any) -> None:
    for number in part.parameters(recurse=False):
        number.data *= 1.001


def test_the_module_and_the_random_numbers_of_the_caller_stay_as_they_are() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.ReLU(True), Plain(), nn.Dropout())
    torch.nn.utils.parametrizations.spectral_norm(module[1][0])
    module.train()
    module[2].eval()
    module[1][0].bias.requires_grad_(False)
    module(torch.randn(3, 3)).sum().backward()
    before = copy.deepcopy(module.state_dict())
    modes = [part.training for part in module.modules()]
    gradients = [None if p.grad is None else p.grad.clone() for p in module.parameters()]
    state, states = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    with torch.autocast("cpu"):
        from_torch(module)
    assert (torch.get_rng_state() == state).all()
    assert (np.random.get_state()[1] == states).all()  # noqa: NPY002
    assert [part.training for part in module.modules()] == modes
    after = module.state_dict()
    assert list(after) == list(before)
    for name, number in before.items():
        assert number.dtype == after[name].dtype
        assert torch.equal(number, after[name])
    for old, parameter in zip(gradients, module.parameters(), strict=True):
        assert (old is None) == (parameter.grad is None)
        assert old is None or torch.equal(old, parameter.grad)
    assert [p.requires_grad for p in module[1][0].parameters()] == [False, True]
