"""Check the links within a built site: every page, anchor and image that a page names exists.

python docs/_ext/check_links.py docs/_build/html
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit


class Page(HTMLParser):
    """Anchors of a page, and what it links to."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links = set(), set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        """Note the anchors and links of a tag."""
        attributes = dict(attrs)
        self.anchors.update(attributes[key] for key in ("id", "name") if attributes.get(key))
        if tag in ("a", "link", "img", "script"):
            self.links.update(attributes[key] for key in ("href", "src") if attributes.get(key))


def broken_links(root):
    """Yield a line for each link to something that the site does not have."""
    files = [path for path in sorted(root.rglob("*.html")) if "_static" not in path.parts]
    pages = {path.resolve(): Page(path) for path in files}
    for path, page in pages.items():
        for link in sorted(page.links):
            if urlsplit(link).scheme or link.startswith(("//", "/")):
                continue
            address, anchor = urldefrag(link)
            file = unquote(address.partition("?")[0])
            target = (path.parent / file).resolve() if file else path
            if not target.exists():
                yield f"{path.relative_to(root.resolve())}: no file {link}"
            elif anchor and target in pages and unquote(anchor) not in pages[target].anchors:
                yield f"{path.relative_to(root.resolve())}: no anchor {link}"


def main(root):
    """Print broken links; return whether there are any."""
    broken = list(broken_links(root))
    print("\n".join(broken) or "All internal links resolve.")
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
