"""Stands in for the networks while they are not trained yet: slow made-up stages, a made-up face.

Only this test's own Blender ever loads it; the extension knows nothing of it.
"""

import importlib
import time
from dataclasses import replace

import numpy as np
from synthetic import synthetic_result


class StandIn:
    """The calls of a pipeline."""

    provider = "none"

    def __init__(self, addon: str) -> None:
        self._get = lambda name: importlib.import_module(f"{addon}.{name}")
        self.face_model = self._get("core.geometry.face_model").load_face_model()

    def detect(self, photo):
        """The made-up face."""
        return [synthetic_result(self._get, self.face_model).box]

    def landmarks(self, photo, box):
        """Of the made-up face."""
        return synthetic_result(self._get, self.face_model).landmarks

    def occluder_mask(self, photo, points):
        """Nothing hides it."""
        return np.zeros(photo.shape[:2], np.uint8)

    def reconstruct(self, photo, *, box=None, focal=None, mask=None, progress=None, cancelled=None):
        """Half a second a stage."""
        stages = self._get("core.pipeline").STAGES
        for index, stage in enumerate(stages):
            progress(stage, index / len(stages))
            time.sleep(0.5)
        result = synthetic_result(self._get, self.face_model)
        if mask is None:
            return result
        return replace(result, completion=self._get("core.types").Completion(photo, mask, "none"))


def install(addon: str) -> None:
    """Put it where the add-on looks for its pipeline."""
    reconstruction = importlib.import_module(f"{addon}.blender_addon.reconstruction")
    made = StandIn(addon)
    reconstruction.pipeline = lambda settings: made
