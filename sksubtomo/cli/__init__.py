"""The command line ``sksubtomo``: particles and tomograms in, classified particles out."""

from sksubtomo.cli._main import main

__all__ = ["main"]
