import gzip
import pickle
import subprocess
import sys

import emfile
import mrcfile
import numpy as np
import pytest
from joblib import Parallel, delayed
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from sksubtomo.exceptions import FileFormatError
from sksubtomo.fourier import Imaging
from sksubtomo.io import (
    SubtomogramStack,
    extract_subtomograms,
    make_particle_table,
    read_mrc,
    read_particles,
    write_mrc,
)
from sksubtomo.io import _stack as module
from sksubtomo.io._raw import RawVolume
from sksubtomo.model_selection import SemiSupervisedSplit
from sksubtomo.networks import Liu2019
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.preprocessing import CenterCropper, VolumeFlattener, VolumeNormalizer
from sksubtomo.semi_supervised import AutoencodingClassifier, FineTunedClassifier
from sksubtomo.training import Training

SMALL = {"network": Liu2019(n_filters=4), "max_epochs": 2, "batch_size": 16, "random_state": 0}


def make(data, **params):
    return SubtomogramStack(*data[:3], box_size=8, **params)


def read_all(data, **params):
    paths, coordinates, which, _ = data
    boxes = np.empty((len(which), 8, 8, 8), dtype=np.float32)
    for number, path in enumerate(paths):
        tomogram = np.asarray(read_mrc(path).data)
        rows = which == number
        boxes[rows] = extract_subtomograms(tomogram, coordinates[rows], 8, **params)
    return boxes


def test_is_the_array_of_extracted_boxes(data):
    stack, boxes = make(data), read_all(data)
    assert stack.shape == boxes.shape
    assert stack.size == boxes.size
    assert len(stack) == 48
    assert np.array_equal(np.asarray(stack), boxes)
    for key in (3, -1, np.int64(5)):
        assert np.array_equal(stack[key], boxes[key])
    mask = np.arange(48) % 3 == 0
    for key in (
        slice(5, 20, 3),
        [4, 4, 1],
        mask,
        np.array([47, 0]),
        (np.array([2]), Ellipsis),
        ...,
    ):
        part = stack[key]
        assert isinstance(part, SubtomogramStack)
        assert np.array_equal(np.asarray(part), boxes[key])
    assert np.array_equal(np.asarray(stack[10:][[1, 2]]), boxes[11:13])
    assert stack[mask].index.tolist() == np.flatnonzero(mask).tolist()
    with pytest.raises(IndexError):
        stack[48]
    with pytest.raises(TypeError, match="indexed by particles only"):
        stack[:, 0]


def test_nothing_is_read_until_asked(data, monkeypatch):
    read = []
    cut = module.cut_boxes
    monkeypatch.setattr(
        module, "cut_boxes", lambda t, c, *args, **kw: read.append(len(c)) or cut(t, c, *args, **kw)
    )
    stack = make(data)
    part = stack[::2].map(np.negative)[:4]
    assert not read
    np.asarray(part)
    assert sum(read) == 4


def test_an_epoch_reads_every_box_once(data, monkeypatch):
    read = []
    cut = module.cut_boxes
    monkeypatch.setattr(
        module, "cut_boxes", lambda t, c, *args, **kw: read.append(len(c)) or cut(t, c, *args, **kw)
    )
    params = {**SMALL, "early_stopping": False, "training": Training(standardize=False)}
    AutoencodingClassifier(**params).fit(make(data), data[3])
    assert sum(read) == 2 * 48


def test_normalized_and_mapped(data):
    boxes = read_all(data)
    normal = np.asarray(make(data, normalize=True))
    expected = VolumeNormalizer().fit_transform(boxes)
    np.testing.assert_allclose(normal, expected, atol=1e-5)
    cropped = make(data).map(CenterCropper(6).fit(boxes).transform)
    assert cropped.shape == (48, 6, 6, 6)
    assert np.array_equal(cropped, CenterCropper(6).fit_transform(boxes))
    with pytest.raises(ValueError, match=r"array of shape \(1, 512\)"):
        make(data).map(VolumeFlattener().fit(boxes).transform)


