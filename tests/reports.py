"""JSON files of reports, checked against what is documented of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from leo_opt.report.records import (
    APPROXIMATION,
    COMPRESSION,
    DIFFERENCE,
    ApproximationRecord,
    CompressionRecord,
    DifferenceRecord,
)
from leo_opt.storage import codec

KINDS: dict[str, type] = {
    COMPRESSION: CompressionRecord,
    APPROXIMATION: ApproximationRecord,
    DIFFERENCE: DifferenceRecord,
}


def read_report(path: Path) -> Any:
    """What a report says, which has the entries and types of its schema and nothing else."""
    tree = json.loads(path.read_text(encoding="utf-8"))
    kind = KINDS[tree["format"]]
    assert codec.to_tree(codec.from_tree(tree, kind)) == tree
    return tree
