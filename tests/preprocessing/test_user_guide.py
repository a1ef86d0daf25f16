import doctest
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/user_guide/preprocessing.rst"


def test_examples_of_the_guide_run():
    result = doctest.testfile(str(PAGE), module_relative=False)
    assert result.attempted > 10
    assert result.failed == 0
