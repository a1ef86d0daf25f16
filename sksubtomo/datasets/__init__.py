"""Data sets: made ones, without any download."""

from sksubtomo.datasets._subtomograms import make_subtomograms

__all__ = ["make_subtomograms"]
