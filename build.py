#!/usr/bin/env python3
"""The one door to Facewright: `python3 build.py run | test | bench | extension | window | train | synth | evaluate`.

Standard library only. It makes `.venv` with pinned packages, each command installing only what it needs, and
names or installs the system libraries of Blender on Debian and Ubuntu.
"""

import argparse
import ast
import ctypes.util
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
WANTED_PYTHON = (3, 11)  # bpy 4.2 to 5.0 exist for this one only

PACKAGES = {
    "core": ["numpy==1.26.4", "scipy==1.17.1", "onnxruntime==1.31.1"],
    "opencv": [
        "--no-deps",
        "opencv-python-headless==5.0.0.93",
    ],  # its metadata asks for a newer numpy than Blender's
    "portrait": ["scikit-image==0.26.0", "numpy==1.26.4"],  # carries the public-domain NASA portrait
    "blender": ["bpy==5.0.1", "numpy==1.26.4"],
    "checks": ["pytest==9.2.0", "ruff==0.17.6", "pyright==1.1.414", "onnx==1.23.2", "numpy==1.26.4"],
    "geometry": ["libigl==2.6.3", "numba==0.68.1", "numpy==1.26.4"],  # builds the face model, draws people
    "torch": ["torch==2.14.1", "torchvision==0.29.1", "onnx==1.23.2", "numpy==1.26.4"],
}
PEERS = ROOT / "build" / "peers" / "venv"  # MediaPipe wants other packages than ours
PEER_PACKAGES = (  # what each pip run gets; MediaPipe alone would bring jax, which its FaceMesh does not use
    ["--no-deps", "mediapipe==0.10.21", "opencv-python-headless==4.11.0.86"],
    [
        "numpy==1.26.4",
        "absl-py==2.5.1",
        "attrs==26.1.0",
        "flatbuffers==25.12.19",
        "protobuf==4.25.9",
        "matplotlib==3.11.2",
    ],
)
WHEELS = {  # what the extension bundles by Blender's Python; never numpy, which Blender brings itself
    "3.11": [
        "scipy==1.14.1",
        "opencv-python-headless==5.0.0.93",
    ],  # 4.2 to 5.0; newer scipy refuses 4.2's numpy
    "3.13": ["scipy==1.17.1", "opencv-python-headless==5.0.0.93"],  # 5.1 and later
}
ONNXRUNTIME = "onnxruntime==1.31.1"
GPU_ONNXRUNTIME = {"linux-x64": "onnxruntime-gpu==1.31.1", "windows-x64": "onnxruntime-gpu==1.31.1"}
WHEEL_TAGS = {  # Blender's platform name -> pip's platform tags
    "linux-x64": [f"manylinux_2_{minor}_x86_64" for minor in (28, 27, 17)] + ["manylinux2014_x86_64"],
    "windows-x64": ["win_amd64"],
    "macos-arm64": [f"macosx_{major}_0_arm64" for major in (14, 13, 12, 11)],
}
SHIPPED = (  # the extension's files, from the top of the tree
    "__init__.py",
    "LICENSE",
    "NOTICE.md",
    "core/**/*.py",
    "blender_addon/**/*.py",
    "models/weights/*.onnx",
    "models/weights/*.json",
    "models/face_model/face_model.npz",
    "models/face_model/card.*",
)
TRAINED = (
    "face_model", "detector", "landmarker", "descents", "parser", "rims", "completer", "completer_coarse",
    "embedder", "regressor", "pca_free",
)  # fmt: skip
RETRAIN = (
    "Restore it from the repository, or train and export it (`build.py train`, `python -m models.export.onnx_export`)."
)
RUN_FILES = ("head.blend", "head.glb", "coefficients.json", "preview.png")
SYSTEM_LIBRARIES = {  # Debian package -> a library it brings
    "libx11-6": "X11",
    "libxext6": "Xext",
    "libxfixes3": "Xfixes",
    "libxi6": "Xi",
    "libxrender1": "Xrender",
    "libsm6": "SM",
    "libice6": "ICE",
    "libxkbcommon0": "xkbcommon",
    "libgl1": "GL",
    "libegl1": "EGL",
}


