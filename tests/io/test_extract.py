import numpy as np
import pytest
from scipy import ndimage

from sksubtomo.io import box_outcomes, extract_subtomograms


@pytest.fixture
def tomogram():
    return np.random.default_rng(0).normal(5.0, 1.0, size=(14, 16, 18)).astype(np.float32)


@pytest.mark.parametrize("box_size", [1, 4, 5, 8])
@pytest.mark.parametrize("subvoxel", ["round", "interpolate"])
def test_bead_lies_in_the_center_voxel(box_size, subvoxel):
    tomogram = np.zeros((14, 16, 18), np.float32)
    tomogram[6, 7, 9] = 1.0
    box = extract_subtomograms(tomogram, [[6, 7, 9]], box_size, subvoxel=subvoxel)[0]
    assert box.shape == (box_size,) * 3
    assert box[(box_size // 2,) * 3] == pytest.approx(1.0, abs=1e-5)
    assert box.sum() == pytest.approx(1.0, abs=1e-4)


def test_boxes_are_slices(tomogram):
    boxes = extract_subtomograms(tomogram, [[6, 7, 9], [5, 5, 5]], 4)
    assert np.array_equal(boxes[0], tomogram[4:8, 5:9, 7:11])
    assert np.array_equal(boxes[1], tomogram[3:7, 3:7, 3:7])


def test_rounding_to_the_nearest_voxel_halves_up(tomogram):
    whole = extract_subtomograms(tomogram, [[6, 7, 9]], 4)
    near = extract_subtomograms(tomogram, [[5.5, 7.49, 8.5]], 4)
    assert np.array_equal(whole, near)


def test_interpolation_puts_a_blob_between_voxels_into_the_center():
    center = np.array([10.3, 11.6, 9.5])
    grids = np.meshgrid(*(np.arange(n) for n in (22, 24, 20)), indexing="ij")
    squared = sum((g - c) ** 2 for g, c in zip(grids, center, strict=True))
    tomogram = np.exp(-squared / (2 * 2.0**2)).astype(np.float32)
    box = extract_subtomograms(tomogram, [center], 9, subvoxel="interpolate")[0]
    axis = (np.arange(9) - 4) ** 2
    expected = np.exp(-np.add.outer(np.add.outer(axis, axis), axis) / (2 * 2.0**2))
    np.testing.assert_allclose(box, expected, atol=2e-3)


@pytest.mark.parametrize("box_size", [5, 8])
def test_interpolation_is_the_cubic_spline_shift_of_the_whole_tomogram(box_size):
    tomogram = np.random.default_rng(0).normal(size=(40, 44, 48)).astype(np.float32)
    center, voxel = np.array([20.3, 21.6, 23.75]), np.array([20, 22, 24])
    box = extract_subtomograms(tomogram, [center], box_size, subvoxel="interpolate")[0]
    shifted = ndimage.shift(tomogram, voxel - center, order=3, mode="nearest")
    expected = extract_subtomograms(shifted, [voxel], box_size)[0]
    np.testing.assert_allclose(box, expected, atol=1e-4)  # splines reach beyond the margin


def test_borders(tomogram):
    coordinates = [[6, 7, 9], [1, 7, 9], [13, 15, 17]]
    with pytest.raises(ValueError, match=r"2 of 3 boxes of 4 .*particle 1 at \[1.0, 7.0, 9.0\]"):
        extract_subtomograms(tomogram, coordinates, 4)
    boxes, index = extract_subtomograms(tomogram, coordinates, 4, border="drop", return_index=True)
    assert index.tolist() == [0]
    assert len(boxes) == 1
    padded, index = extract_subtomograms(tomogram, coordinates, 4, border="pad", return_index=True)
    assert index.tolist() == [0, 1, 2]
    assert np.array_equal(padded[0], boxes[0])
    inside = tomogram[0:3, 5:9, 7:11]
    assert np.array_equal(padded[1, 1:], inside)
    np.testing.assert_allclose(padded[1, 0], inside.mean(), rtol=1e-6)


def test_memory_map_is_read_box_by_box(tomogram, tmp_path):
    np.save(tmp_path / "a.npy", tomogram)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    expected = extract_subtomograms(tomogram, [[6, 7, 9]], 4)
    assert np.array_equal(extract_subtomograms(mapped, [[6, 7, 9]], 4), expected)


def test_no_particles(tomogram):
    assert extract_subtomograms(tomogram, np.zeros((0, 3)), 4).shape == (0, 4, 4, 4)


@pytest.mark.parametrize(
    ("coordinates", "params", "message"),
    [
        ([[6, 7, 99]], {}, r"1 of 1 coordinates .* lie outside .*particle 0 at \[6.0, 7.0, 99.0\]"),
        ([[-1, 7, 9]], {"border": "pad"}, "lie outside the tomogram"),
        ([[6, 7, np.nan]], {}, "not finite: particle 0"),
        ([[6, 7]], {}, r"shape \(n_particles, 3\), got \(1, 2\)"),
        ([[6, 7, 9]], {"box_size": 0}, "box_size=0 must be a positive"),
        ([[6, 7, 9]], {"box_size": 2.5}, "box_size=2.5 must be a positive"),
        ([[6, 7, 9]], {"border": "wrap"}, "border='wrap' must be one of"),
        ([[6, 7, 9]], {"subvoxel": "floor"}, "subvoxel='floor' must be one of"),
    ],
)
def test_bad_input(tomogram, coordinates, params, message):
    with pytest.raises(ValueError, match=message):
        extract_subtomograms(tomogram, coordinates, **{"box_size": 4, **params})


def test_tomogram_must_have_three_axes(tomogram):
    with pytest.raises(ValueError, match=r"three axes z, y, x; this one has shape \(14, 16\)"):
        extract_subtomograms(tomogram[..., 0], [[6, 7, 9]], 4)


BAD = [[6, 7, 9], [1, 7, 9], [6, 7, 17.6], [6, 7, np.nan], [6, 7, 4], [7, 8, 10]]


@pytest.mark.parametrize("subvoxel", ["round", "interpolate"])
@pytest.mark.parametrize("border", ["error", "drop", "pad", "noise"])
def test_outcomes_are_per_particle(border, subvoxel):
    tomogram = np.random.default_rng(0).normal(size=(14, 16, 40)).astype(np.float32)
    tomogram[6, 7, 36] = np.inf
    # Splines reach some voxels farther than a box.
    where = np.array([[6, 7, 9], [1, 7, 9], [6, 7, 39.6], [6, np.nan, 4], [6, 7, 37], [7, 8, 10]])
    filled = border in ("pad", "noise")
    expected = ["ok", "ok" if filled else "border", "outside", "outside", "not finite", "ok"]
    options = {"border": border, "subvoxel": subvoxel}
    assert box_outcomes(tomogram, where, 4, **options).tolist() == expected
    boxes, index = extract_subtomograms(
        tomogram, where, 4, on_bad="skip", return_index=True, **options
    )
    assert index.tolist() == ([0, 1, 5] if filled else [0, 5])
    alone = [extract_subtomograms(tomogram, where[[row]], 4, **options)[0] for row in index]
    assert np.array_equal(boxes, alone)


def test_bad_particles_are_named(tomogram):
    with pytest.raises(ValueError, match=r"not finite: particle 3 at \[6.0, 7.0, nan\]"):
        extract_subtomograms(tomogram, BAD, 4)
    with pytest.raises(ValueError, match=r"1 of 5 .* outside .*particle 2 .*on_bad='skip'"):
        extract_subtomograms(tomogram, np.delete(BAD, 3, axis=0), 4)
    tomogram[6, 7, 3] = np.nan
    with pytest.raises(
        ValueError, match=r"NaN or infinity in 1 box: particle 1 at \[6.0, 7.0, 4.0"
    ):
        extract_subtomograms(tomogram, [BAD[0], BAD[4]], 4)


def test_numbers_that_float32_cannot_hold_are_not_finite():
    tomogram = np.zeros((8, 8, 8))
    tomogram[4, 4, 4] = 1e300
    assert box_outcomes(tomogram, [[4, 4, 4], [2, 2, 2]], 2).tolist() == ["not finite", "ok"]


@pytest.mark.parametrize("border", ["error", "drop", "pad", "noise"])
@pytest.mark.parametrize("on_bad", ["raise", "skip"])
def test_a_box_larger_than_the_tomogram_is_refused(tomogram, border, on_bad):
    with pytest.raises(ValueError, match=r"box of 15 voxels is larger than .*\(14, 16, 18\)"):
        extract_subtomograms(tomogram, [[7, 8, 9]], 15, border=border, on_bad=on_bad)
    assert len(extract_subtomograms(tomogram, [[7, 8, 9]], 14, border=border, on_bad=on_bad)) == 1


def test_on_bad_is_one_of_two(tomogram):
    with pytest.raises(ValueError, match="on_bad='warn' must be one of"):
        extract_subtomograms(tomogram, [[7, 8, 9]], 4, on_bad="warn")
