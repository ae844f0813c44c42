"""What a run did, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from leo_opt import weights
from leo_opt.compression import Compression
from leo_opt.formats.outputs import describe_tails
from leo_opt.graphs import GraphCompression
from leo_opt.network import Network
from leo_opt.report.compression_run import (
    CompressionRun,
    describe_evidence,
    describe_sequential,
    left_open,
    phases_shown,
    removed_percent,
)
from leo_opt.rewrites.sequential import PASSED, SHIFTED, SPLIT
from leo_opt.solvers.catalogue import SolverRecord
from leo_opt.stability import Stability
from leo_opt.tables import Table


def provenance_table(network: Network, told: Mapping[str, str]) -> RenderableType:
    """What a file says of where it comes from, and whether that is still about its network."""
    lines = [f"{name.replace('_', ' ')}: {text}" for name, text in told.items()]
    if told.get("content_hash", network.content_hash) != network.content_hash:
        lines.append("changed since: the weights are not those that this was written with")
    return Group("", Text("provenance, as the file states it"), *map(Text, lines))


def stability_table(stability: Stability) -> RenderableType:
    """Phases a layer and the evidence behind them."""
    shown = phases_shown(stability)
    headings = ("layer", "units", *(str(p).replace("_", " ") for p in shown), "certified")
    rows: list[list[object]] = []
    for layer, phases in enumerate(stability.phases):
        if phases:
            counts = [stability.count(layer, phase) for phase in shown]
            rows.append([layer, len(phases), *counts, stability.certified_phases(layer)])
    statistics, recalled = stability.statistics, stability.statistics.recalled
    evidence = ", ".join(f"{name} {n}" for name, n in describe_evidence(stability).items())
    return Group(
        Table.of(headings, rows, "right").renderable(),
        Text(f"evidence: {evidence or 'none needed'}"),
        Text(
            f"{statistics.milps_solved} MILPs ({statistics.solver}, {statistics.formulation}), "
            f"{statistics.lps_solved} LPs, {statistics.nodes} nodes, "
            f"{statistics.seconds:.2f} seconds"
        ),
        *([Text(f"of these, from the checkpoint: {recalled} answers")] if recalled else []),
        *(
            Text(f"undecided, {n} directions: {reason}")
            for reason, n in left_open(stability).items()
        ),
    )


def rewriting_tables(compression: Compression | GraphCompression) -> list[RenderableType]:
    """Units and parameters before and after."""
    before, after = compression.original, compression.network
    if isinstance(compression, GraphCompression):
        headings = ("matrix", "channels or units before", "after")
        rows = [(part.name, part.before, part.after) for part in compression.parts]
        parameters = compression.parameters
    else:
        headings = ("layer", "units before", "after")
        # Nothing is kept of a layer that is gone.
        pairs = zip(before.layers[:-1], compression.kept, strict=False)
        rows = [(str(k), layer.n_out, len(kept)) for k, (layer, kept) in enumerate(pairs)]
        parameters = before.parameters, after.parameters
    kinds = sorted(before.kinds | after.kinds, reverse=True)
    changes = [
        ("hidden units", before.kinds.total(), after.kinds.total()),
        *((f"  {kind}", before.kinds[kind], after.kinds[kind]) for kind in kinds if len(kinds) > 1),
        ("parameters", *parameters),
    ]
    width = max(len(what) for what, _, _ in changes) + 1
    told = [
        f"made sequential: {count} linear units {_SEQUENTIAL[name]}"
        for name, count in describe_sequential(compression).items()
    ]
    return [
        Table.of(headings, rows, "right").renderable(),
        *(
            Text(f"{what + ':':{width}} {old} -> {new} ({removed_percent(old, new):.1f} % removed)")
            for what, old, new in changes
        ),
        *map(Text, told),
    ]


_SEQUENTIAL = {
    PASSED: "pass Relu as they are",
    SHIFTED: "are shifted by a certified lower bound",
    SPLIT: "have no finite bound and are relu(x) - relu(-x)",
}


def spending(spent: dict[str, float]) -> list[str]:
    """What a tolerance was spent on, as a line."""
    told = ", ".join(f"{kind} {most:.2g}" for kind, most in spent.items())
    return [f"not lossless: of the tolerance were spent: {told}"] if spent else []


def compression_table(run: CompressionRun) -> RenderableType:
    """Units and parameters before and after, and what is proved of the difference."""
    lines = [
        f"proved on the whole box: outputs differ by at most {run.deviation:.2g} in real "
        f"arithmetic, {run.deviation_written:.2g} from file to file, written in {run.dtype}",
        f"rounding of a {run.dtype} forward pass, a-priori bound: original "
        f"{run.inference_original:.2g}, compressed {run.inference_compressed:.2g}",
    ]
    lines = [*spending(run.spent), *lines]
    given, rewritten = run.original, run.compression.original
    if given != rewritten and isinstance(run.compression, Compression):
        units, parameters = given.kinds.total(), given.parameters
        lines.insert(
            0,
            f"as rectifiers and linear units alone; the network given has {units} hidden units "
            f"and {parameters} parameters",
        )
    return Group(*rewriting_tables(run.compression), *map(Text, lines))


def solver_table(records: Sequence[SolverRecord]) -> RenderableType:
    """Solvers with their licences and features, or the command that installs them."""
    rows = []
    for record in records:
        if record.installed:
            cells = (record.version, str(record.licence), ", ".join(record.features))
        elif record.problem:
            cells = ("unusable", "", record.problem)
        else:
            cells = ("not installed", "", record.install)
        rows.append((record.name, *cells))
    return Table.of(("solver", "version", "licence", "features"), rows, "left").renderable()


def network_table(network: Network) -> RenderableType:
    """Layers, widths and parameters."""
    headings = ("layer", "inputs", "units", "activation", "parameters", "zero weights")
    rows: list[list[object]] = []
    for index, layer in enumerate(network.layers):
        stored = np.count_nonzero(weights.entries(layer.weight))
        zeros = 100.0 * (1.0 - stored / (layer.n_in * layer.n_out))
        cells = [index, layer.n_in, layer.n_out, layer.label, layer.parameters]
        rows.append([*cells, f"{zeros:.1f} %"])
    signature = network.signature
    largest = max(
        (float(part.max()) for r in network.rounding if r for part in (r.weight, r.bias)),
        default=0.0,
    )
    return Group(
        Table.of(headings, rows, "right").renderable(),
        Text(f"{_hidden_units(network)}, {network.parameters} parameters"),
        Text(
            f"input {_tensor(signature.input_name, signature.input_shape)}, "
            f"output {_tensor(signature.output_name, signature.output_shape)}, {signature.dtype}"
        ),
        *map(Text, describe_tails(signature)),
        Text(f"content hash {network.content_hash}"),
        *([Text(f"rounded on reading, each number by at most {largest:.2g}")] if largest else []),
    )


def _hidden_units(network: Network) -> str:
    """How many there are, and of which kinds where there are several."""
    kinds = sorted(network.kinds.items(), reverse=True)
    told = f" ({', '.join(f'{count} {kind}' for kind, count in kinds)})" if len(kinds) > 1 else ""
    return f"{network.kinds.total()} hidden units{told}"


def _tensor(name: str, shape: tuple[int | str | None, ...] | None) -> str:
    """A tensor by its name, and its shape where the file states one."""
    return repr(name) if shape is None else f"{name!r} {shape}"
