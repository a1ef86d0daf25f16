import gzip
import json
import os
import pickle
import re
import shutil
import tracemalloc

import emfile
import numcodecs
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import (
    SharedVolumes,
    SubtomogramStack,
    extract_subtomograms,
    open_volume,
    read_labeled_pickle,
    read_particles,
    read_volume,
    read_voxel_size,
    write_mrc,
)
from sksubtomo.persistence import load_model

VOLUME = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)


def write_zarr(
    path, *, version="0.4", axes="zyx", unit="angstrom", data=VOLUME, array=None, **more
):
    """An OME-Zarr of two resolutions; `array` has options of how they are stored."""
    group = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    for level in range(2):
        values = data[..., :: level + 1]
        stored = group.create_array(
            str(level), shape=values.shape, dtype=values.dtype, **(array or {})
        )
        stored[...] = values
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
        ({"unit": "parsec"}, 0, r"scale in 'parsec'"),
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


FORMATS = {
    "a.mrc": lambda path: write_mrc(path, VOLUME, 2.0),
    "a.em": lambda path: emfile.write(path, VOLUME),
    "a.zarr": write_zarr,
    "b.zarr": lambda path: write_zarr(path, version="0.5", array={"chunks": (2, 3, 2)}),
    "c.zarr": lambda path: write_zarr(path, axes="xzy", data=VOLUME.transpose(2, 0, 1)),
    "d.zarr": lambda path: write_zarr(
        path, axes="tcyxz", data=VOLUME.transpose(1, 2, 0)[None, None]
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_blocks_are_parts_of_the_volume(tmp_path, name):
    FORMATS[name](tmp_path / name)
    volume = open_volume(tmp_path / name)
    assert volume.shape == VOLUME.shape
    assert volume.dtype == np.float32
    for key in (
        (slice(None),) * 3,
        (slice(1, 3), slice(0, 2), slice(2, 5)),
        (slice(2, 3), slice(3, 4), slice(4, 5)),
    ):
        assert np.array_equal(volume[key], VOLUME[key])
    expected = None if name.endswith(".em") else (2.0, 2.0, 2.0)
    assert volume.voxel_size_angstrom == expected
    assert read_voxel_size(tmp_path / name) == expected
    assert np.array_equal(read_volume(tmp_path / name).data, VOLUME)
    stack = SubtomogramStack([tmp_path / name], [[1, 2, 2], [1, 1, 3]], [0, 0], 2)
    boxes = extract_subtomograms(VOLUME, [[1, 2, 2], [1, 1, 3]], 2)
    assert np.array_equal(stack, boxes)
    assert np.array_equal(pickle.loads(pickle.dumps(stack)), boxes)
    assert np.array_equal(extract_subtomograms(volume, [[1, 2, 2], [1, 1, 3]], 2), boxes)


def test_what_can_be_opened_to_read_blocks(tmp_path):
    write_mrc(tmp_path / "a.mrc", VOLUME, 2.0)
    (tmp_path / "a.mrc.gz").write_bytes(gzip.compress((tmp_path / "a.mrc").read_bytes()))
    with pytest.raises(FileFormatError, match=r"a.mrc.gz is compressed .* unpack it"):
        open_volume(tmp_path / "a.mrc.gz")
    assert read_voxel_size(tmp_path / "a.mrc.gz") == (2.0, 2.0, 2.0)
    with pytest.raises(FileNotFoundError, match=r"none.mrc"):
        open_volume(tmp_path / "none.mrc")
    with pytest.raises(ValueError, match="missing_chunks='zero' must be"):
        open_volume(tmp_path / "a.mrc", missing_chunks="zero")


@pytest.mark.parametrize(("version", "sharded"), [("0.4", False), ("0.5", False), ("0.5", True)])
def test_missing_chunks_are_an_error_unless_the_fill_value_is_asked_for(tmp_path, version, sharded):
    options = {"chunks": (1, 2, 5), "fill_value": 7.0}
    options |= {"shards": (1, 4, 5)} if sharded else {}
    path = write_zarr(tmp_path / "a.zarr", version=version, array=options)
    chunks = sorted(file for file in (path / "0").rglob("*") if file.is_file())
    chunks = [file for file in chunks if not file.name.startswith((".z", "zarr"))]
    chunks[0].unlink()
    n_chunks = 3 if sharded else 6
    with pytest.raises(
        FileFormatError, match=rf"a.zarr has {n_chunks - 1} of {n_chunks} chunks.*'fill'"
    ):
        read_volume(path)
    with pytest.raises(FileFormatError, match=rf"{n_chunks - 1} of {n_chunks} chunks"):
        open_volume(path)
    # A file that is no chunk does not stand for one.
    (path / "0/notes.txt").write_text("text")
    with pytest.raises(FileFormatError, match=rf"{n_chunks - 1} of {n_chunks} chunks"):
        read_volume(path)
    filled = read_volume(path, missing_chunks="fill").data
    where = slice(0, 4 if sharded else 2)
    assert (filled[0, where] == 7.0).all()
    filled[0, where] = VOLUME[0, where]
    assert np.array_equal(filled, VOLUME)


@pytest.mark.parametrize(
    "data",
    [
        np.array([[["a", "b"]]]),
        np.array([[["2020-01-01"]]], dtype="datetime64[D]"),
        np.array([[[(1, 2.0)]]], dtype=[("a", "i4"), ("b", "f4")]),
        np.array([[[1j]]]),
    ],
    ids=["text", "dates", "structures", "complex"],
)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_what_are_no_numbers_is_refused(tmp_path, data):
    path = write_zarr(tmp_path / "a.zarr", data=data)
    with pytest.raises(FileFormatError, match=r"a.zarr (holds .*, not real numbers|cannot be)"):
        read_volume(path)


@pytest.mark.parametrize(
    "data_type",
    [
        "string",
        {"name": "fixed_length_utf32", "configuration": {"length_bytes": 8}},
        {"name": "numpy.datetime64", "configuration": {"unit": "s", "scale_factor": 1}},
        {"name": "struct", "configuration": {"fields": [["a", "int32"], ["b", "float32"]]}},
        "complex64",
    ],
    ids=["text", "fixed text", "dates", "structures", "complex"],
)
@pytest.mark.filterwarnings("ignore:The data type")
@pytest.mark.filterwarnings("ignore:.*does not have a Zarr V3 specification")
def test_what_are_no_numbers_in_format_3_is_refused(tmp_path, data_type):
    path = write_zarr(tmp_path / "a.zarr", version="0.5")
    metadata(path, "0.5", data_type=data_type, fill_value=None)
    with pytest.raises(FileFormatError, match=r"a.zarr (holds .*, not real numbers|cannot be)"):
        read_volume(path)


def metadata(path, version, **changes):
    """Change the metadata of the finest resolution."""
    file = path / "0" / (".zarray" if version == "0.4" else "zarr.json")
    content = json.loads(file.read_text())
    for name, value in changes.items():
        if name == "chunks" and version == "0.5":
            content["chunk_grid"]["configuration"]["chunk_shape"] = value
        else:
            content[name] = value
    file.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": [10**6] * 3}, "of [0-9]+ chunks"),
        ({"shape": [10**6] * 3, "chunks": [10**6] * 3}, "metadata say chunks of 4[0]+ bytes"),
        ({"chunks": [10**6, 4, 10**6]}, "metadata say chunks of"),
        ({"chunks": [0, 1, 1]}, r"metadata say chunks of \(0, 1, 1\) voxels"),
        ({"shape": [3, 4, 0]}, "is empty|cannot be read"),
        ({"shape": [3, 4, -5]}, "cannot be read|is empty"),
        ({"shape": [3, 4]}, "cannot be read|has axes"),
    ],
)
def test_metadata_that_lie_allocate_nothing(tmp_path, version, changes, message):
    path = metadata(write_zarr(tmp_path / "a.zarr", version=version), version, **changes)
    tracemalloc.start()
    with pytest.raises(FileFormatError, match=rf"a.zarr.*({message})"):
        read_volume(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**27


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_filling_is_bounded_too(tmp_path, version):
    path = metadata(write_zarr(tmp_path / "a.zarr", version=version), version, shape=[10**5] * 3)
    with pytest.raises(FileFormatError, match=r"a.zarr.*metadata say 4[0]+ bytes"):
        read_volume(path, missing_chunks="fill")


def test_a_chunk_of_blosc_that_lies_about_its_size(tmp_path):
    path = write_zarr(tmp_path / "a.zarr", array={"compressors": numcodecs.Blosc()})
    (chunk,) = [file for file in (path / "0").rglob("*") if file.name == "0.0.0"] or [
        path / "0/0/0/0"
    ]
    whole = chunk.read_bytes()
    for place, value, message in [
        (4, 2**31 - 1, "chunk"),
        (12, 2**30, "says that it has 1073741824"),
        (8, 0, "blosc"),
    ]:
        damaged = whole[:place] + value.to_bytes(4, "little") + whole[place + 4 :]
        chunk.write_bytes(damaged)
        with pytest.raises(FileFormatError, match=rf"a.zarr.*{message}"):
            read_volume(path)
    chunk.write_bytes(whole)
    assert np.array_equal(read_volume(path).data, VOLUME)


def test_scales_that_cannot_be_meant(tmp_path):
    for number, scale in enumerate([float("nan"), float("inf"), 0.0, -2.0]):
        transformation = {"type": "scale", "scale": [scale, 1.0, 1.0]}
        path = write_zarr(tmp_path / f"{number}.zarr", coordinateTransformations=[transformation])
        assert read_volume(path).voxel_size_angstrom is None
    transformation = {"type": "scale", "scale": [1e30, 1.0, 1.0]}
    path = write_zarr(tmp_path / "a.zarr", coordinateTransformations=[transformation])
    with pytest.warns(UserWarning, match=r"a.zarr says voxels of 2e\+30 x 2 x 2 A"):
        assert read_volume(path).voxel_size_angstrom is None
    transformation = {"type": "scale", "scale": [1.0, 1.0]}
    path = write_zarr(tmp_path / "b.zarr", coordinateTransformations=[transformation])
    with pytest.raises(FileFormatError, match=r"b.zarr cannot be read as OME-Zarr"):
        read_volume(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
@pytest.mark.parametrize("ending", ["mrc", "em", "star", "json", "pickle", "npy", "sksubtomo"])
def test_pipes_and_devices_are_refused_without_reading(tmp_path, ending):
    readers = {
        "mrc": read_volume,
        "em": read_volume,
        "npy": SharedVolumes,
        "pickle": read_labeled_pickle,
        "sksubtomo": load_model,
    }
    path = tmp_path / f"pipe.{ending}"
    os.mkfifo(path)
    device = tmp_path / f"device.{ending}"
    device.symlink_to("/dev/zero")
    for one in (path, device):
        with pytest.raises(FileNotFoundError, match=" is a (named pipe|device), and no file"):
            readers.get(ending, read_particles)(one)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("kind", ["a named pipe", "a device", "has 68719476736 bytes"])
def test_pipes_devices_and_endless_files_within_a_zarr(tmp_path, version, kind):
    whole = write_zarr(tmp_path / "whole.zarr", version=version, array={"chunks": (2, 2, 5)})
    names = [one.relative_to(whole) for one in whole.rglob("*") if one.is_file()]
    # The first resolution is read.
    names = [name for name in names if name.parts[0] != "1"]
    assert len(names) > 2
    for number, name in enumerate(names):
        path = tmp_path / f"{number}.zarr"
        shutil.copytree(whole, path)
        (path / name).unlink()
        if kind == "a named pipe":
            os.mkfifo(path / name)
        elif kind == "a device":
            (path / name).symlink_to("/dev/zero")
        else:
            with open(path / name, "wb") as file:
                file.truncate(2**36)
        said = rf"{number}\.zarr .*{re.escape(name.name)}.*{kind}"
        with pytest.raises(FileFormatError, match=said):
            read_volume(path)


def test_boxes_are_read_without_reading_by_position(tmp_path, monkeypatch):
    # Windows has no os.pread.
    write_mrc(tmp_path / "a.mrc", VOLUME, 10.0)
    block = (slice(1, 3), slice(0, 2), slice(2, 5))
    expected = open_volume(tmp_path / "a.mrc")[block]
    monkeypatch.delattr(os, "pread")
    volume = open_volume(tmp_path / "a.mrc")
    assert np.array_equal(volume[block], expected)
    assert np.array_equal(volume[block], VOLUME[block])
