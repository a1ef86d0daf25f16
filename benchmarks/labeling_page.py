"""How soon the labeling page shows a grid of 100 000 candidates, and how much memory it takes.

    python benchmarks/labeling_page.py

``sksubtomo label`` serves random places in four tomograms of noise. A client asks for what a
browser asks for, one after the other over one connection: the page, its files, a queue of 48
candidates and their images (*first grid*), then nine more queues with their images (*next grid*).
Meanwhile, features of the 5000 candidates of the pool are computed in the background, which takes a
processor; *ready* is the time until they are. *Processor* is its time that the server uses a grid.
Then 50 candidates are labeled, a model is fitted, and the recommended queue is asked for. *Memory*
is the largest resident set of the server up to then.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx2
import numpy as np
from _arguments import make_parser, positive
from _results import (
    append_rows,
    cpu_model,
    ends_in_order,
    environment,
    markdown_table,
    read_rows,
    write_markdown,
)

from sksubtomo.io import make_particle_table, write_mrc, write_particles

ROOT = Path(__file__).resolve().parents[1]
SHAPE = (64, 400, 400)
N_TOMOGRAMS = 4
BOX = 28
N_TILES = 48
N_GRIDS = 9
FILES = ("style.css", "app.js", "api.js", "grid.js", "views.js")


def make_project(folder, n_candidates):
    rng = np.random.default_rng(0)
    for number in range(N_TOMOGRAMS):
        tomogram = rng.normal(size=SHAPE).astype(np.float32)
        write_mrc(folder / f"TS_{number}.mrc", tomogram, 10.0)
    places = rng.uniform(BOX // 2, np.array(SHAPE) - BOX // 2 - 1, size=(n_candidates, 3))
    names = [f"TS_{number % N_TOMOGRAMS}" for number in range(n_candidates)]
    table = make_particle_table(places, tomogram_names=names)
    write_particles(folder / "candidates.star", table)


def serve(folder):
    """Start the command and return the process and the address of the page."""
    log = folder / "log"
    command = [
        *(sys.executable, "-c", "from sksubtomo.cli import main; raise SystemExit(main())"),
        *("label", "--particles", f"{folder}/candidates.star", "--tomograms", str(folder)),
        *("--box-size", str(BOX), "--output", f"{folder}/session"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with open(log, "w") as file:
        process = subprocess.Popen(command, stderr=file, env=environment)
    while not (found := re.search(r"http://\S+/", log.read_text())):
        if process.poll() is not None:
            raise SystemExit(log.read_text())
        time.sleep(0.05)
    return process, found.group(0)


def memory_mib(process):
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) / 1024


def processor_seconds(process):
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def show_grid(client, strategy):
    """Ask for a queue and its images; return the seconds and the candidates."""
    start = time.perf_counter()
    queue = client.get("api/queue", params={"strategy": strategy, "n": N_TILES})
    queue.raise_for_status()
    rows = [item["row"] for item in queue.json()["items"]]
    for row in rows:
        client.get(f"api/tile/{row}.png", params={"low_pass": 3}).raise_for_status()
    return time.perf_counter() - start, rows


def wait_for_work(client):
    start = time.perf_counter()
    while client.get("api/state").json()["work"]["state"] == "running":
        time.sleep(0.2)
    return time.perf_counter() - start


def measure(n_candidates):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_project(folder, n_candidates)
        start = time.perf_counter()
        process, url = serve(folder)
        started = time.perf_counter() - start
        try:
            with httpx2.Client(base_url=url, timeout=60) as client:
                start = time.perf_counter()
                client.get("").raise_for_status()
                for one in FILES:
                    client.get(f"static/{one}").raise_for_status()
                client.get("api/state").raise_for_status()
                _, rows = show_grid(client, "informative")
                first = time.perf_counter() - start
                later = [show_grid(client, "random")[0] for _ in range(N_GRIDS)]
                ready = wait_for_work(client)
                before = processor_seconds(process)
                quiet = [show_grid(client, "random")[0] for _ in range(N_GRIDS)]
                used = (processor_seconds(process) - before) / N_GRIDS
                for place, row in enumerate([*rows[:N_TILES], 0, 1]):
                    click = {"row": row, "label": 1 + place % 2, "user": "benchmark"}
                    client.post("api/label", json=click).raise_for_status()
                client.post("api/fit", json={}).raise_for_status()
                fit = wait_for_work(client)
                recommended, _ = show_grid(client, "informative")
            memory = memory_mib(process)
        finally:
            process.terminate()
            process.wait()
    return {
        "n_candidates": n_candidates,
        "start_seconds": round(started, 2),
        "first_grid_seconds": round(first, 3),
        "next_grid_while_computing_seconds": round(float(np.median(later)), 3),
        "next_grid_seconds": round(float(np.median(quiet)), 3),
        "next_grid_processor_seconds": round(used, 3),
        "slowest_next_grid_seconds": round(float(np.max(quiet)), 3),
        "ready_seconds": round(ready, 1),
        "fit_seconds": round(fit, 2),
        "recommended_grid_seconds": round(recommended, 3),
        "memory_mib": round(memory),
        "load_average": round(os.getloadavg()[0], 1),
        "cpu": cpu_model(),
        **environment(),
    }


def render(path):
    columns = {
        "candidates": "n_candidates",
        "start": "start_seconds",
        "first grid": "first_grid_seconds",
        "next grid, while features are computed": "next_grid_while_computing_seconds",
        "next grid": "next_grid_seconds",
        "processor": "next_grid_processor_seconds",
        "slowest of nine": "slowest_next_grid_seconds",
        "ready": "ready_seconds",
        "fit": "fit_seconds",
        "recommended grid": "recommended_grid_seconds",
        "memory (MiB)": "memory_mib",
        "load average": "load_average",
    }
    table = [[row[name] for name in columns.values()] for row in read_rows(path)]
    lines = [
        f"Rendered by `python benchmarks/labeling_page.py` from `{path.name}`: seconds from asking",
        f"to the last of {N_TILES} images, and the memory of the server; see the script.",
        "",
        *markdown_table(columns, table),
    ]
    return write_markdown(path, lines)


@ends_in_order
def main():
    parser = make_parser(__doc__, "labeling_page")
    parser.add_argument("--n-candidates", type=positive, default=100_000)
    options = parser.parse_args()
    append_rows(options.results, [measure(options.n_candidates)])
    print(render(options.results))


if __name__ == "__main__":
    main()
