import importlib
import inspect
import pkgutil
from textwrap import dedent

import pytest
from estimators import NETWORKS

import sksubtomo
from sksubtomo._utils._docs import documented
from sksubtomo.calibration import RejectingClassifier
from sksubtomo.metrics import reliability_curve


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


def test_methods_of_a_class_and_functions_have_their_lines_replaced():
    class Made:
        """Without such lines."""

        def fit(self, X, *, box_size=7):
            """Do something.

            Parameters
            ----------
            %(X)s
            %(box_size)s

            %(fitted_self)s
            """

    found = inspect.getdoc(documented(Made).fit)
    assert "X : array-like of shape (n_samples, depth, height, width)" in found
    assert "box_size : int or (int, int, int), default=7\n    New edges" in found
    assert found.endswith("Returns\n-------\nself : object\n    The fitted estimator.")
    assert 'strategy : {"uniform", "quantile"}, default="uniform"\n' in reliability_curve.__doc__
    # Methods that an estimator has only where the one inside of it has them.
    found = inspect.getdoc(RejectingClassifier.decision_function)
    assert "X : array-like" in found
    assert "**params : dict" in found


def all_docstrings():
    for module in pkgutil.walk_packages(sksubtomo.__path__, "sksubtomo."):
        if module.name.endswith("__main__"):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if getattr(value, "__module__", None) == module.name:
                members = vars(value) if inspect.isclass(value) else {}
                for owner in (value, *members.values()):
                    yield f"{module.name}.{name}", getattr(owner, "__doc__", None) or ""


def test_no_docstring_is_left_with_such_a_line():
    docstrings = dict.fromkeys(all_docstrings())
    assert len(docstrings) > 1000
    left = {where for where, text in docstrings if "%(" in text} - {
        "sksubtomo._utils._docs.documented"
    }
    assert not left
