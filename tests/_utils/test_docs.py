from textwrap import dedent

import pytest
from estimators import NETWORKS

from sksubtomo._utils._docs import documented


class Documented:
    """Something.

    Parameters
    ----------
    %(learning_rate)s
    other : int
        Its own, of {braces} and 100 %.
    """

    def __init__(self, learning_rate=0.5, other=1):
        self.learning_rate = learning_rate


def test_lines_are_replaced_with_the_defaults_of_the_class():
    doc = dedent(documented(type("Made", (Documented,), {"__doc__": Documented.__doc__})).__doc__)
    assert "    learning_rate : float, default=0.5\n        Learning rate of" in doc
    assert "Its own, of {braces} and 100 %." in doc


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_of_an_estimator_is_described_once(name):
    kind = type(NETWORKS[name])
    assert "%(" not in kind.__doc__
    for parameter in kind._get_param_names():
        assert kind.__doc__.count(f"\n    {parameter} : ") == 1
    assert kind.__doc__.count("    history_ : list of dict\n        ") == 1
    assert kind.uses.training.__name__ in kind.__doc__


def test_without_docstrings_nothing_is_replaced():
    # As under ``python -OO``.
    assert documented(type("Made", (), {})).__doc__ is None
