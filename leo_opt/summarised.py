"""Values that can be told in a few lines, shown in a picture, reported, and written to a file.

What tells them knows all values, and no value knows it: it is looked up when it is asked for.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _find(module: str, name: str) -> Any:
    return getattr(importlib.import_module(f"leo_opt.report.{module}"), name)


class Summarised:
    """A value of which `leo_opt.report.summaries` makes a table, for a terminal and a notebook."""

    def summary(self) -> str:
        """What people want to know of this value, in lines of text."""
        return str(_find("summaries", "as_text")(self))

    def _repr_html_(self) -> str:
        """The same for a notebook, with the picture where there is one."""
        return str(_find("summaries", "as_html")(self))


class Pictured(Summarised):
    """A value that has a picture, too: one of `leo_opt.report.scenes`."""

    def plot(self) -> Figure:
        """The picture, drawn with matplotlib: `plot().savefig("picture.pdf")`.

        Raises
        ------
        SolverNotAvailableError
            If matplotlib is not installed.
        """
        return _find("scenes", "plot")(self)  # type: ignore[no-any-return]


class Reported(Pictured):
    """A smaller network, which has a report and a file, too: one of `leo_opt.report.files`."""

    def report(self, path: str | os.PathLike[str]) -> None:
        """Write what `--report` writes on the command line for a file of the type that was read.

        Parameters
        ----------
        path
            `.html` for a page with the picture, what is proved, and how it was found; with any
            other suffix the same figures as JSON.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        _find("files", "report")(self, path)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the smaller network, and where it comes from (`leo_opt.formats.load_provenance`).

        The file is one of `leo_opt.save`, in the element type that this takes for the path; of a
        graph `.onnx` or `.onnx.gz`. It is whole or not there at all.

        Raises
        ------
        FileFormatError
            If the suffix is unknown.
        OutputError
            If the file cannot be written.
        """
        _find("files", "save")(self, path)
