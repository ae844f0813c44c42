"""Exact rewrites of a network, one a file, each with its law.

A rewrite takes a `Draft` and the index of a hidden layer and returns a new draft, or the same
one where there is nothing to do. What it changes is written down as a `Step` with a proved bound
on what it can move, and every unit carries a bound on how far it has moved so far.
"""

from leo_opt.rewrites.block import passing_units
from leo_opt.rewrites.constant import fold_constants, fold_outputs
from leo_opt.rewrites.dead import delete_dead
from leo_opt.rewrites.dependent import merge_dependent
from leo_opt.rewrites.draft import NEW_UNIT, Draft, Step, Units
from leo_opt.rewrites.duplicate import merge_duplicates
from leo_opt.rewrites.fold import fold_layer
from leo_opt.rewrites.inactive import delete_inactive
from leo_opt.rewrites.near import NEAR, spend
from leo_opt.rewrites.objectives import OBJECTIVES, count_parameters
from leo_opt.rewrites.opposite import merge_opposites, part_opposites
from leo_opt.rewrites.outputs import keep_outputs, read_outputs
from leo_opt.rewrites.product_rank import reduce_rank
from leo_opt.rewrites.sequential import make_plain, make_sequential
from leo_opt.rewrites.slopes import pass_slopes

__all__ = [
    "NEAR",
    "NEW_UNIT",
    "OBJECTIVES",
    "Draft",
    "Step",
    "Units",
    "count_parameters",
    "delete_dead",
    "delete_inactive",
    "fold_constants",
    "fold_layer",
    "fold_outputs",
    "keep_outputs",
    "make_plain",
    "make_sequential",
    "merge_dependent",
    "merge_duplicates",
    "merge_opposites",
    "part_opposites",
    "pass_slopes",
    "passing_units",
    "read_outputs",
    "reduce_rank",
    "spend",
]
