"""What the add-on keeps in the file: the panel's choices in the scene, the identity sliders on a head."""

# pyright: reportInvalidTypeForm=false
# Blender reads its properties from annotations that are calls.
from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import bpy
import numpy as np

from ..core.errors import FaceError
from ..core.regressors import present
from ..core.settings import MOST_GROWN, Settings
from ..core.types import IDENTITY, FaceBox
from . import mask_refresh, masks

LOGGER = logging.getLogger(__name__)
_DEFAULTS = Settings()
_METHODS = (
    ("generator", "Generator", "Paint the hidden parts of the face with the network that knows faces best"),
    ("autoencoder", "Auto-Encoder", "Paint them with a simpler network"),
    ("telea", "Surroundings", "Fill them in from what is around them, without a network (Telea's method)"),
    ("none", "Leave As It Is", "Delete nothing: glasses and hands end up on the head"),
)
_REGRESSORS = (  # the last is what a file stores: it must not move when a build has others
    ("student", "Light", "A small network: a few milliseconds a face", "NONE", 0),
    ("resnet50", "ResNet-50", "A network ten times as large: slower, closer to the photo", "NONE", 1),
    ("e2far", "End to End", "Reads the photo with all that hides the face, for comparison", "NONE", 2),
    ("pca_free", "Free Shape", "Geometry that no linear model bounds; colours by the light network", "NONE", 3),
)
REGRESSORS = tuple(item for item in _REGRESSORS if item[0] in present())  # those that are in this build
_quiet = False  # while True, changing a slider from code does not rebake


@contextmanager
def quiet_sliders() -> Iterator[None]:
    """Set identity sliders without rebaking the head at each one."""
    global _quiet
    before, _quiet = _quiet, True
    try:
        yield
    finally:
        _quiet = before


def _rebake(coefficient: FacewrightCoefficient, context: bpy.types.Context) -> None:
    if _quiet:
        return
    from ..core.geometry.face_model import load_face_model
    from .identity import apply_identity

    head = coefficient.id_data
    try:
        apply_identity(head, load_face_model(), slider_identity(head))
    except FaceError as error:  # a slider has no way to report; the panel shows the same sentence
        LOGGER.warning("%s: %s", head.name, error)


def _forget_faces(scene_settings: FacewrightScene, context: bpy.types.Context) -> None:
    scene_settings.faces.clear()
    scene_settings.face_index = 0  # which also turns to the mask of the photo now chosen


def _turn_to_face(scene_settings: FacewrightScene, context: bpy.types.Context) -> None:
    wanted = masks.mask_of(face_key(scene_settings))
    if wanted != scene_settings.mask:
        masks.let_go(scene_settings.mask)
        scene_settings.mask = wanted


def _search_again(scene_settings: FacewrightScene, context: bpy.types.Context) -> None:
    mask_refresh.schedule()


class FacewrightCoefficient(bpy.types.PropertyGroup):
    """One identity slider."""

    value: bpy.props.FloatProperty(
        name="Identity",
        description="Standard deviations from the average head",
        soft_min=-3.0,
        soft_max=3.0,
        min=-6.0,
        max=6.0,
        step=5,
        update=_rebake,
    )


class FacewrightFace(bpy.types.PropertyGroup):
    """One face that was found in the photo, in photo pixels."""

    corners: bpy.props.FloatVectorProperty(size=4)
    points: bpy.props.FloatVectorProperty(size=10)
    score: bpy.props.FloatProperty()


class FacewrightPhoto(bpy.types.PropertyGroup):
    """One more photo of the person."""

    filepath: bpy.props.StringProperty(name="Photo", description="Another photo of this person", subtype="FILE_PATH")


