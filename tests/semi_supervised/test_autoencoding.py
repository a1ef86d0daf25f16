import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, UndefinedMetricWarning
from torch.nn import functional as F

from sksubtomo.networks import Classifier3d, Encoder3d, Liu2019
from sksubtomo.semi_supervised import AutoencodingClassifier
from sksubtomo.training import JointTraining, Reconstruction, Training

QUICK = {
    "learning_rate": 1e-3,
    "max_epochs": 5,
    "batch_size": 20,
    "early_stopping": False,
    "network": Liu2019(n_filters=4, latent_dim=6),
    "random_state": 0,
}
UNSCALED = Training(standardize=False)


def quick(**params):
    return AutoencodingClassifier(**{**QUICK, **params})


def weights(clf):
    return clf.net_.module_.state_dict()


def assert_same_weights(first, second, part=""):
    for name, value in weights(first).items():
        if name.startswith(part):
            assert torch.equal(value, weights(second)[name]), name


def initial_network(clf, X, y):
    """The network of `clf` before any training, and the order of its first batch."""
    untrained = clone(clf).set_params(max_epochs=1, learning_rate=1e-30).fit(X, y)
    return untrained.net_.module_


# --- Algorithm 1 ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.3, 2.0)])
def test_one_step_of_algorithm_1_by_hand(mostly_hidden, alpha, beta):
    X, y = mostly_hidden
    paper = JointTraining(standardize=False, reconstruction=Reconstruction(sparsity=1e-4))
    clf = quick(alpha=alpha, beta=beta, max_epochs=1, batch_size=60, training=paper)
    clf.fit(X, y)

    network = initial_network(clf, X, y).train()
    # Undo what the untrained pass left in the running statistics.
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.reset_running_stats()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, betas=(0.9, 0.99))
    volumes, labels = torch.from_numpy(X).unsqueeze(1), torch.from_numpy(y)
    code, feature_map = network.encoder(volumes)
    errors = ((network.decoder(code) - volumes) ** 2).mean(dim=(1, 2, 3, 4))
    labeled = labels >= 0
    reconstruction = (alpha * errors[labeled].sum() + errors[~labeled].sum()) / len(X)
    probabilities = network.classifier(feature_map)[labeled].softmax(1)
    cross_entropy = -probabilities[range(12), labels[labeled]].log().mean()
    loss = reconstruction + beta * cross_entropy + 1e-4 * code.abs().sum(1).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

    for name, value in network.state_dict().items():
        torch.testing.assert_close(
            weights(clf)[name], value, rtol=1e-4, atol=2e-5, msg=lambda text, n=name: f"{n}: {text}"
        )
    assert clf.history_[0]["train_loss"] == pytest.approx(loss.item(), rel=1e-5)


def test_alpha_zero_with_all_labels_is_supervised_training(easy_volumes):
    X, y = easy_volumes
    clf = quick(alpha=0, batch_size=60, training=UNSCALED).fit(X, y)

    untrained = initial_network(clf, X, y)
    encoder = Encoder3d((8, 8, 8), n_filters=4, latent_dim=6)
    encoder.blocks.load_state_dict(untrained.encoder.blocks.state_dict())
    classifier = Classifier3d(encoder.feature_shape, 3)
    classifier.load_state_dict(untrained.classifier.state_dict())
    classifier.layers[1].reset_running_stats()
    parameters = [*encoder.blocks.parameters(), *classifier.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3, betas=(0.9, 0.99))
    for _ in range(5):
        logits = classifier(encoder.blocks(torch.from_numpy(X).unsqueeze(1)))
        optimizer.zero_grad()
        F.cross_entropy(logits, torch.from_numpy(y)).backward()
        optimizer.step()

    probabilities = classifier.eval()(encoder.blocks(torch.from_numpy(X).unsqueeze(1))).softmax(1)
    np.testing.assert_allclose(
        clf.predict_proba(X), probabilities.detach().numpy(), rtol=1e-3, atol=1e-4
    )


