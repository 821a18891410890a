"""Photo to files without a window: the .blend, the .glb, the coefficients, and a preview sheet to judge them by."""

from __future__ import annotations

import json
import logging
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import bpy
import cv2
import numpy as np

from ..core.errors import OutputError
from ..core.files import output_error, write_file
from ..core.geometry.camera import rotation_from_angles
from ..core.image_io import png_bytes
from ..core.result_io import check_replaceable, describe
from ..core.types import Camera, FaceBox
from .animation import photo_values, set_values
from .camera_builder import build_camera, look_through
from .exporters import export_head, reason
from .face_builder import BuiltFace
from .operators.reconstruct import build_outcome
from .photo_source import from_file
from .preferences import settings
from .reconstruction import Outcome, Request, reconstruct

LOGGER = logging.getLogger(__name__)
RECORD = "coefficients.json"
FILES = ("head.blend", "head.glb", RECORD, "preview.png")
TILE = (400, 500)  # width and height of a picture on the sheet, pixels
_SAMPLES = 20
_BOUNCES = 4  # skin needs few; the preview should not take minutes on two cores
_BACKDROP = np.array([58, 60, 64], np.uint8)  # sRGB
_VIEWS: tuple[tuple[str, float, Mapping[str, float] | None], ...] = (  # title, yaw, expression (None: the photo's)
    ("three-quarter", np.radians(-38), None),
    ("profile", np.radians(-88), None),
    ("neutral", 0.0, {}),
    ("smile", 0.0, {f"{name}{side}": 0.8 for name in ("mouthSmile", "cheekSquint") for side in ("Left", "Right")}),
    ("jaw open", 0.0, {"jawOpen": 0.8}),
    ("blink", 0.0, {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}),
)


def run(photo: Path, folder: Path) -> dict[str, float]:
    """Write `FILES` into `folder`, where only an earlier result is replaced; seconds by step."""
    check_replaceable([folder / name for name in FILES], folder / RECORD)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
    clock = Clock()
    bpy.ops.wm.read_homefile(use_empty=True)
    request = Request(from_file(str(photo)), settings())
    with clock.step("photo to face"):
        outcome = reconstruct(request, lambda stage, fraction: None, lambda: False)
    with clock.step("head"):
        built = build_outcome(bpy.context, outcome)
    record = describe(outcome.result, outcome.model, outcome.photo, outcome.provider)
    write_file(folder / RECORD, json.dumps(record, indent=1).encode(), overwrite=True)
    with clock.step("files"):
        save_blend(folder / "head.blend")
        export_head(built.head, folder / "head.glb")
    with clock.step("preview"):
        write_file(folder / "preview.png", png_bytes(preview_sheet(built, outcome)), overwrite=True)
    return clock.seconds


class Clock:
    """Seconds by named step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time what happens inside."""
        begin = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - begin


def save_blend(path: Path) -> None:
    """Save the open file as `path`; Blender itself writes beside it first and renames."""
    try:
        bpy.ops.wm.save_as_mainfile(filepath=str(path.resolve()), compress=True)
    except RuntimeError as error:
        raise OutputError(
            f"{path} could not be written ({reason(error)}). Check the folder and its free space."
        ) from error


def preview_sheet(built: BuiltFace, outcome: Outcome) -> np.ndarray:
    """(H, W, 3) uint8 RGB: photo, head over photo, then the head by itself in views and expressions."""
    framing = around_face(outcome.result.camera, outcome.result.box)
    photo = resample(outcome.photo.pixels, outcome.result.camera, framing)
    tiles = [titled(photo, "photo"), titled(over(render(framing), photo), "head over photo")]
    backdrop = np.broadcast_to(_BACKDROP, photo.shape)
    for title, yaw, expression in _VIEWS:
        set_values(built.head, photo_values(built.head) if expression is None else expression)
        tiles.append(titled(over(render(portrait_camera(yaw)), backdrop), title))
    set_values(built.head, photo_values(built.head))
    half = len(tiles) // 2
    return np.concatenate([np.concatenate(tiles[:half], axis=1), np.concatenate(tiles[half:], axis=1)])


