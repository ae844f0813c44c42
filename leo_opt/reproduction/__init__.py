"""Tables of papers, made anew: networks are trained, decided and compressed."""

from leo_opt.reproduction.experiments import EXPERIMENTS, QUICK, Experiment, Published, TableRow
from leo_opt.reproduction.results import Reproduction, Shrunk, Trained, read_results
from leo_opt.reproduction.run import reproduce

__all__ = [
    "EXPERIMENTS",
    "QUICK",
    "Experiment",
    "Published",
    "Reproduction",
    "Shrunk",
    "TableRow",
    "Trained",
    "read_results",
    "reproduce",
]
