"""Reports on fitted classifiers, as one HTML file; need the extra ``report``."""

from sksubtomo.reports._html import HTMLReport
from sksubtomo.reports._make import make_report

__all__ = ["HTMLReport", "make_report"]
