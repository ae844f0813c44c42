"""Stability, MILP models and lossless compression of rectifier networks.

The names below are imported when they are first used, so that `import leo_opt` loads no solver,
no Pyomo and no ONNX.
"""

from __future__ import annotations

import importlib
import logging
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

# `X as X` says to type checkers that the name is meant to be imported from here.
if TYPE_CHECKING:
    from leo_opt.api import compress as compress
    from leo_opt.approximation import Approximation as Approximation
    from leo_opt.bounds import Bounds as Bounds
    from leo_opt.bounds import propagate as propagate
    from leo_opt.compression import Compression as Compression
    from leo_opt.decisions import Cascade as Cascade
    from leo_opt.decisions import Joint as Joint
    from leo_opt.decisions import PerUnit as PerUnit
    from leo_opt.decisions import classify as classify
    from leo_opt.difference import Difference as Difference
    from leo_opt.difference import bound_difference as bound_difference
    from leo_opt.domain import Box as Box
    from leo_opt.fitting import Frontier as Frontier
    from leo_opt.fitting import approximate as approximate
    from leo_opt.fitting import frontier as frontier
    from leo_opt.formats import load as load
    from leo_opt.formats import load_domain as load_domain
    from leo_opt.formats import save as save
    from leo_opt.formats.pytorch import from_torch as from_torch
    from leo_opt.formats.pytorch import to_torch as to_torch
    from leo_opt.formats.scikit_learn import from_sklearn as from_sklearn
    from leo_opt.formulations import formulate as formulate
    from leo_opt.network import Layer as Layer
    from leo_opt.network import Network as Network
    from leo_opt.network import Signature as Signature
    from leo_opt.polytope import Polytope as Polytope
    from leo_opt.rectify import rectified as rectified
    from leo_opt.stability import Evidence as Evidence
    from leo_opt.stability import Phase as Phase
    from leo_opt.stability import Stability as Stability

_HOMES = MappingProxyType(
    {
        "Approximation": "approximation",
        "Bounds": "bounds",
        "Box": "domain",
        "Cascade": "decisions",
        "Compression": "compression",
        "Difference": "difference",
        "Evidence": "stability",
        "Frontier": "fitting",
        "Joint": "decisions",
        "Layer": "network",
        "Network": "network",
        "PerUnit": "decisions",
        "Phase": "stability",
        "Polytope": "polytope",
        "Signature": "network",
        "Stability": "stability",
        "approximate": "fitting",
        "bound_difference": "difference",
        "classify": "decisions",
        "compress": "api",
        "formulate": "formulations",
        "frontier": "fitting",
        "from_sklearn": "formats.scikit_learn",
        "from_torch": "formats.pytorch",
        "load": "formats",
        "load_domain": "formats",
        "propagate": "bounds",
        "rectified": "rectify",
        "save": "formats",
        "to_torch": "formats.pytorch",
    }
)
__all__ = list(_HOMES)
# Silent until an application asks for the messages of this logger.
logging.getLogger(__name__).addHandler(logging.NullHandler())
__version__ = "0.2.0.dev0"


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'leo_opt' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"leo_opt.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
