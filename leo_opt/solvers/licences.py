"""What a solver's licence allows."""

from __future__ import annotations

from dataclasses import dataclass

from leo_opt.errors import SolverError
from leo_opt.solvers.standard_form import StandardForm


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

    def fits(self, form: StandardForm) -> bool:
        """Whether a model is within the limits."""
        rows, columns = counted_rows(form), form.columns
        return (self.max_rows is None or rows <= self.max_rows) and (
            self.max_columns is None or columns <= self.max_columns
        )

    def check(self, solver: str, form: StandardForm) -> None:
        """Refuse a model that is too large.

        Raises
        ------
        SolverError
            Naming both sizes.
        """
        if not self.fits(form):
            raise SolverError(
                f"the model has {counted_rows(form)} rows and {form.columns} columns, and the "
                f"{self.kind} licence of {solver} takes {self.max_rows} and {self.max_columns}; "
                "install a full licence or take another solver"
            )

    def __str__(self) -> str:
        if self.max_rows is None:
            return self.kind
        return f"{self.kind} ({self.max_rows:,} x {self.max_columns:,})"


OPEN_SOURCE = Licence("open source")


def counted_rows(form: StandardForm) -> int:
    """Rows as licences count them: indicators and SOS sets are constraints too."""
    return form.rows + len(form.indicators) + len(form.sos)
