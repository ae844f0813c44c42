"""Intervals of weighted sums of what a layer reads, tighter than interval arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leo_opt.bounds import Bounds, crown
from leo_opt.bounds.values import Interval
from leo_opt.domain import Box
from leo_opt.formulations.columns import Scaling
from leo_opt.network import FloatArray, Network


@dataclass(frozen=True, eq=False)
class SumBounds:
    """CROWN for sums over the scaled variables that the layers of a block read.

    Parameters
    ----------
    network
    domain
        The box on which the intervals hold.
    bounds
        Of all pre-activations, on a box that contains the domain.
    inputs
        How each layer's inputs are held by variables.

    References
    ----------
    H. Zhang et al., Efficient Neural Network Robustness Certification with General Activation
    Functions, NeurIPS 2018, section 3. That dependencies between the summands may tighten the
    bounds of a part is said in C. Tsay, J. Kronqvist, A. Thebelt, R. Misener, arXiv 2102.04373,
    section 3.3, where optimisation finds them.
    """

    network: Network
    domain: Box
    bounds: Bounds
    inputs: Sequence[Scaling]

    def interval(self, index: int, coefficients: FloatArray) -> Interval:
        """Intervals of coefficients @ x, where x are the scaled variables that a layer reads.

        Parameters
        ----------
        coefficients : (m, k) array

        Returns
        -------
        lower, upper : (m,) arrays
            True for every input of the domain; infinite where nothing is known.
        """
        scaling = self.inputs[index]
        # x = 2**exponent * (value - shift): powers of two are exact in binary.
        natural = np.ldexp(coefficients, scaling.exponent[None, :])
        weight = np.zeros((len(coefficients), self.network.layers[index].n_in))
        weight[:, scaling.kept] = natural
        terms = natural * scaling.shift[scaling.kept]
        lower, upper = crown.bound_rows(
            self.network,
            self.domain,
            self.bounds.lower[:index],
            self.bounds.upper[:index],
            weight,
            -terms.sum(axis=1),
        )
        # More than the rounding of the products and of their sum, subnormal ones included.
        error = 2.0**-52 * (terms.shape[1] + 2) * np.abs(terms).sum(axis=1) + 2.0**-1000
        return np.nextafter(lower - error, -np.inf), np.nextafter(upper + error, np.inf)
