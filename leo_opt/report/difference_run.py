"""How far two networks are apart, as a tree for JSON."""

from __future__ import annotations

from collections.abc import Sequence

from leo_opt.difference import Difference
from leo_opt.network import Network
from leo_opt.report.classes import describe_classes
from leo_opt.report.compression_run import describe_versions
from leo_opt.report.records import DIFFERENCE, DifferenceRecord
from leo_opt.verification.classes import ClassCheck


def describe_difference(
    networks: Sequence[Network], apart: Difference, checks: Sequence[ClassCheck]
) -> DifferenceRecord:
    """What is proved and found of each output, and of classes."""
    return {
        "format": DIFFERENCE,
        "lower": apart.lower.tolist(),
        "upper": apart.upper.tolist(),
        "max_deviation": float(apart.bound.max()),
        "max_deviation_separate": float(apart.separate.max()),
        "max_deviation_found": float(apart.found.max()),
        "found": apart.found.tolist(),
        "points": apart.points.tolist(),
        **describe_classes(checks),
        "domain": repr(apart.domain),
        "network_hashes": [network.content_hash for network in networks],
        "versions": describe_versions(),
    }
