"""Model files that run no code when they are loaded."""

from sksubtomo.persistence._model_file import is_pickle, load_model, model_info, save_model

__all__ = ["is_pickle", "load_model", "model_info", "save_model"]
