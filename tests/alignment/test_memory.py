import numpy as np
import pytest

from sksubtomo.alignment import Annealing, check_memory, estimated_memory, measured_frequencies
from sksubtomo.alignment._memory import _ROTATIONS, _frequencies
from sksubtomo.geometry import rotation_grid
from sksubtomo.semi_supervised import MultiReferenceClassifier

FIT = {
    "n_volumes": 100,
    "n_labeled": 20,
    "n_classes": 4,
    "n_references": 1,
    "max_shift": 2.0,
}


@pytest.fixture
def gigabytes(monkeypatch):
    def have(number):
        monkeypatch.setattr(
            "sksubtomo.alignment._memory.available_memory", lambda: int(number * 1e9)
        )

    return have


@pytest.mark.parametrize("step", [60, 30, 20])
def test_rotations_are_counted_as_the_grid_has_them(step):
    assert _ROTATIONS / step**3 == pytest.approx(len(rotation_grid(step)), rel=0.05)


@pytest.mark.parametrize("n_shells", [5, 8, 12])
def test_frequencies_are_counted_as_the_grid_has_them(n_shells):
    frequencies, _ = measured_frequencies(32, n_shells, 60.0)
    assert _frequencies((n_shells, 15, 1, 1), 32) == pytest.approx(len(frequencies), rel=0.1)


def test_probable_poses_of_many_volumes_are_bounded():
    few, many, more = (
        estimated_memory([(4, 60, 1, 1)], 32, **{**FIT, "n_volumes": n}).volumes / n
        for n in (100, 10**5, 10**6)
    )
    # At most 256 of each pair, and 2**24 in all but for 16 of each.
    coefficients = 22 * _frequencies((4, 60, 1, 1), 32)
    assert few - coefficients == pytest.approx(16 * 4 * 256)
    assert many - coefficients == pytest.approx(16 * 4 * (2**24 // (4 * 10**5)))
    assert more - coefficients == pytest.approx(16 * 4 * 16)


@pytest.mark.parametrize(
    ("change", "stage", "said"),
    [
        ({"n_references": 1000}, (8, 15, 1, 1), "references in all poses.*Lower n_references"),
        ({}, (8, 0.5, 1, 1), "references in all poses.*larger angular steps"),
        ({}, (8, 60, 401, 1), "references in all poses"),
        ({"n_volumes": 10**7}, (8, 60, 1, 1), "coefficients of the volumes.*fewer volumes"),
    ],
)
def test_what_takes_too_much_is_named(gigabytes, change, stage, said):
    gigabytes(10)
    check_memory("A", [(8, 30, 1, 1)], 32, **FIT)
    with pytest.raises(MemoryError, match=rf"A needs about .* GB.*{said}") as caught:
        check_memory("A", [(3, 60, 1, 1), stage], 32, **{**FIT, **change})
    assert "and 10 GB are available" in str(caught.value)
    # Whatever there is, of a machine that does not tell.
    gigabytes(1e9)
    check_memory("A", [(3, 60, 1, 1), stage], 32, **{**FIT, **change})


# Six rows of noise tell no classes.
@pytest.mark.filterwarnings("ignore::sksubtomo.exceptions.LabelAgreementWarning")
def test_a_fit_is_refused_before_anything_is_allocated(gigabytes):
    X = np.random.default_rng(0).normal(size=(6, 8, 8, 8))
    y = [0, 0, 1, 1, -1, -1]
    clf = MultiReferenceClassifier(annealing=Annealing(stages=[(4, 0.1, "auto", 1)]))
    # Thousands of millions of rotations: to make the grid would take minutes and gigabytes.
    with pytest.raises(MemoryError, match="MultiReferenceClassifier needs about"):
        clf.fit(X, y)
    assert not hasattr(clf, "classes_")
    gigabytes(0.001)
    with pytest.raises(MemoryError, match=r"0\.001 GB are available"):
        MultiReferenceClassifier().fit(X, y)
    # A table of features has no poses.
    MultiReferenceClassifier(annealing=Annealing(stages=[(4, 60, 1, 1)])).fit(X[:, 0, 0], y)