class BuildError(Exception):
    """Something the caller must do first; the text says what."""


def find_python() -> str:
    """Path of a Python 3.11."""
    if sys.version_info[:2] == WANTED_PYTHON:
        return sys.executable
    found = shutil.which("python3.11")
    if found is None:
        raise BuildError(
            "Facewright is built with Python 3.11, which Blender's own module needs; this is Python "
            f"{sys.version_info.major}.{sys.version_info.minor}. Install python3.11 and run this again."
        )
    return found


def ensure(*groups: str) -> None:
    """Create `.venv` if needed and install the named package groups that are not there yet."""
    if not PYTHON.exists():
        subprocess.run([find_python(), "-m", "venv", str(VENV)], check=True)
    for group in groups:
        pins = PACKAGES[group]
        marker = VENV / f"installed-{group}"
        digest = hashlib.sha256(" ".join(pins).encode()).hexdigest()
        if marker.exists() and marker.read_text() == digest:
            continue
        print(f"Installing {group}: {' '.join(p for p in pins if not p.startswith('-'))}", flush=True)
        command = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *pins]
        if subprocess.run(command).returncode != 0:
            raise BuildError(f"Could not install {group}. Check the network and run this again: {' '.join(command)}")
        marker.write_text(digest)


def ensure_peers() -> "Path | None":
    """Python of an environment with MediaPipe under `build`, or None, with the reason printed, if it cannot be made."""
    peer = PEERS / PYTHON.relative_to(VENV)
    marker, wanted = PEERS / "installed", repr(PEER_PACKAGES)
    if marker.exists() and marker.read_text() == wanted:
        return peer
    print("Installing MediaPipe into an environment of its own", flush=True)
    shutil.rmtree(PEERS, ignore_errors=True)
    subprocess.run([find_python(), "-m", "venv", str(PEERS)], check=True)
    for pins in PEER_PACKAGES:
        command = [str(peer), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *pins]
        if subprocess.run(command).returncode != 0:
            print(f"MediaPipe is left out, it could not be installed: {' '.join(command)}")
            return None
    marker.write_text(wanted)
    return peer


