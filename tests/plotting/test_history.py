import matplotlib.pyplot as plt
import numpy as np
import pytest

from sksubtomo.networks import Liu2019
from sksubtomo.plotting import TrainingHistoryDisplay
from sksubtomo.semi_supervised import AutoencodingClassifier


def test_a_network_shows_losses_and_the_life_of_its_code(mostly_hidden, draw_all):
    clf = AutoencodingClassifier(
        max_epochs=3, network=Liu2019(n_filters=2, latent_dim=3), random_state=0
    ).fit(*mostly_hidden)
    display = TrainingHistoryDisplay.from_estimator(clf)
    assert display.panels[:4] == ["loss", "cross_entropy", "explained_variance", "live_units"]
    np.testing.assert_array_equal(
        display.axes_[0, 0].get_lines()[0].get_ydata(), [e["train_loss"] for e in clf.history_]
    )
    assert display.axes_[-1, 0].get_xlabel() == "epoch"
    draw_all(display)


def test_references_show_likelihood_and_agreement(draw_all):
    history = [
        {"log_likelihood": 1.0, "changed": 1.0, "perplexity": np.nan, "temperature": np.nan},
        {"log_likelihood": 2.0, "changed": 0.25, "perplexity": 1.5, "temperature": 4.0},
    ]
    display = TrainingHistoryDisplay(history, label_agreement=0.9)
    assert display.panels == ["log_likelihood", "agreement", "annealing"]
    display.plot()
    lines = display.axes_[1, 0].get_lines()
    np.testing.assert_array_equal(lines[0].get_ydata(), [0.0, 0.75])
    assert lines[1].get_label() == "labels left out, 0.90"
    assert display.axes_[-1, 0].get_xlabel() == "iteration"
    draw_all(display)


def test_into_given_axes():
    fig, axes = plt.subplots(1, 1)
    display = TrainingHistoryDisplay([{"train_loss": 1.0}]).plot(axes=axes)
    assert display.figure_ is fig


def test_bad_input(sorter):
    with pytest.raises(ValueError, match="no figure that could be shown"):
        TrainingHistoryDisplay([])
    with pytest.raises(ValueError, match="Sorter has no history_"):
        TrainingHistoryDisplay.from_estimator(sorter)
