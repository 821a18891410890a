"""`python -m core.cli detect|landmarks|parse|deocclude|reconstruct FILES --out ...`: photos in batches, no Blender.

Exit status: 0 all done, 1 some photos failed (each named with its reason on stderr), 2 wrong use.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from .cautions import about_completion
from .checks import choose_face
from .completion_io import CompletionFiles, complete_file, mask_for, working_mask, write_completion
from .errors import FaceError, NoFaceFound, OutputError, RuntimeProviderError
from .files import write_file
from .image_io import Photo, read_photo
from .look import PersonPhoto
from .parsing_io import ParsingFiles, write_parsing
from .pipeline import Pipeline
from .result_io import GENERATOR, ResultFiles, box_record, is_record, original_pixels, write_person, write_result
from .run import naming
from .settings import DEOCCLUSION, MOST_GROWN, PROVIDERS, REGRESSORS, SMALLEST_PARSED, TEXTURE_SIZES, Settings
from .types import LANDMARKS, FaceBox

LOG = logging.getLogger(__name__)
DONE, FAILED, WRONG_USE = 0, 1, 2
PERSON = "person"  # name of the result that several photos share
_NOTHING_DELETED = {
    "mask": None,
    "method": "none",
    "threshold": Settings.mask_threshold,
    "grow": Settings.mask_grow,
    "keep_glasses": False,
    "delete_lenses": False,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = _parser()
    try:
        chosen = parser.parse_args(arguments)
    except SystemExit as stop:  # argparse has said what is wrong, or shown its help
        return int(stop.code or 0)
    settings = Settings(
        provider=chosen.provider,
        texture_size=chosen.texture_size,
        min_score=chosen.min_score,
        min_face=SMALLEST_PARSED if chosen.command == "parse" else Settings.min_face,
        deocclusion=chosen.method,
        regressor=chosen.regressor,
        mask_threshold=chosen.threshold,
        mask_grow=chosen.grow,
        keep_glasses=chosen.keep_glasses,
        keep_lenses=not chosen.delete_lenses,
        hair=not chosen.no_hair,
    )
    try:
        pipeline = Pipeline(settings)
        _check_names(chosen.files, stems=chosen.command in WRITE_FOLDERS)
        _check_mask(chosen)
        _check_person(chosen)
        status = COMMANDS[chosen.command](pipeline, chosen)
    except (RuntimeProviderError, _WrongUse) as error:
        return _say(str(error), WRONG_USE)
    except FaceError as error:  # not about one photo: weights are missing, or the result cannot be written
        return _say(str(error), FAILED)
    return status


class _WrongUse(Exception):
    """The command line asks for something impossible."""


def _detect(pipeline: Pipeline, chosen: argparse.Namespace) -> int:
    out = _output_file(chosen.out, "faces.json", is_record)
    found: dict[str, list[dict[str, object]]] = {}

    def work(path: Path, photo: Photo) -> None:
        found[path.name] = [box_record(box, photo) for box in pipeline.detect(photo.pixels)]

    failed = _each(pipeline, chosen.files, work)
    record = {"generator": GENERATOR, "faces": found}
    write_file(out, json.dumps(record, indent=1).encode(), overwrite=True)
    return FAILED if failed else DONE


def _landmarks(pipeline: Pipeline, chosen: argparse.Namespace) -> int:
    out = _output_file(chosen.out, "landmarks.npz", is_landmark_file)
    found: dict[str, np.ndarray] = {}

    def work(path: Path, photo: Photo) -> None:
        box = _choose(pipeline, photo, chosen.face)
        points = pipeline.landmarks(photo.pixels, box).points
        found[path.name] = original_pixels(points, photo).astype(np.float32)

    failed = _each(pipeline, chosen.files, work)
    write_file(out, npz_bytes(found), overwrite=True)
    return FAILED if failed else DONE


def _parse(pipeline: Pipeline, chosen: argparse.Namespace) -> int:
    folder = _output_folder(chosen)

    def work(path: Path, photo: Photo) -> None:
        ParsingFiles.of(folder, path.stem).check_free()  # before the work, not after it
        points = pipeline.landmarks(photo.pixels, _choose(pipeline, photo, chosen.face)).points
        write_parsing(folder, path.stem, pipeline.parse(photo.pixels, points), photo)

    return FAILED if _each(pipeline, chosen.files, work) else DONE


def _deocclude(pipeline: Pipeline, chosen: argparse.Namespace) -> int:
    folder, inputs = _output_folder(chosen), [*chosen.files, *([chosen.mask] if chosen.mask else [])]

    def work(path: Path, photo: Photo) -> None:
        CompletionFiles.of(folder, path.stem).check_free(inputs)  # before the work, not after it
        mask = mask_for(chosen.mask, photo)
        points = pipeline.landmarks(photo.pixels, _choose(pipeline, photo, chosen.face)).points
        done = complete_file(pipeline, path, photo, points, mask)
        warnings = about_completion(done, chosen.method, original_pixels(points, photo))
        write_completion(folder, path.stem, done, pipeline.settings, warnings)
        for warning in warnings or (() if done.mask.any() else (NOTHING_HIDDEN,)):
            _say(f"{path}: {warning}")

    return FAILED if _each(pipeline, chosen.files, work) else DONE


def _reconstruct(pipeline: Pipeline, chosen: argparse.Namespace) -> int:
    folder = _output_folder(chosen)
    if chosen.same_person:
        return _reconstruct_person(pipeline, chosen, folder)

    def work(path: Path, photo: Photo) -> None:
        ResultFiles.of(folder, path.stem).check_free()  # before the work, not after it
        box = None if chosen.face is None else _choose(pipeline, photo, chosen.face)
        mask = working_mask(mask_for(chosen.mask, photo), photo)
        result = pipeline.reconstruct(photo.pixels, box=box, focal=photo.focal, mask=mask)
        write_result(folder, path.stem, result, pipeline.face_model, photo, pipeline.provider)
        for warning in result.warnings:
            _say(f"{path}: {warning}")

    return FAILED if _each(pipeline, chosen.files, work) else DONE


def _reconstruct_person(pipeline: Pipeline, chosen: argparse.Namespace, folder: Path) -> int:
    """One head from all photos: a result for each, and the head at rest. A photo that fails stops the whole."""
    _say(f"networks run on: {pipeline.provider}")
    for stem in [PERSON, *(path.stem for path in chosen.files)]:
        ResultFiles.of(folder, stem).check_free()
    opened, asked = [], []
    for path in chosen.files:
        with naming(str(path)):
            photo = read_photo(path)
            box = None if chosen.face is None else _choose(pipeline, photo, chosen.face)
        opened.append(photo)
        asked.append(PersonPhoto(str(path), photo.pixels, box, photo.focal))
    results = pipeline.reconstruct_person(asked)
    for path, photo, result in zip(chosen.files, opened, results, strict=True):
        write_result(folder, path.stem, result, pipeline.face_model, photo, pipeline.provider)
        for warning in result.warnings:
            _say(f"{path}: {warning}")
    write_person(folder, PERSON, [path.stem for path in chosen.files], results[0], pipeline.face_model)
    return DONE


COMMANDS: dict[str, Callable[[Pipeline, argparse.Namespace], int]] = {
    "detect": _detect,
    "landmarks": _landmarks,
    "parse": _parse,
    "deocclude": _deocclude,
    "reconstruct": _reconstruct,
}
WRITE_FOLDERS = ("parse", "deocclude", "reconstruct")  # several files per photo
NOTHING_HIDDEN = "Nothing was found before the face; the picture is written as it was."


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("files", nargs="+", type=Path, metavar="FILE", help="photos")
    common.add_argument("--out", required=True, type=Path, help="file (a folder for parse, deocclude, reconstruct)")
    common.add_argument("--provider", choices=PROVIDERS, default="auto", help="what runs the networks")
    common.add_argument("--min-score", type=_share, default=Settings.min_score, help="least confidence")
    parser = argparse.ArgumentParser(prog="python -m core.cli", description="Faces in photos, in batches.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("detect", "write all faces as JSON"),
        ("landmarks", "write an .npz with one (68, 2) array per file name"),
        ("parse", "write NAME_labels.png, NAME_occluder.png and NAME_occluder_type.png per photo"),
        ("deocclude", "delete what hides the face: write NAME.png and NAME_mask.png per photo"),
        ("reconstruct", "write NAME.json, NAME.obj and NAME_texture.png, _confidence.png and _hair.png per photo"),
    ):
        command = commands.add_parser(name, parents=[common], help=text, description=text)
        command.set_defaults(
            texture_size=TEXTURE_SIZES[0], regressor=Settings.regressor, same_person=False, no_hair=False
        )
        command.set_defaults(**_NOTHING_DELETED)
        if name != "detect":
            command.add_argument("--face", type=_index, metavar="INDEX", help="0 is the largest, the default")
        if name in ("deocclude", "reconstruct"):
            _add_completion(command, DEOCCLUSION if name == "reconstruct" else DEOCCLUSION[1:])
        if name == "reconstruct":
            command.add_argument("--texture-size", type=int, choices=TEXTURE_SIZES, help="pixels")
            command.add_argument("--regressor", choices=REGRESSORS, help="what estimates shape, expression and colours")
            command.add_argument("--no-hair", action="store_true", help="no mesh of the hair beside the head")
            text = f"all photos show one person: one identity and texture for all, and {PERSON}.obj at rest"
            command.add_argument("--same-person", action="store_true", help=text)
    return parser


def _add_completion(command: argparse.ArgumentParser, methods: Sequence[str]) -> None:
    """Options of what is deleted and what paints it."""
    usual = Settings()
    command.set_defaults(method=usual.deocclusion)
    command.add_argument("--mask", type=Path, metavar="MASK.png", help="white where to delete, of the photo's size")
    command.add_argument("--method", choices=methods, help="what paints the face behind glasses, masks and hands")
    command.add_argument("--threshold", type=_share, default=usual.mask_threshold, help="least probability")
    command.add_argument("--grow", type=_growth, default=usual.mask_grow, help="reach beyond it, face-crop sides")
    command.add_argument("--keep-glasses", action="store_true", help="delete everything but glasses")
    command.add_argument("--delete-lenses", action="store_true", help="delete what is seen through clear lenses too")


def _growth(text: str) -> float:
    value = float(text)
    if not 0.0 <= value <= MOST_GROWN:
        raise argparse.ArgumentTypeError(f"must lie between 0 and {MOST_GROWN}")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0.0 < value < 1.0:
        raise argparse.ArgumentTypeError("must lie between 0 and 1")
    return value


def _index(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return value


def _check_names(files: Sequence[Path], stems: bool) -> None:
    seen: dict[str, Path] = {}
    for path in files:
        name = path.stem if stems else path.name
        if name in seen:
            raise _WrongUse(f"{seen[name]} and {path} would share the result '{name}'. Do them one by one.")
        seen[name] = path


def _check_mask(chosen: argparse.Namespace) -> None:
    if chosen.mask is not None and len(chosen.files) > 1:
        raise _WrongUse("--mask belongs to one photo; do the photos one by one.")


def _check_person(chosen: argparse.Namespace) -> None:
    if not chosen.same_person:
        return
    if len(chosen.files) < 2:
        raise _WrongUse("--same-person needs at least two photos.")
    if any(path.stem == PERSON for path in chosen.files):
        raise _WrongUse(f"With --same-person, '{PERSON}' is the result of all photos. Rename the photo of that name.")


def _output_folder(chosen: argparse.Namespace) -> Path:
    folder: Path = chosen.out
    if folder.exists() and not folder.is_dir():
        raise _WrongUse(f"--out {folder} is a file; {chosen.command} needs a folder.")
    return folder


def _output_file(out: Path, default_name: str, is_ours: Callable[[Path], bool]) -> Path:
    """The file to write; an existing one is replaced only when it is an earlier result."""
    path = out / default_name if out.is_dir() else out
    if path.suffix != Path(default_name).suffix:
        raise _WrongUse(f"--out {out} must be a folder or end in {Path(default_name).suffix}.")
    if path.exists() and not is_ours(path):
        raise OutputError(f"{path} is already there and no earlier result. Choose another --out.")
    return path


def _each(pipeline: Pipeline, files: Sequence[Path], work: Callable[[Path, Photo], None]) -> int:
    """Do the work for every photo; one that fails is named and the rest go on. Number of failures."""
    _say(f"networks run on: {pipeline.provider}")
    failed = 0
    for path in files:
        try:
            work(path, read_photo(path))
        except FaceError as error:
            failed += 1
            _say(f"{path}: {error}")
        except Exception as error:
            failed += 1
            LOG.exception("unexpected error")
            _say(f"{path}: internal error ({type(error).__name__}: {error}). Please report it.")
    return failed


def _choose(pipeline: Pipeline, photo: Photo, index: int | None) -> FaceBox:
    faces = pipeline.detect(photo.pixels)
    if not index:
        return choose_face(faces, pipeline.settings.min_face)
    if index >= len(faces):
        raise NoFaceFound(f"There is no face number {index}: {len(faces)} found, counted from 0.")
    return faces[index]


def npz_bytes(arrays: dict[str, np.ndarray]) -> bytes:
    """An .npz of arrays under any names (`numpy.savez` cannot hold one called `file`)."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array, allow_pickle=False)
            archive.writestr(f"{name}.npy", content.getvalue())
    return stream.getvalue()


def is_landmark_file(path: Path) -> bool:
    """True when `path` is an .npz that holds (68, 2) arrays and nothing else."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return all(arrays[name].shape == (LANDMARKS, 2) for name in arrays.files)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError):
        return False


def _say(text: str, status: int = DONE) -> int:
    print(text, file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