def test_alpha_zero_does_not_touch_code_and_decoder(mostly_hidden):
    X, y = mostly_hidden
    clf = quick(alpha=0).fit(X, y)
    untrained = initial_network(clf, X, y).state_dict()
    for name, value in weights(clf).items():
        if name.startswith(("decoder", "encoder.to_code")):
            assert torch.equal(value, untrained[name]), name


def test_unlabeled_volumes_do_not_touch_the_classifier_without_reconstruction(mostly_hidden):
    X, y = mostly_hidden
    other = X.copy()
    other[y == -1] = np.random.default_rng(1).normal(5.0, 3.0, other[y == -1].shape)
    params = {
        "alpha": 0,
        "network": Liu2019(n_filters=4, latent_dim=6, batch_norm_rows="labeled"),
        "training": UNSCALED,
    }
    assert_same_weights(quick(**params).fit(X, y), quick(**params).fit(other, y))


def test_unlabeled_volumes_teach_the_encoder_with_reconstruction(mostly_hidden):
    X, y = mostly_hidden
    other = X.copy()
    other[y == -1] *= 2.0
    first, second = (quick(training=UNSCALED).fit(data, y) for data in (X, other))
    assert not torch.equal(
        weights(first)["encoder.blocks.0.weight"], weights(second)["encoder.blocks.0.weight"]
    )


def test_unlabeled_weight_zero_leaves_labeled_reconstruction(mostly_hidden):
    X, y = mostly_hidden
    reconstruction = Reconstruction(unlabeled_weight=0, sparsity=0)
    params = {
        "network": Liu2019(n_filters=4, latent_dim=6, batch_norm_rows="labeled"),
        "training": JointTraining(standardize=False, reconstruction=reconstruction),
    }
    other = X.copy()
    other[y == -1] *= 3.0
    assert_same_weights(quick(**params).fit(X, y), quick(**params).fit(other, y))


def test_beta_zero_ignores_the_labels(mostly_hidden, easy_volumes):
    X, y = mostly_hidden
    first = quick(beta=0).fit(X, y)
    second = quick(beta=0).fit(X, np.where(y == -1, -1, 2 - y))
    assert_same_weights(first, second, "encoder")
    assert_same_weights(first, second, "decoder")


# --- Equivalences --------------------------------------------------------------------------------


def test_flat_rows_equal_volumes(mostly_hidden):
    X, y = mostly_hidden
    volumes = quick().fit(X, y)
    flat = quick(volume_shape=8).fit(X.reshape(60, -1), y)
    assert_same_weights(volumes, flat)
    assert np.array_equal(volumes.predict_proba(X), flat.predict_proba(X))
    assert np.array_equal(volumes.predict_proba(X), volumes.predict_proba(X.reshape(60, -1)))
    assert np.array_equal(
        flat.reconstruct(X.reshape(60, -1)), volumes.reconstruct(X).reshape(60, -1)
    )
    assert volumes.n_features_in_ == 512
    assert volumes.volume_shape_ == flat.volume_shape_ == (8, 8, 8)


@pytest.mark.parametrize("kind", ["memmap", "list", "float64", "int8", "fortran"])
def test_kinds_of_arrays(mostly_hidden, tmp_path, kind):
    X, y = mostly_hidden
    X = X.round()
    expected = quick().fit(X, y).predict_proba(X)
    if kind == "memmap":
        np.save(tmp_path / "X.npy", X)
        given = np.load(tmp_path / "X.npy", mmap_mode="r")
    else:
        given = {
            "list": list(X),
            "float64": X.astype(np.float64),
            "int8": X.astype(np.int8),
            "fortran": np.asfortranarray(X),
        }[kind]
    assert np.array_equal(quick().fit(given, y).predict_proba(given), expected)


# --- Going on, copying -----------------------------------------------------------------------


