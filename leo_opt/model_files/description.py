"""What a sidecar says of a network that stands in a compiled model."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import numpy as np

from leo_opt.bounds import Bounds
from leo_opt.formulations import Formulation
from leo_opt.model_files.objective import Objective
from leo_opt.model_files.sheet import Sheet
from leo_opt.model_files.sidecar import Sidecar
from leo_opt.network import FloatArray, Network
from leo_opt.solvers import Compiled, StandardForm
from leo_opt.stability import Stability


def known_version(package: str) -> str:
    """Version of a package; "unknown" where it runs from a folder that was not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


def name_source(stability: Stability) -> str:
    """Where the trusted intervals of a stability come from, with the solvers to be believed."""
    solvers = {
        str(evidence.premise)
        for side in (stability.lower_evidence, stability.upper_evidence)
        for layer in side
        for evidence in layer
        if not evidence.premise.certified
    }
    return "stability: " + (", ".join(sorted(solvers)) or "certified")


def describe_model(
    formulation: Formulation, source: str, form: StandardForm, sheet: Sheet, centred: bool
) -> dict[str, Any]:
    """What a sidecar says besides where the network stands."""
    options: dict[str, Any] = {}
    if dataclasses.is_dataclass(formulation):
        options = dataclasses.asdict(formulation)
    return {
        "formulation": {
            "name": formulation.name,
            "options": options,
            "exact": formulation.exact,
            "centred": centred,
        },
        "bounds_source": source,
        "needs": sorted(sheet.needs),
        "size": {
            "rows": len(sheet.lines),
            "columns": len(sheet.columns),
            "binaries": sheet.binaries,
            "nonzeros": sheet.nonzeros,
            "separated_rows": sum(name.startswith("separated[") for name in form.row_names),
        },
        "versions": {
            "python": platform.python_version(),
            **{name: known_version(name) for name in ("leo-opt", "pyomo", "numpy")},
        },
    }


def describe_network(
    network: Network,
    bounds: Bounds,
    phases: tuple[tuple[str, ...], ...] | None,
    compiled: Compiled,
    block: Any,
    sheet: Sheet,
    question: Objective | None,
    about: dict[str, Any],
) -> Sidecar:
    """Where the network stands in the file."""

    def column(variable: Any) -> str:
        return sheet.columns[compiled.column_of(variable)].name

    shape = [layer.n_out for layer in network.layers]
    held = {**block.scaled_pre, **block.lanes}
    pre = {address: column(variable) for address, variable in held.items()}
    own = {address: column(variable) for address, variable in block.scaled_post.items()}
    active = {address: column(variable) for address, variable in block.is_active.items()}

    def by_layer(table: Mapping[Any, Any]) -> tuple[tuple[Any, ...], ...]:
        return tuple(
            tuple(table.get((layer, unit)) for unit in range(size))
            for layer, size in enumerate(shape)
        )

    places, input_scale, input_shift = _input_columns(compiled, block, network.input_size)
    return Sidecar(
        identity=sheet.identity,
        network_hash=network.content_hash,
        bounds=bounds,
        phases=_phases(network, bounds) if phases is None else phases,
        scale=tuple(np.array(row, dtype=np.float64) for row in by_layer(block.scale)),
        shift=tuple(np.array(row, dtype=np.float64) for row in by_layer(block.shift)),
        inputs=tuple(sheet.columns[k].name for k in places),
        input_scale=input_scale,
        input_shift=input_shift,
        pre=by_layer(pre),
        post=by_layer(pre | own),
        active=by_layer(active),
        objective=None if question is None else question.to_json(),
        about=about,
    )


def _input_columns(
    compiled: Compiled, block: Any, size: int
) -> tuple[list[int], FloatArray, FloatArray]:
    """Columns of the inputs, scaled ones where there are, with their scale and shift."""
    form, scale, shift = compiled.form, np.ones(size), np.zeros(size)
    places = [compiled.column_of(block.inputs[k]) for k in range(size)]
    tied = {name: row for row, name in enumerate(form.row_names) if name.startswith(_TIES)}
    for k in range(size):
        row = tied.get(f"{_TIES}[{k}]")
        if row is None or form.row_lower[row] != form.row_upper[row]:
            continue
        # The row outer * input - weight * scaled = outer * shift; both factors are powers of two.
        part = slice(form.matrix.indptr[row], form.matrix.indptr[row + 1])
        entries = dict(zip(form.matrix.indices[part], form.matrix.data[part], strict=True))
        outer = entries.pop(places[k])
        ((places[k], weight),) = ((int(column), value) for column, value in entries.items())
        scale[k], shift[k] = -outer / weight, form.row_lower[row] / outer
    return places, scale, shift


_TIES = "input_scaling"
"""The rows of a block that tie an input to its scaled column."""


def _phases(network: Network, bounds: Bounds) -> tuple[tuple[str, ...], ...]:
    """Phases that the bounds alone show."""
    return tuple(
        tuple(
            _phase(phased, low, high)
            for phased, low, high in zip(
                layer.phased.tolist(), lower.tolist(), upper.tolist(), strict=True
            )
        )
        if layer.has_phases
        else ()
        for layer, lower, upper in zip(network.layers, bounds.lower, bounds.upper, strict=True)
    )


def _phase(phased: bool, low: float, high: float) -> str:
    """What an interval shows of one unit."""
    if not phased:
        return "linear"
    return "stably_inactive" if high <= 0.0 else "stably_active" if low >= 0.0 else "undecided"
