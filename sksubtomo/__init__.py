"""Semi-supervised classification of cryo-electron subtomograms, the scikit-learn way.

Public names live in the subpackages, for example
``from sksubtomo.semi_supervised import AutoencodingClassifier``. Importing
``sksubtomo`` itself loads neither PyTorch nor matplotlib.
"""

from sksubtomo._version import __version__

__all__ = ["__version__"]
