import numpy as np


def test_true_maps_know_the_classes(shared_data, benchmark, monkeypatch):
    simulated_maps, module = benchmark("_simulated_maps"), benchmark("_oracle")
    monkeypatch.setenv("SKSUBTOMO_SHARED_DATA", str(shared_data))
    for name, value in (("N_SHELLS", 5.0), ("ANGULAR_STEP_DEG", 36.0), ("N_SHIFTS", 3)):
        monkeypatch.setattr(module, name, value)
    data = simulated_maps.make_volumes(24, 0.3, 1)
    oracle = module.TrueMaps(0.3, 0)
    probabilities = oracle.predict_proba(data.X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert (oracle.classes_[probabilities.argmax(axis=1)] == data.y).mean() > 0.95