def test_transformers_leave_it_lazy(data):
    stack, boxes = make(data), read_all(data)
    pipeline = make_pipeline(VolumeNormalizer(), CenterCropper(6))
    lazy = pipeline.fit_transform(stack)
    assert isinstance(lazy, SubtomogramStack)
    assert np.array_equal(lazy, pipeline.fit_transform(boxes))
    assert np.array_equal(VolumeFlattener().fit_transform(stack), boxes.reshape(48, -1))


@pytest.mark.parametrize(
    "make_estimator", [CNNClassifier, AutoencodingClassifier, FineTunedClassifier]
)
def test_estimators_learn_the_same_as_from_the_array(data, make_estimator):
    stack, boxes = make(data), read_all(data)
    y = np.where(np.arange(48) < 30, data[3], -1)
    lazy, plain = (make_estimator(**SMALL).fit(X, y) for X in (stack, boxes))
    assert np.array_equal(lazy.predict_proba(stack), plain.predict_proba(boxes))
    assert lazy.score(stack, y) == plain.score(boxes, y)
    assert lazy.n_features_in_ == 512
    if make_estimator is AutoencodingClassifier:
        assert np.array_equal(lazy.reconstruction_error(stack), plain.reconstruction_error(boxes))
    with pytest.raises(ValueError, match=r"X has volumes of shape \(6, 6, 6\), but"):
        lazy.predict(SubtomogramStack(*data[:3], box_size=6))


def test_reading_ahead_changes_nothing(data):
    stack, y = make(data), data[3]
    first, second = (
        AutoencodingClassifier(**SMALL, training=Training(n_workers=n)).fit(stack, y)
        for n in (0, 2)
    )
    assert np.array_equal(first.predict_proba(stack), second.predict_proba(stack))


def test_cross_validation_and_search_in_processes(data):
    stack, boxes = make(data), read_all(data)
    y = np.where(np.arange(48) < 36, data[3], -1)
    pipeline = make_pipeline(VolumeNormalizer(), CNNClassifier(**SMALL))
    scores = [
        cross_val_score(pipeline, X, y, cv=SemiSupervisedSplit(2), n_jobs=2) for X in (stack, boxes)
    ]
    assert np.array_equal(*scores)
    grid = {"cnnclassifier__max_epochs": [1, 2]}
    searches = [
        GridSearchCV(pipeline, grid, cv=SemiSupervisedSplit(2)).fit(X, y) for X in (stack, boxes)
    ]
    results = [search.cv_results_["mean_test_score"] for search in searches]
    assert np.array_equal(*results)


def test_is_pickled_as_paths(data):
    stack = make(data)
    boxes = np.asarray(stack)
    text = pickle.dumps(stack)
    assert len(text) < boxes.nbytes / 10
    assert np.array_equal(pickle.loads(text), boxes)
    sums = Parallel(n_jobs=2)(delayed(np.sum)(part) for part in (stack[:5], stack[5:]))
    np.testing.assert_allclose(sums, [boxes[:5].sum(), boxes[5:].sum()], rtol=1e-5)


