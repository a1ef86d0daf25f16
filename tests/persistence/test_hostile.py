"""Model files that were damaged, and those that an attacker could write."""

import json
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import hostile_models
import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

from sksubtomo.exceptions import FileFormatError
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.persistence import load_model, model_info, save_model
from sksubtomo.preprocessing import VolumeFlattener


@pytest.fixture(scope="module")
def models():
    return hostile_models.models()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.sksubtomo"


@pytest.fixture
def parts(path):
    """Return the document and the arrays of a small model, which is in the file, too."""
    save_model(make_pipeline(VolumeFlattener(), GaussianNB().fit(np.eye(4), [0, 1, 0, 1])), path)
    return hostile_models.read(path)


def refused(path, *message, function=load_model):
    pattern = rf"(?s)model\.sksubtomo.*{'.*'.join(message)}"
    tracemalloc.start()
    try:
        with pytest.raises(FileFormatError, match=pattern) as error:
            function(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(str(error.value)) < 1000
    return peak


def test_cut_off_files_are_refused(parts, path):
    whole = path.read_bytes()
    for length in [*range(0, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:length])
        refused(path)


def test_every_wrong_bit_of_an_array_or_the_document_is_noticed(parts, path):
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    for entry in entries:
        start = whole.index(entry.filename.encode(), entry.header_offset) + len(entry.filename)
        for place in range(start, start + entry.file_size, 41):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
            refused(path)


def test_files_with_something_before_or_behind(parts, path):
    whole = path.read_bytes()
    for content in (b"#!/bin/sh\n" + whole, whole + b"more"):
        path.write_bytes(content)
        refused(path)


def test_compressed_entries_are_no_bombs(parts, path):
    document, _ = parts
    document["model"] = {"object": "x" * 10**8}
    hostile_models.write(path, document, {}, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 10**6
    assert refused(path, "compressed") < 2**22


@pytest.mark.parametrize(
    "more", ["../evil", "/etc/passwd", "arrays/../0.npy", "arrays/999.npy", "model.json", "x"]
)
def test_other_names_and_names_that_come_twice(parts, path, more):
    document, arrays = parts
    hostile_models.write(path, document, [*arrays.items(), (more, b"a")])
    refused(path, "entries are not those of such a file")


def test_entries_in_the_same_place(parts, path):
    """The directory lists one large entry any number of times."""
    document, _ = parts
    described = {"dtype": "<f4", "shape": [1000], "order": "C", "sum": None}
    document["arrays"] = [described] * 50
    hostile_models.write(path, document, {"arrays/0.npy": bytes(4128)})
    whole = path.read_bytes()
    place = whole.rindex(b"PK\x01\x02")
    entry, end = whole[place : whole.rindex(b"PK\x05\x06")], whole[whole.rindex(b"PK\x05\x06") :]
    entries = [
        entry[:28] + struct.pack("<H", len(name)) + entry[30:46] + name
        for name in (f"arrays/{k}.npy".encode() for k in range(50))
    ]
    first = whole[whole.index(b"PK\x01\x02") : place]
    directory = first + b"".join(entries)
    end = end[:8] + struct.pack("<HHI", 51, 51, len(directory)) + end[16:]
    path.write_bytes(whole[: whole.index(b"PK\x01\x02")] + directory + end)
    refused(path, "reaches into another entry")


@pytest.mark.parametrize(
    "described",
    [
        {"shape": [2**40, 4]},
        {"shape": [2**31, 2**31, 2**31]},
        {"shape": [0, 2**62]},
        {"shape": [-1, -8]},
        {"shape": [2.0, 4]},
        {"shape": [True, 8]},
        {"shape": [1] * 60},
        {"shape": "24"},
        {"dtype": "|O"},
        {"dtype": "O8"},
        {"dtype": "|V8"},
        {"dtype": "<M8[s]"},
        {"dtype": "f4,f4"},
        {"dtype": [["a", "<f4"]]},
        {"dtype": "<U0"},
        {"dtype": "<U999999999"},
        {"order": "A"},
        {"order": None},
    ],
    ids=repr,
)
def test_arrays_that_are_not_what_is_said_of_them(parts, path, described):
    document, arrays = parts
    document["arrays"][0].update(described)
    hostile_models.write(path, document, arrays)
    assert refused(path) < 2**22
    refused(path, function=model_info)


def test_documents_that_are_too_large_or_too_deep(parts, path):
    document, arrays = parts
    text = json.dumps(document)
    deep = text.replace('"metadata": {"map": {}}', f'"metadata": {"[" * 10**5}{"]" * 10**5}')
    nested = text.replace('"metadata": {"map": {}}', f'"metadata": {"[" * 500}{"]" * 500}')
    for content in (deep, nested, "[" * 10**6, '{"a":' * 10**5):
        hostile_models.write(path, content, arrays)
        refused(path)
    hostile_models.write(path, text + " " * 2**24, arrays)
    assert refused(path, "bytes") < 2**22


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", '{"a": 1, "a": 2}', "9" * 5000])
def test_what_is_no_plain_json(parts, path, text):
    document, arrays = parts
    changed = json.dumps(document).replace('"metadata": {"map": {}}', f'"metadata": {text}')
    hostile_models.write(path, changed, arrays)
    refused(path)


def in_steps(document):
    """Return the node of the classifier in the pipeline."""
    return document["model"]["params"]["steps"][1]["tuple"][1]


@pytest.mark.parametrize(
    "name",
    [
        *("os.system", "builtins.eval", "subprocess.Popen", "sklearn.pipeline.os", "", "eval"),
        *("sksubtomo.persistence._allowed.importlib", "sklearn.preprocessing.FunctionTransformer"),
        *("torch.load", "sklearn.datasets.load_files", "sksubtomo.calibration.__init__"),
    ],
)
def test_classes_are_those_of_the_list(parts, path, name):
    document, arrays = parts
    in_steps(document)["object"] = name
    hostile_models.write(path, document, arrays)
    refused(path, "no class that model files may hold")


@pytest.mark.parametrize(
    "name", ["predict", "__class__", "__dict__", "__reduce__", "fit", "a b", "__init__", "_tree"]
)
def test_attributes_are_data(parts, path, name):
    document, arrays = parts
    in_steps(document)["state"][name] = 1
    hostile_models.write(path, document, arrays)
    refused(path, "is no (attribute|data) of a GaussianNB")


def test_parameters_are_those_of_the_class(parts, path):
    document, arrays = parts
    in_steps(document)["params"]["__class__"] = 1
    hostile_models.write(path, document, arrays)
    refused(path, "no parameters")


def test_a_pipeline_reads_no_cache_of_pickles(parts, path):
    document, arrays = parts
    document["model"]["params"]["memory"] = "/tmp/of_an_attacker"
    hostile_models.write(path, document, arrays)
    refused(path, "memory")


def test_parameters_do_not_come_as_attributes(parts, path):
    """Past the checks of parameters."""
    document, arrays = parts
    document["model"]["state"]["memory"] = "/tmp/of_an_attacker"
    hostile_models.write(path, document, arrays)
    refused(path, "parameter among its attributes")


def test_tuples_are_not_nested_by_references(parts, path):
    """Hashing such a key would exhaust the stack of the interpreter."""
    document, arrays = parts
    chain = [{"tuple": [], "id": 1000}]
    chain += [{"tuple": [{"ref": 999 + k}], "id": 1000 + k} for k in range(1, 50_000)]
    document["metadata"] = {"map": {"a": [*chain, {"dict": [[{"ref": 50_999}, 1]]}]}}
    hostile_models.write(path, document, arrays)
    refused(path, "or a value has one")
    refused(path, function=model_info)


@pytest.mark.parametrize(
    "node",
    [
        {"ref": 12345},
        {"ref": [1]},
        {"array": 99},
        {"array": -1},
        {"array": "0"},
        {"array": 0},  # for the second time
        {"call": 1},
        {},
        {"tensor": 10**30},
        {"scalar": "<f4", "hex": "00"},
        {"scalar": "|O", "hex": "00" * 8},
        {"set": [[]]},
        {"objects": [1], "shape": [2**40]},
        {"slice": [1, 2, 3, 4]},
        {"float": "1e5"},
        {"random_state": {"map": {"bit_generator": "os"}}},
        {"generator": {"map": {"bit_generator": "Philox"}}},
        {"net": {"map": {}}},
        {"rotation": {"tuple": [0]}},
        {"tuple": 3},
        {"map": []},
    ],
    ids=repr,
)
def test_values_that_no_writer_makes(parts, path, node):
    document, arrays = parts
    in_steps(document)["state"]["odd"] = node
    hostile_models.write(path, document, arrays)
    refused(path)


def test_metadata_make_no_objects(parts, path):
    document, arrays = parts
    document["metadata"] = {"map": {"a": document["model"]}}
    hostile_models.write(path, document, arrays)
    refused(path, "no kind of value", function=model_info)


def net_of(document):
    return document["model"]["state"]["net_"]["net"]["map"]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("network_params", "map", "volume_shape"), {"tuple": [10**9, 10**9, 10**9]}),
        (("network_params", "map", "volume_shape"), {"tuple": [8, 8]}),
        (("network_params", "map", "latent_dim"), 10**9),
        (("network_params", "map", "n_classes"), 10**6),
        (("network_params", "map", "nothing"), 1),
        (("network_params", "map", "network"), "monai:__builtins__"),
        (("network",), "Sequential"),
        (("loss",), "Module"),
        (("optimizer",), "sgd"),
        (("callbacks",), [{"map": {"name": "Checkpoint", "params": {}, "state": {}}}]),
        (("attributes",), {"map": {"encoder": {"map": {"forward": 1}}}}),
        (("attributes",), {"map": {"encoder": {"map": {"__class__": 1}}}}),
        (("applied",), {"map": {"iterator_train": 1}}),
        (("average",), {"map": {}}),
        (("options", "map", "device"), "meta"),
        (("options", "map", "device"), "../dev"),
        (("options", "map", "view_seed"), 10**40),
        (("moments",), []),
        (("consistency",), {"map": {"name": "Linear", "buffers": {"map": {}}}}),
        (("noise",), {"map": {"encoder": None}}),
        (("weights",), {"map": {}}),
    ],
    ids=repr,
)
def test_networks_are_those_of_their_tensors(models, path, place, value):
    save_model(models["network"], path)
    document, arrays = hostile_models.read(path)
    node = net_of(document)
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = value
    hostile_models.write(path, document, arrays)
    # Some of it is what MONAI takes to be imported.
    assert refused(path) < 2**27


