import bz2
import gzip
import re
import warnings
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import (
    SubtomogramStack,
    read_mrc,
    read_volume,
    read_voxel_size,
    write_mrc,
)


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


#: What comes of every file: its shape, or what the refusal says; and what is warned of.
OUTCOMES = {
    "mrc/EMD-3197.map": ((20, 20, 20), None),
    "mrc/EMD-3197.map.bz2": ((20, 20, 20), None),
    "mrc/ccp4_20_21_22_to_30_40_50.ccp4": ((29, 20, 11), None),
    "mrc/corrupt.mrc": ("cannot be read as an MRC file", None),
    "mrc/emd_3197.map.gz": ((20, 20, 20), None),
    "mrc/input_mrc.mrc": ((4, 4, 4), None),
    "mrc/input_omezarr.zarr": ((4, 4, 4), "does not say the unit"),
    "mrc/non_zero_origin_map.ccp4": ((32, 40, 30), None),
    "mrc/pat1.mrc": ("an array of shape", None),
    "mrc/signed_ints.mrc": ((4, 4, 4), None),
    "mrc/tomo_int16.mrc": ((4, 6, 5), "header is odd"),
    "mrc/unsigned_ints.mrc": ((4, 4, 4), "read as unsigned"),
    "real/membrane_crop_20A.rec": ((16, 16, 16), None),
    "real/microtubules/13pf_MT.mrc": ((36, 206, 94), None),
    "real/microtubules/14pf_MT.mrc": ((44, 136, 84), None),
    "real/tomogram_crop_23A.mrc": ((78, 64, 32), "(?s)Map ID.*read as unsigned"),
}


def test_every_given_volume_is_read_or_refused_by_name(shared_data):
    files = {str(path.relative_to(shared_data)) for path in (shared_data / "mrc").iterdir()}
    real = (shared_data / "real").rglob("*.*")
    files |= {str(path.relative_to(shared_data)) for path in real if path.suffix != ".star"}
    assert files == set(OUTCOMES)
    for name, (expected, warned) in OUTCOMES.items():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if isinstance(expected, str):
                with pytest.raises(FileFormatError, match=f"{Path(name).name}.*{expected}"):
                    read_volume(shared_data / name)
            else:
                assert read_volume(shared_data / name).data.shape == expected
        assert len(caught) == (warned is not None), name
        if warned is not None:
            assert re.search(warned, str(caught[0].message)), name
            assert Path(name).name in str(caught[0].message)


@pytest.mark.parametrize("mmap", [False, True])
def test_bytes_of_programs_that_write_them_unsigned(tmp_path, mmap):
    volume = np.arange(8, dtype=np.uint8).reshape(2, 2, 2) * 36
    write_mrc(tmp_path / "a.mrc", volume.view(np.int8), 10.0)
    assert read_mrc(tmp_path / "a.mrc").data.dtype == np.int8
    with mrcfile.open(tmp_path / "a.mrc", mode="r+") as file:
        file.header.dmax = volume.max()
    with pytest.warns(UserWarning, match="values up to 252, read as unsigned"):
        assert np.array_equal(read_mrc(tmp_path / "a.mrc", mmap=mmap).data, volume)


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("extended", [0, 352])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("mode", "kind"), [(0, "i1"), (1, "i2"), (2, "f4"), (6, "u2"), (12, "f2")])
def test_modes_byte_orders_and_extended_headers(tmp_path, mode, kind, order, extended, mmap):
    """Headers are written here field by field, as the MRC2014 page says."""
    values = np.arange(24).reshape(2, 3, 4) * (5 if mode == 0 else 64)
    header = bytearray(1024 + extended)
    header[0:16] = np.array([4, 3, 2, mode], dtype=f"{order}i4").tobytes()
    header[28:40] = np.array([4, 3, 2], dtype=f"{order}i4").tobytes()
    header[40:52] = np.array([20, 15, 10], dtype=f"{order}f4").tobytes()
    header[64:76] = np.array([1, 2, 3], dtype=f"{order}i4").tobytes()
    header[92:96] = np.array([extended], dtype=f"{order}i4").tobytes()
    header[104:112] = b"SERI" + np.array([20140], dtype=f"{order}i4").tobytes()
    header[208:216] = b"MAP " + (b"DA\0\0" if order == "<" else b"\x11\x11\0\0")
    (tmp_path / "a.mrc").write_bytes(header + values.astype(f"{order}{kind}").tobytes())
    volume = read_mrc(tmp_path / "a.mrc", mmap=mmap)
    assert np.array_equal(volume.data, values)
    assert volume.voxel_size_angstrom == (5.0, 5.0, 5.0)
    stack = SubtomogramStack([tmp_path / "a.mrc"], [[1, 1, 2]], [0], 2)
    assert np.array_equal(np.asarray(stack)[0], values[0:2, 0:2, 1:3])


