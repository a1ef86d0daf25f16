"""Signals at random moments of every command: exit codes, files, and processes that are left.

    python benchmarks/interrupts.py                      # 20 moments a command and signal
    python benchmarks/interrupts.py --commands fit --moments 5

For each command, an uninterrupted run tells how long it takes and what it writes. Then it is
started again and again, and gets SIGINT or SIGTERM at a random moment of that time. Afterwards,

- the exit code is 130 or 143, or that of an uninterrupted run, if the signal came too late;
- an output file that was there before is the same to the byte in the first case, and a new one in
  the second; so it is with class averages; nothing else is in the folder, and nothing half done;
- the standard error stream has no stack trace;
- no process of the group is left after a second.

One row for every run goes to the CSV file as soon as it is there, and a table (Markdown) beside it.
"""

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _results import append_rows, environment, read_rows

from sksubtomo.io import make_particle_table, write_mrc, write_particles

RESULTS = Path(__file__).parent / "results/interrupts.csv"
RUN = [sys.executable, "-c", "import sys; from sksubtomo.cli import main; sys.exit(main())"]
SIGNALS = {"SIGINT": 130, "SIGTERM": 143}
PROBLEMS = ("exit_code", "files", "trace", "processes")


def make_project(folder, fits=("fit", "fit-references")):
    """Make tomograms of noise with two kinds of blobs, a table of them, and models."""
    rng = np.random.default_rng(0)
    (folder / "tomograms").mkdir()
    grid = [(z, y, x) for z in (8, 20) for y in (8, 22, 36) for x in (8, 22, 36)]
    names, classes = [], []
    for name in ("TS_1", "TS_2", "TS_3"):
        tomogram = rng.normal(scale=0.5, size=(28, 44, 44)).astype(np.float32)
        for number, (z, y, x) in enumerate(grid):
            kind = number % 2
            tomogram[z - 2 : z + 2 + kind, y - 2 : y + 2, x - 2 : x + 2] -= 2.0 - 4.0 * kind
            names.append(name)
            classes.append(kind + 1)
        write_mrc(folder / f"tomograms/{name}.mrc", tomogram, 10.0)
    table = make_particle_table(np.tile(np.array(grid, float), (3, 1)), tomogram_names=names)
    write_particles(folder / "particles.star", table, class_numbers=np.array(classes))
    more = {"fit": ["--epochs", "3"], "fit-references": ["--no-averages"]}
    for command in fits:
        given = arguments(folder, command, folder / f"{command}.sksubtomo")
        subprocess.run([*RUN, *given, *more[command]], check=True, stderr=subprocess.DEVNULL)


def arguments(folder, command, output):
    """Return the arguments of a command that takes some seconds."""
    tomograms = ["--tomograms", str(folder / "tomograms")]
    particles = ["--particles", str(folder / "particles.star"), *tomograms]
    template = [*tomograms, "--template", "ubid", "--angular-step", "20"]
    overwrite = ["--overwrite"]
    rest = {
        "simulate": ["--n-tomograms", "4", "--shape", "32", "96", "96", "--voxel-size", "16"],
        "pick": [*template, *overwrite],
        "pick-exhaustive": [*template, "--search", "exhaustive", *overwrite],
        "extract": [*particles, "--box-size", "8"],
        "fit": [
            *(*particles, "--box-size", "12", "--method", "supervised", "--epochs", "60"),
            *("--no-early-stopping", *overwrite),
        ],
        "fit-references": [*particles, "--box-size", "12", "--method", "references", *overwrite],
        "predict": [*particles, "--model", str(folder / "fit.sksubtomo"), *overwrite],
        "predict-references": [
            *(*particles, "--model", str(folder / "fit-references.sksubtomo"), *overwrite),
        ],
        "predict-processes": [
            *(*particles, "--model", str(folder / "fit.sksubtomo"), "--n-jobs", "2", *overwrite),
        ],
        "evaluate": [
            *("--truth", str(folder / "particles.star"), "--predicted"),
            *(str(folder / "particles.star"), "--tolerance-angstrom", "20", "--voxel-size", "10"),
            *overwrite,
        ],
    }[command]
    return [command.split("-")[0], *rest, "--output", str(output)]


def digest(path):
    """Return what is in a file or folder."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    content = hashlib.sha256()
    for file in files:
        content.update(str(file.relative_to(path)).encode())
        content.update(file.read_bytes() if file.is_file() else b"")
    return content.hexdigest()


def start(given):
    """Start the command line in a group of its own."""
    return subprocess.Popen(
        [*RUN, *given], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )


def processes_left(group, seconds):
    """Return how many processes of a group are there after so many seconds, and end them."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not (left := members(group)):
            return 0
        time.sleep(0.05)
    for process in left:
        os.kill(process, signal.SIGKILL)
    return len(left)


