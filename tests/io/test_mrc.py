import bz2
import gzip
import warnings
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import read_mrc, write_mrc


@pytest.fixture
def volume():
    return np.random.default_rng(0).normal(10, 3, size=(3, 4, 5)).astype(np.float32)


@pytest.mark.parametrize("dtype", ["float32", "int8", "int16", "uint16", "float16"])
@pytest.mark.parametrize("mmap", [False, True])
def test_round_trip(tmp_path, volume, dtype, mmap):
    path = tmp_path / "a.mrc"
    write_mrc(path, volume.astype(dtype), (7.0, 8.0, 9.0))
    data, voxel_size = read_mrc(path, mmap=mmap)
    assert data.dtype == dtype
    assert np.array_equal(data, volume.astype(dtype))
    assert voxel_size == pytest.approx((7.0, 8.0, 9.0))
    assert isinstance(data, np.memmap) == mmap


@pytest.mark.parametrize(("given", "written"), [("float64", "float32"), ("bool", "int8")])
def test_converted_types(tmp_path, volume, given, written):
    write_mrc(tmp_path / "a.mrc", (volume > 10).astype(given), 10)
    assert read_mrc(tmp_path / "a.mrc").data.dtype == written


def test_other_programs_see_our_axes(tmp_path, volume):
    write_mrc(tmp_path / "a.mrc", volume, (7.0, 8.0, 9.0))
    with mrcfile.open(tmp_path / "a.mrc") as file:
        assert (file.header.nz, file.header.ny, file.header.nx) == (3, 4, 5)
        assert file.voxel_size.x == pytest.approx(9.0)
        assert mrcfile.validate(tmp_path / "a.mrc")


@pytest.mark.parametrize("axes", [(3, 2, 1), (1, 2, 3), (2, 3, 1), (0, 0, 0)])
def test_order_of_axes_in_the_file_is_undone(tmp_path, volume, axes):
    # `axes` names the crystal axis (1 = x) of sections, rows and columns.
    order = [{3: 0, 2: 1, 1: 2}[axis] for axis in axes] if any(axes) else [0, 1, 2]
    with mrcfile.new(tmp_path / "a.mrc", data=volume.transpose(order)) as file:
        file.header.maps, file.header.mapr, file.header.mapc = axes
    assert np.array_equal(read_mrc(tmp_path / "a.mrc").data, volume)


def test_missing_voxel_size(tmp_path, volume):
    with mrcfile.new(tmp_path / "a.mrc", data=volume):
        pass
    assert read_mrc(tmp_path / "a.mrc").voxel_size_angstrom is None


def test_overwriting_needs_permission(tmp_path, volume):
    write_mrc(tmp_path / "a.mrc", volume, 10)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        write_mrc(tmp_path / "a.mrc", volume, 10)
    write_mrc(tmp_path / "a.mrc", volume + 1, 10, overwrite=True)
    assert np.array_equal(read_mrc(tmp_path / "a.mrc").data, volume + 1)


def test_failed_write_leaves_the_old_file(tmp_path, volume, monkeypatch):
    write_mrc(tmp_path / "a.mrc", volume, 10)

    def fail(self):
        raise OSError("disk full")

    monkeypatch.setattr(mrcfile.mrcfile.MrcFile, "set_volume", fail)
    with pytest.raises(OSError, match="disk full"):
        write_mrc(tmp_path / "a.mrc", volume + 1, 10, overwrite=True)
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["a.mrc"]
    assert np.array_equal(read_mrc(tmp_path / "a.mrc").data, volume)


@pytest.mark.parametrize(
    ("change", "size", "message"),
    [
        (lambda v: v[0], 10, r"three axes z, y, x; the data have shape \(4, 5\)"),
        (lambda v: v * np.nan, 10, "NaN or infinity"),
        (lambda v: v * 1j, 10, "cannot hold complex"),
        (lambda v: v.astype(np.int32), 10, "cannot hold int32"),
        (lambda v: v, 0, "voxel_size_angstrom=0 must be positive"),
        (lambda v: v, (1, 2, -3), "must be positive"),
    ],
)
def test_bad_data_write_nothing(tmp_path, volume, change, size, message):
    with pytest.raises(ValueError, match=message):
        write_mrc(tmp_path / "a.mrc", change(volume), size)
    assert not list(tmp_path.iterdir())