def around_face(camera: Camera, box: FaceBox) -> Camera:
    """The photo's camera, cut to the head around `box` at the size of a tile."""
    width, height = TILE
    side = 2.1 * box.size
    scale = height / side
    left, top = (box.x0 + box.x1 - side * width / height) / 2, (box.y0 + box.y1 - side) / 2 - 0.12 * side
    center = tuple((np.array(camera.center) + 0.5 - [left, top]) * scale - 0.5)
    return replace(camera, focal=camera.focal * scale, center=center, width=width, height=height)


def portrait_camera(yaw: float) -> Camera:
    """A portrait lens before a head turned by `yaw` radians."""
    width, height = TILE
    center = ((width - 1) / 2, (height - 1) / 2)
    rotation = rotation_from_angles(0.0, yaw, 0.0)
    middle = np.array([0.0, -0.035, -0.06])  # of the head, metres, model frame
    return Camera(1.35 * height / 0.4, center, width, height, rotation, np.array([0.0, 0.0, 1.35]) - rotation @ middle)


def resample(photo: np.ndarray, camera: Camera, framing: Camera) -> np.ndarray:
    """What `framing` shows of the (H, W, 3) photo that `camera` took."""
    scale = framing.focal / camera.focal
    shift = np.array(framing.center) - scale * np.array(camera.center)
    matrix = np.array([[scale, 0.0, shift[0]], [0.0, scale, shift[1]]])
    flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.warpAffine(photo, matrix, TILE, flags=flags, borderValue=_BACKDROP.tolist())


def render(camera: Camera) -> np.ndarray:
    """(H, W, 4) uint8 RGBA of the scene through `camera`, on nothing; the scene is left as it was."""
    scene = bpy.context.scene
    before = scene.camera
    with tempfile.TemporaryDirectory() as folder, render_settings(scene):
        eye = build_camera("Preview", camera, None, scene.collection)
        look_through(scene, eye)
        scene.render.filepath = str(Path(folder) / "view.png")
        bpy.ops.render.render(write_still=True)
        picture = cv2.imread(scene.render.filepath, cv2.IMREAD_UNCHANGED)
    bpy.data.cameras.remove(eye.data)  # takes the object along
    scene.camera = before
    if picture is None:
        raise OutputError("A preview picture could not be rendered. Check the free space of the temporary folder.")
    return cv2.cvtColor(picture, cv2.COLOR_BGRA2RGBA)


@contextmanager
def render_settings(scene: bpy.types.Scene) -> Iterator[None]:
    """Quick, clean Cycles pictures on a transparent ground; every setting is put back."""
    wanted = {
        (scene.render, "engine"): "CYCLES",
        (scene.render, "film_transparent"): True,
        (scene.render, "resolution_x"): scene.render.resolution_x,
        (scene.render, "resolution_y"): scene.render.resolution_y,
        (scene.render, "resolution_percentage"): 100,
        (scene.render, "filepath"): "",
        (scene.render.image_settings, "file_format"): "PNG",
        (scene.render.image_settings, "color_mode"): "RGBA",
        (scene.cycles, "samples"): _SAMPLES,
        (scene.cycles, "use_denoising"): True,
        (scene.cycles, "max_bounces"): _BOUNCES,
    }
    before = {(owner, name): getattr(owner, name) for owner, name in wanted}
    for (owner, name), value in wanted.items():
        setattr(owner, name, value)
    try:
        yield
    finally:
        for (owner, name), value in before.items():
            setattr(owner, name, value)


def over(picture: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8: (H, W, 4) `picture` on (H, W, 3) `ground`."""
    alpha = picture[..., 3:].astype(np.float32) / 255
    return np.rint(picture[..., :3] * alpha + ground * (1 - alpha)).astype(np.uint8)


def titled(picture: np.ndarray, text: str) -> np.ndarray:
    """A copy of the picture with its name in the corner."""
    marked = picture.copy()
    for offset, color in ((1, (20, 20, 20)), (0, (240, 240, 240))):  # a shadow keeps it legible on any ground
        place = (10 + offset, TILE[1] - 12 + offset)
        cv2.putText(marked, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.55, color, 1, cv2.LINE_AA)
    return marked
