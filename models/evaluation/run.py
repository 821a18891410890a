"""`python -m models.evaluation.run`: every protocol whose data is there, into docs/evaluation.md."""

from __future__ import annotations

import argparse
import logging
import os
import platform
import subprocess

import numpy as np

from core.errors import FaceError
from core.pipeline import Pipeline
from core.settings import Settings

from . import data, protocols, synthetic
from .metrics import Interval
from .report import Report, Table
from .sheets import sheet_row, write_sheet

log = logging.getLogger(__name__)
OUT = data.ROOT / "out" / "evaluation"


def detection_table(pipeline: Pipeline, limit: int | None) -> Table:
    """Our detector beside YuNet on the same photos."""

    def ours(image: np.ndarray) -> list[np.ndarray]:
        return [protocols.corners(box) for box in pipeline.detect(image)]

    rows = []
    for name, photos in {"landmarks68": data.landmarks68(), "lfw_view1": data.lfw()}.items():
        for system, detect in {"Facewright": ours, "YuNet (peer)": protocols.YuNet(0.6)}.items():
            score = protocols.detection(detect, photos[:limit])
            log.info("%s %s %s", name, system, score)
            rows.append(
                (
                    name,
                    system,
                    f"{score.recall:.1f} %",
                    f"{score.false_per_100:.2f}",
                    f"{score.milliseconds:.1f}",
                )
            )
    animals = data.not_faces()
    seen = sum(bool(ours(photo.image())) for photo in animals)
    rows.append(("not_faces", "Facewright", f"{seen} of {len(animals)} taken for a face", "", ""))
    return Table(
        "Face detector",
        ("photos", "system", "recall", "false faces per 100 photos", "ms at 640x480"),
        tuple(rows),
        "Found means IoU of at least 0.3 with the labelled face (its 68 points; the middle of an LFW photo). "
        "A further face is false unless YuNet at threshold 0.3 sees one there.",
    )


def landmark_table(pipeline: Pipeline, limit: int | None) -> Table:
    """Landmarker and projected fitted model on hand-placed points."""
    photos = data.landmarks68()[:limit]
    scores = {
        "landmarker": protocols.score_points(photos, pipeline.detect, protocols.landmark_predictor(pipeline)),
        "fitted model, projected": protocols.score_points(photos, pipeline.detect, protocols.fit_predictor(pipeline)),
    }
    rows = [(name, s.inner.text(), s.all.text(), str(s.missed)) for name, s in scores.items()]
    return Table(
        "68 landmarks on real photos (`landmarks68`, own detector)",
        ("system", "inner 51, %", "all 68, %", "faces missed"),
        tuple(rows),
        "Mean point error over the distance of the outer eye corners, on the photos where the face was found.",
    )


def synthetic_table(pipeline: Pipeline, count: int) -> Table:
    """Vertex error on held-out synthetic people."""
    score = synthetic.measure(pipeline, count)

    def row(name: str, value: Interval, mean: Interval) -> tuple[str, str, str, str]:
        return name, value.text(), mean.text(), f"{100 * value.mean / mean.mean:.0f} %"

    return Table(
        f"Vertex error on {score.people} held-out synthetic people, mm",
        ("face region after alignment", "regression + fit", "mean face", "share"),
        (
            row("neutral shape, rigid", score.neutral, score.neutral_mean),
            row("neutral shape, similarity", score.neutral_scaled, score.neutral_scaled_mean),
            row("neutral shape, regression alone, rigid", score.regressed, score.neutral_mean),
            row("with expression, rigid", score.posed, score.posed_mean),
        ),
        f"Faces missed by the detector: {score.missed}. Pictures of a seed that no training used, without occluders.",
    )


def time_table(pipeline: Pipeline, rounds: int = 7) -> Table:
    """Median seconds per stage of a warm reconstruction of the NASA portrait."""
    from skimage.data import astronaut

    photo = astronaut()
    pipeline.reconstruct(photo)
    runs = [pipeline.reconstruct(photo).timings for _ in range(rounds)]
    stages = list(runs[0])
    medians = {stage: float(np.median([run[stage] for run in runs])) for stage in stages}
    rows = [(stage, f"{1000 * seconds:.0f}") for stage, seconds in medians.items()]
    if "total" not in medians:
        rows.append(("total", f"{1000 * sum(medians.values()):.0f}"))
    return Table("Warm photo to FaceResult, ms", ("stage", "median"), tuple(rows))


def write_gallery(pipeline: Pipeline) -> None:
    """Contact sheet of the gallery into the ignored output folder."""
    rows = []
    for photo in data.gallery():
        image = photo.image()
        try:
            rows.append(sheet_row(pipeline.face_model, image, pipeline.reconstruct(image)))
        except FaceError as error:
            log.warning("%s: %s", photo.path.name, error)
    if rows:
        write_sheet(rows, OUT / "gallery.png")
        log.info("gallery: %s", OUT / "gallery.png")


def describe_machine() -> str:
    """Processor threads and Python."""
    return f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}"


def code_commit() -> str:
    """Short name of the commit, marked when the tree differs from it."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=data.ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, help="only the first N photos of each set; the page is not written")
    parser.add_argument("--people", type=int, default=500, help="held-out synthetic people")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    pipeline = Pipeline(Settings())
    report = Report(code_commit(), describe_machine())
    if data.EVALUATION.exists():
        report.tables += [
            detection_table(pipeline, args.limit),
            landmark_table(pipeline, args.limit),
        ]
        write_gallery(pipeline)
    else:
        log.warning("%s is not there: the protocols on real photos are left out", data.EVALUATION)
    report.tables += [synthetic_table(pipeline, args.people), time_table(pipeline)]
    for table in report.tables:
        log.info("\n%s", table.markdown())
    if args.limit is None and data.EVALUATION.exists():  # half a page must not replace a whole one
        report.write()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