def test_warm_start_goes_on(mostly_hidden):
    X, y = mostly_hidden
    whole = quick(max_epochs=4).fit(X, y)
    halves = quick(max_epochs=2, warm_start=True).fit(X, y).fit(X, y)
    assert_same_weights(whole, halves)
    assert halves.n_iter_ == len(halves.history_) == 4
    assert [epoch["epoch"] for epoch in halves.history_] == [1, 2, 3, 4]


def test_without_warm_start_fit_begins_anew(mostly_hidden):
    X, y = mostly_hidden
    assert_same_weights(quick().fit(X, y), quick().fit(X, y).fit(X, y))


def test_warm_start_takes_changed_parameters(mostly_hidden):
    X, y = mostly_hidden
    clf = quick(warm_start=True).fit(X, y)
    before = copy.deepcopy(weights(clf))
    clf.set_params(learning_rate=1e-30, beta=3.0, max_epochs=1).fit(X, y)
    for name, value in weights(clf).items():
        if "running" not in name and "batches" not in name:
            torch.testing.assert_close(value, before[name], rtol=0, atol=1e-20)
    assert clf.net_.criterion_.beta == 3.0
    assert clf.n_iter_ == 6


def test_warm_start_can_switch_reconstruction_off(mostly_hidden):
    X, y = mostly_hidden
    clf = quick(warm_start=True, max_epochs=1).fit(X, y)
    clf.set_params(alpha=0).fit(X, y)
    assert "train_reconstruction_error" in clf.history_[0]
    assert "train_reconstruction_error" not in clf.history_[1]


def test_partial_fit_is_fit_epoch_by_epoch(mostly_hidden):
    X, y = mostly_hidden
    whole, stepwise = quick(max_epochs=3).fit(X, y), quick(max_epochs=3)
    for _ in range(3):
        stepwise.partial_fit(X, y, classes=[0, 1, 2])
    # The scale comes from the same first batch of data here.
    assert_same_weights(whole, stepwise)


def test_partial_fit_may_begin_without_a_label(mostly_hidden):
    X, y = mostly_hidden
    clf = quick().partial_fit(X[12:], y[12:], classes=[0, 1, 2])
    clf.partial_fit(X, y)
    assert clf.n_iter_ == 2
    with pytest.raises(ValueError, match=r"not among the classes \[0, 1, 2\]: \[7\]"):
        clf.partial_fit(X[:2], [0, 7])
    with pytest.raises(ValueError, match="differs from the classes that the fit was begun with"):
        clf.partial_fit(X[:2], [0, 1], classes=[0, 1])


def test_partial_fit_after_early_stopped_fit(mostly_hidden):
    X, y = mostly_hidden
    clf = quick(early_stopping=True).fit(X, y)
    assert clf.partial_fit(X, y).n_iter_ == 6


@pytest.mark.parametrize("how", ["pickle", "deepcopy", "joblib"])
def test_copies_predict_and_go_on_the_same(mostly_hidden, tmp_path, how):
    import joblib

    X, y = mostly_hidden
    clf = quick(warm_start=True, early_stopping=True).fit(X, y)
    if how == "joblib":
        joblib.dump(clf, tmp_path / "clf.joblib")
        twin = joblib.load(tmp_path / "clf.joblib")
    else:
        twin = {"pickle": lambda c: pickle.loads(pickle.dumps(c)), "deepcopy": copy.deepcopy}[how](
            clf
        )
    assert np.array_equal(clf.predict_proba(X), twin.predict_proba(X))
    assert np.array_equal(clf.fit(X, y).predict_proba(X), twin.fit(X, y).predict_proba(X))


def test_pickle_holds_no_training_data(mostly_hidden):
    X, y = mostly_hidden
    few = quick(early_stopping=True, max_epochs=1).fit(X, y)
    many = quick(early_stopping=True, max_epochs=1).fit(np.tile(X, (5, 1, 1, 1)), np.tile(y, 5))
    # The history counts batches, hence not equal.
    assert abs(len(pickle.dumps(many)) - len(pickle.dumps(few))) < X.nbytes / 50


# --- Reconstruction ------------------------------------------------------------------------------


