"""Codecs that metadata of a Zarr ask for."""

import json

import pytest

from sksubtomo.io._zarr_metadata import check_metadata

ARRAY = {"zarr_format": 3, "node_type": "array", "codecs": [{"name": "bytes"}, {"name": "zstd"}]}
FOREIGN = {**ARRAY, "codecs": [{"name": "bytes"}, {"name": "foreign"}]}


def group(**arrays):
    return {
        "zarr_format": 3,
        "node_type": "group",
        "consolidated_metadata": {"kind": "inline", "metadata": arrays},
    }


@pytest.mark.parametrize(
    "metadata",
    [
        ARRAY,
        {**ARRAY, "attributes": {"codecs": "anything", "compressor": {"id": "foreign"}}},
        group(a=ARRAY, attributes=ARRAY),
        {"zarr_format": 2, "compressor": {"id": "blosc", "cname": "lz4"}, "filters": None},
    ],
)
def test_known_codecs_pass(metadata):
    check_metadata("zarr.json", json.dumps(metadata).encode())


@pytest.mark.parametrize(
    "metadata",
    [
        FOREIGN,
        # zarr looks at the name only.
        {**ARRAY, "codecs": [{"id": "zstd", "name": "foreign"}]},
        # Arrays of these names, and no attributes.
        group(a=ARRAY, attributes=FOREIGN),
        group(zarr_format=ARRAY, attributes=FOREIGN),
        {"zarr_format": 2, "compressor": {"id": "foreign", "name": "zstd"}},
        {"zarr_format": 2, "filters": [{"id": "delta"}, {"id": "foreign"}]},
    ],
)
def test_other_codecs_are_named(metadata):
    with pytest.raises(ValueError, match="it asks for the codec 'foreign', which is not read"):
        check_metadata("zarr.json", json.dumps(metadata).encode())
