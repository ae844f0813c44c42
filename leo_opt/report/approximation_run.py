"""What an approximation did, and what is proved of it, as a tree for JSON and as a table."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from leo_opt import formats
from leo_opt.approximation import Approximation
from leo_opt.arrays import FloatArray
from leo_opt.bounds import propagate
from leo_opt.deviation import add_up, inference_error, reading_deviation, rounding_deviation
from leo_opt.formats import written
from leo_opt.graphs.opening import save_model
from leo_opt.network import Network
from leo_opt.rectify import rectified
from leo_opt.report.classes import describe_classes, told_classes
from leo_opt.report.compression_run import describe_network, describe_versions, removed_percent
from leo_opt.report.records import (
    APPROXIMATION,
    ApproximationRecord,
    DeviationRecord,
    LayerRecord,
)
from leo_opt.storage.files import AnyPath
from leo_opt.tables import Table


def describe_approximation(
    approximation: Approximation, dtype: str | None = None, sizes: Mapping[str, int] | None = None
) -> ApproximationRecord:
    """The report of one run; what is not proved is None.

    Parameters
    ----------
    dtype
        Of the written file; by default that of the file that was read.
    sizes
        Of both files in bytes, where there are files.
    """
    dtype = dtype or approximation.original.signature.dtype
    before, after, apart = approximation.original, approximation.network, approximation.difference
    units = sum(before.hidden_widths), sum(after.hidden_widths)
    return {
        "format": APPROXIMATION,
        "original": describe_network(before, approximation.cost_before.parameters),
        "compressed": describe_network(after, approximation.cost.parameters),
        "compression_percent": round(removed_percent(*units), 2),
        "method": repr(approximation.method),
        "budget": repr(approximation.budget),
        "share": approximation.share,
        "cost": {"original": approximation.cost_before, "compressed": approximation.cost},
        "response_error": approximation.response_error,
        "layers": _describe_layers(approximation),
        "frontier": [
            {"cost": point.cost, "error": point.error} for point in approximation.frontier
        ],
        **_deviations(approximation, dtype),
        "max_deviation_separate": _largest(apart.separate if apart else None),
        "max_deviation_found": _largest(apart.found if apart else None),
        **describe_classes(approximation.classes),
        "dtype": dtype,
        "notes": list(approximation.notes),
        "bytes": dict(sizes or {}),
        "network_hash": before.content_hash,
        "versions": describe_versions(),
    }


def _describe_layers(approximation: Approximation) -> list[LayerRecord]:
    """Rank, entries and response error of what stands in the place of each layer."""
    told: list[LayerRecord] = []
    for one in approximation.substitutes:
        parts = one.parts
        told.append(
            {
                "layer": one.index,
                "rank": parts.rank if parts else None,
                "entries": parts.entries if parts else None,
                "parameters": one.cost.parameters,
                "response_error": one.error,
                "iterations": len(parts.residuals.primal) if parts else 0,
                "converged": parts.residuals.converged if parts else None,
            }
        )
    return told


def _deviations(approximation: Approximation, dtype: str) -> DeviationRecord:
    """Proved bounds on the difference, step by step from file to file."""
    domain = approximation.domain
    if domain is None:
        return {
            "max_deviation_read": None,
            "max_deviation": None,
            "max_deviation_written": None,
            "inference_rounding": None,
        }
    before, after = rectified(approximation.original), rectified(approximation.network)
    bounds = propagate(before, domain), propagate(after, domain)
    read = reading_deviation(before, bounds[0])
    moved = approximation.max_deviation
    assert moved is not None
    # A graph was read anew from what is written; a chain is rounded as it is written.
    stored = (
        rounding_deviation(after, written(after, dtype), bounds[1])
        if approximation.model is None
        else reading_deviation(after, bounds[1])
    )
    total = add_up(read, moved, stored)
    errors = [
        float(np.max(inference_error(*pair, dtype)))
        for pair in zip((before, after), bounds, strict=True)
    ]
    return {
        "max_deviation_read": _largest(read),
        "max_deviation": _largest(moved),
        "max_deviation_written": _largest(total),
        "inference_rounding": {"original": errors[0], "compressed": errors[1]},
    }


def stored_network(approximation: Approximation, dtype: str) -> Network:
    """The approximation as its file has it, but for what reading a graph rounds."""
    network = approximation.network
    return network if approximation.model is not None else written(network, dtype)


def _largest(values: FloatArray | None) -> float | None:
    """The largest entry, or None where there is nothing."""
    return None if values is None else float(np.max(values, initial=0.0))


def provenance(approximation: Approximation, dtype: str) -> dict[str, str]:
    """What a written file says of where it comes from."""
    version, domain = describe_versions()["leo-opt"], approximation.domain
    proved = (
        "how far its outputs move is not proved"
        if domain is None
        else f"on {domain!r} its outputs move by at most {approximation.deviation:.3g} before "
        "rounding"
    )
    return {
        "version": version,
        "content_hash": stored_network(approximation, dtype).content_hash,
        "source_hash": approximation.original.content_hash,
        "max_deviation": repr(approximation.deviation),
        "summary": f"Approximated by leo_opt {version} from network "
        f"{approximation.original.content_hash} ({approximation.original.parameters} numbers) with "
        f"the method {approximation.method.name}; {proved}.",
    }


def write(approximation: Approximation, path: AnyPath, dtype: str) -> None:
    """Write the network; a graph keeps the types that it has.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    told = provenance(approximation, dtype)
    if approximation.model is None:
        formats.save(approximation.network, path, dtype=dtype, provenance=told)
    else:
        save_model(approximation.model, path, told)


def approximation_table(approximation: Approximation) -> RenderableType:
    """Parts, costs and errors, and what is proved."""
    before, after = approximation.cost_before, approximation.cost
    lines = [
        f"numbers and indices: {before.parameters} -> {after.parameters} "
        f"({100.0 * approximation.share:.1f} %; {after.bitmap} with indices as a bitmap)",
        f"multiplications:     {before.multiply_adds} -> {after.multiply_adds}",
        f"on the data: outputs within {100.0 * approximation.response_error:.3g} % in all",
        _proof(approximation),
        *told_classes(approximation.classes),
        *(f"note: {text}" for text in approximation.notes),
    ]
    return Group(layer_table(approximation).renderable(), *map(Text, lines))


def layer_table(approximation: Approximation) -> Table:
    """What stands in the place of each layer."""
    rows: list[list[object]] = []
    for told, one in zip(_describe_layers(approximation), approximation.substitutes, strict=True):
        parts = [told[key] if one.parts else "-" for key in ("rank", "entries")]
        percent = f"{100.0 * told['response_error']:.2f} %"
        rows.append([one.index, *parts, told["parameters"], percent])
    return Table.of(("layer", "rank", "entries", "numbers", "response error"), rows, "right")


def _proof(approximation: Approximation) -> str:
    """What is proved, and what was found."""
    apart = approximation.difference
    if apart is None:
        return "difference of outputs: not proved; --box or domain= say where it should hold"
    return (
        f"proved on {apart.domain!r}: outputs differ by at most {_largest(apart.bound):.3g} in "
        f"real arithmetic ({_largest(apart.separate):.3g} by two intervals); found by ascent: "
        f"{_largest(apart.found):.3g}"
    )
