"""The text of models: what the golden files hold, and the command that writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyomo.environ as pyo

from leo_opt import Box, Network, formulate
from leo_opt.formulations import FORMULATIONS, Formulation, Partition
from leo_opt.solvers import StandardForm, compile_model

GOLDEN = Path(__file__).parent / "formulations" / "golden"
VARIANTS: dict[str, str | Formulation] = {
    **{name: name for name in FORMULATIONS},
    "partition-1": Partition(parts=1),
}
NETWORK = Network.from_arrays([[[1.0, -2.0], [0.5, 1.0]], [[1.0, -1.0]]], [[0.5, 0.25], [0.5]])


def model_text(formulation: str | Formulation) -> str:
    """The compiled model of a network with two unstable units on the box [-1, 1]."""
    model = pyo.ConcreteModel()
    model.net = formulate(NETWORK, Box(-1.0, 1.0), formulation=formulation)
    return form_text(compile_model(model).form)


def form_text(form: StandardForm) -> str:
    """Rows, columns, special ordered sets and indicator rows, a line each."""
    short = [name.removeprefix("net.") for name in form.column_names]
    matrix = form.matrix.toarray()
    lines = ["rows"]
    for k, name in enumerate(form.row_names):
        body = _sum(matrix[k], range(form.columns), short)
        lines.append(
            f"  {name.removeprefix('net.')}: {_sides(form.row_lower[k], body, form.row_upper[k])}"
        )
    lines.append("columns")
    for k, name in enumerate(short):
        kind = " integer" if form.integer[k] else ""
        lines.append(f"  {_sides(form.column_lower[k], name, form.column_upper[k])}{kind}")
    for group in form.sos:
        members = ", ".join(short[column] for column in group.columns)
        lines.append(f"sos{group.kind} {members}")
    for row in form.indicators:
        body = _sum(row.coefficients, row.columns, short)
        condition = f"{short[row.binary]} = {int(row.active_value)}"
        lines.append(f"if {condition}: {_sides(row.lower, body, row.upper)}")
    return "\n".join(lines) + "\n"


def _sum(coefficients: np.ndarray, columns: range | np.ndarray, names: list[str]) -> str:
    terms = [
        f"{_number(c)} {names[k]}" for c, k in zip(coefficients, columns, strict=True) if c != 0.0
    ]
    return " + ".join(terms).replace("+ -", "- ") or "0"


def _sides(lower: float, body: str, upper: float) -> str:
    if _number(lower) == _number(upper):
        return f"{body} = {_number(upper)}"
    left = "" if np.isinf(lower) else f"{_number(lower)} <= "
    right = "" if np.isinf(upper) else f" <= {_number(upper)}"
    return left + body + right


def _number(value: float) -> str:
    """Ten digits: bounds carry an error term of about 1e-15."""
    return "0" if abs(value) < 1e-12 else f"{value:.10g}"


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for variant, chosen in VARIANTS.items():
        (GOLDEN / f"{variant}.txt").write_text(model_text(chosen), encoding="utf-8")
