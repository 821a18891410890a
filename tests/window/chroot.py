"""A Debian with a windowed Blender in a folder, made once, and one visit to it. Standard library, Linux, root.

`python3 tests/window/chroot.py ZIP PHOTO OUT` is what `build.py window` calls.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SUITE, MIRROR = "trixie", "http://deb.debian.org/debian"
PACKAGES = (
    *("blender", "xvfb", "xauth", "xdotool", "imagemagick", "ca-certificates", "procps"),
    *("libgl1-mesa-dri", "libgl1", "libegl1", "libglx-mesa0", "libegl-mesa0"),
    *("python3-numpy", "python3-requests", "python3-zstandard"),
)
MOUNTS = (  # what, where, how: order matters, the last is unmounted first
    ("proc", "proc", ["-t", "proc"]),
    ("/dev", "dev", ["--bind"]),
    ("sysfs", "sys", ["-t", "sysfs"]),
    ("tmpfs", "dev/shm", ["-t", "tmpfs"]),
)
SCRIPTS = ("session.py", "in_blender.py", "stand_in.py", "places.json")


def make(folder: Path) -> None:
    """Install Debian and Blender into `folder` unless that was done."""
    if shutil.which("debootstrap") is None:
        subprocess.run(["apt-get", "install", "-y", "-qq", "debootstrap"], check=True)
    if not (folder / "bin").exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["debootstrap", "--variant=minbase", SUITE, str(folder), MIRROR], check=True)
    if not (folder / "usr/bin/blender").exists():
        shutil.copyfile("/etc/resolv.conf", folder / "etc/resolv.conf")
        with mounted(folder):
            run(folder, "apt-get", "update")
            run(folder, "apt-get", "install", "-y", "--no-install-recommends", *PACKAGES)


def run(folder: Path, *command: str) -> None:
    """Run a command in the chroot."""
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["chroot", str(folder), *command], env=env, check=True)


@contextlib.contextmanager
def mounted(folder: Path) -> Iterator[None]:
    """The kernel's file systems inside `folder`, taken out again whatever happens."""
    done: list[Path] = []
    try:
        for what, where, how in MOUNTS:
            target = folder / where
            if not os.path.ismount(target):
                subprocess.run(["mount", *how, what, str(target)], check=True)
            done.append(target)
        yield
    finally:
        for target in reversed(done):
            subprocess.run(["umount", "--lazy", str(target)], check=False)


def visit(folder: Path, archive: Path, photo: Path, out: Path) -> int:
    """Install the zip in the chroot's Blender, drive the window, bring the screenshots to `out`."""
    work = folder / "tmp" / "facewright"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    for name in SCRIPTS:
        shutil.copyfile(HERE / name, work / name)
    shutil.copyfile(ROOT / "tests/blender/synthetic.py", work / "synthetic.py")
    shutil.copyfile(archive, work / "facewright.zip")
    shutil.copyfile(photo, work / "portrait.png")
    with mounted(folder):
        inside = ["chroot", str(folder), "python3", "/tmp/facewright/session.py", "/tmp/facewright"]
        status = subprocess.run(inside).returncode
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for kept in [*work.glob("*.png"), *work.glob("*.log")]:
        shutil.copyfile(kept, out / kept.name)
    return status


def main() -> int:
    """Make the chroot if needed and visit it."""
    archive, photo, out = map(Path, sys.argv[1:4])
    if os.geteuid() != 0 or not sys.platform.startswith("linux"):
        raise SystemExit("The window test makes a Debian in a folder: it needs Linux and root.")
    folder = ROOT / "build" / "chroot" / SUITE
    make(folder)
    return visit(folder, archive, photo, out)


if __name__ == "__main__":
    sys.exit(main())
