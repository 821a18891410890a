"""The card beside each network: where it comes from and what it reached."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .loop import Recipe

ROOT = Path(__file__).resolve().parents[2]
LICENSE = "MIT"
DATA_NOTICE = (
    "Synthetic pictures only, rendered by models/synthesis from ICT-FaceKit (MIT), MakeHuman (CC0), "
    "Poly Haven environments (CC0), MaskTheFace templates (MIT) and WebXR hands (MIT). No photo of a real person."
)

PORTRAITS_NOTICE = (
    "Synthetic pictures rendered by models/synthesis from ICT-FaceKit (MIT), MakeHuman (CC0), Poly Haven environments "
    "(CC0), MaskTheFace templates (MIT) and WebXR hands (MIT); and official portraits of members of the US Congress "
    "(public domain), labelled by MediaPipe FaceMesh (Apache-2.0) and by this project's networks. No other real person."
)


def git_commit() -> str:
    """Short hash of the code, with "+" when files differ from it; "unknown" outside a repository."""
    try:
        commit = _git("rev-parse", "--short", "HEAD")
        return commit + ("+" if _git("status", "--porcelain", "--untracked-files=no", "models", "core") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=ROOT, check=True, capture_output=True, text=True, timeout=10
    ).stdout.strip()


def earlier_card(checkpoint: Path) -> dict[str, object]:
    """What the card beside a checkpoint says of its run, or that there is none."""
    path = checkpoint.parent / "card.json"
    if not path.exists():
        return {"checkpoint": checkpoint.name, "card": "none"}
    card = json.loads(path.read_text())
    told = ("name", "code", "training", "data", "data_on_device", "figures", "started_from")
    return {key: card[key] for key in told if key in card}


def network_sizes(run: Path) -> dict[str, Any]:
    """Arguments of the network's configuration, from the card of a finished run."""
    sizes: dict[str, Any] = json.loads((run / "card.json").read_text())["network"]
    return {key: tuple(value) if isinstance(value, list) else value for key, value in sizes.items()}


def write_card(
    path: Path,
    recipe: Recipe,
    training: dict[str, object],
    figures: dict[str, float],
    started_from: dict[str, object] | None = None,
    more: dict[str, object] | None = None,
) -> None:
    """Write the training's card as JSON.

    `training` says how long and how; `started_from` is the card of the run whose weights it began with; `more` joins
    what else the run has to tell.
    """
    card = {
        "name": recipe.name,
        "license": LICENSE,
        "provenance": DATA_NOTICE,
        "code": git_commit(),
        "training": training,
        **recipe.provenance(),
        "figures": {key: round(value, 5) for key, value in figures.items()},
    }
    card.update(more or {})
    if started_from is not None:
        card["started_from"] = started_from
    path.write_text(json.dumps(card, indent=2) + "\n")
