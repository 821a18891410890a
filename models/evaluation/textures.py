"""What textures show on photos whose parts are painted by hand: skin or what lies on it, and hair where it hangs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np

from core.errors import FaceError
from core.geometry import lighting
from core.geometry.camera import project, rotation_from_angles
from core.geometry.head_view import FOREIGN, view_head
from core.geometry.texel_blending import SEEN
from core.geometry.uv_sampling import Atlas, build_atlas, sample
from core.look import uncovered
from core.pipeline import STAGES, Pipeline
from core.run import Run
from core.types import PARTS, Camera, Completion, FaceParams, FaceTexture

from .answers import spread
from .data import Photo
from .metrics import bootstrap
from .parsing import label_map, parsing_photos
from .part_scores import f1_intervals, group_counts
from .relit import COLUMNS, levels_apart, relit
from .report import Table
from .sections import Bench

SYSTEMS = {"told by the parser": True, "by colour alone": False}  # what tables call it: whether parts are known
LIGHTS = ("told with the texture", "regressed")
_FOREIGN = [PARTS.index(name) for name in ("background", *FOREIGN)]
_HAIR, _SKIN = PARTS.index("hair"), PARTS.index("skin")
_BROWS = [PARTS.index(name) for name in ("brow_left", "brow_right")]
_UNKNOWN = [PARTS.index(name) for name in ("background", "hat", "glasses", "cloth")]  # hair may be under it
_FACING = 0.3  # cosine to the view from which a texel of the forehead counts
_LEAST = 100  # texels of skin without which a photo says nothing


@dataclass(frozen=True, eq=False)
class Answer:
    """One photo, by system; NaN and 0 where no face is found or none of its skin is seen."""

    shares: np.ndarray  # (systems, 2), of `shares`
    hair: np.ndarray  # (systems, 3, groups) `group_counts` of the forehead
    brows: np.ndarray  # (systems,) of `brows_kept`, NaN where few are in sight
    apart: np.ndarray  # (lights, parts) of `levels_apart`, NaN where few pixels show a part


def shown(atlas: Atlas, points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(M,) uint8 parts under the skin's M texels, for (V, 2) projected vertices and (H, W) labels; 0 outside."""
    texels = atlas.skin.interpolate(points.astype(np.float32))
    return sample(labels, texels, cv2.INTER_NEAREST, cv2.BORDER_CONSTANT)


def shares(seen: Mapping[str, np.ndarray], parts: np.ndarray) -> dict[str, tuple[float, float]]:
    """By system: share of its (M,) seen texels whose (M,) parts are foreign, and of all skin seen by any its own."""
    foreign = np.isin(parts, _FOREIGN)
    skin = np.any(list(seen.values()), axis=0) & ~foreign
    return {
        name: (float((own & foreign).sum() / max(own.sum(), 1)), float((own & skin).sum() / max(skin.sum(), 1)))
        for name, own in seen.items()
    }


def brows_kept(seen: np.ndarray, parts: np.ndarray, there: np.ndarray) -> float:
    """Share of (M,) seen texels among those of brows by their (M,) parts that are in sight, (M,); NaN for too few."""
    brows = np.isin(parts, _BROWS) & there
    return float(seen[brows].mean()) if brows.sum() >= _LEAST else np.nan


