"""Settings objects: parameters that belong together, as estimators without ``fit``."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

from sklearn.base import BaseEstimator, clone

from sksubtomo._utils._doc_link import DocLinkMixin
from sksubtomo._utils._params import to_plain
from sksubtomo._utils._sklearn import validate_parameter_constraints


def store_parameters(instance: Any, given: Mapping[str, Any]) -> None:
    """Set the parameters of a constructor as attributes of the same names.

    For the one line of a constructor, ``store_parameters(self, locals())``: scikit-learn wants an
    explicit signature and an attribute for each parameter.

    Parameters
    ----------
    instance : object
        What is being constructed.
    given : mapping
        ``locals()`` of its constructor.
    """
    for name, value in given.items():
        if name not in ("self", "__class__"):
            setattr(instance, name, value)


class HasSettings:
    """Lets ``set_params``, and so searches, reach into settings that are given by a shortcut.

    Mixed into scikit-learn's ``BaseEstimator``. A parameter that holds a settings object may also
    hold a shortcut for it, such as None or a name. ``set_params(network__n_filters=16)`` then makes
    the object from the shortcut first. An object that is there is copied before it is changed,
    since other estimators may hold it, too.
    """

    #: Names of the parameters that hold settings.
    _settings_names: ClassVar[tuple[str, ...]] = ()
    #: Classes of the settings in parameters that may be None.
    _defaults: ClassVar[Mapping[str, type[Settings]]] = {}

    def _make_settings(self, name: str, wanted: Iterable[str]) -> Settings:
        """Return a new settings object that says what a parameter holds, shortcut or not.

        Parameters
        ----------
        name : str
            The parameter.
        wanted : iterable of str
            Settings that are to be set on the object afterwards.
        """
        given = getattr(self, name)
        return self._defaults[name]() if given is None else clone(given)

    def set_params(self, **params: Any) -> Self:
        """Set parameters, those of settings objects by ``<parameter>__<setting>`` included.

        Parameters
        ----------
        **params : dict
            Parameters by name. Where a parameter holds a shortcut, such as ``network="resnet"`` or
            ``training=None``, its settings object is made first. Settings objects are never
            changed in place, since several estimators may share one.

        Returns
        -------
        self : object
            The object itself.

        Raises
        ------
        ValueError
            If there is no such parameter or setting, or ``augmentation="none"`` has none.
        """
        plain: dict[str, Any] = {}
        nested: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        for key, value in params.items():
            name, _, setting = key.partition("__")
            if setting and name in self._settings_names:
                nested[name][setting] = value
            else:
                plain[key] = value
        super().set_params(**plain)  # type: ignore[misc]
        for name, changes in nested.items():
            settings = self._make_settings(name, [key.partition("__")[0] for key in changes])
            setattr(self, name, settings.set_params(**changes))
        return self


class Settings(HasSettings, DocLinkMixin, BaseEstimator):
    """Base of settings objects.

    A subclass has ``_parameter_constraints`` and a keyword-only constructor; that of a dataclass
    also takes the parameters of its base, with ``eq=False, repr=False`` to leave these to
    scikit-learn. Objects are checked when they are used, by :func:`checked`, never when they are
    made.
    """

    _parameter_constraints: ClassVar[dict[str, list]] = {}

    @property
    def _settings_names(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(self._defaults)

    def _check(self) -> None:
        """Raise ValueError for what constraints of single parameters cannot say."""


def checked(settings: Any) -> Any:
    """Return a copy of a settings object whose parameters are valid, with numbers of Python.

    Settings inside of it are checked, too.

    Parameters
    ----------
    settings : Settings
        Not changed.

    Raises
    ------
    ValueError
        If a parameter is out of its constraints.
    """
    params = settings.get_params(deep=False)
    name = type(settings).__name__
    validate_parameter_constraints(settings._parameter_constraints, params, caller_name=name)
    settings._check()
    plain = {
        key: checked(value) if isinstance(value, Settings) else to_plain(value)
        for key, value in params.items()
    }
    return type(settings)(**plain)


def default_of(settings: Settings, name: str) -> Any:
    """Return the default value of a parameter."""
    return inspect.signature(type(settings)).parameters[name].default


def refuse_unused(owner: str, parameter: str, settings: Settings, unused: Iterable[str]) -> None:
    """Refuse settings that an estimator has no use for.

    Parameters
    ----------
    owner, parameter : str
        The estimator, and the parameter that holds the settings.
    settings : Settings
        What was given.
    unused : iterable of str
        Names without a use; those that `settings` does not have are passed over.

    Raises
    ------
    ValueError
        If one of them is not at its default.
    """
    params = settings.get_params(deep=False)
    for name in unused:
        if name in params and params[name] != default_of(settings, name):
            raise ValueError(
                f"{owner} has no use for {name}={params[name]!r} of {parameter}="
                f"{type(settings).__name__}(...). Leave it at its default, "
                f"{default_of(settings, name)!r}."
            )
