"""The door to the project refuses to build what could not work."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest

from core.runtime.specs import SHA256

ROOT = Path(__file__).resolve().parents[2]
CONTENT = b"a network"


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("facewright_build", ROOT / "build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Specifications and weights that belong together."""
    specs, weights = tmp_path / "core" / "runtime" / "specs.py", tmp_path / "models" / "weights"
    specs.parent.mkdir(parents=True)
    weights.mkdir(parents=True)
    shutil.copy(ROOT / "core" / "runtime" / "specs.py", specs)
    text = specs.read_text()
    for name, digest in SHA256.items():
        (weights / f"{name}.onnx").write_bytes(CONTENT)
        text = text.replace(f'"{name}": "{digest}"', f'"{name}": "{hashlib.sha256(CONTENT).hexdigest()}"')
    specs.write_text(text)
    return tmp_path


def test_whole_weights_may_ship(build: ModuleType, tree: Path) -> None:
    assert build.check_networks(tree) is None


@pytest.mark.parametrize("name", SHA256)
def test_missing_and_altered_weights_do_not_ship(build: ModuleType, tree: Path, name: str) -> None:
    path = tree / "models" / "weights" / f"{name}.onnx"
    path.write_bytes(CONTENT + b"!")
    with pytest.raises(build.BuildError, match=f"{name}.onnx is not the one that .* Restore it"):
        build.check_networks(tree)
    path.unlink()
    with pytest.raises(build.BuildError, match=f"{name}.onnx is missing.* Restore it"):
        build.check_networks(tree)
