"""What tests look for in a page."""

import re
from html.parser import HTMLParser

import pytest


class Elements(HTMLParser):
    """All elements of a page with their attributes, and the text that is shown."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self._inside = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._inside.append(tag)

    def handle_endtag(self, tag):
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data):
        if not self._inside:
            self.texts.append(data)

    def of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def checked(report):
    """Parse a page strictly, check what all pages promise, and return its elements."""
    html5lib = pytest.importorskip("html5lib")
    text = str(report)
    assert text.startswith("<!DOCTYPE html>")
    html5lib.HTMLParser(strict=True).parse(text)
    page = Elements(text)
    _refers_to_nothing_else(page, text)
    images = page.of("img")
    assert images
    for image in images:
        assert len(image["alt"]) > 20
        assert image["width"].isdecimal()
        assert image["height"].isdecimal()
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")]
        named = (attributes.get("aria-labelledby") or "").split()
        assert set(named) <= set(ids)
    assert page.of("html") == [{"lang": "en"}]
    assert len(page.of("script")) == len(page.of("style")) == 1
    for head in page.of("th"):
        assert head["scope"] in ("row", "col")
    # Each sortable table can be reached, scrolled and sorted by keyboard.
    n_sorted = sum("aria-sort" in head for head in page.of("th"))
    assert n_sorted == len(page.of("button")) > 0
    return page


def _refers_to_nothing_else(page, text):
    anchors = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    for _, attributes in page.elements:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            target = attributes.get(name)
            if target is None:
                continue
            inside = target[1:] in anchors if target.startswith("#") else False
            assert inside or target.startswith("data:image/png;base64,"), target[:80]
    assert not re.search(r"@import|url\(|https?://", text)
