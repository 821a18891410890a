"""Hair against truth: what it covers of painted label maps, and its outline from sides that its photo does not show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from core.errors import FaceError
from core.geometry.alignment import HEAD_LIFT
from core.geometry.camera import project, rotation_from_angles
from core.geometry.face_model import FaceModel
from core.geometry.hair_view import WORN
from core.geometry.rasterizer import rasterize
from core.pipeline import Pipeline
from core.stages.hair import hair_share
from core.types import Camera, FaceResult
from models.synthesis.assets import Assets
from models.synthesis.camera import HEAD_PICTURE_MARGIN, View, place_camera
from models.synthesis.dataset import HELD_OUT_SEED
from models.synthesis.labels import Label
from models.synthesis.renderer import Picture, render
from models.synthesis.scene import Scene, sample_scene

from .answers import spread
from .data import Photo
from .deocclusion_sheet import labelled
from .metrics import bootstrap
from .parsing import label_map, parsing_photos
from .report import Table
from .sections import Bench
from .sheets import hair_shown

SYSTEMS = ("tint on the scalp", "mesh beside the head")
VIEWS = {"as photographed": None, "profile": 90.0, "from behind": 150.0}  # degrees of yaw; None: the photo's camera
_LEAST = 0.16  # area of true hair over that of the face, of photos and people that count
_SIDE, _ACROSS, _AWAY = 384, 0.5, 1.2  # pixels of a drawn picture; metres across and from the camera of other views
_MIDDLE = np.array([0.0, -0.02, -0.06])  # of the head with its hair, model frame, metres
_MOST_YAW = 25.0  # degrees, of the picture that a person is rebuilt from
_TRIES = 6  # scenes drawn per person that is wanted
_PEOPLE = 120


@dataclass(frozen=True, eq=False)
class Cover:
    """(systems,) pixels that are true hair, drawn as hair, and both."""

    true: np.ndarray
    drawn: np.ndarray
    both: np.ndarray

    @staticmethod
    def of(truth: np.ndarray, drawn: Sequence[np.ndarray]) -> Cover:
        """Of (H, W) bool pixels."""
        count = len(drawn)
        both = np.array([(truth & one).sum() for one in drawn], float)
        return Cover(np.full(count, float(truth.sum())), np.array([one.sum() for one in drawn], float), both)

    @property
    def found(self) -> np.ndarray:
        """(systems,) share of the true hair."""
        return self.both / np.maximum(self.true, 1.0)

    @property
    def right(self) -> np.ndarray:
        """(systems,) share of what is drawn."""
        return self.both / np.maximum(self.drawn, 1.0)

    @property
    def overlap(self) -> np.ndarray:
        """(systems,) intersection over union."""
        return self.both / np.maximum(self.true + self.drawn - self.both, 1.0)


def drawn_hair(model: FaceModel, result: FaceResult, vertices: np.ndarray, camera: Camera) -> list[np.ndarray]:
    """(H, W) bool by `SYSTEMS`: where `camera` sees hair on (V, 3) vertices."""
    raster = rasterize(project(camera, vertices), model.triangles, camera.width, camera.height)
    scalp = (model.in_regions("scalp") & (model.vertex_part == model.part("skin")))[model.triangles].all(axis=1)
    tint = raster.mask & scalp[raster.triangle_id]
    mesh = tint if result.hair is None else tint | hair_shown(model, vertices, result.hair, camera)
    return [tint, mesh]


def photo_tables(bench: Bench) -> list[Table]:
    """The hair of the `parsing` photos from where they were taken."""
    photos = bench.photos(parsing_photos())
    found = [one for one in spread(lambda photo: _of_photo(bench.pipeline, photo), photos) if one is not None]
    rows = []
    for row, system in enumerate(SYSTEMS):
        shares = [[100.0 * getattr(one, name)[row] for one in found] for name in ("found", "right", "overlap")]
        rows.append((system, *(bootstrap(np.array(values)).text(1) for values in shares)))
    return [
        Table(
            "Hair as photographed (`parsing`)",
            ("hair", "of the true hair, %", "of what is drawn, is hair, %", "intersection over union, %"),
            tuple(rows),
            f"{len(found)} of {len(photos)} photos: those with a face and with hair of at least {_LEAST:.0%} of its "
            "area. The head is drawn over its photo; true hair is painted by hand, and hats count as hair. Below the "
            "bust nothing is drawn.",
        )
    ]


def _of_photo(pipeline: Pipeline, photo: Photo) -> Cover | None:
    labels, image = label_map(photo), photo.image()
    if hair_share(labels) < _LEAST:
        return None
    try:
        result = pipeline.reconstruct(image, box=labelled(pipeline.detect(image), photo))
    except FaceError:
        return None
    truth = cv2.resize(labels, image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    return Cover.of(np.isin(truth, WORN), drawn_hair(pipeline.face_model, result, result.vertices, result.camera))


def view_tables(bench: Bench) -> list[Table]:
    """The hair of held-out synthetic people, rebuilt from one picture, from three sides."""
    people = _people(bench.pipeline, _PEOPLE if bench.limit is None else bench.limit)
    rows = []
    for kind in ("short", "long"):
        chosen = [one for long, one in people if long == (kind == "long")]
        for row, system in enumerate(SYSTEMS):
            values = [bootstrap(np.array([100.0 * one[view].overlap[row] for one in chosen])) for view in VIEWS]
            rows.append((kind, str(len(chosen)), system, *(value.text(1) for value in values)))
    return [
        Table(
            "Hair from sides that the picture does not show (synthetic people)",
            ("their hair", "people", "hair", *(f"{view}, %" for view in VIEWS)),
            tuple(rows),
            f"Intersection over union of the drawn and the true hair. People of seed {HELD_OUT_SEED} without hats and "
            f"occluders, rebuilt from one picture within {_MOST_YAW:.0f} degrees of yaw, then drawn by the camera that "
            "saw the truth. Much cannot be told from one picture: tails, buns, how long the hair is at the back.",
        )
    ]


def _people(pipeline: Pipeline, count: int) -> list[tuple[bool, dict[str, Cover]]]:
    """Whether their hair is long, and how their hair is met in `VIEWS`."""
    assets, made = Assets.load(pipeline.face_model), []
    for index in range(_TRIES * count):
        scene = sample_scene(assets, HELD_OUT_SEED, index, _SIDE, alone=True, whole_head=True)
        one = _of_person(pipeline, assets, scene, np.random.default_rng(index))
        if one is not None:
            made.append((bool(scene.hair.long), one))
        if len(made) == count:
            break
    return made


def _of_person(pipeline: Pipeline, assets: Assets, scene: Scene, rng: np.random.Generator) -> dict[str, Cover] | None:
    model, side = pipeline.face_model, float(rng.choice([-1.0, 1.0]))
    view = View(
        pitch=float(rng.normal(0.0, 0.06)),
        yaw=float(np.radians(rng.uniform(-_MOST_YAW, _MOST_YAW))),
        roll=0.0,
        distance=_AWAY,
        offset=(0.0, 0.0),
        margin=HEAD_PICTURE_MARGIN,
        shift=(0.0, HEAD_LIFT / HEAD_PICTURE_MARGIN),
    )
    camera = place_camera(view, model, scene.vertices, _SIDE)
    picture = _drawn(scene, assets, camera)
    if picture is None or hair_share(picture.labels) < _LEAST:
        return None
    try:
        result = pipeline.reconstruct(picture.image, focal=camera.focal)
    except FaceError:
        return None
    covers = {}
    for name, degrees in VIEWS.items():
        if degrees is None:
            shown, truth = drawn_hair(model, result, result.vertices, result.camera), picture
        else:
            eye = _studio(side * degrees)
            shown, truth = drawn_hair(model, result, result.neutral, eye), _drawn(scene, assets, eye)
        if truth is None:
            return None
        covers[name] = Cover.of(truth.labels == Label.HAIR, shown)
    return covers


def _drawn(scene: Scene, assets: Assets, camera: Camera) -> Picture | None:
    """The scene by another camera; None where a hat or an occluder is in it."""
    picture = render(replace(scene, camera=camera), assets)
    return None if (picture.labels == Label.HAT).any() or picture.occluder.any() else picture


def _studio(degrees: float) -> Camera:
    """A camera that turns the head by so many degrees of yaw."""
    rotation = rotation_from_angles(0.0, float(np.radians(degrees)), 0.0)
    middle = (_SIDE - 1) / 2
    away = np.array([0.0, 0.0, _AWAY]) - rotation @ _MIDDLE
    return Camera(_SIDE * _AWAY / _ACROSS, (middle, middle), _SIDE, _SIDE, rotation, away)
