"""Making a report."""

from __future__ import annotations

import datetime
import warnings as warnings_module

from sksubtomo._utils._messages import plural, shorten
from sksubtomo.reports._content import Content, make_content
from sksubtomo.reports._figures import make_figures
from sksubtomo.reports._html import check_installed, render
from sksubtomo.reports._tables import (
    origin,
    parameters,
    particle_tables,
    summary,
    tomogram_table,
)
from sksubtomo.reports._warnings import warnings_of

_MOST_WARNINGS = 50


def make_report(
    estimator,
    X,
    y=None,
    *,
    y_proba=None,
    held_out_proba=None,
    tomogram_names=None,
    coordinates=None,
    tomograms=None,
    picker_scores=None,
    pos_label=None,
    threshold=0.5,
    averages=None,
    poses=None,
    voxel_size_angstrom=None,
    class_names=None,
    provenance=None,
    warnings=(),
    title="Classification of subtomograms",
    max_listed=50,
):
    """Make a report on a fitted classifier and its predictions: one HTML page.

    It shows what there is to show: parameters, particles by tomogram, boxes by class and
    probability, class averages, latent codes, the training, and, with labels, what is right and
    which labels are doubtful. Suspicious results are listed first. Images are in the page, which
    asks for nothing from elsewhere; names of tomograms and classes are shown as they are, whatever
    they hold.

    Parameters
    ----------
    estimator : classifier
        Fitted, with ``predict_proba``; or a pipeline that ends in one.
    X : array-like of shape (n_samples, depth, height, width)
        Boxes, such as a :class:`~sksubtomo.io.SubtomogramStack`.
    y : array-like of shape (n_samples,), optional
        Labels, -1 where unknown.
    y_proba : array-like of shape (n_samples, n_classes), optional
        Probabilities, if they are known already; else they are predicted.
    held_out_proba : array-like of shape (n_samples, n_classes), optional
        Probabilities of labeled rows by classifiers that did not learn from them, as of
        :func:`sksubtomo.model_selection.cross_val_predict`; other rows are not looked at. Without
        them, figures of accuracy are by `y_proba`, and say so.
    tomogram_names : array-like of shape (n_samples,), optional
        Tomogram of each particle.
    coordinates : array-like of shape (n_samples, 3), optional
        Centers z, y, x in voxels, from 0.
    tomograms : mapping of str to path-like or array, optional
        Tomograms by name, to draw particles on; those of the most particles are.
    picker_scores : array-like of shape (n_samples,), optional
        Score that the picker gave to each, the higher the better.
    pos_label : int or str, optional
        Class that is kept, for precision and recall; by default the first.
    threshold : float, default=0.5
        Least probability of the class with which particles are kept.
    averages : Bunch, optional
        Of :meth:`.MultiReferenceClassifier.class_averages`; else its references are shown.
    poses : Bunch, optional
        ``rotations`` and ``labels`` of the particles; by default those of `averages`, else those
        of ``fit``.
    voxel_size_angstrom : float, optional
        Edge of a voxel of the boxes.
    class_names : mapping or sequence, optional
        Names to show, indexed by label.
    provenance : mapping of str to object, optional
        What else to say of where this comes from, such as names of files.
    warnings : sequence of str, optional
        Warnings to list before those that are found.
    title : str, default="Classification of subtomograms"
        Of the page.
    max_listed : int, default=50
        Rows of the tables of doubtful labels and of uncertain predictions.

    Returns
    -------
    report : HTMLReport
        With ``save_as_html`` and ``open_in_browser``; a notebook shows it.

    Raises
    ------
    ImportError
        If Jinja2 or matplotlib are not installed.
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If it is no classifier with ``predict_proba``.
    ValueError
        If lengths differ, probabilities are none, or a name is missing; before work starts.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sksubtomo.datasets import make_subtomograms
    >>> from sksubtomo.preprocessing import VolumeFlattener
    >>> from sklearn.pipeline import make_pipeline
    >>> from sksubtomo.reports import make_report
    >>> X, y = make_subtomograms(24, classes=["apoferritin", "ribosome_70s"], box_size=12,
    ...                          voxel_size_angstrom=27.0, return_X_y=True, random_state=0)
    >>> clf = make_pipeline(VolumeFlattener(), LogisticRegression()).fit(X, y)
    >>> report = make_report(clf, X, y, class_names=["apoferritin", "ribosome"])
    >>> report.title
    'Classification of subtomograms'
    """
    check_installed()
    with warnings_module.catch_warnings(record=True) as caught:
        warnings_module.simplefilter("always")
        content = make_content(
            *(estimator, X, y),
            y_proba=y_proba,
            held_out_proba=held_out_proba,
            tomogram_names=tomogram_names,
            coordinates=coordinates,
            tomograms=tomograms,
            picker_scores=picker_scores,
            pos_label=pos_label,
            threshold=threshold,
            averages=averages,
            poses=poses,
            voxel_size_angstrom=voxel_size_angstrom,
            class_names=class_names,
        )
        figures, left_out = make_figures(content)
    for one in caught:
        warnings_module.warn_explicit(one.message, one.category, one.filename, one.lineno)
    told = [*map(str, warnings), *(str(one.message) for one in caught), *warnings_of(content)]
    return render(
        title,
        {
            "lead": _lead(content),
            "warnings": [shorten(one) for one in dict.fromkeys(told)][:_MOST_WARNINGS],
            "summary": summary(content),
            "tomograms": tomogram_table(content),
            "figures": figures,
            "left_out": left_out,
            "tables": particle_tables(content, max_listed),
            "parameters": parameters(estimator),
            "provenance": {"Written": _now(), **origin(provenance or {})},
        },
    )


def _lead(content: Content) -> str:
    return (
        f"{plural(len(content.proba), 'particle')}, {plural(len(content.labeled), 'label')}, "
        f"{plural(len(content.classes), 'class', 'classes')}: {', '.join(content.names)}."
    )


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
