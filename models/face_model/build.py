"""Builds face_model.npz: `python -m models.face_model.build` (sources -> statistics -> our topology -> file).

The topology is that of the shipped file, so that trained networks stay valid, and the log tells how far the new file
lies from it. `--new-topology` designs another one.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np

from .albedo import learn_albedo
from .assembly import assemble, keep_signs, save
from .card import write_card
from .comparison import differences
from .expressions import expressions
from .identity import learn_identity
from .kept_topology import kept_topology
from .landmarks import dense_points, landmark_points
from .population import makehuman_fields
from .regions import REGIONS, regions
from .registration import register
from .skin_fields import SKIN, facial, skin_fields
from .sources import ICT_LANDMARKS, load_ict, load_makehuman
from .statistics import CACHE, Statistics, load_statistics, save_statistics
from .surface import mirror_map, symmetrised, vertex_areas
from .topology import build_topology

LOG = logging.getLogger(__name__)
SHIPPED = Path(__file__).resolve().parent / "face_model.npz"


def statistics(refresh: bool = False) -> Statistics:
    """The learned statistics, from the cache when it is there: a new topology must not change the coefficients.

    The landmarks are markup, not statistics: they are placed anew.
    """
    if not refresh and CACHE.exists():
        cached = load_statistics(CACHE)
        return replace(cached, landmarks=landmark_points(cached.mean, ICT_LANDMARKS, load_ict().mesh.faces))
    learned = learn()
    save_statistics(learned, CACHE)
    return learned


def learn() -> Statistics:
    """Learn all statistics on the ICT connectivity."""
    ict, makehuman = load_ict(), load_makehuman()
    mirror = mirror_map(ict.vertices, ict.mesh.faces)
    mean = symmetrised(ict.vertices, mirror)
    label = regions(mean, ict.mesh.faces)
    registration = register(ict, mean, mirror, makehuman)
    fields = makehuman_fields(registration, ict, mean, makehuman)
    face = facial(label) & (mean[:, 1] < 0.08)
    identity = learn_identity(ict, mean, mirror, fields, face)
    LOG.info("identity: held out %s", identity.held_out_mm)
    weights = vertex_areas(mean, ict.mesh.faces) * np.where(facial(label), 1.0, 0.12)
    skin = skin_fields(ict, mean, mirror, makehuman, registration)
    albedo = learn_albedo(skin, weights[:SKIN], mirror[:SKIN])
    LOG.info("albedo: held-out error %.4f", albedo.held_out)
    on = np.zeros(68, np.uint8)
    on[[49, 50, 51, 52, 53, 61, 62, 63]] = REGIONS.index("upper_lip")
    on[[55, 56, 57, 58, 59, 65, 66, 67]] = REGIONS.index("lower_lip")
    return Statistics(
        mean=mean,
        mirror=mirror,
        identity=identity,
        expression=expressions(ict, mean, mirror),
        albedo=albedo,
        label=label,
        landmarks=landmark_points(mean, ICT_LANDMARKS, ict.mesh.faces),
        landmark_region=on,
        dense=dense_points(mean, label, mirror),
        eye_centers=ict.eye_centers,
    )


def main() -> None:
    """Build the file and log what it holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--refresh", action="store_true", help="learn the statistics again, though they are cached")
    parser.add_argument(
        "--new-topology", action="store_true", help="design the topology anew; then all networks must be trained again"
    )
    parser.add_argument("--out", type=Path, default=SHIPPED)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    topology = build_topology() if arguments.new_topology else kept_topology()
    learned = statistics(arguments.refresh)
    arrays = assemble(learned, topology)
    keep_signs(arrays, SHIPPED)
    if not arguments.new_topology:
        _log_differences(arrays)
    save(arrays, arguments.out)
    write_card(arguments.out, learned, topology)
    LOG.info("%s: %d vertices, %.2f MB", arguments.out, len(arrays["vertices"]), arguments.out.stat().st_size / 1e6)


def _log_differences(arrays: dict[str, np.ndarray]) -> None:
    for found in differences(arrays, SHIPPED):
        LOG.info("%s: %.3g at most from the shipped, %.3g rms", found.name, found.largest, found.rms)


if __name__ == "__main__":
    main()
