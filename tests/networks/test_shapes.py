import pytest

from sksubtomo.networks._shapes import default_n_blocks, pooled_shapes


@pytest.mark.parametrize(("edge", "n_blocks"), [(28, 2), (64, 4), (8, 1), (2, 1), (1, 1), (32, 3)])
def test_default_blocks_are_the_papers(edge, n_blocks):
    assert default_n_blocks((edge,) * 3) == n_blocks


def test_odd_edges_round_up_and_single_voxels_stay():
    assert pooled_shapes((29, 7, 1), 2) == [(29, 7, 1), (15, 4, 1), (8, 2, 1)]


def test_box_too_small_for_blocks():
    assert pooled_shapes((4, 4, 4), 2)[-1] == (1, 1, 1)
    with pytest.raises(ValueError, match=r"\(4, 4, 4\) voxels is too small for n_blocks=3"):
        pooled_shapes((4, 4, 4), 3)
