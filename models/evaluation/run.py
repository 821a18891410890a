"""`python -m models.evaluation.run`: every protocol whose data is there, into docs/evaluation.md."""

from __future__ import annotations

import argparse
import logging
import os
import platform
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from core.errors import FaceError
from core.pipeline import Pipeline
from core.settings import Settings

from . import data, sections, speed
from .report import Section, Table, write_page
from .sections import Bench
from .sheets import sheet_row, write_sheet
from .systems import GENERATION_1, System, SystemFailure, facewright, mediapipe, previous

log = logging.getLogger(__name__)
PEOPLE, COVERED = 300, 150  # held-out synthetic people; those of them behind every kind of occluder


def parsing_tables(bench: Bench) -> list[Table]:
    """The parser on hand-painted label maps and on real face masks."""
    from . import parsing

    return parsing.parsing_tables(Pipeline(Settings()), bench.limit)  # it times itself, on all cores


def synthetic_tables(bench: Bench) -> list[Table]:
    """Geometry and landmarks on held-out synthetic people."""
    from . import held_out, synthetic  # the picture factory takes long to open

    return [synthetic.shape_table(bench.pipeline, bench.people), *held_out.tables(bench)]


def speed_tables(bench: Bench) -> list[Table]:
    """Times of the systems, of single networks and of a whole reconstruction."""
    return [*speed.speed_tables(bench), speed.stage_table(Pipeline(Settings()))]


def completed_pairs(bench: Bench) -> list[Table]:
    """Completed faces against the truth, on held-out synthetic pairs."""
    from . import deocclusion  # the picture factory takes long to open

    return deocclusion.pair_tables(bench)


def completed_photos(bench: Bench) -> list[Table]:
    """Completed faces on real photos."""
    from . import real_completions

    return real_completions.real_tables(bench)


def completion_costs(bench: Bench) -> list[Table]:
    """Time and weights of completion."""
    from . import deocclusion_costs

    return deocclusion_costs.cost_tables(bench)


def completion_sheet(bench: Bench) -> list[Table]:
    """Contact sheet of real occluded photos into the ignored output folder."""
    from . import deocclusion_sheet

    return deocclusion_sheet.sheet_tables(bench)


def regressed_people(bench: Bench) -> list[Table]:
    """Regressors on held-out synthetic people, bare and covered."""
    from . import regression_synthetic  # the picture factory takes long to open

    return regression_synthetic.synthetic_tables(bench)


def regression_robustness(bench: Bench) -> list[Table]:
    """What covers do to each regressor."""
    from . import regression_synthetic

    return regression_synthetic.robustness_tables(bench)


def regression_resistance(bench: Bench) -> list[Table]:
    """What occlusion-resistant training does to the student."""
    from . import regression_resistance

    return regression_resistance.resistance_tables(bench)


def regressed_photos(bench: Bench) -> list[Table]:
    """Regressors on real photos, bare and covered."""
    from . import regression_photos

    return regression_photos.landmark_tables(bench)


def regressed_people_known(bench: Bench) -> list[Table]:
    """Who people are, by their coefficients."""
    from . import regression_identity

    return regression_identity.identity_tables(bench)


def regressed_videos(bench: Bench) -> list[Table]:
    """Jitter of every regressor on clips."""
    from . import regression_videos

    return regression_videos.video_tables(bench)


def regression_costs(bench: Bench) -> list[Table]:
    """Time and weights of every regressor."""
    from . import regression_costs

    return regression_costs.cost_tables(bench)


def texture_tables(bench: Bench) -> list[Table]:
    """What the seen texels of textures show on photos with painted label maps."""
    from . import textures

    return textures.texture_tables(bench)


def hair_on_photos(bench: Bench) -> list[Table]:
    """Hair beside painted label maps."""
    from . import hair

    return hair.photo_tables(bench)


def hair_from_sides(bench: Bench) -> list[Table]:
    """Hair of synthetic people from sides that their picture does not show."""
    from . import hair

    return hair.view_tables(bench)


def gaze_tables(bench: Bench) -> list[Table]:
    """Where eyes look, on held-out synthetic people."""
    from . import gaze  # the picture factory takes long to open

    return gaze.gaze_tables(bench)


def gallery_sheet(bench: Bench) -> list[Table]:
    """Contact sheet of the gallery into the ignored output folder; no table."""
    rows = []
    for photo in data.gallery():
        image = photo.image()
        try:
            rows.append(sheet_row(bench.pipeline.face_model, image, bench.pipeline.reconstruct(image)))
        except FaceError as error:
            log.warning("%s: %s", photo.path.name, error)
    if rows:
        write_sheet(rows, data.OUT / "gallery.png")
        log.info("gallery: %s", data.OUT / "gallery.png")
    return []


