import matplotlib.pyplot as plt
import numpy as np

from sksubtomo.plotting import LabeledConfusionMatrixDisplay


def test_unlabeled_rows_are_left_out(draw_all):
    display = LabeledConfusionMatrixDisplay.from_predictions([1, 2, 2, -1], [1, 1, 2, 1])
    np.testing.assert_array_equal(display.confusion_matrix, [[1, 0], [1, 1]])
    assert display.ax_.get_ylabel() == "label"
    draw_all(display)


def test_from_estimator_predicts_labeled_rows_and_shows_all_classes(sorter, graded):
    asked = []
    predict = sorter.predict
    sorter.predict = lambda X: asked.append(len(X)) or predict(X)
    _, ax = plt.subplots()
    display = LabeledConfusionMatrixDisplay.from_estimator(
        sorter, graded, ["a", "a", *["unlabeled"] * 8], ax=ax, normalize="true"
    )
    np.testing.assert_array_equal(display.confusion_matrix, [[1, 0], [0, 0]])
    assert asked == [2]
    assert display.ax_ is ax


def test_long_names_are_turned(draw_all):
    display = LabeledConfusionMatrixDisplay.from_predictions(
        [1, 2], [1, 2], display_labels=["glutamine synthetase", "ribosome of a bacterium"]
    )
    assert {tick.get_rotation() for tick in display.ax_.get_xticklabels()} == {45}
    draw_all(display)


def test_many_classes_have_a_color_bar_instead_of_numbers(draw_all):
    y = np.arange(15)
    display = LabeledConfusionMatrixDisplay.from_predictions(y, y)
    assert display.text_ is None
    assert len(display.figure_.axes) == 2
    draw_all(display)
