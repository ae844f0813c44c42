"""Values that can be told in a few lines."""

from __future__ import annotations

import importlib


class Summarised:
    """A value of which `leo_opt.report.summaries` makes a table, for a terminal and for a notebook.

    The tables are looked up when they are asked for: they know all values, and no value them.
    """

    def summary(self) -> str:
        """What people want to know of this value, in lines of text."""
        return str(importlib.import_module("leo_opt.report.summaries").as_text(self))

    def _repr_html_(self) -> str:
        """The same for a notebook."""
        return str(importlib.import_module("leo_opt.report.summaries").as_html(self))