@pytest.mark.parametrize("mmap", [False, True])
def test_missing_stamp(tmp_path, volume, mmap):
    write_mrc(tmp_path / "a.mrc", volume, 10.0)
    whole = bytearray((tmp_path / "a.mrc").read_bytes())
    whole[208:216] = bytes(8)
    (tmp_path / "a.mrc").write_bytes(whole)
    with pytest.warns(UserWarning, match="Map ID string not found"):
        assert np.array_equal(read_mrc(tmp_path / "a.mrc", mmap=mmap).data, volume)


IMOD, FLAGS, MINIMUM, GRID, CELL = 152, 156, 76, 28, 40


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("stamp", "flags", "largest", "unsigned"),
    [
        (1146047817, 0, -1.0, True),
        (1146047817, 0, 100.0, True),
        (1146047817, 4, 200.0, True),
        (1146047817, 1, -1.0, False),
        (1146047817, 5, 200.0, False),
        (0, 0, -1.0, False),
        (0, 1, 127.0, False),
        (1146047816, 0, 0.0, False),
    ],
)
def test_imod_says_whether_bytes_are_signed(tmp_path, stamp, flags, largest, unsigned, order, mmap):
    """Headers are written here field by field, as IMOD's page on the format says."""
    values = np.arange(256, dtype=np.uint8).reshape(4, 8, 8)
    header = bytearray(1024)
    header[0:16] = np.array([8, 8, 4, 0], f"{order}i4").tobytes()
    header[28:40] = np.array([8, 8, 4], f"{order}i4").tobytes()
    header[40:52] = np.array([80, 80, 40], f"{order}f4").tobytes()
    header[64:76] = np.array([1, 2, 3], f"{order}i4").tobytes()
    header[76:88] = np.array([0, largest, -2], f"{order}f4").tobytes()
    header[152:160] = np.array([stamp, flags], f"{order}i4").tobytes()
    header[208:212] = b"MAP "
    header[212:216] = b"DA\0\0" if order == "<" else b"\x11\x11\0\0"
    path = tmp_path / "a.mrc"
    path.write_bytes(header + values.tobytes())
    expected = values if unsigned else values.view(np.int8)
    volume = read_mrc(path, mmap=mmap)
    assert volume.data.dtype == expected.dtype
    assert np.array_equal(volume.data, expected)
    assert np.array_equal(SubtomogramStack([path], [[2, 4, 4]], [0], 4)[0], expected[:, 2:6, 2:6])


def test_four_bit_bytes_of_imod_are_refused(header_with, tmp_path, volume):
    changes = [(IMOD, "<i4", [1146047817, 16])]
    path = header_with(tmp_path / "a.mrc", volume.astype(np.int8), changes)
    with pytest.raises(FileFormatError, match=r"a.mrc .*two voxels of four bits"):
        read_mrc(path)


@pytest.mark.parametrize(
    ("changes", "warned"),
    [
        ([(GRID, "<i4", [0, 0, 0])], None),
        ([(GRID, "<i4", [0, 0, 0]), (CELL, "<f4", [0, 0, 0])], None),
        ([(GRID, "<i4", [0])], None),
        ([(CELL, "<f4", [np.nan, 40, 30])], None),
        ([(CELL, "<f4", [np.inf, 40, 30])], None),
        ([(CELL, "<f4", [-50, 40, 30])], None),
        ([(CELL, "<f4", [1e30, 40, 30])], "voxels of 10 x 10 x 2e.29 A"),
        ([(CELL, "<f4", [1e-30, 40, 30])], "voxels of 10 x 10 x 2e-31 A"),
        ([(GRID, "<i4", [-(2**31)])], None),
    ],
)
@pytest.mark.parametrize("compress", [None, gzip.compress])
def test_voxel_sizes_that_cannot_be_meant_are_unknown(
    header_with, tmp_path, volume, changes, warned, compress
):
    path = header_with(tmp_path / "a.mrc", volume, changes)
    if compress:
        path.write_bytes(compress(path.read_bytes()))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert read_mrc(path).voxel_size_angstrom is None
        assert read_voxel_size(path) is None
    assert [re.search(warned or "", str(one.message)) is not None for one in caught] == (
        [True] if warned else []
    )


@pytest.mark.parametrize(("opener", "ending"), [(gzip.open, "gz"), (bz2.open, "bz2")])
def test_bombs_are_not_unpacked(tmp_path, opener, ending):
    """Gigabytes of zeros in a few kilobytes; the header alone says so."""
    write_mrc(tmp_path / "a.mrc", np.zeros((4, 4, 4), np.int8), 10.0)
    with mrcfile.open(tmp_path / "a.mrc", "r+") as file:
        file.header.nx = file.header.ny = file.header.mx = file.header.my = 2**15
    # Large enough for what its header says, at the most that the codecs can do.
    content = (tmp_path / "a.mrc").read_bytes()[:1024] + bytes(2**22)
    path = tmp_path / f"a.mrc.{ending}"
    with opener(path, "wb") as file:
        file.write(content)
    with open(path, "ab") as file:
        file.write(bytes(200_000))
    assert path.stat().st_size < 2**18
    said = rf"a\.mrc\.{ending} .*unpack it by gunzip or bunzip2"
    with pytest.raises(FileFormatError, match=said):
        read_mrc(path)
