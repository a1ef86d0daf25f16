"""Inventories for intersphinx from text files, one object a line.

``docs/inventories/PROJECT.txt`` names the site in its first line and then the objects that the
documentation refers to: role, name, place on the site (``$`` stands for the name). They are text,
so that a change can be read; `download.py` beside them checks them against the projects' sites.
"""

import zlib

HEADER = (
    "# Sphinx inventory version 2\n# Project: {}\n# Version: \n"
    "# The remainder of this file is compressed using zlib.\n"
)


def read_inventory(path):
    """Return the address of a site and its objects as (name, role, place)."""
    site, *lines = [
        line for line in path.read_text().splitlines() if line and not line.startswith("#")
    ]
    objects = []
    for line in lines:
        role, name, place = line.split(maxsplit=2)
        objects.append((name, role, place.replace("$", name)))
    return site, objects


def write_inventories(source, target):
    """Write an ``.inv`` file for every text file; return the mapping for intersphinx."""
    target.mkdir(parents=True, exist_ok=True)
    mapping = {}
    for path in sorted(source.glob("*.txt")):
        site, objects = read_inventory(path)
        body = "".join(f"{name} {role} 1 {place} -\n" for name, role, place in objects)
        file = target / f"{path.stem}.inv"
        file.write_bytes(HEADER.format(path.stem).encode() + zlib.compress(body.encode()))
        mapping[path.stem] = (site, str(file))
    return mapping
