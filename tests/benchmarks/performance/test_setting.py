import numpy as np
import pytest


@pytest.fixture
def setting(benchmark):
    harness, module = benchmark("_harness"), benchmark("_setting")
    return module.Setting(harness.PROFILES["smoke"])


def test_sizes_are_within_the_bounds_of_the_profile(setting, benchmark):
    assert setting.sizes(64) == {"edge": 12, "batch_size": 4}
    regular = setting._replace(profile=benchmark("_harness").PROFILES["regular"])
    assert regular.sizes(64) == {"edge": 64, "batch_size": 8}
    assert regular.make().network == "liu2019"
    assert regular.make(n_blocks=2).network.n_blocks == 2


def test_turns(setting):
    setting = setting._replace(profile=setting.profile._replace(n_turns=2))
    calls = []
    seconds = setting.repeat(
        lambda: calls.append("ours") or 1.0, lambda: calls.append("bare") or 2.0
    )
    assert calls == ["ours", "bare"] * 2
    assert {side: list(values) for side, values in seconds.items()} == {
        "ours": [1.0, 1.0],
        "bare": [2.0, 2.0],
    }
    assert set(setting.repeat(lambda: 1.0)) == {"ours"}


def test_a_function_is_warmed_up_before_it_is_timed(setting):
    calls = []
    seconds = setting.time(lambda: calls.append(1))
    assert len(calls) == 1 + len(seconds["ours"])


def test_stack_of_boxes_in_a_file(benchmark, tmp_path):
    stack = benchmark("_setting").make_stack(tmp_path, 5, 8)
    assert stack.shape == (5, 8, 8, 8)
    assert np.isfinite(stack[:2]).all()


def test_memory_of_this_process(benchmark):
    module = benchmark("_setting")
    assert module.resident_mib() > 0
    assert module.peak_mib() > 0
