import numpy as np
import pytest

from sksubtomo.networks import Liu2019
from sksubtomo.plotting import ReconstructionDisplay
from sksubtomo.semi_supervised import AutoencodingClassifier


def test_from_estimator_shows_slices_and_names(mostly_hidden, easy_volumes):
    X, y = mostly_hidden
    clf = AutoencodingClassifier(
        max_epochs=1, network=Liu2019(n_filters=2, latent_dim=3), random_state=0
    ).fit(X, y)
    wrong = (clf.predict(X[:3]) + 1) % 3
    display = ReconstructionDisplay.from_estimator(clf, X[:3], wrong, class_names="abc")
    assert display.axes_.shape == (2, 3)
    assert display.axes_[0, 0].get_title().split("\n")[0] == "abc"[clf.predict(X[:1])[0]]
    assert f"(is {'abc'[wrong[0]]})" in display.axes_[0, 0].get_title()
    np.testing.assert_array_equal(display.axes_[0, 1].images[0].get_array(), X[1, 4])
    np.testing.assert_array_equal(
        display.axes_[1, 2].images[0].get_array(), clf.reconstruct(X[:3])[2, 4]
    )
    assert display.axes_[1, 0].get_ylabel() == "reconstruction"


def test_into_a_given_figure_of_one_volume():
    import matplotlib.pyplot as plt

    fig = plt.figure()
    display = ReconstructionDisplay(np.zeros((1, 4, 4, 4)), np.ones((1, 4, 4, 4))).plot(fig=fig)
    assert display.figure_ is fig
    assert display.axes_.shape == (2, 1)


def test_shapes_and_titles_are_checked():
    with pytest.raises(ValueError, match="must both be of shape"):
        ReconstructionDisplay(np.zeros((2, 4, 4, 4)), np.zeros((2, 4, 4, 5)))
    with pytest.raises(ValueError, match="1 titles for 2 volumes"):
        ReconstructionDisplay(np.zeros((2, 4, 4, 4)), np.zeros((2, 4, 4, 4)), titles=["a"])
