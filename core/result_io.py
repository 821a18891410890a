"""Writes a FaceResult as NAME.json, NAME.obj with its .mtl, and NAME_texture.png, _confidence.png and _hair.png."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from .errors import OutputError
from .files import write_files
from .geometry.camera import project
from .geometry.face_model import FaceModel
from .image_io import Photo, png_bytes
from .types import CONFIDENCE, Camera, Completion, FaceBox, FaceResult, HairMesh

GENERATOR = "facewright"
CONFIDENCE_GREY = np.array([0, 85, 170, 255], np.uint8)  # of each of `CONFIDENCE` in NAME_confidence.png
POSE_NAMES = ("pitch", "yaw", "roll", "f", "t2d_x", "t2d_y")


@dataclass(frozen=True)
class ResultFiles:
    """The files of one result."""

    json: Path
    obj: Path
    mtl: Path
    texture: Path
    confidence: Path  # grey, by `CONFIDENCE_GREY`
    hair: Path  # RGBA; written where the result has hair

    @staticmethod
    def of(folder: Path, name: str) -> ResultFiles:
        """The files that a result called `name` has in `folder`."""
        return ResultFiles(
            json=folder / f"{name}.json",
            obj=folder / f"{name}.obj",
            mtl=folder / f"{name}.mtl",
            texture=folder / f"{name}_texture.png",
            confidence=folder / f"{name}_confidence.png",
            hair=folder / f"{name}_hair.png",
        )

    def check_free(self) -> None:
        """Raise `OutputError` when a file is in the way that is not an earlier result's."""
        check_replaceable((self.obj, self.mtl, self.texture, self.confidence, self.hair, self.json), self.json)


def write_result(
    folder: Path, name: str, result: FaceResult, model: FaceModel, photo: Photo, provider: str
) -> ResultFiles:
    """Write all files of a result, or none.

    An earlier result of the same name is replaced; any other file in the way is an `OutputError`.
    """
    return _write(folder, name, describe(result, model, photo, provider) | {"photo": name}, result, model)


def write_person(folder: Path, name: str, photos: Sequence[str], result: FaceResult, model: FaceModel) -> ResultFiles:
    """Write the head at rest that several photos share, `result` being one of theirs; files as in `write_result`."""
    at_rest = replace(result, vertices=result.neutral)
    coefficients = coefficients_record(at_rest, model)
    record = {
        "generator": GENERATOR,
        "photos": list(photos),
        "coefficients": {key: coefficients[key] for key in ("identity", "albedo", "teeth_lowered")},
        "landmarks_3d": _list(model.landmarks(at_rest.vertices), digits=7),
        **texture_record(at_rest),
    }
    return _write(folder, name, record, at_rest, model)


def _write(folder: Path, name: str, record: dict[str, object], result: FaceResult, model: FaceModel) -> ResultFiles:
    files = ResultFiles.of(folder, name)
    files.check_free()
    names = {"obj": files.obj.name, "texture": files.texture.name, "confidence": files.confidence.name}
    materials, shapes = _mtl(files.texture.name), obj_text(result.vertices, model, files.mtl.name)
    contents = {
        files.texture: png_bytes(result.texture.color),
        files.confidence: png_bytes(CONFIDENCE_GREY[result.confidence]),
    }
    if result.hair is not None:
        names["hair"] = files.hair.name
        materials += _hair_mtl(files.hair.name)
        shapes += hair_obj_text(result.hair, len(result.vertices), len(model.uv))
        contents[files.hair] = png_bytes(result.hair.color)
    record["files"] = names
    contents |= {
        files.mtl: materials.encode(),
        files.obj: shapes.encode(),
        files.json: json.dumps(record, indent=1).encode(),
    }
    write_files(contents, overwrite=True)
    if result.hair is None:
        files.hair.unlink(missing_ok=True)  # of the earlier result that was replaced
    return files


def describe(result: FaceResult, model: FaceModel, photo: Photo, provider: str) -> dict[str, object]:
    """The JSON record of a result. Pixels are those of the photo's upright original, not of a reduced copy.

    `landmarks_2d` are the predicted landmarks, `landmarks_2d_fitted` those of the fitted model, and
    `landmarks_3d` the same points of the fitted model in the frame of the OBJ (metres), with the jaw on the
    contour that the photo shows.
    """
    camera = original_camera(result.camera, photo)
    landmarks_3d = model.visible_landmarks(result.vertices, camera.rotation)
    return {
        "generator": GENERATOR,
        "size": [camera.width, camera.height],
        "box": box_record(result.box, photo),
        "coefficients": coefficients_record(result, model),
        "pose": dict(zip(POSE_NAMES, _list(result.params.pose), strict=True)),
        "camera": {
            "focal": camera.focal,
            "center": list(camera.center),
            "width": camera.width,
            "height": camera.height,
            "rotation": _list(camera.rotation),
            "translation": _list(camera.translation),
        },
        "landmarks_2d": _list(original_pixels(result.landmarks.points, photo)),
        "landmarks_2d_fitted": _list(project(camera, landmarks_3d)[:, :2]),
        "landmarks_3d": _list(landmarks_3d, digits=7),
        **texture_record(result),
        "photo_light": _list(result.texture.light),
        "completion": completion_record(result.completion),
        "timings": {stage: round(seconds, 4) for stage, seconds in result.timings.items()},
        "provider": provider,
        "warnings": list(result.warnings),
    }


