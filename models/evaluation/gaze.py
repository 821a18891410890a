"""How many degrees to the sides eyes look off, on held-out synthetic people."""

from __future__ import annotations

import numpy as np

from core.errors import FaceError
from core.pipeline import STAGES, Pipeline
from core.run import Run
from models.synthesis.dataset import held_out_pictures
from models.synthesis.renderer import Picture

from .answers import spread
from .metrics import bootstrap
from .report import Table
from .sections import Bench


def degrees_off(pipeline: Pipeline, picture: Picture) -> tuple[float, float, float] | None:
    """(looking straight ahead, regressed, sought in the photo) errors; None where no face is found."""
    try:
        look = pipeline._look(Run(STAGES, None, None), picture.image, None, None)
    except FaceError:
        return None
    told = look.for_fit(None)
    params, camera = pipeline._fit(told.landmarks, told.params, told.crop, told.photo_shape, None, told.mouth)
    turned = pipeline._looking(look, params, camera)
    truth, *found = (
        pipeline._gaze.aside(sliders) for sliders in (picture.expression, params.expression, turned.expression)
    )
    return abs(truth), abs(found[0] - truth), abs(found[1] - truth)


def gaze_tables(bench: Bench) -> list[Table]:
    """Regressed gaze beside that sought in the photo."""
    pictures = list(held_out_pictures(bench.pipeline.face_model, bench.people))
    found = [one for one in spread(lambda picture: degrees_off(bench.pipeline, picture), pictures) if one is not None]
    columns = np.array(found).T
    names = ("straight ahead", "regressed", "sought between the lids")
    rows = [
        (name, bootstrap(values).text(1), f"{np.median(values):.1f}")
        for name, values in zip(names, columns, strict=True)
    ]
    return [
        Table(
            "Gaze to the sides on held-out synthetic people, degrees off",
            ("eyes", "mean", "median"),
            tuple(rows),
            f"{len(found)} of {len(pictures)} people without occluders, of all yaws; mean of both eyes' turns.",
        )
    ]
