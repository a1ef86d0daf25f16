"""Figures and tables that the site reads from results."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def extension(name):
    """Import a module of the site's extensions."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/_ext/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def results(monkeypatch, tmp_path):
    pytest.importorskip("docutils")
    module = extension("results")
    monkeypatch.setattr(module, "RESULTS", tmp_path)
    (tmp_path / "table.csv").write_text(
        "method,labels,seed,accuracy\n"
        "a,few,0,0.9\na,few,1,0.7\na,many,0,\nb,few,0,0.5\nb,many,0,1.0\n"
    )
    return module


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("table.accuracy(method=a, labels=few)", "0.800"),
        ("table.accuracy(method=a, labels=few) .0%", "80%"),
        ("table.accuracy(method=a, labels=few) min .1f", "0.7"),
        ("table.accuracy(method=a, labels=few) spread .2f", "0.80 ± 0.14"),
        ("table.accuracy(method=a|b, seed=0, labels=few) max .1f", "0.9"),
        ("table.seed(method=a) count", "3"),
    ],
)
def test_figure(results, text, expected):
    assert results.figure(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("other.accuracy(method=a)", "no other.csv"),
        ("table.loss(method=a)", "no column loss"),
        ("table.accuracy(kind=a)", "no column kind"),
        ("table.accuracy(method=c)", "no row"),
        ("table.accuracy(method=a, labels=many)", "no value"),
        ("accuracy of a", "is not FILE"),
    ],
)
def test_figure_that_there_is_not(results, text, message):
    with pytest.raises(results.NoResultError, match=message):
        results.figure(text)


def test_table(results):
    cells = results.table(
        "table", ["method"], ["accuracy"], columns=["labels"], names="b=B; a=A", how="mean .1f"
    )
    assert cells == [
        ["method", "labels few", "labels many"],
        ["B", "0.5", "1.0"],
        ["A", "0.8", "–"],
    ]
    cells = results.table("table", ["method", "labels"], ["accuracy"], where="seed=0")
    assert cells[1] == ["a, few", "0.900"]


def test_columns_of_numbers_are_in_order(results):
    """Rows of other numbers are added at the end of a file."""
    path = results.RESULTS / "later.csv"
    path.write_text("method,labels,accuracy\na,50,0.5\na,200,0.9\na,20,0.2\n")
    cells = results.table("later", ["method"], ["accuracy"], columns=["labels"], how="mean .1f")
    assert cells == [["method", "labels 20", "labels 50", "labels 200"], ["a", "0.2", "0.5", "0.9"]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": ["method"], "values": ["loss"]}, "no column loss"),
        ({"rows": ["kind"], "values": ["accuracy"]}, "no column kind"),
        (
            {"rows": ["method"], "values": ["accuracy"], "columns": ["snr"]},
            "no column snr",
        ),
        ({"rows": ["method"], "values": ["accuracy"], "names": "a=A; c=C"}, "no row c"),
        ({"rows": ["method"], "values": ["accuracy"], "where": "seed=7"}, "no row"),
    ],
)
def test_table_that_there_is_not(results, arguments, message):
    with pytest.raises(results.NoResultError, match=message):
        results.table("table", **arguments)


def pages():
    folders = ("docs", "docs/user_guide", "docs/developers")
    return sorted(path for folder in folders for path in (ROOT / folder).glob("*.rst"))


def test_figures_and_tables_of_the_pages_are_in_the_results():
    # What the build would say, without building.
    pytest.importorskip("docutils")
    results, problems = extension("results"), []
    for path in pages():
        text = path.read_text()
        asked = [
            (results.figure, (" ".join(found.split()),), {})
            for found in re.findall(r":result:`([^`]*)`", text)
        ]
        for name, body in re.findall(r"^\.\. results:: (\w+)\n((?:   .*\n)+)", text, re.MULTILINE):
            option = dict(re.findall(r"^   :(\w+): (.*)$", body, re.MULTILINE))
            listed = {key: results.words_of(option.get(key, "")) for key in ("rows", "value")}
            more = {"columns": results.words_of(option["columns"])} if "columns" in option else {}
            more |= {key: option[key] for key in ("where", "names") if key in option}
            asked.append((results.table, (name, listed["rows"], listed["value"]), more))
        for function, arguments, options in asked:
            try:
                function(*arguments, **options)
            except results.NoResultError as error:
                problems.append(f"{path.name}: {error}")
    assert not problems, "\n".join(problems)


def test_broken_links_are_found(tmp_path):
    broken_links = extension("check_links").broken_links
    (tmp_path / "a.html").write_text(
        '<a href="b.html#here">1</a><a href="b.html#gone">2</a><img src="no.png">'
        '<a href="https://example.org/x">3</a><a href="#top">4</a><p id="top">'
    )
    (tmp_path / "b.html").write_text('<p id="here"></p>')
    assert list(broken_links(tmp_path)) == [
        "a.html: no anchor b.html#gone",
        "a.html: no file no.png",
    ]


def test_inventories_have_a_site_and_objects():
    read_inventory = extension("inventories").read_inventory
    for path in (ROOT / "docs/inventories").glob("*.txt"):
        site, objects = read_inventory(path)
        assert site.startswith("https://"), path.name
        assert site.endswith("/"), path.name
        assert objects, path.name
        assert len(set(objects)) == len(objects), path.name


def test_result_pages_have_titles_and_are_left_alone(tmp_path):
    pages = extension("result_pages")
    source, target = tmp_path / "results", tmp_path / "pages"
    source.mkdir()
    (source / "README.md").write_text("# Results\n")
    (source / "new_table.md").write_text("| a |\n|---|\n| 1 |\n")
    (source / "picture.png").write_bytes(b"png")
    pages.write_result_pages(source, target)
    assert (target / "new_table.md").read_text().startswith("# New table\n\n| a |")
    assert "new_table" in (target / "index.md").read_text()
    assert (target / "picture.png").read_bytes() == b"png"
    before = (target / "new_table.md").stat().st_mtime_ns
    pages.write_result_pages(source, target)
    assert (target / "new_table.md").stat().st_mtime_ns == before