def test_memory_does_not_grow_with_what_is_read(tmp_path):
    # Every voxel of 64 MiB, in a process of its own.
    write_mrc(tmp_path / "a.mrc", np.ones((64, 512, 512), dtype=np.float32), 10.0)
    code = f"""
import resource
import numpy as np
from sksubtomo.io import SubtomogramStack
steps = np.arange(32, 512, 64)
centers = np.stack(np.meshgrid([32], steps, steps), -1).reshape(-1, 3)
stack = SubtomogramStack([{str(tmp_path / "a.mrc")!r}], centers, np.zeros(64, int), 64)
stack[0]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
total = sum(float(box.sum()) for box in (stack[row] for row in range(64)))
print(total, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    total, grown_mib = map(float, run.stdout.split())
    assert total == 2**24
    assert grown_mib < 16


@pytest.mark.parametrize("axes", [(1, 2, 3), (3, 1, 2), (2, 3, 1)])
@pytest.mark.parametrize("dtype", ["float32", "int16", "float16", "int8"])
def test_any_axes_and_types(tmp_path, axes, dtype):
    rng = np.random.default_rng(0)
    volume = rng.integers(-100, 100, (11, 12, 13)).astype(dtype)
    path = tmp_path / "a.mrc"
    with mrcfile.new(path, data=volume) as file:
        file.set_volume()
        file.header.mapc, file.header.mapr, file.header.maps = axes
    expected = read_mrc(path).data
    centers = [[5, 5, 5], [6, 5, 7]]
    stack = SubtomogramStack([path], centers, [0, 0], 6)
    assert np.array_equal(stack, extract_subtomograms(expected, centers, 6))


@pytest.mark.filterwarnings("ignore:.*header is odd")
def test_big_endian_and_extended_headers(shared_data):
    for name in ("real/microtubules", "mrc"):
        for path in sorted((shared_data / name).glob("*.m*")):
            try:
                tomogram = read_mrc(path).data
                stack = SubtomogramStack([path], [np.array(tomogram.shape) // 2], [0], 4)
            except FileFormatError:
                continue
            assert np.array_equal(stack[0], extract_subtomograms(tomogram, stack._centers, 4)[0])


def test_many_files_are_not_all_kept_open(data, monkeypatch):
    monkeypatch.setattr(module, "_MOST_OPEN_FILES", 2)
    stack = make(data)
    assert np.array_equal(stack, read_all(data))
    assert len(stack._open) <= 2


def test_borders(data):
    paths, coordinates, which, y = data
    coordinates = coordinates.copy()
    coordinates[0] = [1, 20, 20]
    shifted = paths, coordinates, which, y
    with pytest.raises(ValueError, match=r"TS_0\d.mrc: 1 of 16 boxes of 8 voxels reach beyond"):
        make(shifted)
    dropped = make(shifted, border="drop")
    assert dropped.index.tolist() == list(range(1, 48))
    assert np.array_equal(dropped.tomogram_index, which[1:])
    padded = make(shifted, border="noise")[0]
    inside = padded[3:]
    assert np.array_equal(padded, make(shifted, border="noise")[0])
    assert padded[:3].mean() == pytest.approx(inside.mean(), abs=0.2)
    assert padded[:3].std() == pytest.approx(inside.std(), rel=0.2)
    assert make(shifted, border="pad")[0][:3].std() < 1e-6


def test_from_a_table(data, tmp_path):
    paths, coordinates, which, _ = data
    path = tmp_path / "particles.star"
    rows = [f"TS_{w:02d} {x} {y} {z}" for w, (z, y, x) in zip(which, coordinates, strict=True)]
    columns = ["rlnTomoName", "rlnCoordinateX", "rlnCoordinateY", "rlnCoordinateZ"]
    header = "".join(f"_{column}\n" for column in columns)
    path.write_text(f"data_particles\n\nloop_\n{header}" + "\n".join(rows) + "\n")
    particles = read_particles(path)
    stack = SubtomogramStack.from_particles(particles, paths[::-1], 8, normalize=True)
    assert np.array_equal(stack, make(data, normalize=True))
    with pytest.raises(ValueError, match=r"1 tomogram without a file: 'TS_00'"):
        SubtomogramStack.from_particles(particles, paths[1:], 8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p, c, w: (p, c, w[:-1]), "does not suit 48 coordinates"),
        (lambda p, c, w: (p, c, w * 1.0), "type float64"),
        (lambda p, c, w: (p[:2], c, w), "goes from 0 to 2, but there are 2"),
        (lambda p, c, w: (p, c + 100, w), r"TS_00.mrc: .* lie outside"),
        (lambda p, c, w: (p, c[:0], w[:0]), "no particles"),
    ],
)
def test_bad_input(data, change, message):
    with pytest.raises(ValueError, match=message):
        SubtomogramStack(*change(*data[:3]), box_size=8)


def test_bad_files(data, tmp_path):
    paths, coordinates, which, _ = data
    with pytest.raises(FileNotFoundError, match="no.mrc"):
        SubtomogramStack([tmp_path / "no.mrc", *paths[1:]], coordinates, which, 8)
    broken = np.asarray(read_mrc(paths[1]).data).copy()
    z, y, x = coordinates[which == 1][0]
    broken[z, y, x] = np.nan
    # Not by write_mrc, which refuses.
    with mrcfile.open(paths[1], "r+") as file:
        file.data[:] = broken
    with pytest.raises(ValueError, match=r"TS_01.mrc holds NaN or infinity in the box around"):
        np.asarray(make(data))
    (tmp_path / "a.mrc.gz").write_bytes(gzip.compress(paths[0].read_bytes()))
    with pytest.raises(FileFormatError, match=r"a.mrc.gz .*(compressed|cannot be read)"):
        SubtomogramStack([tmp_path / "a.mrc.gz"], [[9, 9, 9]], [0], 8)
    (tmp_path / "short.mrc").write_bytes(paths[0].read_bytes()[:-50])
    with pytest.raises(FileFormatError, match="short.mrc"):
        SubtomogramStack([tmp_path / "short.mrc"], [[9, 9, 9]], [0], 8)


def test_links_are_read_by_their_names(tmp_path):
    volume = np.random.default_rng(0).normal(size=(10, 11, 12)).astype(np.float32)
    emfile.write(tmp_path / "a.em", volume)
    (tmp_path / "a.em").rename(tmp_path / "blob")
    (tmp_path / "b.em").symlink_to(tmp_path / "blob")
    stack = SubtomogramStack([tmp_path / "b.em"], [[5, 5, 5]], [0], 4)
    assert np.array_equal(stack[0], volume[3:7, 3:7, 3:7])


def test_whole_numbers_are_not_read_to_look_for_nan(tmp_path, monkeypatch):
    write_mrc(tmp_path / "a.mrc", np.ones((20, 20, 20), np.int16), 10.0)
    monkeypatch.setattr(RawVolume, "__getitem__", None)
    stack = SubtomogramStack([tmp_path / "a.mrc"], [[9, 9, 9]], [0], 8, on_bad="skip")
    assert stack.outcomes.tolist() == ["ok"]


def test_tables_name_tomograms_as_programs_do(data):
    paths, coordinates, which, _ = data
    paths[1] = paths[1].rename(paths[1].with_name("TS_01_10.00Apx.mrc"))
    paths[2] = paths[2].rename(paths[2].with_name("rec_TS_02.mrc"))
    names = [f"TS_{number:02d}.tomostar" for number in which]
    table = make_particle_table(coordinates, tomogram_names=names)
    stack = SubtomogramStack.from_particles(table, paths, 8)
    assert np.array_equal(stack, make((paths, coordinates, which, None)))
    files = {f"TS_{number:02d}": path for number, path in enumerate(paths)}
    assert np.array_equal(SubtomogramStack.from_particles(table, files, 8), stack)
    bad = make_particle_table(coordinates + 100.0, tomogram_names=names)
    left = SubtomogramStack.from_particles(bad, paths, 8, on_bad="skip")
    assert len(left) == 0


def test_imaging_goes_with_the_particles(tmp_path):
    path = tmp_path / "a.mrc"
    write_mrc(path, np.zeros((20, 20, 20), np.float32), 10.0)
    imaging = Imaging([[-60, 60], [-40, 40], [-50, 50], [-40, 40]])
    places = [[10, 10, 10], [1, 10, 10], [9, 9, 9], [8, 8, 8]]
    stack = SubtomogramStack([path], places, [0] * 4, 8, border="drop", imaging=imaging)
    assert stack.index.tolist() == [0, 2, 3]
    assert stack.imaging.index.tolist() == [0, 2, 1]
    assert stack[1:].map(np.negative)[[1]].imaging.index.tolist() == [1]
    whole = SubtomogramStack([path], places, [0] * 4, 8, border="pad", imaging=Imaging(50))
    assert len(whole[2:].imaging) == 1
    with pytest.raises(ValueError, match="imaging is that of 4 particles, but there are 2"):
        SubtomogramStack([path], places[:2], [0] * 2, 8, border="pad", imaging=imaging)