def test_reconstruction_is_in_the_units_of_the_input(easy_volumes):
    X, y = easy_volumes
    volumes = 1000.0 + 50.0 * X
    clf = quick(max_epochs=40, learning_rate=5e-3, beta=0).fit(volumes, y)
    assert clf.reconstruct(volumes).shape == X.shape
    errors = clf.reconstruction_error(volumes)
    assert errors.shape == (60,)
    np.testing.assert_allclose(
        errors, ((clf.reconstruct(volumes) - volumes) ** 2).mean(axis=(1, 2, 3)), rtol=1e-4
    )
    assert errors.mean() < 0.5 * volumes.var()
    np.testing.assert_allclose(
        clf.inverse_transform(clf.transform(volumes)), clf.reconstruct(volumes), rtol=1e-5
    )


def test_scale_of_the_input_does_not_matter(mostly_hidden):
    X, y = mostly_hidden
    plain, scaled = quick().fit(X, y), quick().fit(256.0 * X, y)
    np.testing.assert_allclose(plain.predict_proba(X), scaled.predict_proba(256 * X), atol=1e-5)


def test_code_has_feature_names(mostly_hidden):
    X, y = mostly_hidden
    clf = quick().fit(X, y)
    assert clf.transform(X).shape == (60, 6)
    assert clf.get_feature_names_out()[0] == "autoencodingclassifier0"
    assert clf.set_output(transform="pandas").transform(X).shape == (60, 6)


def test_inverse_transform_checks_the_code(mostly_hidden):
    clf = quick().fit(*mostly_hidden)
    with pytest.raises(ValueError, match="Latent codes have 6 features, but X has 5"):
        clf.inverse_transform(np.zeros((2, 5)))


# --- Labels, weights, validation -----------------------------------------------------------------


def test_learns_the_easy_volumes_and_scores_only_labels(mostly_hidden, easy_volumes):
    X, y = mostly_hidden
    clf = quick(max_epochs=30).fit(X, y)
    assert clf.score(*easy_volumes) == 1.0
    assert clf.score(X, y) == 1.0
    assert set(clf.predict(X)) == {0, 1, 2}
    with pytest.warns(UndefinedMetricWarning, match="every label in y is hidden"):
        assert np.isnan(clf.score(X, np.full(60, -1)))


def test_balanced_weights_are_those_of_the_labeled(mostly_hidden):
    X, y = mostly_hidden
    y = y.copy()
    y[[0, 3, 6]] = -1
    clf = quick(class_weight="balanced", max_epochs=1).fit(X, y)
    counts = np.array([1, 4, 4])
    np.testing.assert_allclose(clf.net_.criterion_.class_weight, 9 / (3 * counts), rtol=1e-6)
    named = quick(class_weight={0: 2.0, 1: 1.0, 2: 0.5}, max_epochs=1).fit(X, y)
    assert named.net_.criterion_.class_weight.tolist() == [2.0, 1.0, 0.5]


def test_doubled_class_weight_equals_doubled_rows(easy_volumes):
    X, y = easy_volumes
    rows = np.concatenate([np.arange(60), np.flatnonzero(y == 1)])
    params = {"alpha": 0, "max_epochs": 1, "batch_size": 80, "training": UNSCALED}
    weighted = quick(class_weight={0: 1, 1: 2, 2: 1}, **params).fit(X, y)
    doubled = quick(**params).fit(X[rows], y[rows])
    # Batch normalization sees other rows, the first loss apart from it is the same.
    assert weighted.history_[0]["train_cross_entropy"] == pytest.approx(
        doubled.history_[0]["train_cross_entropy"], rel=0.05
    )


