"""Readers of MPS and LP files, each in a few lines: what other programs make of our files."""

from __future__ import annotations

import math
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest

Point = dict[str, float]
BY_NAME = 30.0
"""Seconds for one solve; nothing here takes one."""


class Reader(ABC):
    """Reads a file, optionally fixes columns, and minimises."""

    package: str
    knows: frozenset[str] = frozenset()
    leaves_out_zeros = False

    def skip_if_missing(self) -> None:
        if find_spec(self.package) is None:
            pytest.skip(f"{self.package} is not installed")

    @abstractmethod
    def minimise(self, path: Path, fixed: Mapping[str, float]) -> tuple[float, Point]:
        """Optimum and point."""

    def bounds(self, path: Path) -> dict[str, tuple[float, float, bool]]:
        """Lower and upper bound and integrality of each column."""
        pytest.skip("its command line does not show bounds")


class Highs(Reader):
    package = "highspy"

    def _read(self, path: Path):
        import highspy

        model = highspy.Highs()
        model.silent()
        model.setOptionValue("mip_rel_gap", 0.0)
        assert model.readModel(str(path)) == highspy.HighsStatus.kOk
        return model

    def minimise(self, path, fixed):
        import highspy

        model = self._read(path)
        for name, value in fixed.items():
            status, column = model.getColByName(name)
            assert status == highspy.HighsStatus.kOk
            model.changeColBounds(column, value, value)
        model.run()
        assert model.getModelStatus() == highspy.HighsModelStatus.kOptimal
        values = model.getSolution().col_value
        point = dict(zip(model.getLp().col_names_, values, strict=True))
        return model.getInfo().objective_function_value, point

    def bounds(self, path):
        import highspy

        model = self._read(path)
        lp = model.getLp()
        integral = [kind == highspy.HighsVarType.kInteger for kind in lp.integrality_]
        integral = integral or [False] * lp.num_col_
        return {
            name: (low, high, whole)
            for name, low, high, whole in zip(
                lp.col_names_, lp.col_lower_, lp.col_upper_, integral, strict=True
            )
        }


class Gurobi(Reader):
    package = "gurobipy"
    knows = frozenset({"sos1", "indicator"})

    def _read(self, path: Path):
        import gurobipy

        environment = gurobipy.Env(params={"OutputFlag": 0, "MIPGap": 0.0, "Threads": 1})
        return gurobipy.read(str(path), environment)

    def minimise(self, path, fixed):
        model = self._read(path)
        for name, value in fixed.items():
            variable = model.getVarByName(name)
            variable.LB = variable.UB = value
        model.optimize()
        assert model.Status == 2
        return model.ObjVal, {v.VarName: v.X for v in model.getVars()}

    def bounds(self, path):
        model = self._read(path)
        return {v.VarName: (v.LB, v.UB, v.VType != "C") for v in model.getVars()}


class Cplex(Reader):
    package = "cplex"
    knows = frozenset({"sos1", "indicator"})

    def _read(self, path: Path):
        import cplex

        model = cplex.Cplex()
        for stream in (model.set_results_stream, model.set_log_stream, model.set_warning_stream):
            stream(None)
        model.parameters.threads.set(1)
        model.parameters.mip.tolerances.mipgap.set(0.0)
        model.read(str(path))
        return model

    def minimise(self, path, fixed):
        model = self._read(path)
        model.variables.set_lower_bounds(list(fixed.items()))
        model.variables.set_upper_bounds(list(fixed.items()))
        model.solve()
        assert "optimal" in model.solution.get_status_string()
        names = model.variables.get_names()
        values = model.solution.get_values()
        return model.solution.get_objective_value(), dict(zip(names, values, strict=True))

    def bounds(self, path):
        model = self._read(path)
        columns = model.variables
        kinds = columns.get_types() if columns.get_num_integer() + columns.get_num_binary() else []
        return {
            name: (low, high, kind != "C")
            for name, low, high, kind in zip(
                columns.get_names(),
                columns.get_lower_bounds(),
                columns.get_upper_bounds(),
                kinds or ["C"] * columns.get_num(),
                strict=True,
            )
        }


class Scip(Reader):
    package = "pyscipopt"
    knows = frozenset({"sos1", "indicator"})

    def _read(self, path: Path):
        import pyscipopt

        model = pyscipopt.Model()
        model.hideOutput()
        model.readProblem(str(path))
        return model

    def minimise(self, path, fixed):
        model = self._read(path)
        for variable in model.getVars():
            if variable.name in fixed:
                model.chgVarLb(variable, fixed[variable.name])
                model.chgVarUb(variable, fixed[variable.name])
        model.optimize()
        assert model.getStatus() == "optimal"
        return model.getObjVal(), {v.name: model.getVal(v) for v in model.getVars()}

    def bounds(self, path):
        # The variables belong to the model, which must outlive them.
        model = self._read(path)
        return {
            v.name: (v.getLbOriginal(), v.getUbOriginal(), v.vtype() != "CONTINUOUS")
            for v in model.getVars()
        }


class Command(Reader):
    """A program on the path; columns are fixed by further rows' worth of bounds in a copy."""

    def skip_if_missing(self):
        if shutil.which(self.package) is None:
            pytest.skip(f"{self.package} is not installed")

    def minimise(self, path, fixed):
        if fixed:
            pytest.skip("its command line fixes no column")
        return self._run(path, path.with_suffix(".solution"))

    @abstractmethod
    def _run(self, path: Path, solution: Path) -> tuple[float, Point]: ...


class Cbc(Command):
    package = "cbc"
    knows = frozenset({"sos1"})
    leaves_out_zeros = True

    def _run(self, path, solution):
        command = ["cbc", str(path), "-ratioGap", "0", "solve", "solution", str(solution)]
        subprocess.run(command, check=True, capture_output=True, timeout=BY_NAME)
        head, *lines = solution.read_text().splitlines()
        assert head.startswith("Optimal")
        rows = [line.replace("**", "").split() for line in lines]
        return float(head.split()[-1]), {row[1]: float(row[2]) for row in rows}


class Glpk(Command):
    package = "glpsol"

    def _run(self, path, solution):
        kind = "--lp" if path.suffix == ".lp" else "--freemps"
        names = path.with_suffix(".names.lp")
        command = ["glpsol", kind, str(path), "--wlp", str(names), "--write", str(solution)]
        subprocess.run(command, check=True, capture_output=True, timeout=BY_NAME)
        lines = [line.split() for line in solution.read_text().splitlines()]
        (status,) = [line for line in lines if line[0] == "s"]
        assert "o" in status[4:7] or status[5] == "f"
        return float(status[-1]), {}


READERS: dict[str, Reader] = {
    "highs": Highs(),
    "gurobi": Gurobi(),
    "cplex": Cplex(),
    "scip": Scip(),
    "cbc": Cbc(),
    "glpk": Glpk(),
}


def reader_for(name: str, needs: frozenset[str] | set[str] = frozenset()) -> Reader:
    """The reader, or a skipped test."""
    reader = READERS[name]
    reader.skip_if_missing()
    missing = set(needs) - reader.knows
    if missing:
        pytest.skip(f"{name} does not read {', '.join(sorted(missing))}")
    return reader


def same_bound(left: float, right: float) -> bool:
    """Whether two bounds are the same number, 1e20 and more being infinite."""
    far = 1e20
    if abs(left) >= far or abs(right) >= far:
        return (
            math.copysign(1.0, left) == math.copysign(1.0, right)
            and min(abs(left), abs(right)) >= far
        )
    return left == right
