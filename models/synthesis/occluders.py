from __future__ import annotations
import numpy as np
from dataclasses import dataclass
@dataclass
class OccluderPlan: pass
def sample_occluder(rng,assets): return OccluderPlan()
def add_occluders(canvas,scene,assets,posed,shadow,exposure):
    return canvas, np.zeros(canvas.label.shape,np.uint8)
