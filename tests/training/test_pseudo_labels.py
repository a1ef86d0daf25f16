import numpy as np

from sksubtomo.training import VolumeDataset, choose_confident

PROBABILITIES = np.array(
    [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.95, 0.05], [0.5, 0.5], [1.0, 0.0]], np.float32
)


def chosen(threshold, **params):
    rows, codes = choose_confident(PROBABILITIES, threshold, **params)
    return rows.tolist(), codes.tolist()


def test_takes_what_is_above_the_threshold():
    assert chosen(0.7) == ([0, 2, 3, 5], [0, 1, 0, 0])


def test_threshold_itself_is_not_enough():
    assert chosen(1.0) == ([], [])
    assert chosen(0.5) == ([0, 1, 2, 3, 5], [0, 0, 1, 0, 0])


def test_room_goes_to_the_most_probable():
    assert chosen(0.0, room=np.array([2, 5])) == ([2, 3, 5], [1, 0, 0])
    assert chosen(0.0, room=np.array([0, -1])) == ([], [])


def test_added_labels_join_the_rows():
    codes = np.array([0, -1, 1, -1])
    dataset = VolumeDataset(np.zeros((4, 2, 2, 2)), codes, rows=np.array([0, 2]))
    dataset.add_labels(np.array([3]), np.array([1]), 7)
    assert len(dataset) == 3
    assert dataset[2][1] == 1
    assert dataset.labeled_iter.tolist() == [0, -1, 0, 7]
    assert codes.tolist() == [0, -1, 1, -1]
