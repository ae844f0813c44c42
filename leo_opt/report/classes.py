"""What is known of classes that may change, as values for JSON and as lines to read."""

from __future__ import annotations

from collections.abc import Sequence

from leo_opt.report.records import ClassRecord
from leo_opt.verification import Decision
from leo_opt.verification.classes import ClassCheck

_WORDS = {
    Decision.HOLDS: "cannot change",
    Decision.VIOLATED: "changes at some input",
    Decision.UNKNOWN: "is not decided",
}


def describe_classes(checks: Sequence[ClassCheck]) -> ClassRecord:
    """On how many domains the class cannot change, and the answer on each; empty without any."""
    answers = [check.verdict.answer for check in checks]
    counts = {str(word): answers.count(word) for word in Decision} if answers else {}
    return {"same_class": counts, "classes": answers}


def told_classes(checks: Sequence[ClassCheck]) -> list[str]:
    """The same in a line."""
    told = [check.verdict.answer for check in checks]
    if len(checks) == 1:
        return [f"the class {_WORDS[told[0]]} on {checks[0].domain}"]
    counts = [f"{said} on {told.count(word)}" for word, said in _WORDS.items() if word in told]
    return [f"the class, of {len(checks)} domains: {', '.join(counts)}"] if checks else []
