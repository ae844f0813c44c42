"""Smaller networks with nearly the same outputs, fitted to data, with a proved bound where asked.

One file a method, each with its mathematics; `pursuit` goes through the layers, `allocation` shares
the budget among them, `size_search` puts both together.
"""

from leo_opt.approximation.budgets import Budget, Deviation, MultiplyAdds, Parameters, Response
from leo_opt.approximation.methods import METHODS, Method, MethodLike
from leo_opt.approximation.result import Approximation

__all__ = [
    "METHODS",
    "Approximation",
    "Budget",
    "Deviation",
    "Method",
    "MethodLike",
    "MultiplyAdds",
    "Parameters",
    "Response",
]
