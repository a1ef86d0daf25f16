"""Predictions and searches on many cores and computers, by joblib and dask."""

from sksubtomo.parallel._dask import use_dask
from sksubtomo.parallel._predict import parallel_predict

__all__ = ["parallel_predict", "use_dask"]
