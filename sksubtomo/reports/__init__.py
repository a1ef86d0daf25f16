"""Reports on fitted classifiers, as one HTML file; need the extra ``report``."""

from sksubtomo.reports._html import HTMLReport, check_installed
from sksubtomo.reports._make import make_report

__all__ = ["HTMLReport", "check_installed", "make_report"]
