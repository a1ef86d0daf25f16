"""Probabilities that mean something, and an answer for volumes of no known class."""

from sksubtomo.calibration._rejection import RejectingClassifier
from sksubtomo.calibration._temperature import TemperatureScaledClassifier

__all__ = ["RejectingClassifier", "TemperatureScaledClassifier"]
