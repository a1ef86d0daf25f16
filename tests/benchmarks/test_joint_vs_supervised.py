import numpy as np


def test_every_data_set_and_seed_is_compared_once(benchmark, monkeypatch, tmp_path):
    script, asked = benchmark("joint_vs_supervised"), []
    y = np.arange(480) % 8
    X = np.arange(480.0)[:, None, None, None] + np.zeros((1, 2, 2, 2))

    def compare(X_train, y_train, X_test, y_test, random_state):
        asked.append((len(X_train), int((y_train >= 0).sum()), random_state))
        assert {*X_train[:, 0, 0, 0]} | {*X_test[:, 0, 0, 0]} == {*range(480)}
        assert np.array_equal(X_test[:, 0, 0, 0] % 8, y_test)
        row = {"labels": 64, "volumes": 380, "epochs": 1, "accuracy": 0.5, "seconds": 1.0}
        return [{"network": "joint", **row}, {"network": "supervised", **row}]

    def make_data(seed):
        return X[:380], np.where(np.arange(380) < 40, y[:380], -1), X[380:], y[380:]

    monkeypatch.setattr(script._demo, "compare", compare)
    monkeypatch.setitem(script.DATA, "demo", make_data)
    monkeypatch.setattr(script, "simulate", lambda snr, seed: (X, X, y))
    arguments = ["--seeds", "0", "1", "--results", str(tmp_path / "r.csv")]
    script.main(arguments)
    script.main(arguments)
    assert asked == [(380, 40, 0), (380, 40, 1), (380, 64, 0), (380, 64, 1)]
    assert "| microscope | joint | 64 | 380 | 1 | 2 | 0.500" in (tmp_path / "r.md").read_text()
