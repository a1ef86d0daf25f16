"""From parameters to grids of poses."""

import numpy as np
import pytest

from sksubtomo.alignment import check_stages, shifts_along_axis, stage_poses


@pytest.mark.parametrize(
    ("max_shift", "box_size", "n_shells", "expected"),
    [(0, 28, 6.5, 1), (2, 28, 5.0, 3), (2, 28, 6.5, 3), (4, 28, 6.5, 5), (2, 64, 6.5, 3)],
)
def test_shifts_follow_the_largest(max_shift, box_size, n_shells, expected):
    n_shifts = shifts_along_axis(max_shift, box_size, n_shells)
    assert n_shifts == expected
    if n_shifts > 1:
        assert 2 * max_shift / (n_shifts - 1) <= 0.6 * box_size / n_shells
    if n_shifts > 3:
        assert 2 * max_shift / (n_shifts - 3) > 0.6 * box_size / n_shells


def test_auto_is_a_number_of_shifts():
    (stage, other) = check_stages([(4.0, 60.0, "auto", 2), (5.0, 60.0, 2, 1)], 1)
    assert stage == (4.0, 60.0, "auto", 2)
    assert other == (5.0, 60.0, 2, 1)
    grids = [
        stage_poses(
            stage,
            (20, 20, 20),
            finest=5.0,
            max_shift=max_shift,
            tilt_range_deg=60.0,
            mask_radius=None,
        )
        for max_shift in (0.0, 1.0, 5.0)
    ]
    assert [len(grid.shifts) for grid in grids] == [1, 27, 125]
    assert np.abs(grids[2].shifts).max() == 5.0


@pytest.mark.parametrize("stage", [("auto", 60, 1, 2), (3, 60, "many", 2), (3, 60, 1, "auto")])
def test_only_shifts_are_chosen(stage):
    with pytest.raises(ValueError, match='n_shifts may be "auto"'):
        check_stages([stage], 1)
