"""From a network, or any linear Pyomo model, to a model file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from leo_opt.arguments import name_of
from leo_opt.bounds import BoundMethodLike, Bounds, propagate
from leo_opt.deadline import MEMORY
from leo_opt.domain import Domain, DomainLike, read_domain
from leo_opt.encoding import Encoding
from leo_opt.errors import InvalidInputError
from leo_opt.formulations import FormulationLike, formulate
from leo_opt.formulations import find as find_formulation
from leo_opt.formulations.rows import SMALLEST_COEFFICIENT
from leo_opt.frameworks import NetworkLike, read_model
from leo_opt.model_files.description import (
    describe_model,
    describe_network,
    known_version,
    name_source,
)
from leo_opt.model_files.lp import lp_text
from leo_opt.model_files.mps import mps_text
from leo_opt.model_files.objective import Objective
from leo_opt.model_files.sheet import Sheet
from leo_opt.model_files.sidecar import Sidecar, check_not_another
from leo_opt.network import Network
from leo_opt.rectify import rectified
from leo_opt.separation import Separation, strengthen
from leo_opt.solvers import Compiled, StandardForm, compile_model, find
from leo_opt.stability import Stability
from leo_opt.storage.files import AnyPath, check_writable, suffix_of, write_atomically

WRITERS: Mapping[str, Callable[..., str]] = MappingProxyType({".mps": mps_text, ".lp": lp_text})
"""The one table of formats of model files, by suffix."""

_SEPARATION_ROUNDS = 50


def export_model(model: Any, path: AnyPath) -> dict[str, str]:
    """Write a linear Pyomo model, such as one that holds networks, as MPS or LP.

    The file is a minimisation; its objective is called `minus_...` where the model maximises.

    Parameters
    ----------
    model
        A model or block that `leo_opt.solvers.compile_model` takes.
    path
        A file with a suffix of `WRITERS`.

    Returns
    -------
    dict
        Column of the file by the Pyomo name of the variable.

    Raises
    ------
    InvalidInputError
        If the model is not linear, or a number is beyond 1e20.
    FileFormatError
        If the suffix is unknown.
    OutputError
        If the file cannot be written.
    """
    check_writable(path, WRITERS)
    compiled = compile_model(model)
    sheet = _sheet(compiled, model, compiled.form, "objective")
    _write(sheet, path, [])
    names = compiled.form.column_names
    return {name: sheet.columns[k].name for k, name in enumerate(names)}


def export_network(
    network: NetworkLike,
    domain: DomainLike | None,
    path: AnyPath,
    *,
    formulation: FormulationLike = "big-m",
    bounds: Bounds | Stability | None = None,
    method: BoundMethodLike = "crown",
    objective: Objective | str | None = None,
    centred: bool = True,
    memory: float = MEMORY,
) -> Sidecar:
    """Write a network under a formulation as MPS or LP, and its sidecar beside it.

    Parameters
    ----------
    domain
        By default that of `bounds`.
    path
        A file with a suffix of `WRITERS`; the sidecar has the suffix `.json` instead.
    formulation
        A name or a formulation. `ideal`, whose rows are separated, is written with the rows that
        rounds at the root find for the objective.
    bounds
        Intervals from elsewhere, or a stability, whose trusted intervals are taken; by default
        those of `propagate` by `method`.
    objective
        Such as "max output 3"; by default the file has none.
    centred, memory
        See `leo_opt.formulations.formulate`.

    Returns
    -------
    Sidecar
        Also written.

    Raises
    ------
    InvalidInputError
        If there is no domain, an objective names what the network lacks, or a formulation that
        separates has no objective.
    MismatchError
        If the bounds are of another network or box.
    FileFormatError, OutputError
        If the files cannot be written.
    """
    check_output(path)
    network = rectified(read_model(network))
    chosen = find_formulation(formulation)
    question = Objective.parse(objective) if isinstance(objective, str) else objective
    if question is not None:
        question.check(network)
    if chosen.separates and question is None:
        raise InvalidInputError(
            f"{chosen.name} is written with the rows that the relaxation of an objective "
            "violates; give an objective, or take convex-hull"
        )
    given = None if domain is None else read_domain(domain)
    known, phases, source = _choose_bounds(network, given, bounds, method, memory)
    where = (known.domain if given is None else given).spread(network.input_size)
    block = formulate(
        network, where, formulation=chosen, bounds=known, centred=centred, memory=memory
    )
    compiled = compile_model(block)
    encoding = Encoding.read(compiled, block)
    form = _with_objective(compiled, block, question)
    if encoding.separation is not None:
        form = _separated(encoding.separation, form)
    sheet = _sheet(compiled, block, form, "none" if question is None else question.name)
    about = describe_model(chosen, source, form, sheet, centred)
    sidecar = describe_network(encoding, phases, sheet, question, about)
    _write(sheet, path, [f"{chosen.name} of network {network.content_hash}"])
    sidecar.save(Path(path).with_suffix(".json"))
    return sidecar


def _choose_bounds(
    network: Network,
    domain: Domain | None,
    bounds: Bounds | Stability | None,
    method: BoundMethodLike,
    memory: float,
) -> tuple[Bounds, tuple[tuple[str, ...], ...] | None, str]:
    """Bounds to build with, phases where a stability knows them, and where all that is from."""
    if isinstance(bounds, Stability):
        bounds.check(network, domain)
        phases = tuple(tuple(map(str, layer)) for layer in bounds.phases)
        return bounds.trusted, phases, name_source(bounds)
    if bounds is not None:
        return bounds, None, "given"
    if domain is None:
        raise InvalidInputError("give a domain, or bounds that have one")
    return propagate(network, domain, method, memory=memory), None, name_of(method)


def check_output(path: AnyPath) -> None:
    """Find out now whether a model file and its sidecar can be written later.

    Raises
    ------
    FileFormatError
        If the suffix is unknown.
    OutputError
        If one cannot be written, or the sidecar would replace a file that is none.
    """
    check_writable(path, WRITERS)
    beside = Path(path).with_suffix(".json")
    check_writable(beside)
    check_not_another(beside)


def _write(sheet: Sheet, path: AnyPath, comments: list[str]) -> None:
    first = f"leo_opt {known_version('leo-opt')} model {sheet.identity}"
    text = WRITERS[suffix_of(path, WRITERS)](sheet, [first, *comments])
    write_atomically(path, text.encode("ascii"))


def _sheet(compiled: Compiled, model: Any, form: StandardForm, name: str) -> Sheet:
    import pyomo.environ as pyo

    sets = [group.name for group in model.component_data_objects(pyo.SOSConstraint, active=True)]
    assert len(sets) == len(compiled.form.sos)
    return Sheet.of(form, sets, name)


def _with_objective(compiled: Compiled, block: Any, question: Objective | None) -> StandardForm:
    """The compiled block with an objective."""
    if question is None:
        return compiled.form
    coefficients, constant = compiled.linear(question.expression(block))
    return dataclasses.replace(
        compiled.form, objective=coefficients, constant=constant, maximize=question.maximize
    )


def _separated(separation: Separation, form: StandardForm) -> StandardForm:
    """A form with the rows that its relaxation violates, found by HiGHS in rounds."""
    with find("highs").open(form) as session:
        strengthen(
            session,
            separation,
            form.objective,
            constant=form.constant,
            maximize=form.maximize,
            rounds=_SEPARATION_ROUNDS,
        )
        found = session.current()
    added = (f"separated[{k}]" for k in range(found.rows - form.rows))
    whole = dataclasses.replace(
        form,
        matrix=found.matrix,
        row_lower=found.row_lower,
        row_upper=found.row_upper,
        row_names=(*form.row_names, *added),
    )
    # Readers drop such entries without a word; these rows are widened by what they can be.
    return whole.without_small_entries(SMALLEST_COEFFICIENT)[0]
