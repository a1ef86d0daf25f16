import numpy as np
import pytest

from sksubtomo._utils._class_names import name_of_class


def test_names_by_mapping_or_sequence():
    assert name_of_class(np.int64(2), None) == 2
    assert name_of_class(np.int64(1), ["a", "b"]) == "b"
    assert name_of_class(np.str_("x"), {"x": "ribosome"}) == "ribosome"
    assert name_of_class(-2, {-2: "negative"}) == "negative"


@pytest.mark.parametrize(
    ("label", "names"), [(2, ["a", "b"]), (-2, ["a", "b"]), ("x", ["a"]), ("x", {"y": "a"})]
)
def test_a_class_without_a_name_is_named(label, names):
    with pytest.raises(ValueError, match=f"no name for the class {label!r}"):
        name_of_class(label, names)
