import pytest

TRAINED = (
    *("train_joint_28", "train_cnn", "train_autoencoder", "train_vae", "train_pseudo_label"),
    *("train_fine_tuned", "train_semi_supervised_vae", "train_fix_match", "train_mean_teacher"),
    "train_contrastive",
)


@pytest.fixture
def cases(benchmark):
    return benchmark("_cases")


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINED)
def test_an_epoch_has_as_many_steps_as_the_bare_loop(cases, monkeypatch, name):
    seen, training_stages = [], cases.training_stages

    def spy(fitted, *args):
        stages = training_stages(fitted, *args)
        steps = {int(state["step"]) for state in fitted.net_.optimizer_.state.values()}
        seen.append((steps, len(stages[-1].batches)))
        return stages

    monkeypatch.setattr(cases, "training_stages", spy)
    cases.measure(name, "smoke", "cpu")
    steps, n_batches = seen[0]  # after the one epoch of the first fit
    assert steps == {n_batches}


def test_training_of_the_paper_on_few_volumes(cases):
    assert cases.CASES["paper_real"].measure.keywords == {"n": 1400, "edge": 28}
    report = cases.measure("paper_real", "smoke", "cpu")
    assert len(report["ours"]) == 1
    assert report["n_samples"] == report["parameters"]["n"] * report["parameters"]["epochs"]


def test_networks_compute_in_the_precision_that_is_asked_for(cases, monkeypatch):
    seen, make = [], cases.Setting.make

    def spy(*args, **params):
        seen.append(make(*args, **params))
        return seen[-1]

    monkeypatch.setattr(cases.Setting, "make", spy)
    cases.measure("predict_proba_28", "smoke", "cpu", "bfloat16")
    assert [estimator.precision_ for estimator in seen] == ["bfloat16"]


def test_half_of_the_volumes_are_labeled(cases):
    for labels, n_labeled in [("all", 10), ("half", 5), ("none", 0)]:
        X, y = cases.make_noise(10, 4, labels)
        assert X.shape == (10, 4, 4, 4)
        assert (y != -1).tolist() == [True] * n_labeled + [False] * (10 - n_labeled)
