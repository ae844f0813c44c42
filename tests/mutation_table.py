"""The mistakes of `mutations.py`: by source file the name of each, and what becomes what.

They are about mathematics: signs, sides, strictness, terms of rounding, premises. Keep the texts
short, and no longer than it takes to stand in the file exactly once.
"""

from __future__ import annotations

TABLE: dict[str, dict[str, tuple[str, str]]] = {
    "enclosure.py": {
        "image-rounding": (
            "error = gamma(weight.shape[1] + 4) * magnitude",
            "error = 0.0 * magnitude",
        ),
        "image-wrong-end": ("lower @ negative.T + bias", "upper @ negative.T + bias"),
        "image-underflow": ("            error = error + TINY", "            error = error + 0.0"),
        "image-lonely-underflow": ("round_up(nearest + TINY)", "nearest"),
        "image-sign-unasked": (
            "(result > 0.0) & (nearest <= error)",
            "(result > 1.0) & (nearest <= error)",
        ),
        "exact-image-wrong-end": (
            "np.where(values > 0.0, upper[columns]",
            "np.where(values <= 0.0, upper[columns]",
        ),
        "underflow-unseen": ("_smallest(upper)) < 2.0**-900", "_smallest(upper)) < 0.0"),
        "evaluate-inherited": (
            "(1.0 + factor) * (radius @ magnitude.T)",
            "factor * (radius @ magnitude.T)",
        ),
        "evaluate-rounding": ("+ factor * (np.abs(post)", "+ 0.0 * (np.abs(post)"),
        "evaluate-bias": ("magnitude.T + np.abs(layer.bias))", "magnitude.T)"),
        "evaluate-underflow": (
            "            + TINY\n        )\n        enclosures",
            "        )\n        enclosures",
        ),
    },
    "training/stack.py": {
        "training-momentum-of-old-rate": (
            "self._moves[index] *= np",
            "self._moves[index] *= 1 + 0 * np",
        ),
        "training-mask-of-next": ("error *= np.sign(post)", "error *= 1.0"),
        "training-penalty-without-rate": (
            "pull = self._penalties * np",
            "pull = self._penalties + 0 * np",
        ),
    },
    "bounds/interval.py": {
        "interval-unrectified": (
            "post_interval(network.layers[index - 1], lows[index - 1], highs[index - 1])",
            "(lows[index - 1], highs[index - 1])",
        ),
        "interval-wrong-layer": (
            "return post_interval(network.layers[index - 1], lows[index - 1]",
            "return post_interval(network.layers[index - 1], lows[0]",
        ),
        "interval-lane-of-another": ("ends[..., lanes[rows]]", "ends[..., rows * 0]"),
        "interval-max-of-one": ("np.maximum(last, other[1])", "other[1]"),
    },
    "maxima.py": {
        "max-of-almost": ("result[pair[wrong]] = False", "result[pair[:0]] = False"),
        "max-over-units": ("with_pairs(-pairs.factors)", "with_pairs(0.0 * pairs.factors)"),
    },
    "twins.py": {
        "twins-rounded": ("if lost.any() or", "if"),
        "twins-of-opposite-bias": ("sign * bias + 0.0", "bias + 0.0"),
        "twins-other-sign": ("self.signs[unit] = other, -1.0", "self.signs[unit] = other, 1.0"),
    },
    "formulations/sizes.py": {
        "sizes-too-many-rows": ("layer.phased & (low < 0.0)", "layer.phased"),
        "sizes-of-lanes": (" & (layer.lanes < 0)", ""),
    },
    "bounds/rational.py": {
        "rational-wrong-chord": ("ends[1] / (ends[1] - ends[0])", "ends[1] / (ends[1] + 1)"),
        "rational-wrong-end": (
            "domain.upper[unit] if factor > 0",
            "domain.upper[unit] if factor < 0",
        ),
        "rational-shares-unclipped": ("min(max(slope, Fraction(0)), Fraction(1))", "slope"),
        "rational-multiplier-free": ("max(moved * ends[0], moved * ends[1])", "moved * ends[1]"),
    },
    "bounds/methods.py": {
        "propagate-widens-one-end": ("np.minimum.reduce(highs)", "np.minimum.reduce(lows)"),
    },
    "bounds/backward.py": {
        "crown-wrong-line": (
            "np.minimum(values, 0.0) * _spread(step.below",
            "np.minimum(values, 0.0) * _spread(step.above",
        ),
        "crown-lift-of-both-signs": (
            "with_numbers(rows, positive), step.offset",
            "with_numbers(rows, values), step.offset",
        ),
        "crown-drops-lower-lines": (
            "kept = (step.above != 0.0) | (step.below != 0.0)",
            "kept = step.below != 0.0",
        ),
        "crown-errors-forgotten": ("(1.0 + gamma(8)) * error", "0.0 * error"),
        "crown-input-rounding": ("gamma(domain.lower.shape[-1] + 2) * reach", "0.0 * reach"),
        "crown-constants-rounding": (
            "gamma(4 * len(relaxations) + 4) * (magnitude + reach)",
            "0.0 * (magnitude + reach)",
        ),
        "crown-wrong-input-end": (
            "weights.negative_part(rows), domain.lower)",
            "weights.negative_part(rows), domain.upper)",
        ),
        "crown-vanished-coefficient": ("step.cost) + step.lost", "step.cost)"),
    },
    "bounds/crown.py": {
        "crown-rows-not-mirrored": ("np.maximum(low[..., some], -below)", "-above"),
    },
    "bounds/lines.py": {
        "crown-product-rounding": (
            "factor = gamma(length * (sum(weight.shape) + 3))",
            "factor = 0.0",
        ),
        "crown-chord-upper-end": (
            "round_up(round_up(last * high) - round_down(above * high))",
            "round_up(round_up(first * low) - round_down(above * low))",
        ),
        "crown-chord-lower-end": (
            "round_up(round_up(first * low) - round_down(above * low))",
            "round_up(round_up(last * high) - round_down(above * high))",
        ),
        "crown-chord-unrounded": (
            "round_up(round_up(last * high) - round_down(above * high))",
            "last * high - above * high",
        ),
        "crown-multiplier-end": (
            "np.maximum(shift * low, shift * high)",
            "np.minimum(shift * low, shift * high)",
        ),
        "crown-phases-swapped": ("(high > 0.0), last, first)", "(high > 0.0), first, last)"),
        "crown-underflow": ("offsets) + TINY * size", "offsets)"),
        "crown-planes-unrounded": ("planes[index].units, 2", "planes[index].units, 0"),
    },
    "bounds/planes.py": {
        "plane-moved": ("np.maximum(off, on) + error)", "np.maximum(off, on) + error - 1e-13)"),
        "plane-rounding": ("gamma(2 * layer.n_in + 32) * size", "0.0 * size"),
        "plane-off-end": ("planes.pre * low", "planes.pre * high"),
        "plane-on-end": ("planes.flat * high", "planes.flat * low"),
        "plane-ignores-off": ("np.maximum(off, on) + error", "on + error"),
        "plane-ignores-on": ("np.maximum(off, on) + error", "off + error"),
        "plane-underflow": (
            "TINY * (1.0 + reach.sum(axis=-1, keepdims=True))",
            "0.0 * reach.sum(axis=-1, keepdims=True)",
        ),
    },
    "bounds/pieces.py": {
        "pieces-coefficient-rounding": (
            "before.error + _PAIR * (above_size + below_size)",
            "before.error",
        ),
        "pieces-error-not-passed-on": (
            "np.maximum(slope, share) * error",
            "np.minimum(slope, share) * error",
        ),
        "pieces-error-of-intervals": ("round_up(highest + functions.error)", "highest"),
        "pieces-evaluation-rounding": (
            "gamma(2 * self.reach.shape[1] + 4) * magnitude",
            "0.0 * magnitude",
        ),
        "pieces-product-rounding": ("factor = gamma(layer.n_in + 4)", "factor = 0.0"),
        "pieces-chord-upper-end": (
            "round_up(high - round_down(slope * high))",
            "round_up(-round_down(slope * low))",
        ),
        "pieces-chord-lower-end": (
            "round_up(-round_down(slope * low))",
            "round_up(high - round_down(slope * high))",
        ),
        "pieces-chord-unlifted": ("np.where(crosses, np.maximum(lift, 0.0), 0.0)", "0.0 * lift"),
        "pieces-chord-too-short": (
            "np.minimum(high, round_up(above_high + error))",
            "np.minimum(high, 0.5 * above_high)",
        ),
        "pieces-inherited-error": ("(1.0 + factor) * before.error", "0.0 * before.error"),
        "pieces-off-too-early": ("off, on = (high <= 0.0)", "off, on = (low <= 0.0)"),
        "pieces-linear-off": ("(low >= 0.0) | ~phased", "(low >= 0.0)"),
    },
    "formats/affine.py": {
        "affine-shift-of-sum": ("self.shift + other.shift)", "self.shift)"),
        "affine-shift-behind": ("shift + self._dots(first.shift)", "shift"),
        "affine-rounding-unseen": ("exact = exact and plain.is_exact", "exact = True"),
        "affine-divisor-of-rows": (
            "self.weight / values[self.rows], self.shift / values",
            "self.weight / values[self.rows], self.shift",
        ),
    },
    "formats/levels.py": {
        "levels-slope-rounding": (
            "Rounded.exact(1.0) - Rounded.exact(slopes)",
            "Rounded.exact(1.0 - slopes)",
        ),
        "levels-sign-unasked": (
            "scaled and bool(self._never_negative[pre.columns].all())",
            "scaled",
        ),
        "levels-raised-by-less": (
            "pre.weight.certainly_not_negative and pre.shift.certainly_not_negative",
            "pre.weight.certainly_not_negative",
        ),
        "levels-rounding-forgotten": ("tuple(rounding) if any(rounding) else ()", "()"),
        "levels-product-rounded": (
            "            if exact:\n                return made",
            "            if made is not None:\n                return made",
        ),
    },
    "formats/onnx/piecewise.py": {
        "clip-shifted-wrong": ("shifted(values, -upper)", "shifted(values, upper)"),
        "pool-with-padding": ("np.nonzero(places >= 0)", "np.nonzero(places >= -1)"),
    },
    "formats/rounded.py": {
        "sum-error-lost": ("other.error + _size(rest, total)", "other.error"),
        "product-error-lost": ("_bound(carried + _size(rest, product))", "_bound(carried)"),
        "product-carries-one-error": (
            "                + _times(self.error, other.values)\n",
            "",
        ),
        "quotient-error-lost": ("_bound(carried + _fresh(quotient, exact))", "_bound(carried)"),
        "divisor-error-lost": ("self.error + _times(quotient, other.error)", "self.error"),
        "root-error-lost": ("_bound(carried + _fresh(root, exact))", "_bound(carried)"),
        "dots-missed": ("TINY, carried) + missed", "TINY, carried)"),
    },
    "deviation.py": {
        "reading-without-biases": ("inputs), rounding.bias)", "inputs))"),
        "reading-at-old-inputs": (
            "add_up(largest_inputs(network, bounds, index), moved.units)",
            "largest_inputs(network, bounds, index)",
        ),
        "reach-rounding": ("(1.0 + gamma(matrix.shape[1] + 2)) * total", "1.0 * total"),
        "reach-underflow": ("total + TINY)", "total)"),
        "reach-of-infinity": (
            "np.where(weights.rows_that_read(matrix, ~finite), np.inf",
            "np.where(weights.rows_that_read(matrix, ~finite), 0.0",
        ),
        "add-up-nearest": ("added = round_up(total + term)", "added = total + term"),
        "rounding-by-old-weights": (
            "shown = moved.through(written,",
            "shown = moved.through(network,",
        ),
        "rounding-without-biases": ("shift = other.bias - layer.bias", "shift = 0.0 * layer.bias"),
        "rounding-of-unstable": ("np.where(passes, 0.0, np.abs(constant))", "0.0 * constant"),
        "rounding-to-zero": (
            "(round_down(bounds.lower[index] + constant - shown.units) >= 0.0)",
            "(bounds.lower[index] >= 0.0)",
        ),
        "rounding-around": ("add_up(around, np.where", "add_up(0.0 * around, np.where"),
        "rounding-of-sums": (
            "np.where(add_up(*parts) == 0.0, 0.0, rounding + TINY)",
            "0.0 * shift",
        ),
        "inference-underflow": ("+ 2 * (layer.n_in + layer.rounds) * precision.tiny", ""),
        "inference-of-float64": ("2), precision.roundoff)", "2))"),
        "inference-without-biases": ("(size + np.abs(layer.bias))", "size"),
        "inference-not-inherited": (
            "error = error.through(network, fresh)",
            "error = _Moved.of(network, index, fresh)",
        ),
        "max-moves-as-one": ("np.maximum(source, other), other)", "other, other)"),
        "max-without-own": ("_reach_of_sums(here.other, self.sums), own)", "source, 0.0 * own)"),
        "largest-one-sided": (
            "np.maximum(*map(np.abs, inputs_of(network, bounds, index)))",
            "np.abs(inputs_of(network, bounds, index)[1])",
        ),
    },
    "rewrites/block.py": {
        "block-product": (
            "reach(product_size(both, np.vstack([self.weight, weight])), self.radius),",
            "0.0 * final,",
        ),
        "block-offset-rounding": ("reach(self.outgoing, self.offset[1]),", "0.0 * final,"),
        "block-constant-rounding": ("reach(outgoing, rounding),", "0.0 * final,"),
        "block-bias-rounding": ("            final,\n", ""),
        "shift-wrong-way": (
            "np.maximum(room - lowest[0], 0.0)",
            "np.maximum(room + lowest[0], 0.0)",
        ),
        "shift-left-out": (
            "(weight > 0.0) & (self.lower >= 0.0)",
            "(weight > 0.0) & (self.lower <= 0.0)",
        ),
        "passing-not-inactive": (
            "return draft.units[index].active",
            "return ~draft.units[index].inactive",
        ),
        "block-loss-of-kept": ("reach(outgoing, drift))", "0.0 * reach(outgoing, drift))"),
        "block-loss-of-all": ("add_up(draft.lost(index, draft.units[index].active), ", "add_up("),
        "block-linear-shifted": ("if not self.rectified:", "if self.rectified:"),
    },
    "rewrites/constant.py": {
        "constant-drift": ("drifts=mask & ~bare)", "drifts=mask & False)"),
        "constant-rounding": (
            "add_up(draft.lost(index, drifts), rounding)",
            "draft.lost(index, drifts)",
        ),
        "constant-nearly": ("(units.lower == units.upper)", "(units.upper - units.lower < 0.2)"),
        "constant-output-drift": (
            "add_up(rounding, np.where(replaced, units.drift, 0.0))",
            "rounding",
        ),
        "constant-output-rounding": (
            "deviation=add_up(step.deviation, rounding)",
            "deviation=step.deviation",
        ),
        "constant-unrectified": (
            "values[unit] = read_activation(layer.tags[unit]).exact(pre)",
            "values[unit] = pre",
        ),
    },
    "rewrites/dead.py": {
        "dead-one-sided": ("index + 1].weight)", "index + 1].weight > 0.0)"),
    },
    "rewrites/dependent.py": {
        "dependent-wrong-sign": (
            "block.outgoing[:, basis] + dependent @ coefficients",
            "block.outgoing[:, basis] - dependent @ coefficients",
        ),
        "dependent-drift": (
            "add_up(merged.error, block_loss(draft, index, members[basis], outgoing))",
            "merged.error",
        ),
        "dependent-old-bias": (
            "Layer(columns[:, keep], merged.next_bias",
            "Layer(columns[:, keep], following.bias",
        ),
    },
    "rewrites/draft.py": {
        "drift-replaced": ("drift=add_up(self.drift, further)", "drift=further"),
        "drift-not-in-lower": ("return self._left_of(self.lower),", "return self.lower,"),
        "drift-not-in-upper": ("-self._left_of(-self.upper)", "self.upper"),
        "drift-nearest": ("round_down(least - self.drift)", "least - self.drift"),
        "drift-not-in-phases": ("self._left_of(self.sure)", "self.sure"),
        "leaky-zero": (" & (layer.slopes(np.full(layer.n_out, -1.0)) == 0.0)", ""),
        "leaky-inputs": ("round_up(upper + below.rounding(ends[1]))", "upper"),
        "bound-again-drift": ("np.where(new, 0.0, units.drift)", "0.0 * units.drift"),
        "bound-again-active": (", lower[-1], upper[-1])\n", ", lower[-1] + 0.1, upper[-1])\n"),
        "bound-again-interval": ("np.where(new, lower[-1], units.lower)", "units.lower"),
        "lost-nothing": (
            "return reach(outgoing, self.units[index].drift[mask])",
            "return 0.0 * reach(outgoing, self.units[index].drift[mask])",
        ),
    },
    "carrying.py": {
        "carried-believed": ("ARITHMETIC if proved else stability.premise", "ARITHMETIC"),
        "carried-evidence": ("ARITHMETIC if same else premise", "ARITHMETIC"),
        "carried-parts": ("low if part else np.maximum(low, own[0])", "np.maximum(low, own[0])"),
        "carried-stored-lower": ("round_down(low - off)", "low"),
        "carried-stored-upper": ("round_up(high + off)", "high"),
    },
    "rewrites/duplicate.py": {
        "duplicate-of-another-kind": ("layer.tags[other.unit] == tag and", "True and"),
        "duplicate-of-another-sign": ("(other.factor > 0 and", "(True and"),
        "duplicate-rounding": ("scaled(rounding, float(largest[unit])), off)", "off)"),
        "duplicate-rows-off": ("float(largest[unit])), off)", "float(largest[unit])))"),
        "duplicate-rounding-nearest": ("round_up(sizes * safe)", "sizes * safe"),
        "duplicate-last-only": (
            "error = add_up(error, scaled",
            "error = add_up(0.0 * error, scaled",
        ),
    },
    "rewrites/opposite.py": {
        "opposite-of-the-same-sign": ("other.factor < 0 and", "other.factor != 0 and"),
        "opposite-of-linear": ('== layer.tags[other.unit] == "relu"', "== layer.tags[first]"),
        "opposite-column": ("factor=-other.factor)", "factor=other.factor)"),
        "opposite-rest": ("left if vanishes else scaled", "0.0 * left if vanishes else scaled"),
        "opposite-rows-off": ("add_up(error, off, left", "add_up(error, left"),
        "opposite-rounding": ("add_up(np.abs(column), rounding), float", "np.abs(column), float"),
    },
    "rewrites/proportional.py": {
        "multiple-without-bias": ("if not self.layer.bias[unit]:", "if True:"),
        "multiple-unchecked": ("Fraction(mine) == factor * Fraction(theirs)", "True"),
        "multiple-factor-upside-down": (
            "Fraction(float(row[top])) / Fraction(float(other[top]))",
            "Fraction(float(other[top])) / Fraction(float(row[top]))",
        ),
        "multiple-never-off": ("Fraction(best), error)", "Fraction(best), 0.0)"),
        "multiple-off-at-the-middle": ("np.abs(at_middle), missed,", "missed,"),
        "multiple-off-around": ("reach(sizes[None], self", "0.0 * reach(sizes[None], self"),
    },
    "rewrites/fold.py": {
        "fold-drift": (
            "error = add_up(folded.error, np.where(copied < 0, loss, 0.0))",
            "error = folded.error",
        ),
        "fold-old-bias": ("Layer(product, folded.next_bias,", "Layer(product, following.bias,"),
        "fold-some-active": ("passing_units(draft, index)\n", "~draft.units[index].inactive\n"),
        "fold-any-reader": ("~passing) & (copied < 0)).any()", "~passing) & (copied < -1)).any()"),
        "fold-copy-negative": ("and values[0] > 0.0", "and values[0] != 0.0"),
        "fold-copy-with-bias": ("& (following.bias == 0.0)", "& (following.bias <= 9.0)"),
        "fold-copy-drift": (
            "np.maximum(behind.drift, put(behind.drift, before.drift, np.inf))",
            "behind.drift",
        ),
        "fold-copy-interval": ("put(behind.lower, before.lower, -np.inf)", "behind.lower"),
        "fold-copy-output": (
            'if index + 1 == draft.last else {"relu", "linear"}',
            'if False else {"relu", "linear"}',
        ),
    },
    "rewrites/inactive.py": {
        "inactive-undecided": (
            "draft.units[index].zero(draft.network.layers[index])",
            "~draft.units[index].active",
        ),
        "inactive-drift": ("drifts=mask)", "drifts=mask & False)"),
    },
    "rewrites/pieces.py": {
        "active-nearly": ("(lower >= 0.0) & ~inactive", "(lower >= -0.1) & ~inactive"),
        "unstable-active": ("(lower >= 0.0) & ~inactive", "~inactive"),
        "leaky-passes": ("pieces[0].slope == 1.0 and not offset", "not offset"),
        "constant-zero": ("LINEAR, float(offset)", "LINEAR, 0.0"),
    },
    "rewrites/slopes.py": {
        "slope-rounding": (
            "add_up(reach(off, largest), draft.lost(index, mask))",
            "draft.lost(index, mask)",
        ),
        "slope-drift": (
            "add_up(reach(off, largest), draft.lost(index, mask))",
            "reach(off, largest)",
        ),
        "slope-forgotten": ("products = columns * slopes", "products = columns + 0.0 * slopes"),
    },
    "rewrites/near.py": {
        "near-constant-radius": ("reach(outgoing, radius[gone]), rounding)", "rounding)"),
        "near-constant-value": (
            "exact_dots(outgoing, middle[gone], f",
            "exact_dots(outgoing, 0.9 * middle[gone], f",
        ),
        "near-any-cost": ("return after if _largest(after) <= budget else before", "return after"),
        "near-active-for-nothing": (
            "np.where(chosen, off, 0.0)), units.drift)",
            "0.0 * off), units.drift)",
        ),
    },
    "rewrites/product_rank.py": {
        "rank-drift": ("add_up(found.error, loss)", "found.error"),
        "rank-error": ("add_up(found.error, loss)", "loss"),
        "rank-any-error": ("if (found.error <= block.level).all() and", "if"),
        "rank-old-bias": ("            found.next_bias,", "            following.bias,"),
    },
    "rewrites/rational.py": {
        "rational-rounding": (
            "float_above(abs(Fraction(near) - value))",
            "float_above(Fraction(near) - value)",
        ),
    },
    "rewrites/sequential.py": {
        "sequential-low-nearest": ("round_up(round_up(bias - low)", "0.999 * ((bias - low)"),
        "sequential-wrong-sign-passes": (
            "return np.where(low >= 0.0, bias",
            "return np.where(low <= 0.0, bias",
        ),
        "sequential-shift-not-taken-back": (
            "-self.shift[moved], layer.bias)",
            "0.0 * self.shift[moved], layer.bias)",
        ),
        "sequential-rounding": (
            "error = add_up(np.where(reads, error, 0.0), reach(weight, self.error))",
            "error = np.zeros(layer.n_out)",
        ),
        "sequential-lane-of-the-inputs": (
            "_signs_of(weight) if index else np.zeros(layer.n_out)",
            "_signs_of(weight)",
        ),
        "sequential-split-one-side": (
            "-known.upper[mask], -known.lower[mask]",
            "known.lower[mask], known.upper[mask]",
        ),
    },
    "activations.py": {
        "exact-other-piece": ("sum(pre > place for", "sum(pre < place for"),
        "offsets-without-bend": ("offsets[left + 1] - self._bend(left)", "offsets[left + 1]"),
        "rounding-of-a-float": ("2.0**-51 * (np.abs", "0.0 * (np.abs"),
        "homogeneous-whatever": ("place == 0.0 for place in", "True for place in"),
        "convex-whatever": ("slopes == sorted(slopes)", "True"),
    },
    "arithmetic.py": {
        "radius-one-sided": (
            "np.maximum(upper - middle, middle - lower)",
            "upper - middle",
        ),
        "radius-nearest": ("np.where(farthest == 0.0, 0.0, round_up(farthest))", "farthest"),
        "exact-dot-rests": (
            "[*products.tolist(), *rests.tolist(), start]",
            "[*products.tolist(), start]",
        ),
        "exact-dot-nearest": ("fsum([*terms, -nearest]) > 0.0", "False"),
        "float-above-below": ("math.inf) if side < 0", "math.inf) if side < -9"),
        "float-below-above": ("-math.inf) if side > 0", "-math.inf) if side > 9"),
        "dots-without-rests": (
            "np.column_stack([products, rest, start])",
            "np.column_stack([products, start])",
        ),
        "dots-error-nearest": ("round_up(missed))", "missed)"),
        "dots-underflow": ("> SMALLEST_FACTOR else error + TINY", "> SMALLEST_FACTOR else error"),
        "product-size-rounding": ("gamma(terms + 4) * error)", "0.0 * error)"),
        "product-size-halves": (
            "small = left_lead @ right_rest + left_rest @ right",
            "small = left_lead @ right_rest",
        ),
        "product-size-bits": ("(53 - max(terms, 2).bit_length()) // 2", "40"),
        "product-size-underflow": (
            "gamma(terms + 4) * error) + TINY)",
            "gamma(terms + 4) * error))",
        ),
    },
    "formulations/facets.py": {
        "facet-wrong-set": ("inside < outside)", "inside > outside)"),
        "facet-least-is-most": ("weight * inputs - least * (1.0", "weight * inputs - most * (1.0"),
        "facet-slope": ("np.where(chosen, least, most)", "np.where(chosen, most, least)"),
        "facet-base": ("np.where(chosen, least, 0.0)", "np.where(chosen, most, 0.0)"),
    },
    "decisions/facets.py": {
        "facet-right-side": ("float(-lowest.base[k])", "float(lowest.base[k])"),
        "facet-planes-swapped": (
            "Planes(units, by_pre / total, by_zero / total, inputs)",
            "Planes(units, by_zero / total, by_pre / total, inputs)",
        ),
        "facet-costs-unreduced": (
            "reduced - self._matrix.T @ duals[base:]",
            "reduced + self._matrix.T @ duals[base:]",
        ),
        "facet-purge-wrong-ones": ("if abs(value) > _NO_DUAL]", "if abs(value) <= _NO_DUAL]"),
        "facet-shares-not-summed": (
            "shares.get(address, 0.0) + value * facet.chosen",
            "value * facet.chosen",
        ),
    },
    "decisions/goals.py": {
        "goals-on-other-side": (
            "np.where(signs[mine] > 0, high, low)",
            "np.where(signs[mine] < 0, high, low)",
        ),
    },
    "decisions/halving.py": {
        "piece-settled-too-early": (
            "goals.least(values) <= 0.0) & chunk",
            "goals.least(values) <= 1.0) & chunk",
        ),
    },
    "decisions/splitting.py": {
        "cover-keeps-the-smallest": (
            "np.maximum(self.upper[layer], high",
            "np.minimum(self.upper[layer], high",
        ),
        "stuck-goal-settled": ("~(stuck | unasked | waiting", "~(unasked | waiting"),
        "unasked-goal-settled": ("~(stuck | unasked | waiting", "~(stuck | waiting"),
        "open-piece-forgotten": ("unasked | waiting.open.any(axis=0))", "unasked)"),
        "lost-piece-dropped": ("waiting, lost = waiting.join(chunk.pieces), True", "lost = True"),
        "rest-unbounded": (
            "cover.include(*_rest(goals, waiting[slice(first, first + size)], deadline))",
            "pass",
        ),
    },
    "decisions/ledger.py": {
        "ledger-witness-ignored": ("if value <= 0.0 and shown", "if value < -1.0 and shown"),
        "ledger-strict-at-zero": ("if value <= 0.0 and shown", "if value < 0.0 and shown"),
        "ledger-crossed-ends": ("if value < -self.value(", "if value < self.value("),
        "ledger-trusted-is-certified": (
            "if premise.certified:\n            self.certified",
            "if True:\n            self.certified",
        ),
        "ledger-certified-from-trusted": ("self._arrays(premise.certified)", "self._arrays(False)"),
        "ledger-premise-of-last-layer": (
            "for earlier in range(index):",
            "for earlier in range(layer - 1):",
        ),
        "ledger-equal-evidence": (
            "stronger or values[unit] < self.trusted",
            "stronger or values[unit] <= self.trusted",
        ),
        "ledger-weaker-evidence": (
            "stronger = premise.certified and not",
            "stronger = True or not",
        ),
        "ledger-unanswered-at-zero": (
            "unstable = (below > 0.0) & (above > 0.0)",
            "unstable = (below >= 0.0) & (above >= 0.0)",
        ),
        "ledger-repairs-nothing": (
            "for unit in np.flatnonzero(wrong):",
            "for unit in np.flatnonzero(wrong & False):",
        ),
        "ledger-tie-from-trusted": (
            "known = self.bounds(index + 1, certified=True)",
            "known = self.bounds(index + 1)",
        ),
        "ledger-repair-at-zero": (
            "(above.trusted[layer] <= 0.0) & (self",
            "(above.trusted[layer] < 0.0) & (self",
        ),
    },
    "solvers/doubts.py": {
        "doubt-nothing": ("value > bound + DISAGREEMENT", "value > bound + 1e9 * DISAGREEMENT"),
        "doubt-wrong-side": (
            "value > bound + DISAGREEMENT * (1 + abs(value))",
            "value < bound - DISAGREEMENT * (1 + abs(value))",
        ),
        "doubt-boundless": ("if condition in BOUNDLESS or bound is None:", "if bound is None:"),
        "doubt-no-dual-bound": ("if has_bounds else None", "if True else None"),
        "doubt-points": ("if not np.isfinite(value):", "if False:"),
        "doubt-one-sided": (
            "np.where(multipliers > 0.0, upper, lower)",
            "np.where(multipliers > 0.0, lower, upper)",
        ),
        "doubt-ray-of-zero": ("(lower, upper), columns) < 0.0", "(lower, upper), columns) <= 0.0"),
        "doubt-ray-one-sign": ("for candidate in (ray, -ray):", "for candidate in (ray,):"),
        "doubt-ray-noise": (
            "noise = np.abs(matrix.T @ signed) <= _CANCELLED *",
            "noise = np.abs(matrix.T @ signed) < 0.0 *",
        ),
        "doubt-ray-any": ("            return signed\n", "            return ray\n"),
    },
    "encoding.py": {
        "encoding-outside-domain": (
            "self.domain.clip(self.inputs.at(point))",
            "self.inputs.at(point)",
        ),
        "encoding-lanes-once": (
            "np.add.at(cost, post.columns[held], (weights * post.factors)[held])",
            "cost[post.columns[held]] = (weights * post.factors)[held]",
        ),
        "encoding-noise-for-pre": ("-1 if muted else", "columns[layer][unit] if muted else"),
    },
    "solvers/scaling.py": {
        "scale-matrix": ("np.ldexp(matrix.data, -self", "np.ldexp(matrix.data, self"),
        "scale-stop": ("(stop - question.constant) * factor", "stop * factor"),
        "scale-bound": ("bound / factor + question.constant", "bound / factor"),
        "scale-duals": ("answer.row_duals / factor", "answer.row_duals"),
        "scale-integers": (" | (width == 0.0) | form.integer", " | (width == 0.0)"),
    },
    "decisions/layer_model.py": {
        "model-incumbent-for-bound": (
            "bound = answer.objective_bound",
            "bound = answer.incumbent_objective",
        ),
        "model-no-margin": ("natural = (bound + margin) /", "natural = bound /"),
        "model-no-blur": ("margin += float(model.blur[direction.unit])", "margin += 0.0"),
        "model-unconfirmed": ("        return value > radius\n", "        return value > -1e9\n"),
        "model-witness-unconfirmed": (
            "if value > radius and witness is None",
            "if witness is None",
        ),
        "model-rounding-of-witness": ("max(highest, value - radius)", "max(highest, value + 1.0)"),
        "model-bound-unchecked": ("bound + margin < highest:", "bound + margin < -np.inf:"),
        "model-impossible": (
            '_IMPOSSIBLE = frozenset({"infeasible", ',
            "_IMPOSSIBLE = frozenset({",
        ),
        "model-sign-in-margin": (
            "if bound > -margin else min(natural, 0.0)",
            "if bound > margin else min(natural, 0.0)",
        ),
        "model-stop-too-early": ("stop_below=-margin", "stop_below=margin"),
        "model-constant-unscaled": (
            "float(factor * layer.bias[direction.unit])",
            "float(direction.sign * layer.bias[direction.unit])",
        ),
        "model-radius-unscaled": (
            "float(radius[0, direction.unit] * scale)",
            "float(radius[0, direction.unit] * 0.0)",
        ),
    },
    "polytope.py": {
        "polytope-member-by-rounding": ("inside[point] &= _below(", "inside[point] |= _below("),
        "polytope-rounded-inward": ("end += moved *", "end -= moved *"),
        "polytope-empty-by-chance": ("return room < 0", "return room < 1"),
        "polytope-contains-too-much": ("in theirs or _below(", "in theirs or not _below("),
    },
    "properties.py": {
        "case-without-rows": ("(*outputs, *joining), single", "outputs, single"),
    },
    "witnesses.py": {
        "witness-outside": ("candidates[box.holds(candidates)]", "candidates[:]"),
    },
    "formulations/inputs.py": {
        "joint-row-unshifted": ("Fraction(float(bound)) - sum(", "Fraction(float(bound)) + sum("),
    },
    "verification/units.py": {
        "unit-unpriced": ("constant + prices @", "constant - prices @"),
        "unit-other-sign": ("Fraction(-sign)", "Fraction(sign)"),
    },
    "bounds/differences.py": {
        "difference-most-mirrored": ("back = np.minimum(high, 0.0)", "back = np.minimum(low, 0.0)"),
        "difference-least-mirrored": (
            "right, np.maximum(moved, -np.maximum(high, 0.0))",
            "right, np.maximum(moved, -np.maximum(low, 0.0))",
        ),
        "difference-breakpoints": (
            "[least, most, *(np.clip(point, least, most) for point in breaks)]",
            "[least, most]",
        ),
        "difference-wrong-line": (
            "chosen = gain < 0.0 if least else gain > 0.0",
            "chosen = gain > 0.0 if least else gain < 0.0",
        ),
        "difference-kept": (
            "kept = (passes[0] | (first[0] >= 0.0)) & (passes[1]",
            "kept = (passes[0] | (first[0] >= 0.0)) | (passes[1]",
        ),
    },
    "difference/joint.py": {
        "joint-second": ("moved[self.pairs[:, 1]] = width", "moved[self.pairs[:, 0]] = width"),
    },
    "difference/bounding.py": {
        "difference-narrowed": (
            "(round_down(second[0] - high), ",
            "(round_down(second[0] - low), ",
        ),
    },
    "difference/alignment.py": {
        "difference-like-nan": ("np.where(np.isnan(far), np.inf, far)", "far"),
    },
    "difference/search.py": {
        "difference-network-sum": ("np.hstack([-each, each])", "np.hstack([each, each])"),
        "difference-search-side": (
            "low[unit] = max(low[unit], -bound)",
            "low[unit] = max(low[unit], bound)",
        ),
    },
    "verification/classes.py": {
        "classes-any-difference": ("~(most <= 0.0)", "~(most <= 1.0)"),
        "classes-other-side": ("low[:count].max())", "high[:count].max())"),
        "classes-swapped": ("np.eye(count)[labels]\n", "np.eye(count)[labels] * 0.0\n"),
    },
    "exact_evaluation.py": {
        "exact-common": ("common * (int(b) <<", "(int(b) <<"),
        "exact-unrectified": ("value * slope[value > 0]", "value * slope[True]"),
        "exact-exponent": ("        exponent = least", "        exponent = total"),
    },
    "verification/confirmation.py": {
        "confirm-rounding": ("(a if f > 0 else b) for f, a, b", "(b if f > 0 else a) for f, a, b"),
        "confirm-refuses-early": (
            "(b if f > 0 else a) for f, a, b",
            "(a if f > 0 else b) for f, a, b",
        ),
        "confirm-undecided": ("return exact is not None and all(", "return exact is None or all("),
        "confirm-no-radius": ("round_down(pre - radius), round_up(pre + radius)", "pre, pre"),
        "confirm-nearest-point": (
            "[float_above(value) for value in point]",
            "[float_below(value) for value in point]",
        ),
    },
    "solvers/compilation.py": {
        "compile-lower-side": (
            "np.where(sides <= 0, rhs, -np.inf)",
            "np.where(sides < 0, rhs, -np.inf)",
        ),
        "compile-upper-side": (
            "np.where(sides >= 0, rhs, np.inf)",
            "np.where(sides > 0, rhs, np.inf)",
        ),
        "compile-two-sides": ("lower[where - 1] = lower[where]", "lower[where - 1] = upper[where]"),
        "compile-sense": ("info.objectives[0].sense == -1", "info.objectives[0].sense == 1"),
        "compile-columns": ("place[matrix.indices]", "matrix.indices"),
        "compile-constant": ("float(info.c_offset[0])", "0.0"),
        "compile-integrality": (
            "not variable.is_continuous()",
            "False and variable.is_continuous()",
        ),
        "compile-column-bounds": (
            "np.inf if up is None else up",
            "np.inf if up is None else up + 1",
        ),
    },
    "solvers/pyomo_rows.py": {
        "compile-exclusive": ("least if disjunction.xor else np.inf", "least"),
    },
    "graphs/operators.py": {
        "slices-unpadded": ('any(node.attributes.get("pads", ()))', "False"),
        "slices-rows-fold": (" == 1.0 and last == 1", " == 1.0"),
        "slices-ends-unmoved": ("((1, starts), (2, ends))", "((2, ends),)"),
        "slices-parts-swapped": (
            "parts = np.split(given.classes, ends[:-1])",
            "parts = np.split(given.classes, ends[:-1])[::-1]",
        ),
        "slices-spread-uncounted": ("if entry >= 0 and shape[entry] > 1:", "if False:"),
        "slices-add-apart": ("        cutting.join(first, other.classes)\n", ""),
    },
    "graphs/walking.py": {
        "slices-ends-free": (
            "        cutting.keep(cutting.tensors[name])\n    return",
            "        pass\n    return",
        ),
        "slices-uncounted": ("        _measured(cutting, node, given)\n", "        pass\n"),
    },
    "graphs/__init__.py": {
        "graphs-reading-uncounted": (
            "    if smaller is not lowered:",
            "    if smaller is lowered:",
        ),
    },
    "graphs/planning.py": {
        "planning-in-place": ("replace(lowered, model=copy(lowered.model))", "lowered"),
    },
    "graphs/sizes.py": {
        "sizes-of-one-input": ("            sizes[0] = 0\n", ""),
    },
    "graphs/removal.py": {
        "removal-of-what-varies": ("fixed[places].all(axis=1)", "fixed[places].any(axis=1)"),
        "removal-same-by-places": ("(zero | (same & consumer.foldable))", "(zero | same)"),
        "removal-no-shift": (
            "return Removal(frozenset(gone), moved, {})",
            "return Removal(frozenset(gone), {}, {})",
        ),
    },
    "graphs/merging.py": {
        "merging-any-sign": ("0 < other.factor <", "other.factor <"),
        "merging-no-weights": (
            "return Removal(frozenset(gone), {}, weights)",
            "return Removal(frozenset(gone), {}, {})",
        ),
    },
    "graphs/known.py": {
        "known-any-piece": (
            "inactive = phased & (slope == 0.0)",
            "inactive = phased & (slope != 1.0)",
        ),
    },
    "graphs/head.py": {
        "head-rectifiers-only": (
            "Layer(weight, bias, tag)",
            'Layer(weight, bias, "relu" if first else tag)',
        ),
    },
    "graphs/editing.py": {
        "editing-shared-in-place": ("and whole and len(parts) == 1", "and len(parts) == 1"),
        "editing-places-unmoved": ("(np.cumsum(kept) - 1)[before", "np.arange(len(kept))[before"),
        "editing-shift-not-added": ("shift.values.shape)) + shift", "shift.values.shape))"),
    },
    "approximation/parts.py": {
        "parts-forget-the-rest": (
            "left[units] = self.left",
            "left[: len(self.left)] = self.left",
        ),
        "parts-read-too-few": ("            read[:] = True", "            read[0] = True"),
        "parts-sparse-not-added": ("low + inputs @ self.sparse.T", "low + 0 * self.bias"),
        "parts-sum-of-others": (
            "[self.left, self.sparse[:, read]]",
            "[self.left, self.sparse[:, ::-1][:, read]]",
        ),
    },
    "approximation/whitened.py": {
        "whitened-unweighed": ("rows = root @ weight", "rows = weight"),
    },
    "approximation/targets.py": {
        "metric-of-inactive": ("self.readers * (active.T", "self.readers * (1 - active.T"),
    },
    "approximation/filter_groups.py": {
        "groups-all-at-first": ("len(own), columns] = own", "len(own), groups[0]] = own"),
    },
    "approximation/size_search.py": {
        "size-above-the-limit": ("if share <= limit and made", "if made"),
        "size-error-unasked": ("if error <= self.budget.limit", "if error > 0"),
    },
    "graphs/imitation.py": {
        "readers-of-one-position": (
            "found[np.ix_(there, there)] +=",
            "found[np.ix_(there, there)] =",
        ),
    },
    "approximation/costs.py": {
        "cost-free-indices": ("min(2 * entries, listed)", "min(entries, listed)"),
    },
}
