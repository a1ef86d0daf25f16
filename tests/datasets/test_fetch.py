import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sksubtomo.datasets import fetch_complexes
from sksubtomo.simulate import COMPLEXES, read_atoms

ENTRY = gzip.compress(b"data_1KP8\n" + b"# coordinates\n" * 5000, compresslevel=0)


class Mirror(BaseHTTPRequestHandler):
    """Serves the entry; can break off, refuse, or send something else."""

    body, break_at, status, ranges = ENTRY, None, 200, True

    def do_GET(self):
        cls = type(self)
        cls.requests.append(self.headers.get("Range"))
        start = 0
        if self.ranges and "Range" in self.headers:
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        if start and start >= len(self.body):
            self.send_error(416)
            return
        if self.status != 200:
            self.send_error(self.status)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(self.body) - start))
        self.end_headers()
        end, cls.break_at = self.break_at, None
        self.wfile.write(self.body[start:end])

    def log_message(self, *args):
        pass


@pytest.fixture
def mirror():
    """Start a server; returns its address and its handler, to be changed."""
    servers = []

    def start(**attributes):
        handler = type("Handler", (Mirror,), {"requests": [], **attributes})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/{{id}}.cif.gz", handler

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def fetch(tmp_path, *mirrors, **params):
    return fetch_complexes(["groel"], data_home=tmp_path, mirrors=mirrors, **params)["groel"]


def test_downloads_once(tmp_path, mirror):
    address, handler = mirror()
    path = fetch(tmp_path, address)
    assert path.read_bytes() == ENTRY
    assert path.name == "1KP8.cif.gz"
    assert fetch(tmp_path, address) == path
    assert fetch(tmp_path, download_if_missing=False) == path
    assert len(handler.requests) == 1
    assert sorted(p.name for p in path.parent.iterdir()) == ["1KP8.cif.gz", "1KP8.cif.gz.sha256"]


def test_goes_on_where_it_broke_off(tmp_path, mirror):
    address, handler = mirror(break_at=1000)
    with pytest.raises(OSError, match="broke off"):
        fetch(tmp_path, address)
    assert fetch(tmp_path, address).read_bytes() == ENTRY
    assert handler.requests == [None, "bytes=1000-"]


def test_a_mirror_without_ranges_starts_over(tmp_path, mirror):
    address, _ = mirror(break_at=1000, ranges=False)
    with pytest.raises(OSError, match="broke off"):
        fetch(tmp_path, address)
    assert fetch(tmp_path, address).read_bytes() == ENTRY


def test_the_next_mirror_is_tried(tmp_path, mirror):
    dead, _ = mirror(status=503)
    wrong, _ = mirror(body=gzip.compress(b"data_2ABC\n"))
    broken, _ = mirror(body=ENTRY[:-20])
    good, _ = mirror()
    assert fetch(tmp_path, dead, wrong, broken, good).read_bytes() == ENTRY


def test_damage_in_the_cache_is_mended(tmp_path, mirror):
    address, handler = mirror()
    path = fetch(tmp_path, address)
    path.write_bytes(ENTRY[:100])
    assert fetch(tmp_path, address).read_bytes() == ENTRY
    assert len(handler.requests) == 2


def test_offline(tmp_path):
    with pytest.raises(OSError, match=r"(?s)1KP8 could not be .* Offline\?.*127.0.0.1:9/1KP8"):
        fetch(tmp_path, "http://127.0.0.1:9/{id}")
    with pytest.raises(OSError, match="download_if_missing is False"):
        fetch(tmp_path, download_if_missing=False)
    with pytest.raises(ValueError, match=r"Unknown complexes \['actin'\]"):
        fetch_complexes(["actin"], data_home=tmp_path)


def test_a_wrong_entry_is_not_kept(tmp_path, mirror):
    address, _ = mirror(body=gzip.compress(b"data_2ABC\n"))
    with pytest.raises(OSError, match="not the entry 1KP8"):
        fetch(tmp_path, address)
    assert not list((tmp_path / "sksubtomo_pdb").iterdir())


@pytest.mark.network
@pytest.mark.parametrize("name", COMPLEXES)
def test_the_real_entry_has_about_the_mass_of_its_stand_in(tmp_path, name):
    atoms = read_atoms(fetch_complexes([name], data_home=tmp_path)[name])
    assert atoms.masses_da().sum() / 1e3 == pytest.approx(COMPLEXES[name].mass_kda, rel=0.2)
