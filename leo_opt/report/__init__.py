"""What a run did: values, trees for JSON, and tables for a terminal and for notebooks."""

from leo_opt.console import show
from leo_opt.report.compression_run import (
    CompressionRun,
    describe_compression,
    describe_versions,
    measure,
    provenance,
)
from leo_opt.report.tables import (
    compression_table,
    network_table,
    provenance_table,
    rewriting_tables,
    solver_table,
    stability_table,
)

__all__ = [
    "CompressionRun",
    "compression_table",
    "describe_compression",
    "describe_versions",
    "measure",
    "network_table",
    "provenance",
    "provenance_table",
    "rewriting_tables",
    "show",
    "solver_table",
    "stability_table",
]
