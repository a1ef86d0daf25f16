"""Every page of the user guide has the same parts, in the same order."""

import re

import pytest
from prose import ROOT

GUIDE = ROOT / "docs/user_guide"
PAGES = [page for page in sorted(GUIDE.glob("*.rst")) if page.stem != "index"]
HEADING = re.compile(r"^([^\s.].*)\n-{3,}\n", re.MULTILINE)
CODE = re.compile(r"^(?:>>> |\.\. code-block:: (?:python|bash))", re.MULTILINE)
PICTURE = re.compile(r"^\.\. (?:figure|image):: (\S+)", re.MULTILINE)
REFERENCE = re.compile(r":(?:ref|doc|class|func|mod|meth):`")
#: Pages of this many reasons or links say something of use.
LEAST = 3


def parts(text):
    """Return what stands before the first section, and the sections by their titles, in order."""
    intro, *rest = HEADING.split(text)
    return intro, dict(zip(rest[::2], rest[1::2], strict=True))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_opens_with_goal_code_and_picture(page):
    intro, _ = parts(page.read_text())
    title = re.search(r"^=+\n", intro, re.MULTILINE)
    code, picture = CODE.search(intro), PICTURE.search(intro)
    assert title, "no title"
    assert code, "no code before the first section"
    assert picture, "no picture before the first section"
    assert code.start() < picture.start(), "the shortest code comes first"
    goal = intro[title.end() : code.start()].strip()
    assert len(goal.split()) >= 8, "the goal in a sentence comes before the code"
    assert not goal.startswith(("..", ">>>")), "the goal comes first"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_ends_with_what_can_go_wrong_and_related_pages(page):
    _, sections = parts(page.read_text())
    assert [*sections][-2:] == ["What can go wrong", "Related"]
    reasons = re.findall(r"^- \S", sections["What can go wrong"], re.MULTILINE)
    assert len(reasons) >= LEAST
    related = re.findall(r"^- .*", sections["Related"], re.MULTILINE)
    assert len(related) >= LEAST
    assert all(REFERENCE.search(line) for line in related)
    own = re.search(r"^\.\. _(\w+):", page.read_text(), re.MULTILINE)
    assert own, "the page has a name for references"
    assert f"`{own[1]}`" not in sections["Related"], "a page is not related to itself"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pictures_exist_and_are_described(page):
    text = page.read_text()
    for picture in PICTURE.finditer(text):
        name = picture[1]
        example = re.fullmatch(r"\.\./auto_examples/images/sphx_glr_(\w+)_\d{3}\.png", name)
        if example:
            assert (ROOT / f"docs/examples/{example[1]}.py").exists(), name
        else:
            results = name.replace("../results/", "../../benchmarks/results/")
            assert (GUIDE / results).exists(), name
        options = text[picture.end() :].split("\n\n")[0]
        assert re.search(r":alt: \S", options), f"{name} has no text for those who cannot see it"


def test_parts_are_told_apart():
    intro, sections = parts("Title\n=====\n\nGoal.\n\nOne\n---\n\na\n\nTwo\n---\n- b\n")
    assert intro.startswith("Title")
    assert [*sections] == ["One", "Two"]
    assert "- b" in sections["Two"]