def test_random_streams_read_within_their_block(models, path):
    save_model(models["network"], path)
    document, arrays = hostile_models.read(path)
    number = net_of(document)["streams"]["map"]["generator_"]["tensor"]
    document["arrays"][number]["sum"] = None
    content = bytearray(arrays[f"arrays/{number}.npy"])
    start = len(content) - document["arrays"][number]["shape"][0]
    for left, place in ((600, 624), (1, 10**6), (0, 0), (-1, 626), (700, -75)):
        content[start + 8 : start + 12] = struct.pack("<i", left)
        content[start + 16 : start + 24] = struct.pack("<q", place)
        arrays[f"arrays/{number}.npy"] = bytes(content)
        hostile_models.write(path, document, arrays)
        refused(path, "random generator")


def changed(model, path, change):
    """Write a model of which an attribute was changed afterwards, past what is checked."""
    save_model(model, path)
    document, arrays = hostile_models.read(path)
    change(document["model"]["state"])
    hostile_models.write(path, document, arrays)


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.update(n_features_in_=10**6),
        lambda state: state.update(shape_fit_={"tuple": [12, 10**6]}),
        lambda state: state.update(_n_support=state.pop("support_")),
        lambda state: state.update(_sparse=True),
        lambda state: state.pop("_n_support"),
        lambda state: state.update(dual_coef_=state["support_vectors_"]),
    ],
)
def test_support_vectors_go_together(models, path, change):
    changed(models["vectors"], path, change)
    refused(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.update(_y=state.pop("classes_"), classes_=state.pop("_y")),
        lambda state: state.update(effective_metric_="pyfunc"),
        lambda state: state.update(n_features_in_=3),
        lambda state: state.update(effective_metric_params_={"map": {"V": 1}}),
        lambda state: state.update(_fit_X=state.pop("_y")),
    ],
)
def test_neighbors_go_together(models, path, change):
    changed(models["neighbors"], path, change)
    refused(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda poses: poses.update(inner_size=10**6),
        lambda poses: poses.update(box_size=-1),
        lambda poses: poses.update(frequencies=poses.pop("radii")),
        lambda poses: poses.update(inner_size=1),
    ],
)
def test_pose_grids_stay_within_their_maps(models, path, change):
    changed(models["references"], path, lambda state: change(state["_finest"]["state"]))
    refused(path)


@pytest.mark.parametrize("place", [-1, 625, 2**31])
def test_generators_of_numpy_read_within_their_block(path, place):
    save_model(CNNClassifier(random_state=np.random.RandomState(0)), path)
    document, arrays = hostile_models.read(path)
    document["model"]["params"]["random_state"]["random_state"]["map"]["state"]["map"]["pos"] = (
        place
    )
    hostile_models.write(path, document, arrays)
    refused(path, "do not go together")


def test_references_to_arrays_do_not_multiply(parts, path):
    """A file of a few kilobytes makes no more than that, however often it names an array."""
    document, arrays = parts
    state = in_steps(document)["state"]
    state["many"] = [{"ref": state["theta_"]["id"]} for _ in range(10_000)]
    hostile_models.write(path, document, arrays)
    many = load_model(path)[1].many
    assert all(one is many[0] for one in many)


@pytest.mark.slow
def test_ten_thousand_model_files_raise_nothing_else():
    script = Path(__file__).parents[1] / "hostile_models.py"
    run = subprocess.run(
        [sys.executable, str(script), "10000", "1"], capture_output=True, text=True, timeout=280
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stdout.startswith("10000 files")
