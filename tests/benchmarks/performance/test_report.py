import pytest
from matplotlib.image import imread

SHARED = {
    "profile": "regular",
    "cpu": "a processor",
    "instructions": "AVX2",
    "device": "cpu",
    "precision": "float32",
    "threads": "2",
    "cores": "2",
    "python": "3.11",
    "torch": "2.13",
    "skorch": "1.4",
    "date": "2026-01-01",
    "commit": "abc1234",
    "rounds": "3",
    "parameters": "edge=28 batch_size=64",
    "unit": "step",
    "seconds": "2.0",
    "seconds_low": "1.5",
    "seconds_high": "2.5",
    "peak_float32_gflops": "50",
    "peak_bfloat16_gflops": "200",
    "peak_copy_gb_s": "10",
}
RATIO = {"to_reference": "0.25", "to_reference_low": "0.2", "to_reference_high": "0.5"}


@pytest.fixture
def report(benchmark):
    return benchmark("_report")


@pytest.fixture
def written(benchmark, tmp_path):
    """Function that writes rows with some columns, and returns the path."""

    def write(*rows):
        columns, path = benchmark("_harness").COLUMNS, tmp_path / "performance.csv"
        every = dict.fromkeys((*columns, *SHARED), "")
        benchmark("_results").append_rows(path, [{**every, **SHARED, **row} for row in rows])
        return path

    return write


def test_newest_row_of_a_case_is_shown(report, written):
    path = written(
        {"case": "augment", "seconds": "1.0"},
        {"case": "train_joint_28"},
        {"case": "augment", "seconds": "2.0"},
        {"case": "augment", "seconds": "3.0", "threads": "1"},
        {"case": "augment", "seconds": "4.0", "precision": "bfloat16"},
        {"case": "augment", "seconds": "5.0", "device": "a GPU"},
        {"case": "of an older release"},
        {"case": "augment", "seconds": "6.0", "profile": "smoke"},
    )
    groups = report.latest(path, report.SERIES).values()
    found = [[(row["case"], row["seconds"]) for row in rows] for rows in groups]
    assert found == [
        [("train_joint_28", "2.0"), ("augment", "2.0")],
        [("augment", "3.0")],
        [("augment", "4.0")],
        [("augment", "5.0")],
    ]


def test_rows_of_the_smoke_profile_are_shown_where_there_are_no_others(report, written):
    path = written({"case": "augment", "profile": "smoke"})
    assert len(report.latest(path, report.SERIES)) == 1


def test_speedup_is_the_reciprocal_of_the_ratio(report):
    assert report.speedup(RATIO) == (4.0, 2.0, 5.0)
    assert report.speedup({"to_reference": ""}) is None


@pytest.mark.parametrize(
    ("group", "label"),
    [
        ({}, "a processor AVX2, float32, 2 threads"),
        (
            {"instructions": "AVX512 AVX512_BF16"},
            "a processor AVX512+AVX512_BF16, float32, 2 threads",
        ),
        ({"threads": "1"}, "a processor AVX2, float32, 1 thread"),
        ({"device": "a GPU", "precision": "bfloat16"}, "a GPU, bfloat16"),
    ],
)
def test_labels_of_series(report, group, label):
    assert report.label_of({**SHARED, **group}) == label


def test_tables(report, written):
    path = written(
        {"case": "train_joint_28", **RATIO, "gflops": "25", "gb_s": "1"},
        {"case": "train_joint_28", "precision": "bfloat16", "gflops": "25", "gb_s": "1"},
        {"case": "scaling_edge", "exponent": "2.5", "exponent_low": "2", "exponent_high": "3"},
        {"case": "memory_1e3", "peak_mib": "150", "before_mib": "100"},
    )
    text = report.render(path)
    assert path.with_suffix(".md").read_text() == text
    assert "2 (1.5-2.5) per step | - | 4 (2-5) | - | 50% | 10% | 3 | abc1234 |" in text
    assert "2 (1.5-2.5) per step | - | - | - | 12% | 10% |" in text
    assert "2.5 (2-3)" in text
    for title in ("Times", "Growth of an epoch", "Memory of a fit"):
        assert f"### {title}" in text
    assert "Measured peaks: 50 GFLOP/s in float32; 200 in bfloat16; 10 GB/s copying." in text


def test_figure_is_as_wide_as_a_page(report, written):
    path = written(
        {"case": "train_joint_28", **RATIO},
        {"case": "predict_proba_28", **RATIO, "device": "a GPU"},
    )
    report.draw(path)
    height, width, _ = imread(path.with_suffix(".png")).shape
    assert width == 7 * 200
    assert height < width


def test_figure_has_text_of_eight_points_or_more_and_one_scale(report, written, monkeypatch):
    figures = []
    monkeypatch.setattr(report.plt, "close", figures.append)
    report.draw(
        written(
            {"case": "train_joint_28", **RATIO},
            {"case": "train_joint_64", **RATIO, "parameters": "edge=64"},
            {"case": "train_joint_32", **RATIO, "parameters": "edge=32", "device": "a GPU"},
            {"case": "transform_28", **RATIO, "to_reference": "0.05"},
        )
    )
    (figure,) = figures
    training, prediction = figure.axes
    assert training.get_xlim() == prediction.get_xlim()
    sizes = [text.get_fontsize() for text in figure.findobj(lambda a: hasattr(a, "get_fontsize"))]
    assert min(sizes) >= 8
    shown = [text.get_text() for text in training.texts]
    assert shown == ["4.0x"] * 3
    assert [label.get_text() for label in training.get_yticklabels()] == [
        "joint network, step, box 28",
        "joint network, step, box 32",
        "joint network, step, box 64",
    ]
    monkeypatch.undo()
    report.plt.close(figure)


def test_every_series_has_a_style_of_its_own(report, written):
    path = written(*({"case": "train_joint_28", **RATIO, "device": f"GPU {i}"} for i in range(35)))
    panels, styles = report._points_of_panels(path)
    assert len({tuple(style.values()) for style in styles.values()}) == 35
    assert len(panels["Training"]["train_joint_28"]) == 35


def test_nothing_is_drawn_without_a_reference(report, written):
    path = written({"case": "augment"})
    report.draw(path)
    assert not path.with_suffix(".png").exists()
