"""The verdict on a property as a value: the answer, what it rests on, and the witness."""

from __future__ import annotations

import enum
import io
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import numpy as np

from leo_opt.errors import FileFormatError
from leo_opt.inequalities import Rationals
from leo_opt.network import FloatArray
from leo_opt.stability import ARITHMETIC, Premise
from leo_opt.storage import codec
from leo_opt.storage.files import check_readable, suffix_of, write_atomically
from leo_opt.summarised import Summarised

FORMAT = "leo_opt verdict 1"


class Decision(enum.StrEnum):
    """What is known of a property, which describes what must not happen."""

    HOLDS = "holds"
    """No input of the box of a case has outputs that satisfy the case."""
    VIOLATED = "violated"
    """An input of the box of a case is known whose outputs satisfy the case."""
    UNKNOWN = "unknown"
    """Neither is proved."""


@dataclass(frozen=True)
class CaseVerdict:
    """What is known of one case of a property.

    Parameters
    ----------
    answer
        "holds" where the case is impossible.
    method
        What settled it: "crown", "splitting", "lp", "branch-and-bound", "milp", "witness", or "".
    premise
        What must be believed for "holds".
    reason
        Why it is unknown, or "".
    """

    answer: Decision
    method: str = ""
    premise: Premise = ARITHMETIC
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Verdict(Summarised):
    """The answer to "does this property hold", with its evidence.

    Parameters
    ----------
    answer
    cases
        One entry for each case of the property, in its order.
    inputs : (n_in,) array or None
        The witness of a violation, in the box of a case; rounded where it is no float64 point.
    outputs : (n_out,) array or None
        What the network gives there, evaluated in float64.
    exact_inputs : n_in rationals or None
        The witness itself, where the box of the case has no float64 point: an input may be fixed at
        0.1, or the outputs satisfy the case at an end of the box only.
    case
        Index of the case that the witness shows, or None.
    network_hash
        `Network.content_hash` of the network.
    seconds
        Wall-clock time.
    pieces, lps, milps, nodes
        Boxes bounded, linear programs and MILPs solved, nodes of the latter.
    """

    answer: Decision
    cases: tuple[CaseVerdict, ...]
    inputs: FloatArray | None = None
    outputs: FloatArray | None = None
    exact_inputs: Rationals | None = None
    case: int | None = None
    network_hash: str = ""
    seconds: float = 0.0
    pieces: int = 0
    lps: int = 0
    milps: int = 0
    nodes: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        held = sum(case.answer is Decision.HOLDS for case in self.cases)
        return (
            f"Verdict({self.answer}, {held} of {len(self.cases)} cases refuted, "
            f"{self.seconds:.2f} seconds)"
        )

    @property
    def certified(self) -> bool:
        """Whether the answer rests on arithmetic alone: no solver has to be believed."""
        return self.answer is Decision.VIOLATED or (
            self.answer is Decision.HOLDS and all(case.premise.certified for case in self.cases)
        )

    @property
    def premises(self) -> tuple[Premise, ...]:
        """What has to be believed besides arithmetic, each once."""
        found = {case.premise for case in self.cases if not case.premise.certified}
        return tuple(sorted(found, key=str))

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why cases are unknown, each reason once."""
        return tuple(dict.fromkeys(case.reason for case in self.cases if case.reason))

    def to_json(self) -> dict[str, Any]:
        """A tree of lists, strings and numbers."""
        return {"format": FORMAT, "certified": self.certified, **codec.to_tree(self)}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to a JSON file, whole or not at all.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        text = json.dumps(self.to_json(), indent=2, allow_nan=False) + "\n"
        write_atomically(path, text.encode())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Verdict:
        """Read what `save` wrote.

        Raises
        ------
        FileFormatError
            If the file is no verdict.
        """
        source = check_readable(path)
        try:
            return codec.from_json(source.read_bytes(), cls, FORMAT)
        except (OSError, ValueError) as error:
            raise FileFormatError(
                f"{os.fspath(path)} is not a verdict ({error}); write one with Verdict.save or "
                "`leo-opt verify --json`"
            ) from error


def save_witness(verdict: Verdict, path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Write the witness of a violation, in the format that the suffix of the name says.

    `.npz` holds the arrays `inputs` and `outputs`; anything in `WITNESS_FORMATS` else is the text
    of the verification competition, `((X_0 0.5) ... (Y_0 1.25) ...)`, with all digits. A witness
    that is no float64 point is written both ways: rounded, and exactly, as the array of texts
    `exact_inputs` or as `((X_0 (/ 1 10)) ...)` in a second text file, `w.exact.txt` for `w.txt`.

    Returns
    -------
    tuple of str
        The files that were written: none where there is no witness.

    Raises
    ------
    FileFormatError
        If the suffix is unknown.
    OutputError
        If a file cannot be written.
    """
    encode = WITNESS_FORMATS[suffix_of(path, WITNESS_FORMATS)]
    if verdict.inputs is None or verdict.outputs is None:
        return ()
    names = [os.fspath(path), exact_witness_file(path)]
    contents = encode(verdict.inputs, verdict.outputs, verdict.exact_inputs)
    files = [(name, content) for name, content in zip(names, contents, strict=False) if name]
    for name, content in files:
        write_atomically(name, content)
    return tuple(name for name, _ in files)


def exact_witness_file(path: str | os.PathLike[str]) -> str | None:
    """Where the rational inputs of a witness go; None where one file holds all."""
    name = os.fspath(path)
    stem, suffix = os.path.splitext(name)
    return None if suffix.lower() == ".npz" else f"{stem}.exact{suffix}"


def _show(point: Rationals) -> list[str]:
    """Rationals as texts that `Fraction` reads."""
    return [str(value) for value in point]


def _encode_arrays(inputs: FloatArray, outputs: FloatArray, exact: Rationals | None) -> list[bytes]:
    stream = io.BytesIO()
    arrays = {"inputs": inputs, "outputs": outputs}
    if exact is not None:
        arrays["exact_inputs"] = np.array(_show(exact))
    np.savez(stream, allow_pickle=False, **arrays)
    return [stream.getvalue()]


def _term(value: Fraction) -> str:
    """A rational as SMT-LIB writes it."""
    size = f"(/ {abs(value.numerator)} {value.denominator})"
    return f"(- {size})" if value < 0 else size


def _encode_text(inputs: FloatArray, outputs: FloatArray, exact: Rationals | None) -> list[bytes]:
    pairs = [f"(X_{k} {value!r})" for k, value in enumerate(inputs.tolist())]
    pairs += [f"(Y_{k} {value!r})" for k, value in enumerate(outputs.tolist())]
    texts = [pairs]
    if exact is not None:
        texts.append([f"(X_{k} {_term(value)})" for k, value in enumerate(exact)])
    return [("(" + "\n".join(lines) + ")\n").encode() for lines in texts]


WitnessEncoder = Callable[[FloatArray, FloatArray, Rationals | None], list[bytes]]
"""From inputs, outputs and rational inputs to one file, or two."""

WITNESS_FORMATS: Mapping[str, WitnessEncoder] = MappingProxyType(
    {".npz": _encode_arrays, ".counterexample": _encode_text, ".txt": _encode_text}
)
"""The one table of formats of witnesses, by suffix."""
