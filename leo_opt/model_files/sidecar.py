"""What stands in a model file, as JSON beside it: the way back from columns to the network."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from leo_opt.bounds import Bounds
from leo_opt.domain import Domain
from leo_opt.errors import FileFormatError, InvalidInputError, MismatchError, OutputError
from leo_opt.network import FloatArray
from leo_opt.polytope import domain_from
from leo_opt.storage import codec
from leo_opt.storage.files import AnyPath, check_readable, write_atomically

FORMAT = "leo_opt model 1"

Names = tuple[tuple[str | None, ...], ...]
"""For each layer the column of each unit; None where it has none."""


class LayerEntry(msgspec.Struct, frozen=True):
    """What a file says of a layer, one entry a unit."""

    lower: FloatArray
    upper: FloatArray
    phase: tuple[str, ...]
    scale: FloatArray
    shift: FloatArray
    pre: tuple[str | None, ...]
    post: tuple[str | None, ...]
    active: tuple[str | None, ...]


class SidecarFile(msgspec.Struct, frozen=True):
    """What stands in a file of `Sidecar.save`, besides what `about` says.

    `domain` is lower and upper ends, and of a polytope weight and bound of its rows.
    """

    format: str
    model: str
    objective: dict[str, Any] | None
    network_hash: str
    domain: tuple[FloatArray, ...]
    inputs: tuple[str, ...]
    input_scale: FloatArray
    input_shift: FloatArray
    layers: list[LayerEntry]


@dataclass(frozen=True, eq=False)
class Sidecar:
    """Where a network stands in a model file, and under which bounds.

    Parameters
    ----------
    identity
        What the first line of the model file says; see `Sheet.identity`.
    network_hash
        `Network.content_hash`.
    bounds
        The intervals that the model was built with, and the domain.
    phases
        One tuple a layer with the phase of each unit; empty where units have no phases.
    scale, shift : one (n_out,) array a layer
        Column of pre = scale * (pre - shift), column of post = scale * (post - shift).
    inputs, input_scale, input_shift
        Column = scale * (input - shift). Where the range of an input is far from 1 this is its
        scaled column: the column `input_i` is then known to a solver's tolerance only.
    pre, post, active
        Columns of all units.
    objective
        "maximize", "terms" (factor, kind, address) and "name", or None.
    about
        What else is known: formulation and its options, bounds' source, size, versions.
    """

    identity: str
    network_hash: str
    bounds: Bounds
    phases: tuple[tuple[str, ...], ...]
    scale: tuple[FloatArray, ...]
    shift: tuple[FloatArray, ...]
    inputs: tuple[str, ...]
    input_scale: FloatArray
    input_shift: FloatArray
    pre: Names
    post: Names
    active: Names
    objective: Mapping[str, Any] | None
    about: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"Sidecar(of network {self.network_hash[:12]}, {self.bounds!r})"

    @property
    def domain(self) -> Domain:
        """The inputs: a box, or a `Polytope`, whose rows the file has."""
        return self.bounds.domain

    def input_values(self, solution: Mapping[str, float], sparse: bool = False) -> FloatArray:
        """Inputs (n_in,) of a solution of the file.

        Parameters
        ----------
        solution
            Value by column name, as a solver returns it.
        sparse
            Take columns that are missing for 0: SCIP and CBC leave zeros out.

        Raises
        ------
        InvalidInputError
            If a column is missing or a value is not finite.
        """
        values = np.array([_value(solution, column, sparse) for column in self.inputs])
        return values / self.input_scale + self.input_shift

    def input_columns(self, inputs: FloatArray) -> dict[str, float]:
        """Values of columns that fix the inputs (n_in,) of the network.

        Raises
        ------
        InvalidInputError
            If there are more or fewer inputs.
        """
        if np.shape(inputs) != self.input_shift.shape:
            raise InvalidInputError(
                f"inputs have shape {np.shape(inputs)}; the network takes {self.input_shift.shape}"
            )
        values = self.input_scale * (np.asarray(inputs) - self.input_shift)
        return dict(zip(self.inputs, values.tolist(), strict=True))

    def pre_values(self, solution: Mapping[str, float], sparse: bool = False) -> list[FloatArray]:
        """Pre-activations of all layers in natural units; NaN where a unit is stably inactive."""
        return [
            self._natural(solution, layer, names, math.nan, sparse)
            for layer, names in enumerate(self.pre)
        ]

    def post_values(self, solution: Mapping[str, float], sparse: bool = False) -> list[FloatArray]:
        """Post-activations of all layers in natural units."""
        return [
            self._natural(solution, layer, names, 0.0, sparse)
            for layer, names in enumerate(self.post)
        ]

    def output_values(self, solution: Mapping[str, float], sparse: bool = False) -> FloatArray:
        """Outputs (n_out,) in natural units."""
        return self.post_values(solution, sparse)[-1]

    def objective_value(self, value: float) -> float:
        """The optimum or bound that was asked for, from what a solver reports about the file.

        Every file is a minimisation: a bound from below becomes one from above and vice versa
        where a maximum was asked for.

        Raises
        ------
        InvalidInputError
            If the file has no objective.
        """
        if self.objective is None:
            raise InvalidInputError("the model file has no objective; write one with an objective")
        return -value if self.objective["maximize"] else value

    def _natural(
        self,
        solution: Mapping[str, float],
        index: int,
        names: Sequence[str | None],
        missing: float,
        sparse: bool,
    ) -> FloatArray:
        # A unit without a column is constant, at its shift; or it is stably inactive, or as good
        # as that: then only its post-activation may have a column.
        phases = self.phases[index] or ("linear",) * len(names)
        inactive = [
            phase == "stably_inactive" or (name is None and post is not None)
            for phase, name, post in zip(phases, names, self.post[index], strict=True)
        ]
        values = np.where(inactive, missing, self.shift[index])
        for unit, name in enumerate(names):
            if name is not None:
                value = _value(solution, name, sparse)
                values[unit] = value / self.scale[index][unit] + self.shift[index][unit]
        return values

    def save(self, path: AnyPath) -> None:
        """Write JSON, numbers without loss, whole or not at all.

        Raises
        ------
        OutputError
            If the file cannot be written, or is another JSON file.
        """
        check_not_another(path)
        write_atomically(path, _pretty(self.to_json()).encode())

    @classmethod
    def load(cls, path: AnyPath) -> Sidecar:
        """Read a sidecar by its own name, or by that of the model file it belongs to.

        Raises
        ------
        FileFormatError
            If the file is no sidecar.
        MismatchError
            If the model file is not the one that the sidecar was written with.
        """
        source = check_readable(path)
        beside = check_readable(source.with_suffix(".json"))
        try:
            sidecar = cls.from_json(json.loads(beside.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise FileFormatError(
                f"{beside} is no sidecar of a model file ({error}); "
                "write one with `leo-opt formulate`"
            ) from error
        if source != beside:
            with source.open(encoding="utf-8", errors="replace") as stream:
                first = stream.readline()
            if sidecar.identity not in first:
                raise MismatchError(
                    f"{beside} is of another model than {source}; write the model again"
                )
        return sidecar

    def to_json(self) -> dict[str, Any]:
        """A tree of lists, strings and numbers that `from_json` turns back into an equal value."""
        ends = self.bounds.lower, self.bounds.upper
        units = self.phases, self.scale, self.shift, self.pre, self.post, self.active
        file = SidecarFile(
            format=FORMAT,
            model=self.identity,
            objective=None if self.objective is None else dict(self.objective),
            network_hash=self.network_hash,
            domain=self.domain.arrays,
            inputs=self.inputs,
            input_scale=self.input_scale,
            input_shift=self.input_shift,
            layers=[LayerEntry(*layer) for layer in zip(*ends, *units, strict=True)],
        )
        tree = codec.to_tree(file)
        return {"format": FORMAT, "model": self.identity, **self.about, **tree}

    @classmethod
    def from_json(cls, tree: dict[str, Any]) -> Sidecar:
        """The value that `to_json` described.

        Raises
        ------
        ValueError
            If the tree is not such a description.
        """
        codec.check_format(tree, FORMAT)
        file = codec.from_tree(tree, SidecarFile)

        def every(name: str) -> tuple[Any, ...]:
            return tuple(getattr(layer, name) for layer in file.layers)

        return cls(
            identity=file.model,
            network_hash=file.network_hash,
            bounds=Bounds(domain_from(*file.domain), every("lower"), every("upper")),
            phases=every("phase"),
            scale=every("scale"),
            shift=every("shift"),
            inputs=file.inputs,
            input_scale=file.input_scale,
            input_shift=file.input_shift,
            pre=every("pre"),
            post=every("post"),
            active=every("active"),
            objective=file.objective,
            about={key: tree[key] for key in tree if key not in SidecarFile.__struct_fields__},
        )


def _pretty(tree: dict[str, Any]) -> str:
    """JSON with one entry of the tree, or of one of its layers, a line."""
    entries = {key: json.dumps(value, allow_nan=False) for key, value in tree.items()}
    layers = [
        ",\n   ".join(
            f"{json.dumps(k)}: {json.dumps(v, allow_nan=False)}" for k, v in layer.items()
        )
        for layer in tree["layers"]
    ]
    entries["layers"] = "[\n  {" + "},\n  {".join(layers) + "}\n ]"
    return "{\n " + ",\n ".join(f"{json.dumps(k)}: {v}" for k, v in entries.items()) + "\n}\n"


def check_not_another(path: AnyPath) -> None:
    """Refuse to write a sidecar over a file that is none.

    Raises
    ------
    OutputError
    """
    target = Path(path)
    if not target.is_file():
        return
    try:
        tree = json.loads(target.read_text(encoding="utf-8"))
        ours = tree["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError):
        ours = False
    if not ours:
        raise OutputError(
            f"{target} is there and no sidecar of a model file; give the model another name"
        )


def _value(solution: Mapping[str, float], column: str, sparse: bool) -> float:
    value = solution.get(column, 0.0 if sparse else None)
    if value is None:
        raise InvalidInputError(
            f"the solution has no value of column {column}; if its writer leaves out zeros, "
            "pass sparse=True"
        )
    if not math.isfinite(value):
        raise InvalidInputError(f"column {column} has the value {value}; give finite numbers")
    return float(value)
