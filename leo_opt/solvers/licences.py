"""What a solver's licence allows."""

from __future__ import annotations

from dataclasses import dataclass

from leo_opt.errors import SolverError


@dataclass(frozen=True)
class Licence:
    """A licence, as far as it is known.

    Parameters
    ----------
    kind
        "open source", "full", "restricted", "community" or "unknown".
    max_rows, max_columns
        Largest model, or None where there is no limit or none is known.
    detail
        Where this was learnt.
    """

    kind: str
    max_rows: int | None = None
    max_columns: int | None = None
    detail: str = ""

    def fits(self, rows: int, columns: int) -> bool:
        """Whether a model of that size is within the limits."""
        return (self.max_rows is None or rows <= self.max_rows) and (
            self.max_columns is None or columns <= self.max_columns
        )

    def check(self, solver: str, rows: int, columns: int, about: str = "") -> None:
        """Refuse a model that is too large, `about` so large.

        Raises
        ------
        SolverError
            Naming both sizes.
        """
        refusal = self.refusal(solver, rows, columns, about)
        if refusal is not None:
            raise SolverError(refusal)

    def refusal(self, solver: str, rows: int, columns: int, about: str = "") -> str | None:
        """Why a model is too large, `about` so large; None if it fits."""
        if self.fits(rows, columns):
            return None
        return (
            f"the model has {about}{rows} rows and {columns} columns, and the {self.kind} licence "
            f"of {solver} takes {self.max_rows} and {self.max_columns}; install a full licence "
            "or take another solver"
        )

    def __str__(self) -> str:
        if self.max_rows is None:
            return self.kind
        return f"{self.kind} ({self.max_rows:,} x {self.max_columns:,})"


OPEN_SOURCE = Licence("open source")
