import emfile
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import read_volume, write_mrc

VOLUME = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)


def write_zarr(path, *, version="0.4", axes="zyx", unit="angstrom", data=VOLUME, **more):
    """An OME-Zarr of two resolutions."""
    group = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    for level in range(2):
        values = data[..., :: level + 1]
        group.create_array(str(level), shape=values.shape, dtype=values.dtype)[...] = values
    scales = [[2.0] * data.ndim, [*[2.0] * (data.ndim - 1), 4.0]]
    multiscale = {
        "axes": [{"name": name, **({"unit": unit} if unit else {})} for name in axes],
        "datasets": [
            {"path": str(n), "coordinateTransformations": [{"type": "scale", "scale": scale}]}
            for n, scale in enumerate(scales)
        ],
        "version": version,
        **more,
    }
    multiscales = {"multiscales": [multiscale]}
    group.attrs.update(multiscales if version == "0.4" else {"ome": multiscales})
    return path


def test_mrc(tmp_path):
    write_mrc(tmp_path / "a.mrc", VOLUME, 10.0)
    volume = read_volume(tmp_path / "a.mrc")
    assert np.array_equal(volume.data, VOLUME)
    assert volume.voxel_size_angstrom == (10.0, 10.0, 10.0)


@pytest.mark.parametrize("dtype", ["float32", "int16", "int8", "float64"])
def test_em(tmp_path, dtype):
    data = (10 * VOLUME).astype(dtype)
    emfile.write(tmp_path / "a.em", data, overwrite=True)
    volume = read_volume(tmp_path / "a.em")
    assert np.array_equal(volume.data, data)
    assert volume.voxel_size_angstrom is None


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_damaged_em_gives_a_volume_or_a_named_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "a.em"
    emfile.write(path, VOLUME, overwrite=True)
    whole = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, 30), max_size=3)):
        whole[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    try:
        outcome = str(read_volume(path).data.ndim)
    except FileFormatError as error:
        outcome = str(error)
    assert outcome == "3" or "a.em" in outcome


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr(tmp_path, version):
    path = write_zarr(tmp_path / "a.zarr", version=version, unit="nanometer")
    volume = read_volume(path)
    assert np.array_equal(volume.data, VOLUME)
    assert volume.voxel_size_angstrom == (20.0, 20.0, 20.0)
    coarse = read_volume(path, level=1)
    assert np.array_equal(coarse.data, VOLUME[:, :, ::2])
    assert coarse.voxel_size_angstrom == (20.0, 20.0, 40.0)


def test_axes_of_ome_zarr(tmp_path):
    path = write_zarr(tmp_path / "a.zarr", axes="xyz", data=VOLUME.T)
    assert np.array_equal(read_volume(path).data, VOLUME)
    path = write_zarr(tmp_path / "b.zarr", axes="tczyx", data=VOLUME[None, None])
    assert np.array_equal(read_volume(path).data, VOLUME)
    more = {"coordinateTransformations": [{"type": "scale", "scale": [3.0, 1.0, 1.0]}]}
    path = write_zarr(tmp_path / "c.zarr", **more)
    assert read_volume(path).voxel_size_angstrom == (6.0, 2.0, 2.0)


def test_a_unit_that_is_missing_is_warned_of(tmp_path):
    path = write_zarr(tmp_path / "a.zarr", unit=None)
    with pytest.warns(UserWarning, match=r"a.zarr does not say the unit"):
        assert read_volume(path).voxel_size_angstrom == (2.0, 2.0, 2.0)


@pytest.mark.parametrize(
    ("params", "level", "message"),
    [
        ({}, 2, "has 2 resolutions; there is no 2"),
        ({"unit": "parsec"}, 0, r"scale in \['parsec'\]"),
        ({"axes": "zyc"}, 0, "has axes"),
        ({"axes": "tzyx", "data": np.zeros((2, 3, 4, 5))}, 0, "several volumes"),
        ({"axes": "zyx", "datasets": []}, 0, "0 resolutions"),
    ],
)
def test_bad_ome_zarr(tmp_path, params, level, message):
    path = write_zarr(tmp_path / "a.zarr", **params)
    with pytest.raises(FileFormatError, match=message):
        read_volume(path, level=level)


def test_no_volume_at_all(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a.zarr"):
        read_volume(tmp_path / "a.zarr")
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(FileFormatError, match=r"a.zarr cannot be read as OME-Zarr"):
        read_volume(tmp_path / "a.zarr")


def test_given_ome_zarr(shared_data):
    with pytest.warns(UserWarning, match="does not say the unit"):
        volume = read_volume(shared_data / "mrc/input_omezarr.zarr")
    assert volume.data.shape == (4, 4, 4)
    assert volume.voxel_size_angstrom == pytest.approx((14.08, 14.08, 14.08))
