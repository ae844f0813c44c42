"""What a sidecar says of a network that stands in a compiled model."""

from __future__ import annotations

import dataclasses
import platform
from importlib import metadata
from typing import Any

from leo_opt.arrays import IntArray
from leo_opt.bounds import Bounds
from leo_opt.encoding import Encoding
from leo_opt.formulations import Formulation
from leo_opt.model_files.objective import Objective
from leo_opt.model_files.sheet import Sheet
from leo_opt.model_files.sidecar import Sidecar
from leo_opt.network import Network
from leo_opt.solvers import StandardForm
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
    encoding: Encoding,
    phases: tuple[tuple[str, ...], ...] | None,
    sheet: Sheet,
    question: Objective | None,
    about: dict[str, Any],
) -> Sidecar:
    """Where the network stands in the file."""

    def names(columns: IntArray) -> tuple[Any, ...]:
        return tuple(None if k < 0 else sheet.columns[k].name for k in columns.tolist())

    network, bounds, inputs = encoding.network, encoding.bounds, encoding.inputs
    return Sidecar(
        identity=sheet.identity,
        network_hash=network.content_hash,
        bounds=bounds,
        phases=_phases(network, bounds) if phases is None else phases,
        scale=tuple(1.0 / post.factors for post in encoding.post),
        shift=tuple(post.offsets for post in encoding.post),
        inputs=names(inputs.columns),
        input_scale=1.0 / inputs.factors,
        input_shift=inputs.offsets,
        pre=tuple(names(pre.columns) for pre in encoding.pre),
        post=tuple(names(post.columns) for post in encoding.post),
        active=tuple(names(columns) for columns in encoding.active),
        objective=None if question is None else question.to_json(),
        about=about,
    )


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
