"""HiGHS through highspy: the embedded default.

Branch and bound starts afresh with every question, so that its answer does not depend on those
before; linear relaxations live in a second instance and start from the last basis. All stops go
through one callback. `objective_bound` is never set: as a cutoff of a MILP it gives wrong bounds.

References
----------
Q. Huangfu, J. A. J. Hall, Parallelizing the dual revised simplex method, Math. Program. Comp. 10,
2018; https://highs.dev
"""

from __future__ import annotations

from leo_opt.solvers.base import Solver
from leo_opt.solvers.highs.options import SMALLEST_ENTRY
from leo_opt.solvers.highs.session import HighsSession
from leo_opt.solvers.licences import OPEN_SOURCE, Licence
from leo_opt.solvers.questions import Feature, SolverOptions
from leo_opt.solvers.session import Session
from leo_opt.solvers.state import ModelState


class Highs(Solver):
    """The HiGHS backend."""

    name = "highs"
    package = "highspy"
    install = "pip install highspy"
    features = frozenset(
        {
            Feature.STOP_ON_BOUND,
            Feature.STOP_ON_INCUMBENT,
            Feature.CONFIRM_INCUMBENT,
            Feature.NODE_LIMIT,
            Feature.MIP_START,
            Feature.WARM_START,
            Feature.DUALS,
            Feature.RAYS,
            Feature.DUAL_BOUND,
        }
    )
    smallest_entry = SMALLEST_ENTRY

    def _version(self) -> str:
        """Version of the HiGHS library."""
        import highspy

        numbers = (
            highspy.HIGHS_VERSION_MAJOR,
            highspy.HIGHS_VERSION_MINOR,
            highspy.HIGHS_VERSION_PATCH,
        )
        return ".".join(map(str, numbers))

    def _licence(self, probe: bool) -> Licence:  # noqa: ARG002
        """MIT."""
        return OPEN_SOURCE

    def _open(self, state: ModelState, options: SolverOptions) -> Session:
        return HighsSession(self, state, options)
