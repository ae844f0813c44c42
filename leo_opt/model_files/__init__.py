"""Networks as MPS and LP files, for benchmark libraries and for solvers outside Python."""

from leo_opt.model_files.export import WRITERS, check_output, export_model, export_network
from leo_opt.model_files.objective import Objective, Term
from leo_opt.model_files.sidecar import Sidecar
from leo_opt.model_files.solutions import read_solution

__all__ = [
    "WRITERS",
    "Objective",
    "Sidecar",
    "Term",
    "check_output",
    "export_model",
    "export_network",
    "read_solution",
]