def members(group):
    """Return the processes of a session that are no zombies."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # gone
            if int(fields[3]) == group and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def interrupt(command, folder, name, moment, earlier):
    """Run a command, send it a signal, and return what is wrong afterwards.

    Parameters
    ----------
    command : str
        Which.
    folder : Path
        The project.
    name : str
        The signal.
    moment : float
        Seconds after the start.
    earlier : bytes or None
        What an output file of an earlier run holds; None where the command makes a folder.
    """
    with tempfile.TemporaryDirectory(dir=folder) as place:
        output = Path(place) / ("output" if earlier is None else "output.star")
        if earlier is not None:
            output.write_bytes(earlier)
        process = start(arguments(folder, command, output))
        time.sleep(moment)
        process.send_signal(getattr(signal, name))
        sent = time.monotonic()
        error = process.communicate(timeout=600)[1].decode()
        seconds = time.monotonic() - sent
        code, stopped = process.returncode, process.returncode == SIGNALS[name]
        there = {path.name for path in Path(place).iterdir()}
        kept = there - {"output.star", "output", "output_interrupted.star", "output_averages"}
        if earlier is not None:
            right = output.exists() and (output.read_bytes() == earlier) == stopped
        else:
            right = output.exists() != stopped
        if command.endswith("references"):
            # Output and class averages come into place together.
            right = right and ("output_averages" in there) != stopped
        return {
            "exit_code": int(not (stopped or code == 0)),
            "files": int(bool(kept) or not right),
            "trace": int("Traceback" in error or "Exception ignored" in error),
            "processes": processes_left(process.pid, 3.0),
            "code": code,
            "seconds_to_end": round(seconds, 2),
            "said": error.strip().splitlines()[-1][-200:] if error.strip() else "",
        }


def run(options):
    """Interrupt every command as often as asked."""
    rng = np.random.default_rng(options.random_state)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make_project(folder)
        for command in options.commands:
            folders = command in ("simulate", "extract")
            output = folder / ("uninterrupted" if folders else "uninterrupted.star")
            began = time.monotonic()
            subprocess.run([*RUN, *arguments(folder, command, output)], check=True)
            seconds = time.monotonic() - began
            for name in SIGNALS:
                for moment in rng.uniform(options.earliest, seconds, options.moments):
                    result = interrupt(
                        command, folder, name, moment, None if folders else b"an earlier run\n"
                    )
                    row = {"command": command, "signal": name, "moment": round(moment, 2)}
                    append_rows(options.results, [{**row, **result, **environment()}])
                    print(*row.values(), *result.values(), flush=True)


def render(path):
    """Write the table beside the CSV file and return it."""
    rows = read_rows(path)
    lines = [
        f"Rendered by `python benchmarks/interrupts.py` from `{path.name}`.",
        "",
        "| command | signal | runs | ended by it | wrong exit codes | wrong files | stack traces |"
        " processes left | longest time to end, s |",
        "|---" * 9 + "|",
    ]
    for command, name in dict.fromkeys((row["command"], row["signal"]) for row in rows):
        chosen = [row for row in rows if (row["command"], row["signal"]) == (command, name)]
        n_ended = sum(row["code"] == str(SIGNALS[name]) for row in chosen)
        sums = [str(sum(int(row[problem]) for row in chosen)) for problem in PROBLEMS]
        longest = max(float(row["seconds_to_end"]) for row in chosen)
        lines.append(
            f"| {command} | {name} | {len(chosen)} | {n_ended} | {' | '.join(sums)} | {longest} |"
        )
    text = "\n".join(lines) + "\n"
    path.with_suffix(".md").write_text(text)
    return text


def main(given=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = ["simulate", "pick", "pick-exhaustive", "extract"]
    commands += ["fit", "fit-references", "predict", "predict-references", "predict-processes"]
    commands += ["evaluate"]
    parser.add_argument("--commands", nargs="+", choices=commands, default=commands)
    parser.add_argument("--moments", type=int, default=20, help="of each command and signal")
    parser.add_argument(
        "--earliest", type=float, default=0.3, help="seconds; before, Python itself starts"
    )
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument("--results", type=Path, default=RESULTS, help="the CSV file")
    options = parser.parse_args(given)
    run(options)
    print(render(options.results))


if __name__ == "__main__":
    main()