class FacewrightScene(bpy.types.PropertyGroup):
    """The panel's choices."""

    source: bpy.props.EnumProperty(
        name="Photo From",
        items=(
            ("FILE", "File", "A photo on disk"),
            ("IMAGE", "Blender Image", "An image that is open in this file"),
        ),
        default="FILE",
        update=_forget_faces,
    )
    image: bpy.props.PointerProperty(name="Image", description="The photo", type=bpy.types.Image, update=_forget_faces)
    filepath: bpy.props.StringProperty(name="Photo", description="The photo", subtype="FILE_PATH", update=_forget_faces)
    more_photos: bpy.props.CollectionProperty(type=FacewrightPhoto)
    more_index: bpy.props.IntProperty(name="Another Photo")
    faces: bpy.props.CollectionProperty(type=FacewrightFace)
    face_index: bpy.props.IntProperty(name="Face", update=_turn_to_face)
    deocclusion: bpy.props.EnumProperty(
        name="Paint With", description="What paints the hidden parts of the face", items=_METHODS, default="generator"
    )
    keep_glasses: bpy.props.BoolProperty(
        name="Keep the Glasses", description="Leave glasses on the face; delete everything else", update=_search_again
    )
    keep_lenses: bpy.props.BoolProperty(
        name="Keep What Clear Lenses Show",
        description="Delete the frame of clear glasses alone; the eyes behind them stay as photographed",
        default=_DEFAULTS.keep_lenses,
        update=_search_again,
    )
    mask_threshold: bpy.props.FloatProperty(
        name="Threshold",
        description="How sure it must be that something hides the face; lower values find more",
        default=_DEFAULTS.mask_threshold,
        min=0.02,
        max=0.98,
        subtype="FACTOR",
        update=_search_again,
    )
    mask_grow: bpy.props.FloatProperty(
        name="Grow",
        description="How far the mask reaches beyond what was found, to take rims and shadows along; in face widths",
        default=_DEFAULTS.mask_grow,
        min=0.0,
        max=MOST_GROWN,
        step=0.1,
        precision=3,
        update=_search_again,
    )
    regressor: bpy.props.EnumProperty(
        name="Network",
        description="What estimates shape, expression and colours of the head",
        items=REGRESSORS,
        default=_DEFAULTS.regressor,
    )
    mask: bpy.props.PointerProperty(name="Mask", description="White: what hides the face", type=bpy.types.Image)
    completed: bpy.props.PointerProperty(
        name="Completed Photo", description="The photo without what hid the face", type=bpy.types.Image
    )
    hair: bpy.props.BoolProperty(
        name="Hair",
        description="Make a mesh of the hair's volume, beside the head; without it hair is a tint on the scalp",
        default=_DEFAULTS.hair,
    )
    strands: bpy.props.BoolProperty(
        name="Strands",
        description="Grow strands on the hair's mesh, combed and coloured as in the photo; for renders in Blender",
        default=True,
    )
    match_scene: bpy.props.BoolProperty(
        name="Match Render",
        description="Make the photo's camera active and give the render the photo's size and colours",
        default=True,
    )
    photo_light: bpy.props.BoolProperty(
        name="Match Light", description="Light the scene as the photo was lit", default=True
    )


def slider_identity(head: bpy.types.Object) -> np.ndarray:
    """(80,) float64 values of a head's identity sliders."""
    values = np.empty(IDENTITY)
    values[:] = [item.value for item in head.facewright_identity]
    return values


def set_sliders(head: bpy.types.Object, identity: np.ndarray) -> None:
    """Show (80,) `identity` on the sliders without rebaking."""
    with quiet_sliders():
        while len(head.facewright_identity) < len(identity):
            head.facewright_identity.add()
        for item, value in zip(head.facewright_identity, identity, strict=True):
            item.value = float(value)


def store_faces(scene_settings: FacewrightScene, faces: list[FaceBox]) -> None:
    """Remember the faces that were found, for the picker."""
    scene_settings.faces.clear()
    for face in faces:
        item = scene_settings.faces.add()
        item.corners = (face.x0, face.y0, face.x1, face.y1)
        item.points = np.asarray(face.points, float).ravel().tolist()
        item.score = face.score
    scene_settings.face_index = 0


def face_key(scene_settings: FacewrightScene) -> str:
    """What tells the chosen face from all others: where the photo comes from, and which face of it."""
    image = scene_settings.image
    photo = scene_settings.filepath if scene_settings.source == "FILE" else image and image.name_full
    return f"{scene_settings.source}|{photo or ''}|{scene_settings.face_index}"


def picked_face(scene_settings: FacewrightScene) -> FaceBox | None:
    """The face chosen in the picker, or None before faces were looked for."""
    if not 0 <= scene_settings.face_index < len(scene_settings.faces):
        return None
    item = scene_settings.faces[scene_settings.face_index]
    points = np.array(item.points, np.float32).reshape(5, 2)
    return FaceBox(*item.corners, score=item.score, points=points)


CLASSES = (FacewrightCoefficient, FacewrightFace, FacewrightPhoto, FacewrightScene)


def register() -> None:
    """Register the groups and hang them on scenes and objects."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.Scene.facewright = bpy.props.PointerProperty(type=FacewrightScene)
    bpy.types.Object.facewright_identity = bpy.props.CollectionProperty(type=FacewrightCoefficient)


def unregister() -> None:
    """Undo `register`."""
    del bpy.types.Object.facewright_identity
    del bpy.types.Scene.facewright
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
