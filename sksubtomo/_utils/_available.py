"""Methods that an estimator has under a condition only."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from types import MethodType
from typing import Any, TypeVar

Class = TypeVar("Class", bound=type)


class _Conditional:
    """Descriptor of a method that is missing as long as there is a reason."""

    def __init__(self, function: Callable, reason: Callable[[Any], str | None]) -> None:
        self._function, self._reason = function, reason
        update_wrapper(self, function)  # type: ignore[arg-type]

    def __get__(self, instance: Any, owner: type | None = None) -> Callable:
        if instance is None:
            return self._function
        reason = self._reason(instance)
        if reason is not None:
            name = self._function.__name__
            message = f"This {type(instance).__name__!r} has no attribute {name!r}: {reason}"
            raise AttributeError(message) from ValueError(reason)
        return MethodType(self._function, instance)


def unavailable(reason: Callable[[Any], str | None], *names: str) -> Callable[[Class], Class]:
    """Return a decorator for classes that takes methods away while there is a reason.

    Unlike scikit-learn's ``available_if``, the error that a user sees tells the reason; and, being
    applied to the finished class, it also works for ``transform``, which scikit-learn replaces by
    a wrapper (``set_output``) that always exists.

    Parameters
    ----------
    reason : callable
        Takes the estimator; returns None if it has the methods, else a sentence that says why not.
    *names : str
        Methods of the class, inherited ones included.
    """

    def decorate(cls: Class) -> Class:
        for name in names:
            setattr(cls, name, _Conditional(getattr(cls, name), reason))
        return cls

    return decorate
