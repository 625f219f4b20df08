"""Regions and proofs against polygons that are cut in fractions."""

from __future__ import annotations

import os
from fractions import Fraction

import numpy as np
import pytest

from treeml.routing import exact_tree
from treeml.routing.proofs import has_no_inside, inner_point, lies_inside
from treeml.routing.regions import TOLERANCE, Cut, Space

CASES = int(os.environ.get("TREEML_ORACLE_CASES", "60"))


def clipped(polygon, weights, bound):
    """The part of a polygon with ``weights @ x <= bound``."""
    out = []
    for a, b in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        at_a, at_b = (sum(w * x for w, x in zip(weights, p, strict=True)) - bound for p in (a, b))
        if at_a <= 0:
            out.append(a)
        if (at_a < 0 < at_b) or (at_b < 0 < at_a):
            t = at_a / (at_a - at_b)
            out.append(tuple(x + t * (y - x) for x, y in zip(a, b, strict=True)))
    return out


def area(polygon):
    following = [*polygon[1:], *polygon[:1]]
    return sum(a[0] * b[1] - a[1] * b[0] for a, b in zip(polygon, following, strict=True))


def test_regions_against_polygons():
    """Many of the cuts only touch what is left: floats alone could not tell."""
    rng = np.random.default_rng(0)
    empty = touched = 0
    for _ in range(CASES):
        space = Space(np.full(2, -3.0), np.full(2, 3.0))
        region = space.whole
        polygon = [tuple(map(Fraction, corner)) for corner in ((-3, -3), (3, -3), (3, 3), (-3, 3))]
        for _ in range(6):
            weights, bound = rng.integers(-2, 3, size=2).astype(float), float(rng.integers(-3, 4))
            if not weights.any():
                continue
            left = clipped(polygon, list(map(Fraction, weights.tolist())), Fraction(bound))
            found = region.cut(Cut(weights, bound))
            assert (found is None) == (area(left) == 0)
            if found is None:
                empty += 1
                touched += bool(left)
                continue
            polygon, region = left, found
            assert len(found.points)
            for row, end in zip(region.rows, region.ends, strict=True):
                assert (found.points @ row <= end - TOLERANCE / 2).all()
        assert space.n_unproven == 0
    assert empty > CASES / 2
    assert touched > CASES / 20


def test_thin_regions_are_found():
    """Units that part the line by much less than the tolerance of the linear program."""
    for width in (1e-10, 1e-12, 2.0**-50):
        layers = [
            (np.ones((1, 2)), np.array([0.0, -width])),
            (np.array([[1.0], [1e14]]), np.zeros(1)),
        ]
        told = exact_tree(layers, (-1, 1))
        assert told.n_leaves == 3
        assert told.n_unproven == 0
        x = np.array([[-1.0], [0.0], [width / 2], [width], [2 * width], [1.0]])
        hidden = np.maximum(x @ layers[0][0] + layers[0][1], 0)
        assert np.allclose(told.predict(x), (hidden @ layers[1][0])[:, 0], rtol=1e-15, atol=0)
    with pytest.raises(ValueError, match="needs 3 leaves"):
        exact_tree(layers, (-1, 1), max_leaf_nodes=2)


def test_proofs():
    one, none = Fraction(1), Fraction()
    left, right = ([one, none], none), ([-one, none], none)  # x <= 0 and x >= 0
    assert has_no_inside([left, right], [0, 1])
    assert has_no_inside([left, right, ([one, one], one)], [0, 1, 2])  # one too many
    assert not has_no_inside([left, ([-one, none], one)], [0, 1])  # -1 <= x <= 0
    assert not has_no_inside([left, left], [0, 1])
    assert not has_no_inside([left], [0])
    assert not has_no_inside([left, right], [])
    third = Fraction(1, 3)
    triangle = [([-one, none], none), ([none, -one], none), ([third, third], none)]
    assert has_no_inside(triangle, [2, 0, 1])
    thin = [*triangle[:2], ([third, third], Fraction(1, 10**30))]
    assert not has_no_inside(thin, [2, 0, 1])
    assert lies_inside(thin, inner_point(thin, [2, 0, 1], [one, one]))
    strip = [([-one, none], none), ([one, none], Fraction(1, 10**30))]
    assert inner_point(strip, [0, 1], [one, third]) == [Fraction(1, 2 * 10**30), third]
    assert inner_point(strip, [], [one, third]) is None
    assert inner_point([left], [0], [-one, none]) == [-one, none]
    assert lies_inside([left], [-third, none])
    assert not lies_inside([left], [none, none])


def test_a_cut_and_its_other_side():
    cut = Cut(np.array([0.1, 0.0]), 0.3, True)
    assert cut.other.fractions == ([-Fraction(0.1), Fraction()], -Fraction(0.3))
    assert cut.other.other.fractions == cut.fractions
    assert not cut.other.strict
    space = Space(np.array([1.0, -np.inf]), np.array([1.0, np.inf]))  # the first is a constant
    assert space.whole.cut(Cut(np.array([1.0, 0.0]), 1.0)) is not None
    assert space.whole.cut(Cut(np.array([1.0, 0.0]), 1.0, strict=True)) is None
    assert space.whole.cut(Cut(np.array([1.0, 1.0]), -1e6)) is not None
