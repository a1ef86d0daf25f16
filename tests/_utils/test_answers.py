import numpy as np
import pytest

from sksubtomo._utils._answers import check_answers, check_probabilities

VOLUMES = np.random.default_rng(0).normal(size=(4, 2, 3, 3))


def test_finite_answers_of_any_shape():
    check_answers("A", np.zeros(4), VOLUMES, 1.0)
    check_answers("A", np.zeros((4, 2, 2)), VOLUMES, 1.0)
    check_answers("A", np.zeros((0, 2)), VOLUMES[:0], 1.0)
    check_probabilities("A", np.zeros((4, 2)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_volume_and_its_scale_are_named(bad):
    answers = np.zeros((4, 2))
    answers[2:, 1] = bad
    volumes = VOLUMES.copy()
    volumes[2] *= 1e25 / volumes[2].std()
    said = (
        r"A has no finite results for 2 of 4 volumes, such as volume 2 \(counted from 0\)\. The "
        r"standard deviation of its values is 1e\+25, and was about 1 in fit\. Bring volumes"
    )
    with pytest.raises(ValueError, match=said):
        check_answers("A", answers, volumes, 1.0)
    with pytest.raises(ValueError, match="So it is the model"):
        check_answers("A", answers, VOLUMES, 1.0)
    with pytest.raises(ValueError, match=r"A.predict_proba gives NaN .* 2 of 4 .* volume 2 "):
        check_probabilities("A", answers)