def ensure_system_libraries() -> None:
    """Blender's module needs a few X and GL libraries even without a display; install them when we may."""
    if sys.platform != "linux":
        return
    missing = [package for package, name in SYSTEM_LIBRARIES.items() if ctypes.util.find_library(name) is None]
    if not missing:
        return
    packages = [*missing, "libegl-mesa0", "libgl1-mesa-dri"]
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise BuildError(f"Blender needs system libraries that are missing. Run: sudo {' '.join(command)}")
    print(f"Installing system libraries: {' '.join(packages)}", flush=True)
    quiet = {"stdout": subprocess.DEVNULL, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
    subprocess.run(["apt-get", "update", "-qq"], check=False, **quiet)
    if subprocess.run(command, **quiet).returncode != 0:
        raise BuildError(f"Could not install Blender's system libraries. Run: {' '.join(command)}")


def python(*arguments: str, env: "dict[str, str] | None" = None) -> int:
    """Run the environment's Python from the top of the tree; returns its exit status."""
    return subprocess.run([str(PYTHON), *arguments], cwd=ROOT, env={**os.environ, **(env or {})}).returncode


def cmd_test(args: argparse.Namespace) -> int:
    """Linters, types and all tests."""
    ensure("core", "opencv", "portrait", "geometry", "torch", "blender", "checks")
    ensure_system_libraries()
    for tool in (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["pyright"]):
        if python("-m", *tool) != 0:
            return 1
    return python("-m", "pytest", *args.rest)


def cmd_train(args: argparse.Namespace) -> int:
    """Train one network, or build the face model."""
    if args.name == "face_model":
        ensure("core", "opencv", "portrait", "geometry")
        return python("-m", "models.face_model.build", *args.rest)
    ensure("core", "opencv", "portrait", "geometry", "torch")  # the picture factory's loops are compiled by numba
    return python("-m", f"models.training.{args.name}", "--minutes", str(args.minutes), *args.rest)


def cmd_synth(args: argparse.Namespace) -> int:
    """Render training pictures, or contact sheets of them."""
    ensure("core", "opencv", "portrait", "geometry", "blender")  # Blender's module brings eight environment maps
    ensure_system_libraries()
    if args.show:
        return python("-m", "models.synthesis.contact_sheet", *args.rest)
    return python("-m", "models.synthesis.dataset", *args.rest)


def cmd_evaluate(args: argparse.Namespace) -> int:
    """Measure every protocol whose data is there; with all of it, rewrite docs/evaluation.md."""
    ensure("core", "opencv", "portrait", "geometry")
    peer = ensure_peers()
    options = ["--mediapipe", str(peer)] if peer else []
    quiet = {"OPENCV_LOG_LEVEL": "ERROR"}  # YuNet warns about every net it opens
    return python("-m", "models.evaluation.run", *options, *args.rest, env=quiet)


def cmd_bench(args: argparse.Namespace) -> int:
    """Time the stages against named baselines in the same run."""
    ensure("core", "opencv", "portrait", "geometry", "blender")
    ensure_system_libraries()
    user = installed_extension()
    in_blender = python("tests/blender/bench.py", env={"BLENDER_USER_RESOURCES": str(user)})
    return python("-m", "models.evaluation.bench", *args.rest) or in_blender


def this_platform() -> str:
    """Blender's name of the running platform."""
    system = {"linux": "linux", "win32": "windows", "darwin": "macos"}.get(sys.platform, sys.platform)
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}.get(
        platform.machine().lower(), platform.machine().lower()
    )
    return f"{system}-{machine}"


def download_wheels(target: str, python_version: str, gpu: bool) -> "list[Path]":
    """The extension's wheels for one platform and Python, from `build/wheels`, fetched when not there yet."""
    folder = ROOT / "build" / "wheels" / f"{target}-{python_version}{'-gpu' if gpu else ''}"
    pins = [GPU_ONNXRUNTIME.get(target, ONNXRUNTIME) if gpu else ONNXRUNTIME, *WHEELS[python_version]]
    marker = folder / "complete"
    if not marker.exists() or marker.read_text() != " ".join(pins):
        shutil.rmtree(folder, ignore_errors=True)
        tags = [option for tag in WHEEL_TAGS[target] for option in ("--platform", tag)]
        command = [
            str(PYTHON),
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
        ]
        command += [
            "--only-binary=:all:",
            "--python-version",
            python_version,
            *tags,
            "-d",
            str(folder),
            *pins,
        ]
        print(f"Fetching wheels for {target}, Python {python_version}: {' '.join(pins)}", flush=True)
        if subprocess.run(command).returncode != 0:
            raise BuildError(f"Could not fetch the wheels. Check the network and run this again: {' '.join(command)}")
        marker.write_text(" ".join(pins))
    return sorted(folder.glob("*.whl"))


def stage_extension(folder: Path, wheels: "list[Path]", platforms: "list[str]") -> None:
    """Lay the extension's source out in `folder`: shipped files, wheels, and the manifest that names them."""
    shutil.rmtree(folder, ignore_errors=True)
    for source in (path for pattern in SHIPPED for path in ROOT.glob(pattern)):
        target = folder / source.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    (folder / "wheels").mkdir()
    for wheel in wheels:
        link_or_copy(wheel, folder / "wheels" / wheel.name)
    names = ", ".join(f'"./wheels/{wheel.name}"' for wheel in wheels)
    listed = ", ".join(f'"{name}"' for name in platforms)
    manifest = (ROOT / "blender_manifest.toml").read_text(encoding="utf-8")
    manifest = manifest.replace("[permissions]", f"platforms = [{listed}]\nwheels = [{names}]\n\n[permissions]")
    (folder / "blender_manifest.toml").write_text(manifest, encoding="utf-8")


