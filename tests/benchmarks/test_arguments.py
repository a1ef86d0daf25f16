from pathlib import Path

import pytest


def test_shared_arguments(benchmark):
    parser = benchmark("_arguments").make_parser("A script.", "picking", seeds=[0, 1])
    options = parser.parse_args([])
    assert options.seeds == [0, 1]
    assert options.results.parts[-3:] == ("benchmarks", "results", "picking.csv")
    options = parser.parse_args(["--seeds", "7", "--results", "own.csv"])
    assert (options.seeds, options.results) == ([7], Path("own.csv"))


def test_scripts_without_seeds_refuse_them(benchmark, capsys):
    parser = benchmark("_arguments").make_parser("A script.", "lazy_stack")
    with pytest.raises(SystemExit):
        parser.parse_args(["--seeds", "0"])
    assert "unrecognized arguments: --seeds 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [("0", "must be at least 1, got 0"), ("-2", "must be at least 1"), ("x", "invalid positive")],
)
def test_counts_are_positive(benchmark, capsys, text, message):
    arguments = benchmark("_arguments")
    parser = arguments.make_parser("A script.", "picking")
    parser.add_argument("--rounds", type=arguments.positive)
    assert parser.parse_args(["--rounds", "3"]).rounds == 3
    with pytest.raises(SystemExit):
        parser.parse_args(["--rounds", text])
    assert f"argument --rounds: {message}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name",
    [
        *("clean_candidates", "compare", "joint_vs_supervised", "label_efficiency", "lazy_stack"),
        *("live_code", "picking", "same_accuracy", "simulation"),
    ],
)
def test_every_script_writes_to_results_of_its_name(benchmark, monkeypatch, name):
    script = benchmark(name)
    asked = []

    def stop(description, name, seeds=None):
        asked.append((description, name))
        raise SystemExit

    monkeypatch.setattr(script, "make_parser", stop)
    with pytest.raises(SystemExit):
        script.main()
    assert asked == [(script.__doc__, name)]