def test_unreadable_files(tmp_path, volume):
    with pytest.raises(FileNotFoundError, match=r"no file .*missing.mrc"):
        read_mrc(tmp_path / "missing.mrc")
    (tmp_path / "text.mrc").write_text("no volume " * 200)
    with pytest.raises(FileFormatError, match=r"text.mrc cannot be read as an MRC file"):
        read_mrc(tmp_path / "text.mrc")
    write_mrc(tmp_path / "whole.mrc", volume, 10)
    whole = (tmp_path / "whole.mrc").read_bytes()
    for length in (0, 100, 1024, len(whole) - 4):
        (tmp_path / "cut.mrc").write_bytes(whole[:length])
        for mmap in (False, True):
            with pytest.raises(FileFormatError, match=r"cut.mrc"):
                read_mrc(tmp_path / "cut.mrc", mmap=mmap)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros((4, 4), np.float32), r"shape \(4, 4\), not one volume"),
        (np.zeros((2, 4, 4, 4), np.float32), r"shape \(2, 4, 4, 4\), not one volume"),
        (np.zeros((2, 4, 4), np.complex64), "complex numbers"),
    ],
)
def test_files_that_are_not_one_volume(tmp_path, data, message):
    with mrcfile.new(tmp_path / "a.mrc", data=data):
        pass
    with pytest.raises(FileFormatError, match=message):
        read_mrc(tmp_path / "a.mrc")


def test_impossible_axes(tmp_path, volume):
    with mrcfile.new(tmp_path / "a.mrc", data=volume) as file:
        file.header.mapc = 3
    with pytest.raises(FileFormatError, match="must be a permutation"):
        read_mrc(tmp_path / "a.mrc")


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("mrc/EMD-3197.map", (20, 20, 20)),
        ("mrc/emd_3197.map.gz", (20, 20, 20)),
        ("mrc/EMD-3197.map.bz2", (20, 20, 20)),
        ("mrc/non_zero_origin_map.ccp4", (32, 40, 30)),
        ("real/microtubules/13pf_MT.mrc", (36, 206, 94)),
        ("real/membrane_crop_20A.rec", (16, 16, 16)),
    ],
)
def test_files_of_other_programs(shared_data, name, shape):
    assert read_mrc(shared_data / name).data.shape == shape


@pytest.mark.parametrize(
    ("name", "message"),
    [("mrc/corrupt.mrc", "cannot be read as an MRC file"), ("mrc/pat1.mrc", "an array of shape")],
)
def test_refused_files_of_other_programs(shared_data, name, message):
    with pytest.raises(FileFormatError, match=message):
        read_mrc(shared_data / name)


@pytest.mark.parametrize(
    ("name", "shape"), [("mrc/tomo_int16.mrc", (4, 6, 5)), ("real/tomogram_crop_23A.mrc", None)]
)
@pytest.mark.parametrize("mmap", [False, True])
def test_files_without_stamp_are_read_with_a_warning(shared_data, name, shape, mmap):
    with pytest.warns(UserWarning, match=f"{Path(name).name} is read as MRC although its header"):
        volume = read_mrc(shared_data / name, mmap=mmap)
    assert volume.data.ndim == 3
    assert shape is None or volume.data.shape == shape


@pytest.mark.parametrize("mmap", [False, True])
def test_missing_stamp(tmp_path, volume, mmap):
    write_mrc(tmp_path / "a.mrc", volume, 10.0)
    whole = bytearray((tmp_path / "a.mrc").read_bytes())
    whole[208:216] = bytes(8)
    (tmp_path / "a.mrc").write_bytes(whole)
    with pytest.warns(UserWarning, match="Map ID string not found"):
        assert np.array_equal(read_mrc(tmp_path / "a.mrc", mmap=mmap).data, volume)


@pytest.mark.parametrize("compress", [None, gzip.compress, bz2.compress])
def test_nothing_is_allocated_for_a_header_that_lies(tmp_path, volume, compress):
    write_mrc(tmp_path / "a.mrc", volume, 10.0)
    whole = bytearray((tmp_path / "a.mrc").read_bytes())
    whole[0:12] = np.array([2**20, 2**20, 2**10], dtype="<i4").tobytes()
    (tmp_path / "a.mrc").write_bytes(compress(whole) if compress else whole)
    with pytest.raises(FileFormatError, match=r"header says \(1024, 1048576, 1048576\) voxels"):
        read_mrc(tmp_path / "a.mrc")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_flipped_bits_and_cut_ends_give_a_volume_or_a_named_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "a.mrc"
    write_mrc(path, np.arange(60, dtype=np.float32).reshape(3, 4, 5), 10.0)
    whole = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, 1023), max_size=4)):
        whole[place] ^= 1 << data.draw(st.integers(0, 7))
    damaged = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    path.write_bytes(damaged)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            outcome = str(read_mrc(path).data.ndim)
        except FileFormatError as error:
            outcome = str(error)
    assert outcome == "3" or "a.mrc" in outcome
    assert path.read_bytes() == damaged
    assert [file.name for file in path.parent.iterdir()] == ["a.mrc"]
