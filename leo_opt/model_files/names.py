"""Names that every reader of MPS and LP files takes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

LONGEST_NAME = 150
"""CPLEX, Gurobi and GLPK take 255 characters; CBC 2.10 crashes at 165."""

_SHORT: Mapping[str, str] = MappingProxyType(
    {
        "inputs": "input",
        "scaled_inputs": "scaled_input",
        "scaled_pre": "pre",
        "scaled_post": "post",
        "is_active": "active",
        "is_inactive": "inactive",
    }
)
"""What components of a block are called in a file."""

_BINARY_OF_DISJUNCT = re.compile(r"if_(active|inactive)(\[.*\])\.binary_indicator_var$")

_KEYWORDS = frozenset(
    """
    free inf infinity infinite st subject such bound bounds bin binary binaries gen general
    generals int integer integers semi semis sos sos1 sos2 end min max minimize maximize
    minimum maximum minimise maximise lazy user range ranges rhs
    """.split()  # noqa: SIM905
)
"""Words that begin a section of some dialect of LP, or mean a number there."""


def safe_names(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """Names of Pyomo components as names in files, all different.

    Letters, digits and underscores only; not longer than `LONGEST_NAME`; no keyword of LP files,
    and no e at the start, which LP readers take for an exponent. An index follows its component
    after underscores: `scaled_pre[1,17]` is `pre_1_17`.

    Parameters
    ----------
    names
        As Pyomo gives them.
    taken
        Names that must not be used.
    """
    used = set(taken)
    result = []
    for name in names:
        safe = _unique(_safe(name), used)
        used.add(safe)
        result.append(safe)
    return result


def _safe(name: str) -> str:
    """One name in letters, digits and underscores."""
    name = _BINARY_OF_DISJUNCT.sub(r"is_\1\2", name)
    parts = [_shorten(part) for part in name.split(".")]
    text = re.sub(r"[^A-Za-z0-9_]", "_", "_".join(parts).replace("-", "m"))
    if not text or not text[0].isalpha() or text[0] in "eE" or text.lower() in _KEYWORDS:
        text = f"x_{text}"
    if len(text) > LONGEST_NAME - 16:
        text = f"{text[: LONGEST_NAME - 40]}_{hashlib.sha256(name.encode()).hexdigest()[:12]}"
    return text


def _shorten(part: str) -> str:
    """`scaled_pre[1,17]` as `pre[1,17` and so on, without what would end in underscores."""
    component, bracket, index = part.partition("[")
    return _SHORT.get(component, component) + bracket + index.removesuffix("]")


def _unique(name: str, used: set[str]) -> str:
    """The name, or with a number behind it where it is taken."""
    candidate, number = name, 1
    while candidate in used:
        number += 1
        candidate = f"{name}__{number}"
    return candidate
