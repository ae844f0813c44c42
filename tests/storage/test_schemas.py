"""The JSON schemas in docs/schemas/ are those of what is read and written.

`python tests/storage/test_schemas.py` writes them anew.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from leo_opt import stability
from leo_opt.comparison import plan, record
from leo_opt.decisions import checkpoint
from leo_opt.decisions.findings import Finding
from leo_opt.decisions.splitting_state import SplitEntry
from leo_opt.formats import npz
from leo_opt.model_files import sidecar
from leo_opt.network import Signature
from leo_opt.report import records
from leo_opt.reproduction import results
from leo_opt.storage import codec
from leo_opt.verification import verdicts

FOLDER = Path(__file__).parents[2] / "docs" / "schemas"
KINDS = {
    "stability": (stability.StabilityFile, stability.FORMAT),
    "verdict": (verdicts.Verdict, verdicts.FORMAT),
    "model_sidecar": (sidecar.SidecarFile, sidecar.FORMAT),
    "checkpoint_finding": (Finding, f"{checkpoint.FORMAT}: an entry"),
    "checkpoint_split": (SplitEntry, f'{checkpoint.FORMAT}: "split" of an entry'),
    "comparison_plan": (plan.PlanFile, plan.FORMAT),
    "comparison_entry": (record.Entry, f"{record.FORMAT}: an entry"),
    "compression_report": (records.CompressionRecord, records.COMPRESSION),
    "approximation_report": (records.ApproximationRecord, records.APPROXIMATION),
    "difference": (records.DifferenceRecord, records.DIFFERENCE),
    "reproduction": (results.Reproduction, results.FORMAT),
    "network_signature": (Signature, f"{npz.STRUCTURED}: signature"),
}


def text(name: str) -> str:
    """The schema of a kind as it should stand in its file."""
    return json.dumps(codec.schema(*KINDS[name]), indent=1) + "\n"


@pytest.mark.parametrize("name", KINDS)
def test_a_schema_is_not_stale(name: str) -> None:
    found = (FOLDER / f"{name}.json").read_text()
    assert found == text(name), "run: python tests/storage/test_schemas.py"


def test_no_schema_is_left_over() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(KINDS)


if __name__ == "__main__":
    for kind in KINDS:
        (FOLDER / f"{kind}.json").write_text(text(kind))
