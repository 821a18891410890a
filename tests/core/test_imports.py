"""`core` needs numpy, scipy, OpenCV and onnxruntime, and nothing that ships with Blender or trains networks."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "core").rglob("*.py")
    if path.name != "__init__.py"
)
FORBIDDEN = ("bpy", "mathutils", "torch", "torchvision", "models", "blender_addon", "skimage", "PIL", "onnx")
ALLOWED = {"numpy", "scipy", "cv2", "onnxruntime"}

BLOCKED_IMPORT = """
import importlib, sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {forbidden}:
            raise ImportError("core must not import " + name)
sys.meta_path.insert(0, Block())
for name in {modules}:
    importlib.import_module(name)
loaded = sorted({{name.split(".")[0] for name in sys.modules}} & set({forbidden}))
assert not loaded, loaded
"""


def test_imports_with_everything_else_blocked() -> None:
    code = BLOCKED_IMPORT.format(forbidden=FORBIDDEN, modules=MODULES)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_runs_as_a_package_inside_another_name(tmp_path: Path) -> None:
    """As installed in Blender, where it is bl_ext.user_default.facewright.core."""
    (tmp_path / "outer").mkdir()
    (tmp_path / "outer" / "__init__.py").write_text("")
    (tmp_path / "outer" / "core").symlink_to(ROOT / "core", target_is_directory=True)
    names = [f"outer.{name}" for name in MODULES]
    code = (
        f"import importlib, sys\nfor name in {names}: importlib.import_module(name)\nassert 'core' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", MODULES)
def test_names_only_its_own_libraries(module: str) -> None:
    source = (ROOT / Path(*module.split("."))).with_suffix(".py").read_text(encoding="utf-8")
    outside = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            outside |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            outside.add(node.module.split(".")[0])
    assert outside <= ALLOWED | set(sys.stdlib_module_names), outside