@pytest.mark.parametrize(
    ("params", "watched"),
    [({}, "valid_stopping_loss"), ({"alpha": 0}, "valid_loss")],
)
def test_early_stopping_goes_back_to_the_best_epoch(mostly_hidden, params, watched):
    X, y = mostly_hidden
    params = {"learning_rate": 0.02, "max_epochs": 60, "early_stopping": True, **params}
    training = Training(n_iter_no_change=3, validation_fraction=0.3)
    clf = quick(training=training, **params).fit(X, y)
    losses = [epoch[watched] for epoch in clf.history_]
    assert clf.n_iter_ < 60
    best = int(np.argmin(losses)) + 1
    assert clf.n_iter_ - best <= 4
    training = clone(training).set_params(n_iter_no_change=60)
    again = quick(training=training, **{**params, "max_epochs": best}).fit(X, y)
    assert np.array_equal(clf.predict_proba(X), again.predict_proba(X))


def test_early_stopping_does_not_undo_the_reconstruction_for_few_labels(easy_volumes):
    """Cross-entropy of few held-out labels only rises here, since they are wrong."""
    X, y = easy_volumes
    training = Training(n_iter_no_change=3)
    clf = quick(max_epochs=8, early_stopping=True, training=training)
    for n_val, n_kept in ((12, 8), (30, 4)):
        y_wrong = (y[:n_val] + 1) % 3
        clf.fit(X, y, X_val=X[:n_val], y_val=y_wrong)
        losses = [epoch["valid_loss"] for epoch in clf.history_]
        assert losses[0] < losses[1] < losses[2] < losses[3]
        assert clf.n_iter_ == n_kept


def test_verbose_shows_progress(mostly_hidden, capsys):
    quick(training=Training(verbose=1)).fit(*mostly_hidden)
    error = capsys.readouterr().err
    assert "Training: 100%" in error
    assert "train_loss" in error
    clf = quick().fit(*mostly_hidden)
    assert capsys.readouterr() == ("", "")
    assert pickle.dumps(clf)


def test_interrupted_training_keeps_its_weights_where_asked(mostly_hidden, monkeypatch):
    from sksubtomo.training import JointLoss

    X, y = mostly_hidden
    keep = Training(keep_interrupted=True)
    clf = quick(warm_start=True, max_epochs=2, training=keep).fit(X, y)
    forward, calls = JointLoss.forward, []

    def interrupted(self, *args):
        calls.append(1)
        if len(calls) == 5:  # three batches an epoch
            raise KeyboardInterrupt
        return forward(self, *args)

    monkeypatch.setattr(JointLoss, "forward", interrupted)
    with pytest.warns(ConvergenceWarning, match="interrupted after 3 epochs"):
        clf.fit(X, y)
    assert clf.n_iter_ == len(clf.history_) == 3
    assert clf.predict(X).shape == (60,)


@pytest.mark.parametrize(
    "setting", [{"enable_metadata_routing": True}, {"transform_output": "pandas"}]
)
def test_settings_of_scikit_learn(mostly_hidden, setting):
    X, y = mostly_hidden
    expected = quick().fit(X, y)
    with config_context(**setting):
        clf = quick().fit(X, y)
        assert np.array_equal(clf.predict_proba(X), expected.predict_proba(X))
        assert np.array_equal(np.asarray(clf.transform(X)), expected.transform(X))
        assert clf.reconstruct(X).shape == X.shape


# --- Bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"alpha": -1.0}, "'alpha' parameter"),
        ({"learning_rate": 0}, "'learning_rate' parameter"),
        ({"network": Liu2019(n_filters=0)}, "'n_filters' parameter"),
        ({"network": Liu2019(n_blocks=7)}, "too small for n_blocks=7"),
        ({"training": Training(standardize="yes")}, "'standardize' parameter"),
        ({"volume_shape": 9}, r"volumes of shape \(8, 8, 8\), but volume_shape=9"),
        ({"classes": [0, 1]}, r"not among the classes \[0, 1\]: \[2\]"),
        ({"classes": [-1, 0, 1, 2]}, "holds -1, which means 'unlabeled'. Leave it out"),
        ({"device": "abacus"}, "abacus"),
    ],
)
def test_bad_parameters_are_refused(mostly_hidden, params, message):
    with pytest.raises((ValueError, RuntimeError), match=message):
        quick(**params).fit(*mostly_hidden)