def link_or_copy(source: Path, target: Path) -> None:
    """A hard link where the file system has them: the wheels are large."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def build_extension(platforms: "list[str]", pythons: "list[str]", gpu: bool, dist: Path) -> "list[Path]":
    """Build the zip (one per platform) into `dist` with Blender's own builder; returns what was built."""
    ensure("blender")
    ensure_system_libraries()
    unknown = [name for name in platforms if name not in WHEEL_TAGS]
    if unknown:
        raise BuildError(f"No wheels are known for {', '.join(unknown)}. Choose from {', '.join(WHEEL_TAGS)}.")
    wheels = {path.name: path for name in platforms for py in pythons for path in download_wheels(name, py, gpu)}
    folder = ROOT / "build" / f"source-{dist.name}"
    stage_extension(folder, [wheels[name] for name in sorted(wheels)], platforms)
    dist.mkdir(parents=True, exist_ok=True)
    for old in dist.glob("facewright-*.zip"):
        old.unlink()
    tool = next(VENV.glob("**/bpy/*/scripts/addons_core/bl_pkg/cli/blender_ext.py"))
    command = [str(tool), "build", "--source-dir", str(folder), "--output-dir", str(dist)]
    if python(*command, *(["--split-platforms"] if len(platforms) > 1 else [])) != 0:
        raise BuildError("Blender's extension builder refused the extension; its reason is above.")
    return sorted(dist.glob("facewright-*.zip"))


def check_networks(root: Path = ROOT) -> None:
    """Raise `BuildError` unless models/weights holds every trained network of core/runtime/specs.py, unaltered."""
    body = ast.parse((root / "core" / "runtime" / "specs.py").read_text(encoding="utf-8")).body
    hashes = next(node.value for node in body if isinstance(node, ast.AnnAssign) and node.target.id == "SHA256")
    for name, wanted in ast.literal_eval(hashes).items():
        path = root / "models" / "weights" / f"{name}.onnx"
        if not wanted and not path.exists():  # not trained yet
            continue
        if not path.exists():
            raise BuildError(f"The network {path} is missing, so the extension could not find a face. {RETRAIN}")
        if hashlib.sha256(path.read_bytes()).hexdigest() != wanted:
            raise BuildError(f"The network {path} is not the one that core/runtime/specs.py names. {RETRAIN}")


def cmd_extension(args: argparse.Namespace) -> int:
    """Build the installable zip."""
    check_networks()
    platforms = args.platforms or [this_platform()]
    for path in build_extension(platforms, list(WHEELS), args.gpu, ROOT / "dist"):
        print(f"{path.relative_to(ROOT)}  {path.stat().st_size / 2**20:.0f} MB")
    return 0


INSTALL = """
import bpy, sys
bpy.ops.extensions.package_install_files(filepath=sys.argv[-1], repo="user_default", enable_on_install=True)
"""
RUN = """
import logging, pathlib, sys
import bpy, addon_utils
logging.basicConfig(level=logging.WARNING, format="%(message)s")
photo, folder = map(pathlib.Path, sys.argv[-2:])
if addon_utils.enable("bl_ext.user_default.facewright") is None:
    sys.exit("The extension could not be enabled; the reason is above.")
from bl_ext.user_default.facewright.blender_addon import showcase
from bl_ext.user_default.facewright.core.errors import FaceError
try:
    seconds = showcase.run(photo, folder)
except FaceError as error:
    sys.exit(str(error))
print("  ".join(f"{step} {value:.1f} s" for step, value in seconds.items()))
"""


