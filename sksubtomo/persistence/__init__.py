"""Model files and checkpoints that run no code when they are loaded."""

from sksubtomo._utils._checkpoint import Checkpoint
from sksubtomo.persistence._model_file import is_pickle, load_model, model_info, save_model

__all__ = ["Checkpoint", "is_pickle", "load_model", "model_info", "save_model"]
