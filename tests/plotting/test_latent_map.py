import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

from sksubtomo.networks import Liu2019
from sksubtomo.plotting import LatentMapDisplay
from sksubtomo.plotting._latent_map import shorten_name
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import AutoencodingClassifier


def test_map_is_the_principal_components_of_the_codes(mostly_hidden, draw_all):
    X, y = mostly_hidden
    clf = make_pipeline(
        VolumeNormalizer(),
        AutoencodingClassifier(
            max_epochs=1, network=Liu2019(n_filters=2, latent_dim=3), random_state=0
        ),
    ).fit(X, y)
    display = LatentMapDisplay.from_estimator(clf, X, y, class_names="abc")
    codes = clf.transform(X)
    np.testing.assert_allclose(
        np.abs(display.embedding), np.abs(PCA(2).fit_transform(codes)), atol=1e-5
    )
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == ["a", "b", "c"]
    assert sum(len(group.get_offsets()) for group in display.ax_.collections) == 60
    draw_all(display)


@pytest.mark.parametrize("color_by", ["class", "label", "probability", "tomogram"])
def test_colors(sorter, graded, color_by, draw_all):
    y = ["a", "b", *["unlabeled"] * 8]
    display = LatentMapDisplay.from_estimator(
        sorter, graded, y, color_by=color_by, tomogram_names=["TS_1"] * 4 + ["TS_2"] * 6
    )
    groups = [len(group.get_offsets()) for group in display.ax_.collections]
    expected = {"class": [6, 4], "label": [8, 1, 1], "probability": [10], "tomogram": [4, 6]}
    assert groups == expected[color_by]
    if color_by == "probability":
        # The least probable is drawn last, on top.
        assert display.ax_.collections[0].get_array()[-1] == pytest.approx(0.5)
    draw_all(display)


def test_many_volumes_are_drawn_from_at_random(sorter, graded):
    display = LatentMapDisplay.from_estimator(sorter, graded, max_samples=4, random_state=0)
    assert len(display.embedding) == 4
    assert display.ax_.get_title() == "4 of 10 volumes, drawn at random"
    again = LatentMapDisplay.from_estimator(sorter, graded, max_samples=4, random_state=0)
    np.testing.assert_array_equal(display.embedding, again.embedding)


def test_any_transformer_and_given_axes(sorter, graded):
    class Double:
        def fit_transform(self, codes):
            return 2 * codes[:, :2]

    _, ax = plt.subplots()
    display = LatentMapDisplay.from_estimator(sorter, graded, reducer=Double(), ax=ax)
    assert display.ax_ is ax
    assert ax.get_xlabel() == "Double 1"
    np.testing.assert_allclose(display.embedding, 2 * sorter.features(graded)[:, :2])


def test_umap_or_an_error_that_names_it(sorter, graded, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "umap", None)
    with pytest.raises(ImportError, match="umap-learn"):
        LatentMapDisplay.from_estimator(sorter, graded, reducer="umap")


@pytest.mark.parametrize("n", [1, 10])
def test_codes_that_are_all_the_same(sorter, n, draw_all):
    display = LatentMapDisplay.from_estimator(sorter, np.zeros((n, 6, 6, 6)))
    np.testing.assert_array_equal(display.embedding, 0)
    assert display.ax_.get_xlabel() == "PC 1 (0% of variance)"
    draw_all(display)


def test_bad_input(sorter, graded):
    class WithoutCodes(BaseEstimator):
        classes_ = np.array([1, 2])

        def fit(self, X, y):
            return self

        def __sklearn_is_fitted__(self):
            return True

        def predict_proba(self, X):
            return np.full((len(X), 2), 0.5)

    with pytest.raises(ValueError, match="neither transform nor features"):
        LatentMapDisplay.from_estimator(WithoutCodes(), graded)
    display = LatentMapDisplay.from_estimator(sorter, graded)
    with pytest.raises(ValueError, match="must be one of"):
        display.plot(color_by="size")
    with pytest.raises(ValueError, match="needs tomogram_names"):
        display.plot(color_by="tomogram")
    with pytest.raises(ValueError, match="needs labels"):
        display.plot(color_by="label")
    with pytest.raises(ValueError, match="must be 'pca', 'umap' or have fit_transform"):
        LatentMapDisplay.from_estimator(sorter, graded, reducer="tsne")
    for change in ({"tomogram_names": ["a"] * 11}, {"y_proba": np.ones((11, 2)) / 2}):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            LatentMapDisplay.from_estimator(sorter, graded, **change)
    with pytest.raises(ValueError, match="max_samples=0 must be 1 or more"):
        LatentMapDisplay.from_estimator(sorter, graded, max_samples=0)
    with pytest.raises(ValueError, match="predicted has 2 rows"):
        LatentMapDisplay(np.zeros((3, 2)), classes=[1], predicted=[0, 0], probabilities=[1, 1, 1])


def test_long_names_keep_the_end_where_they_differ():
    assert shorten_name("TS_1") == "TS_1"
    shown = shorten_name("session_of_yesterday_TS_001")
    assert len(shown) == 18
    assert shown.endswith("TS_001")
