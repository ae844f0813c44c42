"""Options of `verify` as a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leo_opt.arguments import option, positive, read_whole, words_of
from leo_opt.decisions.settings import Settings

STAGES = ("witness", "splitting", "branch-and-bound", "milp")
"""Stages after CROWN that can be left out, in their order."""


@dataclass(frozen=True)
class VerifySettings(Settings):
    """Options of `verify`; see there."""

    stages: Sequence[str] = option(STAGES, words_of("stage", STAGES))
    piece_limit: int = option(10_000_000, positive(read_whole))
