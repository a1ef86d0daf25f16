"""scikit-learn's callbacks (``sklearn.callback``), which it has from 1.9 on."""

from __future__ import annotations

from typing import Any

try:
    from sklearn.callback import CallbackSupportMixin as CallbackSupportMixin
except ImportError:  # scikit-learn < 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing to support."""


class FitTasks:
    """Tells an estimator's callbacks when its fit and the steps of it begin and end.

    Without callbacks, or with a scikit-learn that has none, it does nothing.

    Parameters
    ----------
    estimator : CallbackSupportMixin
        In whose ``fit``, decorated with scikit-learn's ``_fit_context``, this is made.
    n_steps : int or None
        How many steps there are at most; None is not known.
    step_name : str
        What a step is called.
    **data : object
        ``X`` and ``y`` of the fit.
    """

    def __init__(self, estimator: Any, n_steps: int | None, step_name: str, **data: Any) -> None:
        self._estimator = estimator
        self._name = step_name
        self._data = data
        self._fit: Any = None
        self._step: Any = None
        if hasattr(estimator, "_init_callback_context"):
            self._fit = estimator._init_callback_context(max_subtasks=n_steps)
            self._fit.call_on_fit_task_begin(estimator=estimator, **data)

    @property
    def in_step(self) -> bool:
        """Whether a step has begun and not ended."""
        return self._step is not None

    def begin_step(self) -> None:
        """Tell that a step begins."""
        if self._fit is not None:
            self._step = self._fit.subcontext(task_name=self._name)
            self._step.call_on_fit_task_begin(estimator=self._estimator, **self._data)

    def end_step(self) -> bool:
        """Tell that a step has ended.

        Returns
        -------
        stop : bool
            Whether a callback asks for the end of the fit.
        """
        step, self._step = self._step, None
        return self._end(step)

    def end(self) -> None:
        """Tell that the fit has ended."""
        self._end(self._fit)

    def _end(self, task: Any) -> bool:
        if task is None:
            return False
        fitted = {n: v for n, v in vars(self._estimator).items() if n.endswith("_") and n[0] != "_"}
        return bool(
            task.call_on_fit_task_end(
                estimator=self._estimator, reconstruction_attributes=fitted, **self._data
            )
        )
