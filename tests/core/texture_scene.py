"""A synthetic head whose true colours are known, and its photo."""

from dataclasses import dataclass

import numpy as np

from core.geometry import lighting
from core.geometry.camera import project, rotation_from_angles
from core.geometry.eye_colors import eye_texels, paint_eye
from core.geometry.face_model import FaceModel
from core.geometry.rasterizer import interpolate, rasterize, vertex_normals
from core.geometry.uv_sampling import Atlas, sample, texel_positions
from core.stages.texture import Texture
from core.types import ALBEDO, EXPRESSION, IDENTITY, POSE, Camera, FaceParams, FaceTexture, Landmarks

SIZE = 512
PHOTO = 480
HAIR = np.array([0.05, 0.03, 0.02], np.float32)
BLUE_EYES = np.array([0.08, 0.16, 0.32], np.float32)
LIGHT = lighting.directional_light(np.array([0.5, 0.3, 1.0]), 0.7) + np.array([0.4] + [0.0] * 8, np.float32)


@dataclass(frozen=True)
class Scene:
    """A photo and everything that is known about it."""

    photo: np.ndarray
    truth: np.ndarray  # (SIZE, SIZE, 3) linear base colour
    params: FaceParams
    camera: Camera
    landmarks: Landmarks


def unwrap(stage: Texture, scene: Scene) -> FaceTexture:
    return stage(scene.photo, scene.params, scene.camera, scene.landmarks)


def make_scene(model: FaceModel, atlas: Atlas, yaw: float = 0.1, mouth: float = 0.6) -> Scene:
    """A speckled face with dark hair and blue eyes, its jaw open by `mouth`, before a green wall."""
    rng = np.random.default_rng(4)
    expression = np.zeros(EXPRESSION, np.float32)
    expression[model.expression_names.index("jawOpen")] = mouth
    params = FaceParams(
        identity=rng.normal(size=IDENTITY).astype(np.float32) * 0.6,
        expression=expression,
        albedo=rng.normal(size=ALBEDO).astype(np.float32) * 0.4,
        light=LIGHT.astype(np.float32),
        pose=np.zeros(POSE, np.float32),
    )
    truth = true_colors(model, atlas, params)
    camera = Camera(
        PHOTO * 2.4,
        ((PHOTO - 1) / 2,) * 2,
        PHOTO,
        PHOTO,
        rotation_from_angles(0.03, yaw, 0.0),
        np.array([0, 0.01, 0.9]),
    )
    photo = render(model, params, camera, truth)
    points = project(camera, model.visible_landmarks(posed(model, params), camera.rotation))[:, :2]
    dense = project(camera, model.dense_landmarks(posed(model, params)))[:, :2]
    count = len(points) + len(dense)
    landmarks = Landmarks(
        points.astype(np.float32), dense.astype(np.float32), np.ones(count, np.float32), np.ones(count, np.float32)
    )
    return Scene(photo, truth, params, camera, landmarks)


def posed(model: FaceModel, params: FaceParams) -> np.ndarray:
    return model.shape(params.identity, params.expression)


def true_colors(model: FaceModel, atlas: Atlas, params: FaceParams) -> np.ndarray:
    """Albedo with symmetric 4 mm speckles the model does not know, hair on the scalp and blue eyes."""
    albedo = model.albedo(params.albedo)
    x, y, z = (model.vertices * (2 * np.pi / 0.02)).T
    fine = atlas.skin.interpolate(np.stack([np.abs(x), y, z], axis=1))
    speckles = 0.12 * np.cos(fine[:, 0]) * np.cos(fine[:, 1]) * np.cos(0.3 * fine[:, 2])
    skin = atlas.skin.interpolate(albedo) * (1.0 + speckles)[:, None]
    skin[atlas.skin.interpolate(model.in_regions("scalp").astype(np.float32)) > 0.5] = HAIR
    picture = atlas.skin.image(skin)
    flat = picture.reshape(-1, 3)
    eyes = eye_texels(model, atlas)
    for name, texels in atlas.parts.items():
        flat[texels.index] = paint_eye(eyes[name], BLUE_EYES) if name in eyes else texels.interpolate(albedo)
    atlas.pad(picture)
    return picture


def render(model: FaceModel, params: FaceParams, camera: Camera, colors: np.ndarray) -> np.ndarray:
    """(PHOTO, PHOTO, 3) uint8 of the head under LIGHT, without corneas and lashes."""
    vertices = posed(model, params)
    hidden = [row for row, name in enumerate(model.part_names) if name.startswith(("cornea", "lashes"))]
    drawn = ~np.isin(model.triangle_part, hidden)
    triangles = model.triangles[drawn]
    raster = rasterize(project(camera, vertices).astype(np.float32), triangles, PHOTO, PHOTO)
    mask = raster.mask
    corners = model.uv[model.uv_triangles[drawn][raster.triangle_id[mask]]]
    uv = np.einsum("nk,nkd->nd", raster.barycentric[mask], corners)
    normals = vertex_normals(vertices, model.triangles) @ camera.rotation.T.astype(np.float32)
    normals = interpolate(raster, triangles, lighting.camera_normals_to_light(normals).astype(np.float32))[mask]
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    picture = np.full((PHOTO, PHOTO, 3), [0.05, 0.6, 0.05], np.float32)
    base = sample(colors.astype(np.float32), texel_positions(uv, SIZE))
    picture[mask] = lighting.shade(base, normals, LIGHT.astype(np.float32))
    return (lighting.linear_to_srgb(picture) * 255 + 0.5).astype(np.uint8)


def linear(texture: FaceTexture) -> np.ndarray:
    return lighting.srgb_to_linear(texture.color / 255.0)


def in_regions(model: FaceModel, atlas: Atlas, *names: str) -> np.ndarray:
    """(SIZE, SIZE) bool: texels well inside the named regions of the skin."""
    inside = atlas.skin.interpolate(model.in_regions(*names).astype(np.float32))
    return atlas.skin.image(inside) > 0.99