def hair_counts(colors: np.ndarray, hair: np.ndarray, skin: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """(3, groups) counts of (M,) true parts and of (M, 3) linear colours nearer to that of hair, (3,), or of skin."""
    far = [np.linalg.norm(np.log(colors + 1e-3) - np.log(color + 1e-3), axis=1) for color in (skin, hair)]
    found = np.where(far[1] < far[0], _HAIR, _SKIN)
    truth = np.where(np.isin(parts, _UNKNOWN), len(PARTS), np.where(parts == _HAIR, _HAIR, _SKIN))
    return group_counts(found.astype(np.uint8), truth.astype(np.uint8))


def of_photo(pipeline: Pipeline, atlas: Atlas, photo: Photo) -> Answer | None:
    """The textures of one photo by `SYSTEMS`; None where no face is found or none of its skin is seen."""
    try:
        look = pipeline._look(Run(STAGES, None, None), photo.image(), None, None)
    except FaceError:
        return None
    told, fit = look.for_fit(None), pipeline._fit if look.own is None else look.own.fit
    params, camera = fit(told.landmarks, told.params, told.crop, told.photo_shape, None, told.mouth)
    params = pipeline._looking(look, params, camera)
    look = replace(look, teeth=pipeline._teeth_lower([look], [(params, camera)]))
    vertices = pipeline._head(look, params, params.expression)
    done = look.completion
    given = (done.photo, params, camera, uncovered(look.seen, done.mask), done.mask, vertices)
    textures = {name: pipeline._texture(*given, look.parts if known else None) for name, known in SYSTEMS.items()}
    parts = shown(atlas, project(camera, vertices)[:, :2], label_map(photo))
    seen = {name: texture.source.reshape(-1)[atlas.skin.index] == SEEN for name, texture in textures.items()}
    skin = np.all(list(seen.values()), axis=0) & (parts == _SKIN)
    if skin.sum() < _LEAST:
        return None
    view = view_head(pipeline.face_model, vertices, done.photo, camera, pipeline.settings.texture_size)
    there = view.visible & (view.facing > _FACING)
    ahead = pipeline.face_model.in_regions("forehead", "brow_left", "brow_right", "lids_left", "lids_right") & there
    forehead = _inside(atlas, pipeline.face_model.in_regions("forehead") & there)
    found = shares(seen, parts)
    counts = [_hair(texture, atlas, skin, forehead, parts) for texture in textures.values()]
    kept = [brows_kept(seen[name], parts, _inside(atlas, ahead)) for name in SYSTEMS]
    apart = _apart(pipeline, photo, done, vertices, textures["told by the parser"], camera, params)
    return Answer(np.array([found[name] for name in SYSTEMS]), np.array(counts), np.array(kept), apart)


def _apart(
    pipeline: Pipeline, photo: Photo, done: Completion, vertices: np.ndarray, texture: FaceTexture, camera: Camera,
    params: FaceParams,
) -> np.ndarray:  # fmt: skip
    """(lights, parts) of `levels_apart`, in the order of `LIGHTS`, where nothing was painted."""
    crop = rotation_from_angles(*(float(angle) for angle in params.pose[:3]))
    rows = []
    for light, turn in ((texture.light, camera.rotation), (params.light, crop)):
        picture, hit = relit(pipeline.face_model, vertices, texture, camera, light, turn)
        rows.append(levels_apart(photo.image(), picture, hit & (done.mask == 0), label_map(photo)))
    return np.array(rows)


def _inside(atlas: Atlas, chosen: np.ndarray) -> np.ndarray:
    """(M,) bool: texels well inside the (V,) chosen vertices."""
    return atlas.skin.interpolate(chosen.astype(np.float32)) > 0.99


def _hair(texture: FaceTexture, atlas: Atlas, skin: np.ndarray, there: np.ndarray, parts: np.ndarray) -> np.ndarray:
    colors = lighting.srgb_to_linear(texture.color.reshape(-1, 3)[atlas.skin.index] / np.float32(255.0))
    hair = lighting.srgb_to_linear(texture.hair_color)
    return hair_counts(colors[there], hair, np.median(colors[skin], axis=0), parts[there])


def texture_tables(bench: Bench) -> list[Table]:
    """Foreign texels, kept skin and hair on the forehead on the `parsing` photos, with and without the parser.

    Without a mesh of the hair, so that fringes are the texture's; and how far the head looks like its photo.
    """
    pipeline = bench.pipeline.with_settings(replace(bench.pipeline.settings, hair=False))
    atlas = build_atlas(pipeline.face_model, pipeline.settings.texture_size)
    photos = bench.photos(parsing_photos())
    found = [one for one in spread(lambda photo: of_photo(pipeline, atlas, photo), photos) if one is not None]
    rows = []
    for k, name in enumerate(SYSTEMS):
        columns = [bootstrap(np.array([100.0 * one.shares[k, column] for one in found])) for column in range(2)]
        columns.append(f1_intervals(np.array([one.hair[k] for one in found]))["hair"])
        brows = np.array([100.0 * one.brows[k] for one in found])
        columns.append(bootstrap(brows[np.isfinite(brows)]))
        rows.append((name, *(column.text(1) for column in columns)))
    return [
        Table(
            "Textures: skin, and what lies on it (`parsing`)",
            (
                "hair, hats and clothes",
                "foreign, % of the seen texels",
                "of the skin that either sees, %",
                "hair on the forehead, F1 %",
                "brows in sight that are seen, %",
            ),
            tuple(rows),
            f"{len(found)} of {len(photos)} photos; hand-painted label maps under the projected head. Foreign is "
            "whatever the maps call hair, hat, cloth, jewellery or background. A texel of the forehead is hair where "
            "its colour is nearer to the texture's hair than to its skin; beneath hats and glasses nothing is known. "
            "Brows are what the maps call so on forehead, brows and lids that face the camera. Both rows are of the "
            "same fitted heads.",
        ),
        _likeness(found, len(photos)),
    ]


def _likeness(found: list[Answer], photos: int) -> Table:
    rows = []
    for k, name in enumerate(LIGHTS):
        parts = np.array([one.apart[k] for one in found])
        rows.append((name, *(bootstrap(part[np.isfinite(part)]).text(1) for part in parts.T)))
    return Table(
        "Heads over their photos (`parsing`): levels of 255 apart",
        ("light", *COLUMNS),
        tuple(rows),
        f"{len(found)} of {photos} photos. Mean absolute difference between the photo and the textured head, drawn "
        "matt under one of two lights, where nothing was painted and the hand-painted label maps show the part; lids "
        "are skin within a tenth of the distance of the outer eye corners from the eyes. Highlights and cast shadows "
        "are the photo's alone. The first light is what Blender's scene is lit by.",
    )
