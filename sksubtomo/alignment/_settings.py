"""Settings of the search for references."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

from sksubtomo._utils._params import NumberInterval
from sksubtomo._utils._settings import Settings
from sksubtomo._utils._sklearn import StrOptions

_STAGES = ((4.0, 36.0, 1, 2), (5.0, 28.5, "auto", 10), (6.5, 24.0, "auto", 4))


@dataclass(kw_only=True, eq=False, repr=False)
class Annealing(Settings):
    """How references take shape; see :class:`~sksubtomo.semi_supervised.MultiReferenceClassifier`.

    Parameters
    ----------
    stages : sequence of (n_shells, angular_step_deg, n_shifts, n_iter), optional
        From coarse to fine: radius of the ball of frequencies in cycles per box (at most half the
        box is used), step between rotations in degrees, shifts along an axis (1 is no shift; with
        "auto" their number follows ``max_shift_voxels``, their distance at most 0.6 periods of the
        highest frequency, or 0.3 with ``symmetry``), and iterations.
    n_frozen_iter : int or "auto", default="auto"
        Of all iterations, those at the beginning in which classes of unlabeled volumes are fixed.
        "auto" is one, and one more for each label that a class has on average, at most eight; 0
        with ``references_init``, but not with ``estimator``.
    class_perplexity : float, default=None
        Number of classes over which the posteriors of unlabeled volumes are spread in the first
        iteration after, by dividing their log evidence; it falls to 1 geometrically until the last
        stage. None is ``n_classes ** (2 / 3)``. 1 switches annealing off.

    Examples
    --------
    >>> from sksubtomo.alignment import Annealing
    >>> from sksubtomo.semi_supervised import MultiReferenceClassifier
    >>> annealing = Annealing(stages=[(3, 60, 1, 4), (5, 40, 3, 6)])
    >>> clf = MultiReferenceClassifier(annealing=annealing)
    >>> clf = clf.set_params(annealing__class_perplexity=1)
    """

    _parameter_constraints: ClassVar[dict[str, list]] = {
        "stages": ["array-like"],
        "n_frozen_iter": [StrOptions({"auto"}), NumberInterval(Integral, 0, None, closed="left")],
        "class_perplexity": [NumberInterval(Real, 1, None, closed="left"), None],
    }

    stages: Any = _STAGES
    n_frozen_iter: int | str = "auto"
    class_perplexity: float | None = None


@dataclass(kw_only=True, eq=False, repr=False)
class ClassPrior(Settings):
    """Class proportions, and a class for what shows none of the structures.

    Parameters
    ----------
    proportions : {"estimated", "uniform", "labels"}, array-like or None, default="estimated"
        As ``class_prior`` of :class:`~sksubtomo.semi_supervised.MultiReferenceClassifier`; an array
        has one of each class, the background included, in the order of ``classes_``.
    background : int or str, default=None
        Name of a class without a reference: ice, membranes, gold beads, or anything else that was
        picked by mistake. It is a Gaussian field of the power that the volume itself has in every
        shell; a class has to explain more than this power. Labels may name it, but none is needed.
        It is one of ``classes_``, so that predictions and probabilities have it. None is no such
        class: then every volume is of one of the others.

    Examples
    --------
    >>> from sksubtomo.alignment import ClassPrior
    >>> from sksubtomo.semi_supervised import MultiReferenceClassifier
    >>> clf = MultiReferenceClassifier(class_prior=ClassPrior(background="junk"))
    >>> clf = MultiReferenceClassifier().set_params(class_prior__background="junk")
    """

    _parameter_constraints: ClassVar[dict[str, list]] = {
        "proportions": [StrOptions({"estimated", "uniform", "labels"}), "array-like", None],
        "background": [Integral, str, None],
    }

    proportions: Any = "estimated"
    background: int | str | None = None