def texture_record(result: FaceResult) -> dict[str, object]:
    """The colours beside the texture, and what the greys of its confidence map mean."""
    return {
        "iris_color": _list(result.texture.iris_color),
        "hair_color": _list(result.texture.hair_color),
        "white_color": _list(result.texture.white_color),
        "confidence": dict(zip(CONFIDENCE, CONFIDENCE_GREY.tolist(), strict=True)),
    }


def completion_record(completion: Completion | None) -> dict[str, object] | None:
    """What painted how much of the photo; None when nothing was deleted."""
    if completion is None:
        return None
    return {"method": completion.method, "painted": round(float((completion.mask > 0).mean()), 6)}


def coefficients_record(result: FaceResult, model: FaceModel) -> dict[str, object]:
    """The coefficients by name; expressions by slider name, the pose in `POSE_NAMES` order beside them.

    What they make has its upper teeth lowered by `teeth_lowered` metres.
    """
    params = result.params
    return {
        "identity": _list(params.identity),
        "expression": dict(zip(model.expression_names, _list(params.expression), strict=True)),
        "albedo": _list(params.albedo),
        "light": _list(params.light),
        "teeth_lowered": round(result.teeth_lowered, 6),
    }


def box_record(box: FaceBox, photo: Photo) -> dict[str, object]:
    """A detected face in pixels of the photo's upright original."""
    corners = original_pixels(np.array([[box.x0, box.y0], [box.x1, box.y1]]), photo)
    return {
        "box": _list(corners.ravel()),
        "score": round(box.score, 4),
        "points": _list(original_pixels(box.points, photo)),
    }


def original_pixels(points: np.ndarray, photo: Photo) -> np.ndarray:
    """(N, 2) pixels of `photo.pixels` as pixels of the upright original."""
    if photo.scale == 1.0:
        return points
    return (points + 0.5) / photo.scale - 0.5


def original_camera(camera: Camera, photo: Photo) -> Camera:
    """The camera for the upright original instead of the copy that was worked on."""
    if photo.scale == 1.0:
        return camera
    center = original_pixels(np.array([camera.center]), photo)[0]
    width, height = photo.original_size
    return replace(
        camera,
        focal=camera.focal / photo.scale,
        center=(float(center[0]), float(center[1])),
        width=width,
        height=height,
    )


def obj_text(vertices: np.ndarray, model: FaceModel, mtl_name: str) -> str:
    """Wavefront OBJ of (V, 3) vertices in metres, +Y up and +Z forward, one group per part."""
    lines = [f"# {GENERATOR}, metres", f"mtllib {mtl_name}", "o head", *_point_lines(vertices, model.uv)]
    lines.append("usemtl head")
    for part, name in enumerate(model.part_names):
        rows = np.flatnonzero(model.face_part == part)
        lines.append(f"g {name}")
        lines += [_face_line(*row) for row in zip(model.faces[rows] + 1, model.uv_faces[rows] + 1, strict=True)]
    return "\n".join(lines) + "\n"


def hair_obj_text(hair: HairMesh, vertices: int, uvs: int) -> str:
    """The hair as a second object of an OBJ that holds so many vertices and texture coordinates."""
    lines = ["o hair", *_point_lines(hair.vertices, hair.uv), "usemtl hair"]
    faces = zip(hair.faces + 1 + vertices, hair.uv_faces + 1 + uvs, strict=True)
    return "\n".join([*lines, *(_face_line(*row) for row in faces)]) + "\n"


def _point_lines(vertices: np.ndarray, uv: np.ndarray) -> list[str]:
    places = [f"v {x:.7f} {y:.7f} {z:.7f}" for x, y, z in vertices.tolist()]
    return places + [f"vt {u:.6f} {v:.6f}" for u, v in uv.tolist()]


def _face_line(corners: Sequence[int], uvs: Sequence[int]) -> str:
    count = 3 if corners[2] == corners[3] else 4  # a triangle repeats its third corner
    return "f " + " ".join(f"{v}/{t}" for v, t in zip(corners[:count], uvs[:count], strict=True))


def _mtl(texture_name: str) -> str:
    return f"newmtl head\nKd 1 1 1\nKs 0.04 0.04 0.04\nNs 60\nillum 2\nmap_Kd {texture_name}\n"


def _hair_mtl(picture_name: str) -> str:
    return f"newmtl hair\nKd 1 1 1\nKs 0.04 0.04 0.04\nNs 30\nillum 2\nmap_Kd {picture_name}\nmap_d {picture_name}\n"


def _list(array: np.ndarray, digits: int = 5) -> list:
    return np.round(np.asarray(array, np.float64), digits).tolist()


def check_replaceable(files: Sequence[Path], record: Path) -> None:
    """Raise `OutputError` when one of `files` is there and `record` does not show that all are an earlier result's."""
    taken = [path for path in files if path.exists()]
    if taken and not is_record(record):
        raise OutputError(f"{taken[0]} is already there and no earlier result of Facewright. Choose another folder.")


def is_record(path: Path) -> bool:
    """True when `path` is a JSON file that Facewright wrote."""
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(record, dict) and record.get("generator") == GENERATOR
