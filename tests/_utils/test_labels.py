import numpy as np
import pandas as pd
import pytest

from sksubtomo._utils._labels import decode_labels, encode_labels, hidden_labels, is_unlabeled


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        ([1, -1, 0], [False, True, False]),
        (np.array([1.0, -1.0]), [False, True]),
        (["a", "unlabeled", "-1"], [False, True, True]),
        (["a", -1], [False, True]),
        (np.array(["a", None, -1, "unlabeled", 3], object), [False, True, True, True, False]),
        (pd.Series(["a", None, "b"], dtype=object), [False, True, False]),
    ],
)
def test_what_is_unlabeled(y, expected):
    assert is_unlabeled(y).tolist() == expected


@pytest.mark.parametrize(
    ("classes", "label"),
    [
        ([-1, 0, 1], "-1"),
        (np.array([0.0, -1.0]), "-1.0"),
        (["a", "unlabeled"], "'unlabeled'"),
        (np.array(["a", "-1"]), "'-1'"),
    ],
)
def test_classes_without_the_label_that_hides(classes, label):
    with pytest.raises(ValueError, match=f"holds {label}, which .* Leave it out of classes; if it"):
        encode_labels(np.asarray(classes), classes)


def test_decoded_labels_have_the_type_of_the_classes():
    for classes in ([False, True], np.array([3, 5], np.uint8), ["a", "b"], [0.5, 1.5]):
        classes = np.array(classes)
        labels = decode_labels(np.array([1, 0, 1]), classes)
        assert labels.dtype == classes.dtype
        assert labels.tolist() == classes[[1, 0, 1]].tolist()
    assert decode_labels(np.array([1, -1]), np.array([3, 5], np.uint8)).tolist() == [5, -1]


@pytest.mark.parametrize(
    ("y", "codes", "classes"),
    [
        ([5, -1, 2, 5], [1, -1, 0, 1], [2, 5]),
        ([1.0, -1.0, 2.0], [0, -1, 1], [1.0, 2.0]),
        (["b", -1, "a"], [1, -1, 0], ["a", "b"]),
        (np.array([2, None, 1], object), [1, -1, 0], [1, 2]),
        (np.array([True, False]), [1, 0], [False, True]),
        ([-1, -1], [-1, -1], []),
    ],
)
def test_encoding(y, codes, classes):
    encoded, found = encode_labels(y)
    assert encoded.tolist() == codes
    assert found.tolist() == classes


def test_given_classes():
    codes, classes = encode_labels([2, -1], classes=[3, 2, 1])
    assert codes.tolist() == [1, -1]
    assert classes.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "y is None"),
        ([0.0, np.nan], "y contains NaN, first at index 1"),
        (pd.Series([1, None], dtype="Int64"), "y contains NaN, first at index 1"),
        (pd.Series(["a", pd.NA], dtype=object), "y contains NaN, first at index 1"),
        ([0.5, 1.5], "Unknown label type"),
        ([1.0, np.inf], "infinity"),
        (np.array(["a", 1], object), "mixes strings and numbers"),
        ([[0, 1], [1, 0]], "1d array"),
        ([1j, 2j], "Complex data not supported"),
        (np.ma.array([0, 1, 2], mask=[0, 0, 1]), r"y has masked labels.*y.filled\(-1\)"),
    ],
)
def test_bad_labels(y, message):
    with pytest.raises(ValueError, match=message):
        encode_labels(y)


@pytest.mark.parametrize(
    "y",
    [
        np.array([b"a", b"unlabeled"]),
        [b"a", b"b"],
        np.array([0, 1, b"unlabeled"], object),
        np.array(["a", "b", b"unlabeled"], object),
    ],
)
def test_bytes_are_refused_as_scikit_learn_does(y):
    with pytest.raises(TypeError, match=r"y holds labels that are bytes, such as b'.*Decode"):
        encode_labels(y)
    assert np.char.decode(np.asarray([b"a", b"unlabeled"], dtype="S")).tolist() == [
        "a",
        "unlabeled",
    ]


@pytest.mark.parametrize(("y", "classes"), [([1, 2], ["1", "2"]), (["1", "2"], [1, 2])])
def test_numbers_are_no_names(y, classes):
    with pytest.raises(ValueError, match="labels that are not among the classes"):
        encode_labels(y, classes)
    assert encode_labels([-1, -1], classes)[0].tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("like", "hidden"),
    [
        (np.array([3, 4]), [-1, -1]),
        (np.array([3.0]), [-1.0, -1.0]),
        (np.uint8([3]), [-1, -1]),
        (np.array([True]), [-1, -1]),
        (np.array(["a"]), ["unlabeled"] * 2),
        (np.array(["a" * 12]), ["unlabeled"] * 2),
        (np.array(["a"], object), ["unlabeled"] * 2),
        (np.array([1], object), [-1, -1]),
    ],
)
def test_hidden_labels_hold_labels_of_the_kind(like, hidden):
    labels = hidden_labels(2, like)
    assert labels.tolist() == hidden
    assert is_unlabeled(labels).all()
    labels[0] = like[0]
    assert labels[0] == like[0]
