"""How far the fit may move each regressed coefficient: measured per regressor, kept beside the weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from .checks import check_shape
from .errors import WeightsError
from .geometry.fitting import FitSettings
from .types import EXPRESSION, IDENTITY

FILE = "fit_priors.json"  # regressor -> {"identity_sigma": [80], "expression_sigma": [64], ...}


def read_priors(folder: Path, regressor: str) -> FitSettings:
    """The settings measured for a regressor, or the usual ones for one that was not measured.

    `python -m models.evaluation.fit_priors` writes them.
    """
    path = folder / FILE
    try:
        entry = json.loads(path.read_text()).get(regressor)
        if entry is None:
            return FitSettings()
        identity, expression = (np.array(entry[f"{name}_sigma"], float) for name in ("identity", "expression"))
        check_shape("identity_sigma", identity, (IDENTITY,))
        check_shape("expression_sigma", expression, (EXPRESSION,))
    except FileNotFoundError:
        return FitSettings()
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise WeightsError(f"The file {path} is damaged ({error}). Reinstall Facewright.") from error
    return FitSettings(identity_sigma=identity, expression_sigma=expression)