def fingerprint(paths: "list[Path]") -> str:
    """One digest of the names and contents of files."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def installed_extension() -> Path:
    """A Blender user folder under `build` with the present extension installed; rebuilt when a file changed."""
    home, marker = ROOT / "build" / "run", ROOT / "build" / "run" / "installed"
    wanted = fingerprint(
        [path for pattern in (*SHIPPED, "build.py", "blender_manifest.toml") for path in ROOT.glob(pattern)]
    )
    if marker.exists() and marker.read_text() == wanted:
        return home / "user"
    shutil.rmtree(home, ignore_errors=True)
    zip_path = build_extension([this_platform()], [f"{WANTED_PYTHON[0]}.{WANTED_PYTHON[1]}"], False, home)[0]
    if python("-c", INSTALL, str(zip_path), env={"BLENDER_USER_RESOURCES": str(home / "user")}) != 0:
        raise BuildError("Blender could not install the extension; its reason is above.")
    zip_path.unlink()
    marker.write_text(wanted)
    return home / "user"


def nasa_portrait() -> Path:
    """The public-domain portrait that scikit-image carries, as a file."""
    path = ROOT / "build" / "nasa_portrait.png"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        code = "import sys, skimage; skimage.io.imsave(sys.argv[1], skimage.data.astronaut())"
        if python("-c", code, str(path)) != 0:
            raise BuildError("scikit-image's portrait could not be read. Give a photo: build.py run PHOTO")
    return path


def cmd_run(args: argparse.Namespace) -> int:
    """Photo to head.blend, head.glb, coefficients.json and preview.png through the installed extension."""
    check_networks()
    ensure("core", "opencv", "portrait", "blender")
    ensure_system_libraries()
    user = installed_extension()
    photo = args.photo or nasa_portrait()
    folder = args.out.resolve()
    status = python("-c", RUN, str(photo.resolve()), str(folder), env={"BLENDER_USER_RESOURCES": str(user)})
    if status == 0:
        print("\n".join(str(folder / name) for name in RUN_FILES))
    return status


def cmd_window(args: argparse.Namespace) -> int:
    """Start a real Blender window, click through the panel and save screenshots."""
    ensure("core", "opencv", "portrait", "blender")
    archive = build_extension([this_platform()], list(WHEELS), False, ROOT / "build" / "window")[0]
    return python("tests/window/chroot.py", str(archive), str(nasa_portrait()), str(ROOT / "out" / "window"))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="build.py", description=__doc__.splitlines()[0])
    commands = top.add_subparsers(dest="command", required=True)

    def add(name: str, function, passes_rest: bool = True) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=function.__doc__)
        sub.set_defaults(function=function, passes_rest=passes_rest, rest=[])
        return sub

    run = add("run", cmd_run, passes_rest=False)
    run.add_argument("photo", nargs="?", type=Path, help="a photo of a face; the NASA portrait if none is given")
    run.add_argument("--out", type=Path, default=ROOT / "out" / "run")
    add("test", cmd_test)
    extension = add("extension", cmd_extension, passes_rest=False)
    extension.add_argument("--gpu", action="store_true", help="bundle onnxruntime-gpu instead of onnxruntime")
    extension.add_argument("--platforms", nargs="+", default=None, help="for example linux-x64 windows-x64 macos-arm64")
    add("window", cmd_window)
    train = add("train", cmd_train)
    train.add_argument("name", choices=TRAINED)
    train.add_argument("--minutes", type=float, default=30.0)
    synth = add("synth", cmd_synth)
    synth.add_argument("--show", action="store_true", help="write contact sheets instead of training pictures")
    add("evaluate", cmd_evaluate)
    add("bench", cmd_bench)
    return top


def main() -> int:
    """Parse, run, and turn a `BuildError` into one sentence and status 2."""
    top = parser()
    args, rest = top.parse_known_args()
    if rest and not args.passes_rest:
        top.error(f"unknown arguments: {' '.join(rest)}")
    args.rest = rest
    try:
        return args.function(args)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
