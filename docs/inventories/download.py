"""Check the inventories in this folder against the projects' sites; needs a network.

    python docs/inventories/download.py

Prints every object that a site does not have, or has at another place, and exits with 1 if there is
one.
"""

import sys
import urllib.request
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "_ext"))

from inventories import read_inventory


def objects_of_site(site):
    """Return the places of the objects of a site by name and role."""
    with urllib.request.urlopen(f"{site}objects.inv", timeout=60) as response:
        data = response.read()
    body = data.split(b"\n", 4)[4]
    places = {}
    for line in zlib.decompress(body).decode().splitlines():
        head, _, rest = line.partition(" -1 ") if " -1 " in line else line.partition(" 1 ")
        name, _, role = head.rpartition(" ")
        place = rest.split(" ", 1)[0]
        places[name, role] = place[:-1] + name if place.endswith("$") else place
    return places


def main():
    """Compare all files; return the number of differences."""
    differences = 0
    for path in sorted(Path(__file__).resolve().parent.glob("*.txt")):
        site, objects = read_inventory(path)
        places = objects_of_site(site)
        for name, role, place in objects:
            found = places.get((name, role))
            if found != place:
                differences += 1
                print(f"{path.name}: {role} {name} is at {found}, not at {place}")
    return differences


if __name__ == "__main__":
    sys.exit(main() > 0)
