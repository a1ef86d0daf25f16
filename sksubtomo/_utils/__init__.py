"""Validation shared by all floors; private."""
