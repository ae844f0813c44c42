"""Stability, MILP models and lossless compression of rectifier networks.

The names below are imported when they are first used, so that `import leo_opt` loads no solver,
no Pyomo and no ONNX.
"""

from __future__ import annotations

import importlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leo_opt.bounds import Bounds, propagate
    from leo_opt.compression import Compression, compress
    from leo_opt.domain import Box
    from leo_opt.formats import load, load_domain, save
    from leo_opt.formulations import formulate
    from leo_opt.network import Layer, Network, Signature
    from leo_opt.stability import Evidence, Phase, Stability
    from leo_opt.strategies import classify

_HOMES = MappingProxyType(
    {
        "Bounds": "bounds",
        "Box": "domain",
        "Compression": "compression",
        "Evidence": "stability",
        "Layer": "network",
        "Network": "network",
        "Phase": "stability",
        "Signature": "network",
        "Stability": "stability",
        "classify": "strategies",
        "compress": "compression",
        "formulate": "formulations",
        "load": "formats",
        "load_domain": "formats",
        "propagate": "bounds",
        "save": "formats",
    }
)
__all__ = list(_HOMES)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'leo_opt' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"leo_opt.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
