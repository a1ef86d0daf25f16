"""Settings that come as one mapping, set and searched one by one."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from sksubtomo.base._augmented import AUGMENTATION_DEFAULTS


class SettingsMixin:
    """Lets ``set_params``, and so searches, reach into parameters that are mappings.

    ``set_params(training_params__weight_decay=0.1)`` changes one setting and keeps the others.
    Mixed into a :class:`BaseVolumeEstimator`.
    """

    _network_defaults: ClassVar[dict[str, Any]]
    _training_defaults: ClassVar[dict[str, Any]]

    def set_params(self, **params: Any) -> Self:
        """Set parameters of the estimator.

        Parameters
        ----------
        **params : dict
            Parameters by name; settings of ``network_params``, ``training_params`` and
            ``augmentation`` also one by one, such as ``training_params__weight_decay``.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        ValueError
            If there is no such parameter or setting, or ``augmentation`` is "none".
        """
        known = {
            "network_params": self._network_defaults,
            "training_params": self._training_defaults,
            "augmentation": AUGMENTATION_DEFAULTS,
        }
        changes: dict[str, dict[str, Any]] = {}
        plain = {}
        for key, value in params.items():
            name, _, setting = key.partition("__")
            if not setting or name not in known:
                plain[key] = value
                continue
            if setting not in known[name]:
                raise ValueError(
                    f"{setting!r} is no setting of {name} of {type(self).__name__}; there are "
                    f"{sorted(known[name])}."
                )
            changes.setdefault(name, {})[setting] = value
        super().set_params(**plain)  # type: ignore[misc]
        for name, settings in changes.items():
            setattr(self, name, {**self._settings(name), **settings})
        return self

    def _settings(self, name: str) -> dict[str, Any]:
        """Return what is set of a mapping."""
        given = getattr(self, name)
        if given == "none":
            raise ValueError(
                f"{name}='none' has no settings. Set {name}='rotations', or a dictionary, first."
            )
        return {} if given is None or given == "rotations" else dict(given)
