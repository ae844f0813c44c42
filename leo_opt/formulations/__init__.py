"""MILP formulations of rectifier networks by name, as Pyomo blocks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from leo_opt.bounds import Bounds, propagate, read_bounds
from leo_opt.deadline import GIGABYTE, MEMORY, read_memory
from leo_opt.domain import Domain, DomainLike, read_domain
from leo_opt.errors import InvalidInputError
from leo_opt.formulations.base import Cut, Formulation, FormulationLike, Unit, UnitRow
from leo_opt.frameworks import NetworkLike, read_model
from leo_opt.rectify import rectified
from leo_opt.registry import Registry
from leo_opt.storage.locks import PYOMO

if TYPE_CHECKING:
    from leo_opt.formulations.big_m import BigM
    from leo_opt.formulations.complement import Complement
    from leo_opt.formulations.convex_hull import ConvexHull
    from leo_opt.formulations.ideal import Ideal
    from leo_opt.formulations.indicator import Indicator
    from leo_opt.formulations.partition import Partition
    from leo_opt.formulations.sos1 import SOS1
    from leo_opt.formulations.triangle import Triangle

__all__ = [
    "FORMULATIONS",
    "SOS1",
    "BigM",
    "Complement",
    "ConvexHull",
    "Cut",
    "Formulation",
    "FormulationLike",
    "Ideal",
    "Indicator",
    "Partition",
    "Triangle",
    "Unit",
    "UnitRow",
    "find",
    "formulate",
    "names",
]

FORMULATIONS: Registry[Formulation] = Registry(
    "formulation",
    "leo_opt.formulations",
    Formulation,
    {
        "big-m": "leo_opt.formulations.big_m:BigM",
        "complement": "leo_opt.formulations.complement:Complement",
        "convex-hull": "leo_opt.formulations.convex_hull:ConvexHull",
        "partition": "leo_opt.formulations.partition:Partition",
        "ideal": "leo_opt.formulations.ideal:Ideal",
        "indicator": "leo_opt.formulations.indicator:Indicator",
        "sos1": "leo_opt.formulations.sos1:SOS1",
        "triangle": "leo_opt.formulations.triangle:Triangle",
    },
)
"""The formulations of this package by name; packages add theirs as entry points. Each is imported
when it is used, since Pyomo takes half a second."""

names = FORMULATIONS.names


def fill(block: Any, inputs: Iterable[float] | None = None) -> None:
    """Set all variables of a block to what an input gives; see `points.fill`."""
    from leo_opt.formulations import points

    points.fill(block, inputs)


def __getattr__(name: str) -> Any:
    """The class of that name, imported now."""
    found = FORMULATIONS.class_named(name)
    if found is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return found


def read_choice(value: FormulationLike, name: str = "formulation") -> str | Formulation:
    """An argument that should choose a formulation; a name stays one, and Pyomo is not imported
    for one of ours.

    Raises
    ------
    InvalidInputError
        As `find` does.
    """
    if isinstance(value, str) and value in FORMULATIONS:
        return value
    found = find(value, name)
    return value if isinstance(value, str) and ":" not in value else found


def find(name: FormulationLike, argument: str = "formulation") -> Formulation:
    """The formulation of a name, with its default options.

    Parameters
    ----------
    name
        A key of `FORMULATIONS` or the name of an entry point, perhaps with options, as
        "partition:parts=4". A `Formulation` is given back as it is, and a class of them as its
        default instance.
    argument
        What messages call it.

    Raises
    ------
    InvalidInputError
        If no formulation has that name, a plug-in of that name is none, or it is no name.
    SolverNotAvailableError
        If a plug-in cannot be loaded.
    """
    return FORMULATIONS.find(name, argument)


@PYOMO
def formulate(
    network: NetworkLike,
    domain: DomainLike | None = None,
    *,
    inputs: Any = None,
    formulation: FormulationLike = "big-m",
    bounds: Bounds | None = None,
    restrict: bool = False,
    centred: bool = True,
    memory: float = MEMORY,
) -> Any:
    """A network as a Pyomo block, to stand by itself or in a model of the user's.

    The block's own variables are shifted and scaled to a range of about 1; `inputs`, `outputs`,
    `pre` and `post` are in natural units. A stably active unit is one variable and one row, a
    stably inactive or constant one is nothing. This is valid on the domain only, so that the
    block always keeps its inputs in the domain.

    Parameters
    ----------
    network
        A `Network`, a path, a PyTorch module or an estimator of scikit-learn. With leaky units or
        clips, `rectified(network)` is formulated; layers, units and bounds are of that one.
    domain
        A box of inputs, or a `Polytope`, whose rows the block then has. By default the ranges of
        the user's inputs, or the domain of `bounds`.
    inputs
        The network's inputs: an indexed Pyomo variable, a list of numbers, parameters, variables
        and expressions, or the `inputs` or `outputs` of another block. By default the block has
        its own variables. The range of an affine expression is known from the bounds of its
        variables. Blocks of one model that read the same variables on the same intervals share
        what holds them; each block stays right if the other is deactivated or deleted.
    formulation
        A name (see `names`), a formulation, or a class of them.
    bounds
        Intervals of all pre-activations on a box that contains the domain; by default those of
        `propagate`. The model keeps every pre-activation that has a variable inside.
    restrict
        Allow variables and expressions that reach beyond the domain by their bounds; the block
        then restricts them.
    centred
        Hold linear and stably active units as deviations from the middle of their interval, so
        that `pre`, `post` and `outputs` have constants. Needed wherever units are nearly constant
        on the domain, as on small boxes: solvers take variables whose range is about their
        tolerance for fixed, and then call the model infeasible or give wrong bounds.
    memory
        Gigabytes: a model that by estimate would not fit is not made.

    Returns
    -------
    pyomo.environ.Block
        With, for unit u of layer l of `network.layers`, both from 0:

        - `inputs[i]`, `outputs[k]`: variables or expressions; `domain`: the box of the inputs;
        - `joint_rows[k]`: the rows of a `Polytope`, scaled;
        - `pre[l, u]`, `post[l, u]`: expressions; post is 0 where the unit is stably inactive;
        - `is_active[l, u]`: 1 exactly when the unit passes its input; a binary variable where
          lower < 0 < upper in a layer with phases, absent elsewhere and in relaxations (the
          name `active` belongs to Pyomo);
        - `scaled_pre[l, u]`: variable, `scale[l, u] * (pre - shift[l, u])`, for units that are
          neither stably inactive nor constant, nor identity lanes, which are the variable that
          they carry; `scale` is a dictionary of powers of two, `shift` one of middles of
          intervals, 0 where unstable;
        - `scaled_post[l, u]`: variable, `scale[l, u]` times the post-activation, where unstable;
        - `affine[l, u]`: the row that defines `scaled_pre[l, u]`; absent where the interval is so
          narrow that it would be noise: the unit may then be anywhere in it, `post` is `pre`, and
          it has no binary variable;
        - `units`, `formulation`: the unstable units as the formulation saw them, and itself.

    Raises
    ------
    InvalidInputError
        If there is no domain, a bound is infinite, the inputs are too few or too many, or may
        leave the domain; or if the model would need too much memory.
    MismatchError
        If the bounds are of another network or box, or sampled inputs violate them.

    Examples
    --------
    >>> import pyomo.environ as pyo
    >>> from leo_opt import Box, Network, formulate
    >>> network = Network.from_arrays([[[1.0], [-1.0]], [[1.0, 1.0]]], [[0.0, 0.0], [0.0]])
    >>> model = pyo.ConcreteModel()
    >>> model.net = formulate(network, Box(-1, 2))
    >>> model.largest = pyo.Objective(expr=model.net.outputs[0], sense=pyo.maximize)
    """
    # Pyomo takes half a second to import, which commands that write no model do not wait for.
    from pyomo.common.gc_manager import PauseGC

    from leo_opt.formulations.embedding import check_finite, embed
    from leo_opt.formulations.ranges import check_reach, read_inputs, with_numbers
    from leo_opt.formulations.sizes import size_of

    network = rectified(read_model(network))
    entries = read_inputs(inputs, network.input_size)
    chosen = _choose_domain(domain, entries, bounds).spread(network.input_size)
    if entries is not None:
        chosen = with_numbers(entries, chosen)
        if not restrict:
            check_reach(entries, chosen)
    if bounds is None:
        bounds = propagate(network, chosen, memory=memory)
    else:
        read_bounds(bounds, network, chosen)
    check_finite(bounds)
    way = find(formulation)
    against = size_of(way, network.layers, bounds).against_memory(GIGABYTE * read_memory(memory))
    if against is not None:
        raise InvalidInputError(against)
    # The garbage collector would walk the growing model again and again: most of the build.
    with PauseGC():
        return embed(network, chosen, entries, way, bounds, centred)


def _choose_domain(
    domain: DomainLike | None, inputs: list[Any] | None, bounds: Bounds | None
) -> Domain:
    """The domain given, else that of the user's variables, else that of the bounds."""
    if domain is not None:
        return read_domain(domain)
    if inputs is not None:
        from leo_opt.formulations.ranges import domain_of

        return domain_of(inputs)
    if bounds is not None:
        return bounds.domain
    raise InvalidInputError(
        "formulate was given neither a domain nor inputs nor bounds; give a Box of inputs"
    )
