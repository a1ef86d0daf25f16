"""The background, several references of a class, and what averages, tables and reports say."""

import cli_project
import numpy as np
import pytest
import starfile
from cli_project import N_MOLECULES, molecule
from sklearn.utils import Bunch

from sksubtomo.alignment import Annealing
from sksubtomo.cli import _methods, main
from sksubtomo.cli._averages import _check, written_averages
from sksubtomo.cli._poses import no_poses, split_poses
from sksubtomo.cli._report_file import Reported, _poses
from sksubtomo.io import read_mrc, read_particles, write_mrc, write_particles

# The lowest number, so that classes and references are at other places.
NOTHING, FIRST = 1, 2


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A model of two kinds of molecules and a background, and what it predicts."""
    folder = tmp_path_factory.mktemp("background")
    cli_project.make_molecules(folder, FIRST, n_labeled=18, with_empty=True)
    parameters = _methods.reference_parameters

    def quick(options):
        stages = [(3, 60, 1, 4), (5, 40, 3, 4), (7, 25, 5, 5)]
        return {**parameters(options), "annealing": Annealing(stages=stages)}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_methods, "reference_parameters", quick)
        # One initialization.
        patch.setattr(_methods, "LEAST_LABELS_TO_STOP_BY", 1)
        assert main([*fit(folder), "--background", str(NOTHING)]) == 0
    assert predict(folder, "out.star") == 0
    return folder


def fit(folder):
    return [
        *("fit", "--particles", f"{folder}/particles.star", "--tomograms", f"{folder}/tomograms"),
        *("--box-size", f"{cli_project.MOLECULES_BOX}", "--quiet"),
        *("--output", f"{folder}/model.sksubtomo", "--overwrite"),
    ]


def predict(folder, output, *more, tomograms="tomograms"):
    return main(
        [
            *("predict", "--model", f"{folder}/model.sksubtomo", "--output", f"{folder}/{output}"),
            *("--particles", f"{folder}/particles.star", "--tomograms", f"{folder}/{tomograms}"),
            *("--quiet", *more),
        ]
    )


def correlation(a, b):
    return float(np.corrcoef(np.ravel(a), np.ravel(b))[0, 1])


@pytest.mark.slow
def test_particles_of_nothing_are_of_the_background(made):
    table = read_particles(made / "out.star")
    empty = np.arange(len(table)) >= N_MOLECULES
    assert (table.class_numbers[empty] == NOTHING).mean() >= 0.9
    expected = np.arange(N_MOLECULES) % 2 + FIRST
    assert (table.class_numbers[~empty] == expected).mean() >= 0.8
    probabilities = [f"sksubtomoProbability{k}" for k in (1, 2, 3)]
    np.testing.assert_allclose(table.table[probabilities].sum(axis=1), 1, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["model_averages", "out_averages"])
def test_averages_are_of_classes_that_have_references(made, folder):
    names = {f"{p}class00{k}.mrc" for k in (2, 3) for p in ("", "half1_", "half2_")}
    assert {one.name for one in (made / folder).iterdir()} == {"averages.star", *names}
    blocks = starfile.read(made / folder / "averages.star")
    assert blocks["model_classes"]["rlnClassNumber"].tolist() == [2, 3]
    assert {"fsc_class_2", "fsc_class_3"} < set(blocks)
    if folder == "out_averages":
        numbers = read_particles(made / "out.star").class_numbers
        counts = [int((numbers == k).sum()) for k in (2, 3)]
        assert blocks["model_classes"]["sksubtomoNumberOfParticles"].tolist() == counts


@pytest.mark.slow
def test_particles_of_the_background_have_no_pose(made):
    table = read_particles(made / "out.star").table
    nothing = table["rlnClassNumber"] == NOTHING
    angles = table[["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]]
    assert (angles[nothing] == 0).all(axis=None)
    assert (angles[~nothing] != 0).any(axis=1).all()


@pytest.mark.slow
def test_information_on_a_model_names_the_background(made, capsys):
    assert main(["info", f"{made}/model.sksubtomo"]) == 0
    assert "classes [1, 2, 3], of which 1 is the background" in capsys.readouterr().out


@pytest.mark.slow
def test_inverted_particles_are_averaged_in_the_contrast_of_their_reference(made, monkeypatch):
    """Half of the tomogram is inverted, and the model has met inverted particles."""
    from sksubtomo.semi_supervised import MultiReferenceClassifier

    data = read_mrc(made / "tomograms/TS_1.mrc").data.copy()
    data[:, :, 44:] *= -1
    (made / "inverted").mkdir()
    write_mrc(made / "inverted/TS_1.mrc", data, cli_project.MOLECULES_VOXEL)
    compare = MultiReferenceClassifier._compare

    def both(self, measured):
        self.contrast_ = np.array([1, -1])
        return compare(self, measured)

    monkeypatch.setattr(MultiReferenceClassifier, "_compare", both)
    assert predict(made, "inverted.star", tomograms="inverted") == 0
    for number in (2, 3):
        before, after = (
            read_mrc(made / f"{name}_averages/class00{number}.mrc").data
            for name in ("out", "inverted")
        )
        assert correlation(before, after) > 0.9


def test_poses_of_workers_keep_contrast_and_leave_the_background_as_it_is():
    rows = np.array(
        [[0.7, 0.3, 0.0, -1, 0, 0, 1, 0, 1, 2, 3], [0.1, 0.9, -1, 1, 1, 0, 0, 0, 4, 5, 6]]
    )
    probabilities, poses = split_poses(rows)
    np.testing.assert_array_equal(probabilities, rows[:, :2])
    np.testing.assert_array_equal(poses.contrast, [-1, 1])
    np.testing.assert_array_equal(poses.references, [0, -1])
    np.testing.assert_array_equal(poses.quaternions, [[0, 0, 1, 0], [0, 0, 0, 1]])
    np.testing.assert_array_equal(poses.shifts, [[1, 2, 3], [0, 0, 0]])
    assert poses.subset(np.array([0])).contrast.tolist() == [-1]


def test_reports_leave_the_background_out_of_orientations():
    poses = no_poses(3)._replace(references=np.array([1, -1, 0]))
    classifier = [Bunch(reference_classes_=np.array([2, 3]))]
    averages = Bunch(poses=poses.subset(np.arange(3)))
    reported = Reported(Bunch(classifier=classifier), *[None] * 8, averages=averages)
    found = _poses(reported)
    assert found["labels"].tolist() == [3, 2]
    assert len(found["rotations"]) == 2


@pytest.fixture
def averages():
    maps = np.stack([molecule(k % 2) for k in range(4)])
    return Bunch(
        averages=maps,
        half_maps=np.stack([maps, maps]),
        n_volumes=np.array([4, 3, 2, 1]),
        frequency=np.array([0.0, 0.1]),
        fsc=np.ones((4, 2)),
        resolution=np.full(4, 12.0),
    )


def test_several_references_of_a_class_have_files_of_their_own(averages, tmp_path, caplog):
    folder = tmp_path / "averages"
    with written_averages(folder, averages, [2, 2, 5, 5], 8.0, overwrite=False):
        pass
    stems = ["class002_1", "class002_2", "class005_1", "class005_2"]
    names = {f"{prefix}{one}.mrc" for one in stems for prefix in ("", "half1_", "half2_")}
    assert {one.name for one in folder.iterdir()} == {"averages.star", *names}
    for k, stem in enumerate(stems):
        np.testing.assert_array_equal(read_mrc(folder / f"{stem}.mrc").data, averages.averages[k])
    blocks = starfile.read(folder / "averages.star")
    classes = blocks.pop("model_classes")
    assert classes["rlnReferenceImage"].tolist() == [f"{stem}.mrc" for stem in stems]
    assert classes["rlnClassNumber"].tolist() == [2, 2, 5, 5]
    assert list(blocks) == ["fsc_class_2_1", "fsc_class_2_2", "fsc_class_5_1", "fsc_class_5_2"]
    # They are what a later run replaces.
    _check(folder, overwrite=True)


@pytest.fixture
def arguments(project):
    return [
        *("fit", "--particles", f"{project}/particles.star", "--tomograms", f"{project}/tomograms"),
        *("--box-size", "12", "--output", f"{project}/model.sksubtomo", "--dry-run"),
    ]


def classifier_of(monkeypatch, arguments):
    """Return the classifier that a fit would have been of."""
    made = []

    def stop(classifier, *_args, **_named):
        made.append(classifier[-1])
        raise ValueError("enough")

    monkeypatch.setattr("sksubtomo.cli._fit.fit_by_name", stop)
    assert main([one for one in arguments if one != "--dry-run"]) == 1
    return made[0]


@pytest.mark.parametrize(("given", "number"), [([], 3), (["7"], 7), (["2"], 2)])
def test_the_background_has_its_number_or_the_next(arguments, given, number, monkeypatch):
    options = ["--background", *given, "--n-references", "2", "--symmetry", "1=C2"]
    classifier = classifier_of(monkeypatch, [*arguments, *options])
    assert classifier.class_prior.background == number
    assert classifier.n_references == 2
    assert classifier.symmetry == {1: "C2"}


def test_one_class_and_a_background_are_enough(project, arguments, capsys):
    particles = read_particles(project / "particles.star")
    write_particles(
        project / "particles.star",
        particles,
        class_numbers=np.where(particles.class_numbers == 1, 1, 0),
        overwrite=True,
    )
    assert main([*arguments, "--background"]) == 0
    assert "Method references: --background is for them" in capsys.readouterr().err
    assert main(arguments) == 1
    assert "or pass --positive-only or --background" in capsys.readouterr().err
    assert main([*arguments, "--background", "1"]) == 1
    assert "labels of another class are needed, and there are [1]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--background", "--method", "joint"], "joint has no use for --background"),
        (["--n-references", "2", "--epochs", "3"], "--epochs is for networks, --n-references for"),
        (["--background", "--positive-only"], "--positive-only is for --method candidates"),
        (["--background", "100001"], "--background must be a class number, from 1 to 100000"),
        (["--background", "2", "--symmetry", "2=C2"], "the background, which has no reference"),
    ],
)
def test_options_that_contradict_are_refused(arguments, given, message, capsys):
    assert main([*arguments, *given]) == 1
    assert message in capsys.readouterr().err
