"""Particles of stacks that cannot be used: left out one by one, or named."""

import pickle

import mrcfile
import numpy as np
import pytest

from sksubtomo.io import (
    SubtomogramStack,
    extract_subtomograms,
    read_mrc,
)
from sksubtomo.networks import Liu2019
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.parallel import parallel_predict

SMALL = {"network": Liu2019(n_filters=4), "max_epochs": 2, "batch_size": 16, "random_state": 0}


def make(data, **params):
    return SubtomogramStack(*data[:3], box_size=8, **params)


def spoil(data):
    """Put one particle outside, one beyond the border, NaN in one box, and break a file."""
    paths, coordinates, which, y = data
    coordinates = coordinates.astype(float)
    outside, beyond, hole = np.flatnonzero(which == 0)[[3, 7, 11]]
    coordinates[outside] = [9, 9, 47.6]
    coordinates[beyond] = [9, 9, 46]
    with mrcfile.open(paths[0], "r+") as file:
        file.data[tuple(coordinates[hole].astype(int))] = np.nan
    paths[2].write_bytes(paths[2].read_bytes()[:5000])
    return (paths, coordinates, which, y), (outside, beyond, hole)


@pytest.mark.parametrize("border", ["error", "drop", "noise"])
def test_single_particles_are_left_out(data, border):
    whole = np.asarray(make(data))
    spoiled, (outside, beyond, hole) = spoil(data)
    stack = make(spoiled, on_bad="skip", border=border)
    expected = np.full(48, "ok", dtype="<U10")
    expected[spoiled[2] == 2] = "unreadable"
    expected[outside], expected[hole] = "outside", "not finite"
    # Boxes that share the hole are lost, too.
    near = np.abs(spoiled[1] - spoiled[1][hole] + 0.5).max(axis=1) <= 4
    expected[(spoiled[2] == 0) & near & (expected == "ok")] = "not finite"
    if border != "noise":
        expected[beyond] = "border"
    elif expected[beyond] == "ok":
        whole[beyond] = extract_subtomograms(
            read_mrc(spoiled[0][0]).data, spoiled[1][[beyond]], 8, border="noise"
        )[0]
    assert stack.outcomes.tolist() == expected.tolist()
    assert stack.index.tolist() == np.flatnonzero(expected == "ok").tolist()
    assert np.array_equal(stack, whole[stack.index])
    assert list(stack.file_errors) == [2]
    assert "TS_02.mrc cannot be read as an MRC file" in stack.file_errors[2]
    # The same after traveling, and through functions; a part tells of itself only.
    for copy in (pickle.loads(pickle.dumps(stack)), stack.map(np.negative)):
        assert copy.outcomes.tolist() == expected.tolist()
        assert copy.index.tolist() == stack.index.tolist()
    assert stack[3:5].outcomes.tolist() == ["ok", "ok"]
    assert stack[3:5].file_errors == {}
    assert stack[3:5].index.tolist() == stack.index[3:5].tolist()


def test_predictions_are_of_the_particles_that_are_left(data):
    classifier = CNNClassifier(**SMALL).fit(make(data), data[3])
    expected = classifier.predict_proba(make(data))
    spoiled, _ = spoil(data)
    stack = make(spoiled, on_bad="skip")
    assert 0 < len(stack) < 32
    predicted = parallel_predict(classifier, stack, n_jobs=2, shard_size=10)
    np.testing.assert_allclose(predicted, expected[stack.index], rtol=1e-5)


def test_bad_particles_are_named_by_their_rows(data):
    spoiled, (outside, beyond, hole) = spoil(data)
    paths, coordinates, which, _ = spoiled
    first = np.flatnonzero(which == 0)
    with pytest.raises(ValueError, match=rf"TS_00.mrc: 1 of 16 .* particle {outside} at"):
        SubtomogramStack(paths, coordinates, which, 8)
    coordinates[outside] = [9, 9, 9]
    with pytest.raises(ValueError, match=rf"TS_00.mrc: 1 of 16 boxes .* particle {beyond} at"):
        SubtomogramStack(paths, coordinates, which, 8)
    kept = np.append(first[~np.isin(first, [outside, beyond, hole])], hole)
    stack = SubtomogramStack(paths, coordinates[kept], which[kept], 8, border="noise")
    with pytest.raises(ValueError, match=r"TS_00.mrc holds NaN .* of particle \d+. .*'skip'"):
        np.asarray(stack)
    with pytest.raises(ValueError, match=rf"of particle {len(kept) - 1}\."):
        stack[len(kept) - 1]
    with pytest.raises(ValueError, match=rf"of particle {len(kept) - 1}\."):
        stack[[0, len(kept) - 1]][1]


def test_nothing_may_be_left(data):
    paths, coordinates, which, _ = data
    stack = SubtomogramStack(paths, coordinates + 100, which, 8, on_bad="skip")
    assert stack.shape == (0, 8, 8, 8)
    assert set(stack.outcomes) == {"outside"}
    with pytest.raises(ValueError, match=r"shape \(n_particles, 3\)"):
        SubtomogramStack(paths, coordinates[:, :2], which, 8, on_bad="skip")
    with pytest.raises(ValueError, match=r"TS_00.mrc: A box of 30 voxels is larger than"):
        SubtomogramStack(paths, coordinates, which, 30, border="noise")
    stack = SubtomogramStack(paths, coordinates, which, 30, border="noise", on_bad="skip")
    assert set(stack.outcomes) == {"unreadable"}
    assert "box of 30 voxels is larger" in stack.file_errors[1]
