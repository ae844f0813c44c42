"""Bound methods keep their contract, ours and others', and the suite notices those that do not."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import numpy as np
import pytest
from click.testing import CliRunner

from leo_opt import registry, save
from leo_opt.bounds import METHODS, BoundMethod, Propagation, propagate
from leo_opt.bounds.methods import Crown, IntervalArithmetic
from leo_opt.cli import main
from leo_opt.decisions.ledger import Ledger
from leo_opt.domain import Box
from leo_opt.errors import InvalidInputError
from leo_opt.evidence import ARITHMETIC, Premise
from leo_opt.network import Network
from leo_opt.stability import Statistics
from leo_opt.testing import ConformanceError, check_bound_method
from leo_opt.testing.bounds import ranges_on

BOX = Box(-1.0, 1.0).spread(1)
HAT = Network.from_arrays(
    [[[1.0], [-1.0]], [[1.0, 1.0]], [[1.0], [-1.0]]],
    [[0.0, 0.0], [0.0], [0.5, -0.5]],
    ["relu", "relu", "linear"],
)


class Shrunk(BoundMethod):
    """Intervals, each a hair too short: what forgets its rounding."""

    name = "shrunk"
    by = 1e-14

    def start(self, network, domain):
        bound = IntervalArithmetic().start(network, domain)

        def shrunk(index, lower, upper, deadline):
            low, high = bound(index, lower, upper, deadline)
            by = self.by * np.where(np.isfinite(high - low), high - low, 0.0)
            return low + by, high - by

        return shrunk


class Told(Shrunk):
    """True intervals from someone who has to be believed."""

    name = "told"
    premise = Premise("somebody", "1.0")
    by = 0.0


class Forgetful(Shrunk):
    """Bounds of the whole box that do not depend on those given, and changes these."""

    name = "forgetful"

    def start(self, network, domain):
        known = propagate(network, domain)

        def bound(index, lower, upper, deadline):
            lower[0][:] = 0.0
            return known.lower[index], known.upper[index]

        return bound


class Nonsense(Told):
    """Finite bounds out of infinite ones."""

    name = "nonsense"

    def start(self, network, domain):
        bound = IntervalArithmetic().start(network, domain)
        return lambda *known: tuple(np.clip(side, -10.0, 10.0) for side in bound(*known))


@pytest.mark.parametrize("name", list(METHODS))
def test_a_method_keeps_the_contract(name: str) -> None:
    assert check_bound_method(name)


def test_one_slope_of_crown_keeps_it_too() -> None:
    check_bound_method(Crown(slopes=("one",)), only=["sound", "given-bounds"])
    with pytest.raises(InvalidInputError, match="lower slope 'two' is unknown"):
        Crown(slopes=("two",))


def test_every_registered_method_is_tested() -> None:
    assert METHODS.names() == ["interval", "crown"]


@pytest.mark.parametrize(
    ("method", "caught"),
    [
        (Shrunk, {"sound", "given-bounds", "extreme-weights", "deadline"}),
        (Forgetful, {"same-twice"}),
        (Nonsense, {"infinite-bounds", "extreme-weights", "sound", "given-bounds"}),
    ],
)
def test_broken_methods_are_caught(method: type[BoundMethod], caught: set[str]) -> None:
    with pytest.raises(ConformanceError) as failure:
        check_bound_method(method, only=sorted(caught))
    assert {line.partition(":")[0] for line in str(failure.value).splitlines()[1:]} == caught


def test_ranges_on_a_segment_are_exact() -> None:
    ranges = ranges_on(HAT, BOX.lower, BOX.upper)
    assert ranges == [[(-1, 1), (-1, 1)], [(0, 1)], [(0.5, 1.5), (-1.5, -0.5)]]


def test_a_plugin_is_a_method_everywhere(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """In `propagate`, in the ledger and on the command line, and its premise goes with it."""
    monkeypatch.setattr(registry, "entry_points", lambda group: [EntryPoint("told", "x:y", group)])
    monkeypatch.setattr(EntryPoint, "load", lambda self: Told)
    assert METHODS.names() == ["interval", "crown", "told"]
    # The interval of the method is as good as ours, which is believed with less.
    assert propagate(HAT, BOX, "told").proved_for == ""
    assert propagate(HAT, BOX, "crown").proved_for == HAT.content_hash
    path = tmp_path / "hat.npz"
    save(HAT, path)
    arguments = ["formulate", str(path), "-o", str(tmp_path / "hat.mps"), "--box", "-1", "1"]
    done = CliRunner().invoke(main, [*arguments, "--method", "told"])
    assert done.exit_code == 0, done.output
    wrong = CliRunner().invoke(main, [*arguments, "--method", "tild"])
    assert "method 'tild' is unknown; known are interval, crown, told; did you mean told?" in (
        wrong.output
    )


def test_the_ledger_names_method_and_premise() -> None:
    class Sharp(Told):
        """Knows of the hat what intervals do not."""

        name = "sharp"

        def start(self, network, domain):
            return lambda index, lower, upper, deadline: (
                np.full(network.layers[index].n_out, -np.inf),
                np.full(network.layers[index].n_out, np.inf if index > 1 else 1.0),
            )

    ledger = Ledger(HAT, BOX)
    for layer in range(3):
        ledger.bound_layer(layer, Sharp())
    stability = ledger.close(Statistics())
    evidence = stability.upper_evidence
    assert [e[0].method for e in evidence] == ["interval", "sharp", "interval"]
    assert [e[0].premise for e in evidence] == [ARITHMETIC, Told.premise, Told.premise]
    assert stability.certified.upper[1][0] > stability.trusted.upper[1][0] == 1.0


def test_answers_of_another_shape_are_refused_by_name() -> None:
    class Short(Told):
        name = "short"

        def start(self, network, domain):
            return lambda *known: (np.zeros(1), np.zeros(1))

    with pytest.raises(InvalidInputError, match=r"'short' bounds layer 2 by arrays of .*\(1,\)"):
        propagate(HAT, BOX, Short)


def test_nan_is_no_information() -> None:
    class Unsure(Told):
        name = "unsure"

        def start(self, network, domain):
            return lambda index, *known: tuple(np.full((2, network.layers[index].n_out), np.nan))

    steps = Propagation(HAT, BOX, Unsure())
    first = steps.bound(0, (), ())
    assert [ends[0] for _, ends in steps.layer(1, (first[0],), (first[1],))][1] == -np.inf
