import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_score, recall_score

from sksubtomo.plotting import PrecisionRecallDisplay


@pytest.fixture
def scored():
    rng = np.random.default_rng(0)
    y = rng.integers(1, 3, size=80)
    scores = np.clip((y == 1) * 0.3 + rng.uniform(0, 0.7, 80), 0, 1)
    picker = (y == 1) + rng.normal(scale=2, size=80)
    y[60:] = -1
    scores[60:] = np.nan  # as of cross_val_predict
    return y, scores, picker


def test_operating_point_and_averages_are_those_of_scikit_learn(scored, draw_all):
    y, scores, picker = scored
    display = PrecisionRecallDisplay.from_predictions(
        y, scores, pos_label=1, picker_scores=picker, threshold=0.6, name="ribosome"
    )
    truth, kept = y[:60] == 1, scores[:60] >= 0.6
    assert display.operating_point == (recall_score(truth, kept), precision_score(truth, kept))
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts[0] == f"classifier, AP {average_precision_score(truth, scores[:60]):.2f}"
    assert texts[1] == f"picker's score, AP {average_precision_score(truth, picker[:60]):.2f}"
    assert texts[2] == f"all candidates, {truth.mean():.2f}"
    assert texts[3].startswith("p ≥ 0.6: ")
    assert display.ax_.get_xlabel() == "recall of ribosome"
    draw_all(display)


def test_nothing_kept_has_no_operating_point(scored, draw_all):
    y, scores, _ = scored
    display = PrecisionRecallDisplay.from_predictions(y, scores / 2, pos_label=1, threshold=0.9)
    recall, precision = display.operating_point
    assert recall == 0
    assert np.isnan(precision)
    assert len(display.ax_.get_legend().get_texts()) == 2
    draw_all(display)


def test_from_estimator_takes_the_column_of_the_class(sorter, graded):
    _, ax = plt.subplots()
    y = np.array(list("aaaabbbbbb"))
    display = PrecisionRecallDisplay.from_estimator(sorter, graded, y, pos_label="b", ax=ax)
    np.testing.assert_allclose(display.scores, np.arange(10) / 10, atol=1e-6)
    assert display.ax_ is ax
    first = PrecisionRecallDisplay.from_estimator(sorter, graded, y)
    assert first.name == "a"
    with pytest.raises(ValueError, match="pos_label='c' is none of"):
        PrecisionRecallDisplay.from_estimator(sorter, graded, y, pos_label="c")


def test_bad_input(scored):
    y, scores, picker = scored
    with pytest.raises(ValueError, match="No labeled row is of the class"):
        PrecisionRecallDisplay.from_predictions(y, scores, pos_label=7)
    with pytest.raises(ValueError, match=r"threshold=1\.5 must be a probability"):
        PrecisionRecallDisplay.from_predictions(y, scores, pos_label=1, threshold=1.5)
    with pytest.raises(ValueError, match="picker_scores has no finite number"):
        PrecisionRecallDisplay.from_predictions(
            y, scores, pos_label=1, picker_scores=picker * np.nan
        )
    with pytest.raises(ValueError, match="one number a row"):
        PrecisionRecallDisplay.from_predictions(y, np.ones((80, 2)), pos_label=1)
    with pytest.raises(ValueError, match="inconsistent numbers"):
        PrecisionRecallDisplay.from_predictions(y, scores, pos_label=1, picker_scores=[1.0])