SECTIONS: dict[str, Callable[[Bench], list[Table]]] = {
    "landmarks": sections.landmark_tables,
    "occluded": sections.occluded_tables,
    "parsing": parsing_tables,
    "detector": sections.detector_tables,
    "synthetic": synthetic_tables,
    "deocclusion-pairs": completed_pairs,
    "deocclusion-photos": completed_photos,
    "deocclusion-costs": completion_costs,
    "deocclusion-sheet": completion_sheet,
    "regression-synthetic": regressed_people,
    "regression-robustness": regression_robustness,
    "regression-resistance": regression_resistance,
    "regression-landmarks": regressed_photos,
    "regression-identity": regressed_people_known,
    "regression-videos": regressed_videos,
    "regression-costs": regression_costs,
    "speed": speed_tables,
    "textures": texture_tables,
    "hair-photos": hair_on_photos,
    "hair-views": hair_from_sides,
    "gaze": gaze_tables,
    "gallery": gallery_sheet,
}
GROUPS = {  # several at once
    group: tuple(name for name in SECTIONS if name.startswith(f"{group}-"))
    for group in ("deocclusion", "regression", "hair")
}
# What can be measured where the evaluation data is not.
WITHOUT_PHOTOS = (
    "synthetic",
    "regression-synthetic",
    "regression-robustness",
    "regression-resistance",
    "regression-costs",
    "hair-views",
)


def measure(names: list[str], bench: Bench, keep: Callable[[str, list[Table]], None]) -> None:
    """Measure the named sections and hand each to `keep`; one that cannot be measured here is left as it was."""
    for name in names:
        start = time.perf_counter()
        try:
            made = SECTIONS[name](bench)
        except (FaceError, SystemFailure) as error:
            log.warning("%s cannot be measured here and stays as it was: %s", name, error)
            continue
        for table in made:
            log.info("\n%s", table.markdown())
        log.info("%s took %.0f s", name, time.perf_counter() - start)
        if made:
            keep(name, made)


def onto_page(name: str, tables: list[Table]) -> None:
    """Put a section on the page at once, so that a run that is stopped loses nothing."""
    write_page([Section.of(name, code_commit(), describe_machine(), tables)], list(SECTIONS))


def compared(revision: str, mediapipe_python: Path | None) -> tuple[System, ...]:
    """Ours, its previous generation, and MediaPipe where there is an environment for it."""
    if mediapipe_python is None:
        log.warning("MediaPipe is left out: `python3 build.py evaluate` makes its environment")
        return facewright(), previous(revision)
    return facewright(), previous(revision), mediapipe(mediapipe_python)


def describe_machine() -> str:
    """Processor threads and Python."""
    return f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}"


def code_commit() -> str:
    """Short name of the commit, marked when the tree differs from it."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=data.ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


def sections_of(only: str | None) -> list[str]:
    """Names of the sections that a comma-separated list of sections and groups asks for; all without one."""
    asked = only.split(",") if only else list(SECTIONS)
    return list(dict.fromkeys(name for one in asked for name in GROUPS.get(one, (one,))))


def arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    every = (*SECTIONS, *GROUPS)
    parser.add_argument("--only", help=f"sections, comma-separated, of {','.join(every)}; the others stay")
    parser.add_argument("--photos", type=int, help="so many photos of each set; the page is not written")
    parser.add_argument(
        "--people", type=int, help="held-out synthetic people; 300, and 150 behind every kind of occluder, if not given"
    )
    parser.add_argument(
        "--all-methods", action="store_true", help="regressors behind every way of completing, not the best alone"
    )
    parser.add_argument(
        "--bare-student", type=Path, help="folder of a draft student that was trained on bare faces alone"
    )
    parser.add_argument("--draft", action="store_true", help="leave the page as it is")
    parser.add_argument("--previous", default=GENERATION_1, help="git revision of the previous generation")
    parser.add_argument("--mediapipe", type=Path, help="Python of an environment that has MediaPipe")
    args = parser.parse_args()
    args.names = sections_of(args.only)
    unknown = set(args.names) - set(SECTIONS)
    if unknown:
        parser.error(f"no section {', '.join(sorted(unknown))}; choose from {', '.join(every)}")
    return args


def main() -> int:
    """Command line."""
    args = arguments()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    names, there = args.names, data.EVALUATION.exists()
    if not there:
        log.warning("%s is not there: the protocols on real photos are left out", data.EVALUATION)
        names = [name for name in names if name in WITHOUT_PHOTOS]
    bench = Bench(
        Pipeline(Settings(threads=1)),
        compared(args.previous, args.mediapipe),
        args.photos,
        args.people or PEOPLE,
        args.people or COVERED,
        args.all_methods,
        args.bare_student,
    )
    if args.draft or args.photos is not None:
        log.info("docs/evaluation.md stays as it is")
        measure(names, bench, lambda name, tables: None)
    else:
        measure(names, bench, onto_page)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
