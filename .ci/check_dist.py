"""Check the sdist and the wheel in a folder: contents, installation and a smoke test.

    python .ci/check_dist.py dist --extras data zarr plot

A new environment gets the wheel and its dependencies. Each extra is then installed alone, into an
environment of its own that sees the first one's packages.
"""

import argparse
import subprocess
import sys
import tarfile
import tempfile
import textwrap
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = ROOT / "constraints.txt"
LARGEST_WHEEL_MIB = 5

#: What has to import and run with each extra, and none other.
SMOKE = {
    "": """
        import numpy as np, sksubtomo
        from sksubtomo.datasets import make_subtomograms
        from sksubtomo.model_selection import mask_labels
        from sksubtomo.semi_supervised import AutoencodingClassifier, MultiReferenceClassifier
        X, y = make_subtomograms(24, classes=2, box_size=12, voxel_size_angstrom=30.0,
                                 return_X_y=True, random_state=0)
        y = mask_labels(y, n_per_class=4, random_state=0)
        for clf in (AutoencodingClassifier(max_epochs=1), MultiReferenceClassifier()):
            assert set(clf.fit(X, y).predict(X)) <= {0, 1}
        sksubtomo.save_model(clf, "model.sksubtomo")
        assert (sksubtomo.load_model("model.sksubtomo").predict(X) == clf.predict(X)).all()
    """,
    "data": """
        from sksubtomo.cli import main
        words = "simulate --classes groel --n-particles 3 --shape 32 48 48 --voxel-size 16"
        assert main([*words.split(), "--box-size", "20", "--output", "simulated", "--quiet"]) == 0
        from sksubtomo.io import read_particles
        assert len(read_particles("simulated/particles.star")) == 3
    """,
    "zarr": """
        import numpy as np, zarr
        from sksubtomo.io import open_volume
        group = zarr.open_group("t.zarr", mode="w")
        array = group.create_array("0", shape=(4, 5, 6), chunks=(4, 5, 6), dtype="f4")
        array[...] = 1
        scale = {"type": "scale", "scale": [1.0, 1.0, 1.0]}
        axes = [{"name": n, "type": "space", "unit": "nanometer"} for n in "zyx"]
        levels = [{"path": "0", "coordinateTransformations": [scale]}]
        group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": levels}]}
        assert open_volume("t.zarr").shape == (4, 5, 6)
    """,
    "plot": """
        import matplotlib
        matplotlib.use("Agg")
        import numpy as np
        from sksubtomo.plotting import ReconstructionDisplay
        ReconstructionDisplay(np.zeros((2, 8, 8, 8)), np.ones((2, 8, 8, 8))).plot()
    """,
    "report": """
        import numpy as np
        from sksubtomo.datasets import make_subtomograms
        from sksubtomo.networks import Liu2019
        from sksubtomo.neural_network import CNNClassifier
        from sksubtomo.reports import make_report
        X, y = make_subtomograms(16, classes=2, box_size=12, voxel_size_angstrom=30.0,
                                 return_X_y=True, random_state=0)
        clf = CNNClassifier(network=Liu2019(n_filters=2), max_epochs=1, early_stopping=False)
        make_report(clf.fit(X, y), X, y).save_as_html("report.html")
        assert "</html>" in open("report.html", encoding="utf-8").read()
    """,
    "label": """
        import numpy as np, uvicorn
        from sksubtomo.io import make_particle_table
        from sksubtomo.labeling import LabelingSession, make_app
        rng = np.random.default_rng(0)
        particles = make_particle_table(rng.uniform(0, 100, size=(8, 3)))
        session = LabelingSession("session", particles, rng.normal(size=(8, 8, 8, 8)))
        session.label(0, 1)
        assert make_app(session, "a-token-that-nobody-guesses") is not None
        assert sum(session.counts.values()) == 1
    """,
    "monai": "from sksubtomo.networks import MONAINet; import monai; MONAINet()",
    "distributed": "from sksubtomo.parallel import use_dask; import distributed",
    "accelerate": """
        import accelerate
        from sksubtomo.training import Training
        Training(accelerate=True)
    """,
}
EXTRAS = [name for name in SMOKE if name]


def check_contents(folder):
    """Check what is in the archives; return the wheel."""
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert "sksubtomo/py.typed" in names, "the wheel has no py.typed"
    assert any(name.endswith("licenses/LICENSE") for name in names), "the wheel has no license"
    assert all(top == "sksubtomo" or top.endswith(".dist-info") for top in tops), tops
    assert wheel.stat().st_size < LARGEST_WHEEL_MIB * 2**20, "the wheel is too large"
    with tarfile.open(sdist) as archive:
        files = {name.partition("/")[2] for name in archive.getnames()}
    for name in ("LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "sksubtomo/py.typed"):
        assert name in files, f"the sdist has no {name}"
    unwanted = ("benchmarks/", "docs/_build", "docs/auto_examples", ".venv", ".github")
    assert not [name for name in files if name.startswith(unwanted)], "the sdist has too much"
    metadata = next(name for name in names if name.endswith("METADATA"))
    print(zipfile.ZipFile(wheel).read(metadata).decode().split("\n\n")[0])
    return wheel


def environment(folder, below=None):
    """Make an environment, which sees the packages of another one; return its interpreter."""
    venv.create(folder, with_pip=True)
    scripts = "Scripts" if sys.platform == "win32" else "bin"
    python = folder / scripts / "python"
    if below:
        code = "import sysconfig; print(sysconfig.get_path('purelib'))"
        own, other = (
            subprocess.run([each, "-c", code], check=True, capture_output=True, text=True).stdout
            for each in (python, below)
        )
        (Path(own.strip()) / "below.pth").write_text(other)
    return python


def install_and_run(python, requirement, code, folder):
    """Install and run a test in a folder that is not the clone."""
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "-c", CONSTRAINTS, requirement], check=True, cwd=folder)
    found = "import sksubtomo, sys; assert sys.prefix in sksubtomo.__file__, sksubtomo.__file__"
    subprocess.run([python, "-c", f"{found}\n{textwrap.dedent(code)}"], check=True, cwd=folder)
    print(f"{requirement.rpartition('/')[2]}: installs and runs", flush=True)


def main():
    """Check all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--extras", nargs="*", choices=EXTRAS, default=EXTRAS)
    options = parser.parse_args()
    wheel = check_contents(options.folder.resolve())
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        python = environment(place / "plain")
        install_and_run(python, str(wheel), SMOKE[""], place)
        for extra in options.extras:
            own = environment(place / extra, below=python)
            # The wheel itself, too, so that it is this environment's.
            again = [
                own,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--force-reinstall",
                wheel,
            ]
            subprocess.run(again, check=True)
            install_and_run(own, f"{wheel}[{extra}]", SMOKE[extra], place)


if __name__ == "__main__":
    main()
