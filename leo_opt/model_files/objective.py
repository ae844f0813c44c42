"""What a model file is asked: a sum of inputs, outputs and pre-activations, made large or small."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from leo_opt.errors import InvalidInputError
from leo_opt.network import Network

_TERM = re.compile(
    r"\s*(?P<sign>[+-]?)\s*(?P<factor>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)?\s*\*?\s*"
    r"(?P<kind>input|output|pre)[\s_(]*(?P<address>\d+(?:[\s_,]+\d+)?)\s*\)?"
)
_EXAMPLES = "'max output 3', 'min output 3 - output 5', 'max pre 1 17'"


@dataclass(frozen=True)
class Term:
    """A factor times `input i`, `output k` or the pre-activation of a unit (layer, unit)."""

    factor: float
    kind: str
    address: tuple[int, ...]

    @property
    def name(self) -> str:
        """Such as `pre_1_17`."""
        return "_".join([self.kind, *map(str, self.address)])


@dataclass(frozen=True)
class Objective:
    """The greatest or least value of a sum.

    Parameters
    ----------
    maximize
    terms
        At least one.
    """

    maximize: bool
    terms: tuple[Term, ...]

    @classmethod
    def parse(cls, text: str) -> Objective:
        """Read `max output 3`, `min output 3 - 0.5 output 5`, `max pre 1 17` and the like.

        Raises
        ------
        InvalidInputError
            If the text is none of these.

        Examples
        --------
        >>> Objective.parse("max output 3 - output 5").name
        'output_3_less_output_5'
        """
        sense, _, rest = text.strip().partition(" ")
        senses = {"max": True, "maximize": True, "min": False, "minimize": False}
        terms = tuple(_terms(text, rest))
        if sense.lower() not in senses or not terms:
            raise InvalidInputError(f"objective {text!r} is not understood; write {_EXAMPLES}")
        return cls(senses[sense.lower()], terms)

    def check(self, network: Network) -> None:
        """Refuse inputs, outputs and units that a network does not have.

        Raises
        ------
        InvalidInputError
        """
        for term in self.terms:
            sizes = {"input": network.input_size, "output": network.output_size}
            if term.kind in sizes:
                _check_index(f"{term.kind} {term.address[0]}", term.address[0], sizes[term.kind])
                continue
            layer, unit = term.address
            _check_index(f"layer {layer}", layer, len(network.layers))
            _check_index(f"unit {unit} of layer {layer}", unit, network.layers[layer].n_out)

    def expression(self, block: Any) -> Any:
        """The sum as a Pyomo expression over a block of `formulate`, in natural units."""
        parts = {"input": block.inputs, "output": block.outputs, "pre": block.pre}
        return sum(
            term.factor * parts[term.kind][term.address if term.kind == "pre" else term.address[0]]
            for term in self.terms
        )

    @property
    def name(self) -> str:
        """Such as `output_3` or `output_3_less_output_5`."""
        text = self.terms[0].name if self.terms[0].factor > 0.0 else f"less_{self.terms[0].name}"
        for term in self.terms[1:]:
            text += f"_{'plus' if term.factor > 0.0 else 'less'}_{term.name}"
        return text

    def to_json(self) -> dict[str, Any]:
        """Sense, name and terms, for the sidecar."""
        return {
            "maximize": self.maximize,
            "name": self.name,
            "terms": [[term.factor, term.kind, list(term.address)] for term in self.terms],
        }


def _terms(text: str, rest: str) -> Iterator[Term]:
    """The terms that stand one after the other in a text."""
    place, first = 0, True
    while rest[place:].strip():
        found = _TERM.match(rest, place)
        if found is None or (not first and not found["sign"]):
            raise InvalidInputError(
                f"objective {text!r} is not understood from {rest[place:].strip()!r} on; "
                f"write {_EXAMPLES}"
            )
        address = tuple(int(number) for number in re.findall(r"\d+", found["address"]))
        wanted = 2 if found["kind"] == "pre" else 1
        if len(address) != wanted:
            raise InvalidInputError(
                f"objective {text!r} has {found['kind']} with {len(address)} numbers; "
                f"it takes {wanted}, as in {_EXAMPLES}"
            )
        factor = float(found["factor"] or 1.0)
        if factor == 0.0 or not math.isfinite(factor):
            raise InvalidInputError(f"objective {text!r} has the factor {factor}; leave it out")
        yield Term(-factor if found["sign"] == "-" else factor, found["kind"], address)
        place, first = found.end(), False


def _check_index(what: str, index: int, size: int) -> None:
    if index >= size:
        raise InvalidInputError(f"the objective names {what}; the last one is {size - 1}")
