"""Ranges of columns in a fit: what is in them, whatever share is true, and what is not."""

import numpy as np
import pandas as pd
import pytest

from sksubtomo.cli._column_ranges import are_ranges, check_ranges, column_ranges
from sksubtomo.cli._sanity import Sanity


@pytest.mark.parametrize("separation", [1, 3, 5])
@pytest.mark.parametrize(
    ("n", "share", "offset", "gain", "warned"),
    [
        (100, 0.3, 0, 1, False),
        (100, 0.05, 0, 1, False),
        (100, 0.9, 0, 1, False),
        (1000, 0.02, 0, 1, False),
        (3, 0.3, 0, 1, False),
        (100, 0.3, 5, 1, True),
        (100, 0.3, -5, 1, True),
        (15, 0.3, 40, 1, True),
        (3, 0.3, 40, 1, True),
        (100, 0.3, 0, 20, True),
    ],
)
def test_ranges_hold_whatever_share_is_true(separation, n, share, offset, gain, warned):
    """Of a tomogram without labels, by 20 of a hundred candidates of another one."""
    n_warned = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        known, is_true = scored(rng, 100, 0.3, separation)
        y = np.full(100, -1)
        labeled = rng.permutation(100)[:20]
        y[labeled] = np.where(is_true[labeled], 1, 2)
        ranges = column_ranges(
            pd.DataFrame({"score": known, "flag": is_true}), np.repeat("a", 100), y, relative=False
        )
        assert are_ranges(ranges)
        assert [one["column"] for one in ranges] == ["score"]
        new = pd.DataFrame({"score": gain * scored(rng, n, share, separation)[0] + offset})
        sanity = Sanity(strict=False)
        check_ranges(sanity, ranges, new, np.repeat("b", n))
        n_warned += bool(sanity.found)
    assert n_warned >= 19 if warned else n_warned <= 1


def scored(rng, n, share, separation):
    is_true = rng.random(n) < share
    return separation * is_true + rng.normal(size=n), is_true


def test_ranges_of_a_file_are_checked():
    good = {"column": "a", "low": [0] * 5, "high": [1.0] * 5, "spread": 1, "medians": {"b": 0.5}}
    assert are_ranges([])
    assert are_ranges([good])
    for wrong in (
        {"column": 1},
        {"low": [0] * 4},
        {"high": ["1"] * 5},
        {"spread": None},
        {"medians": {"b": "c"}},
        {"medians": []},
        {"more": 1},
    ):
        assert not are_ranges([good | wrong])
    assert not are_ranges(good)


def found(ranges, values, tomograms):
    sanity = Sanity(strict=False)
    check_ranges(sanity, ranges, pd.DataFrame({"score": values}), np.asarray(tomograms))
    return sanity.found


def labels_of(is_true, rows):
    y = np.full(len(is_true), -1)
    y[rows] = np.where(is_true[rows], 1, 2)
    return y


def test_one_class_has_no_ranges():
    """A tomogram with fewer particles would be below those of particles."""
    rng = np.random.default_rng(0)
    scores, is_true = scored(rng, 100, 0.6, 5)
    y = np.where(is_true & (np.arange(100) < 40), 1, -1)
    columns = pd.DataFrame({"score": scores})
    assert column_ranges(columns, np.repeat("a", 100), y, relative=False) == []


def test_a_tomogram_with_labels_is_within():
    """Also where those that are labeled were not drawn at random."""
    rng = np.random.default_rng(0)
    scores, is_true = scored(rng, 200, 0.3, 5)
    middle = np.flatnonzero(np.abs(scores - 2.5) < 1.2)
    assert len(set(is_true[middle])) == 2
    ranges = column_ranges(
        pd.DataFrame({"score": scores}),
        np.repeat("a", 200),
        labels_of(is_true, middle),
        relative=False,
    )
    assert not found(ranges, scores[::2], np.repeat("b", 100))


def test_labels_of_a_class_with_one_value():
    rng = np.random.default_rng(0)
    scores = np.round(rng.normal(size=100) * 2)
    y = np.where(scores == 0, 2, np.where(scores == 2, 1, -1))
    ranges = column_ranges(pd.DataFrame({"score": scores}), np.repeat("a", 100), y, relative=False)
    assert ranges[0]["spread"] > 1
    for seed in range(20):
        some = np.random.default_rng(seed).permutation(scores)[:70]
        assert not found(ranges, some, np.repeat("b", 70))


def test_few_labels_do_not_tell_the_spread():
    scores = np.arange(40.0)
    y = np.full(40, -1)
    y[[10, 11]], y[[30, 31]] = 2, 1
    ranges = column_ranges(pd.DataFrame({"score": scores}), np.repeat("a", 40), y, relative=False)
    assert ranges[0]["spread"] == pytest.approx(scores.std())


def test_no_candidates():
    scores, is_true = scored(np.random.default_rng(0), 40, 0.5, 3)
    y = labels_of(is_true, np.arange(20))
    ranges = column_ranges(pd.DataFrame({"score": scores}), np.repeat("a", 40), y, relative=True)
    assert not found(ranges, [], [])
    assert not found(ranges, scores, np.repeat("a", 40))
    assert "differs from that in the fit" in found(ranges, scores + 40, np.repeat("a", 40))[0]
