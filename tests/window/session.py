"""Drives a real Blender window as a person does: mouse and eyes. Runs inside the chroot with its Python.

Arguments: a folder with the zip, the photo and the scripts; screenshots go there too. Exit status 0 when every
step had the effect it should have.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

DISPLAY, SIZE = ":77", (1280, 800)
MATERIALS_SECONDS = 300  # a nicer picture, if the software renderer compiles the materials in time


class Session:
    """One Blender on one virtual screen."""

    def __init__(self, folder: Path, photo: Path) -> None:
        self.folder, self.state_file = folder, folder / "state.json"
        (folder / "xdg").mkdir(mode=0o700, exist_ok=True)
        self.env = {
            **os.environ,
            "DISPLAY": DISPLAY,
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "HOME": str(folder),
            "BLENDER_USER_RESOURCES": str(folder / "user"),
            "XDG_RUNTIME_DIR": str(folder / "xdg"),
            "FACEWRIGHT_STATE": str(self.state_file),
            "FACEWRIGHT_PHOTO": str(photo),
        }
        self.processes: list[subprocess.Popen] = []

    def install(self, archive: Path) -> None:
        """Install the zip with Blender's own command."""
        command = ["blender", "--command", "extension", "install-file", "-r", "user_default", "-e", str(archive)]
        subprocess.run(command, env=self.env, check=True)

    def open(self) -> None:
        """Screen and Blender."""
        screen = f"{SIZE[0]}x{SIZE[1]}x24"
        self.start("Xvfb", DISPLAY, "-screen", "0", screen, "+extension", "GLX", "-noreset")
        time.sleep(2)
        script = str(self.folder / "in_blender.py")
        self.start("blender", "--no-window-focus", "--window-geometry", "0", "0", *map(str, SIZE), "--python", script)

    def start(self, *command: str) -> None:
        """A process that `close` ends; its output goes into a log beside the screenshots."""
        log = (self.folder / f"{command[0]}.log").open("w")
        self.processes.append(subprocess.Popen(command, env=self.env, stdout=log, stderr=subprocess.STDOUT))

    def close(self) -> None:
        """End what was started."""
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()

    def state(self) -> dict:
        """What Blender said last."""
        return json.loads(self.state_file.read_text()) if self.state_file.exists() else {}

    def came(self, until: Callable[[dict], bool], seconds: float) -> bool:
        """Wait for Blender to say so; whether it did."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.processes[-1].poll() is not None:
                raise SystemExit("Blender ended by itself; see blender.log.")
            now = self.state()
            if now and until(now):
                return True
            time.sleep(0.2)
        return False

    def wait(self, what: str, until: Callable[[dict], bool], seconds: float) -> None:
        """Wait for what must come."""
        if not self.came(until, seconds):
            self.shoot("failed")
            raise SystemExit(f"{what}: not within {seconds:.0f} s; see failed.png. Blender said: {self.state()}")

    def mouse(self, *command: object) -> None:
        """One xdotool command."""
        subprocess.run(["xdotool", *map(str, command)], env=self.env, check=True)

    def click(self, x: int, y: int) -> None:
        """Move there, rest, click."""
        self.mouse("mousemove", x, y)
        time.sleep(0.4)
        self.mouse("click", 1)
        time.sleep(0.3)

    def press(self, what: str, place: tuple[int, int], until: Callable[[dict], bool], seconds: float = 20) -> None:
        """Click a button until it has its effect: a busy Blender that redraws its panel misses clicks."""
        for _ in range(3):
            self.click(*place)
            if self.came(until, seconds):
                return
            self.mouse("mousemove_relative", "--", 0, 60)
        self.wait(what, until, 1)

    def drag(self, x: int, y: int, by: int) -> None:
        """Press, move by `by` pixels to the right in small steps, release."""
        self.mouse("mousemove", x, y)
        time.sleep(0.4)
        self.mouse("mousedown", 1)
        time.sleep(0.5)
        for _ in range(20):
            self.mouse("mousemove_relative", "--", by // 20, 0)
            time.sleep(0.1)
        time.sleep(0.5)
        self.mouse("mouseup", 1)
        time.sleep(1.0)

    def shoot(self, name: str) -> None:
        """Save what is on the screen."""
        subprocess.run(["import", "-window", "root", str(self.folder / f"{name}.png")], env=self.env, check=True)


def moved(before: dict, after: dict) -> list[str]:
    """Expression sliders whose value changed."""
    return [name for name, value in after["values"].items() if abs(value - before["values"].get(name, 0)) > 0.05]


def move_slider(session: Session, name: str, place: tuple[int, int], tries: int = 3) -> None:
    """Drag a slider until it moves: on a busy machine Blender takes a drag for a click and opens the number."""
    before = session.state()
    for _ in range(tries):
        session.drag(*place, 80)
        time.sleep(2)
        found = moved(before, session.state())
        if found == [name]:
            return
        if found:
            raise SystemExit(f"Dragged {name}, but {found} moved.")
        session.mouse("key", "Escape")
        time.sleep(2)
    session.shoot("failed")
    raise SystemExit(f"The slider {name} did not move; see failed.png.")


def paint_mask(session: Session, places: dict[str, tuple[int, int]]) -> None:
    """Find the mask, paint a stroke on it, take half of it back, put the brush down."""
    session.click(*places["header"])
    session.press("the search", places["find"], lambda now: now["mask"] is not None or now["job"] is not None)
    session.wait("the mask", lambda now: now["mask"] is not None and now["job"] is None, 400)
    found = session.state()["mask"]["white"]
    time.sleep(3)
    session.press("the editor", places["paint"], lambda now: now["mask"]["open"])
    session.wait("a close look at the face", lambda now: now["mask"]["zoom"] > 1.5, 60)
    time.sleep(5)
    stroke(session, places["stroke"], lambda white: white > found)
    added = session.state()["mask"]["white"]
    session.shoot("mask_added")
    session.press("the brush that removes", places["remove"], lambda now: not now["mask"]["adds"])
    stroke(session, places["erase"], lambda white: white < added)
    session.shoot("mask_removed")
    session.press("the end of painting", places["done"], lambda now: not now["mask"]["open"])
    time.sleep(3)


def stroke(session: Session, place: tuple[int, int], done: Callable[[float], bool], tries: int = 3) -> None:
    """Paint a stroke from `place` until the mask is as it should be."""
    for _ in range(tries):
        session.drag(*place, 100)
        if session.came(lambda now: done(now["mask"]["white"]), 10):
            return
    session.shoot("failed")
    raise SystemExit(f"A stroke at {place} did not change the mask as it should; see failed.png.")


def drive(session: Session, places: dict) -> None:
    """The visit: open the panel, paint the mask, Reconstruct, two sliders. Places are pixels of the window."""
    session.wait("the panel", lambda now: now["tab"] == "Facewright", 400)
    time.sleep(4)
    session.shoot("1_panel")
    paint_mask(session, places["mask"])
    session.press("the job", places["button"], lambda now: now["job"] is not None or now["head"] is not None)
    session.shoot("2_progress")
    session.wait("the head", lambda now: now["head"] is not None and now["job"] is None, 400)
    if not session.state()["completed"]:
        raise SystemExit("The head was built without the mask that was painted.")
    time.sleep(5)
    session.click(*places["mask"]["header"])  # closes it: the sliders come into sight
    time.sleep(3)
    session.shoot("3_head")
    for number, (name, place) in enumerate(places["sliders"].items(), 4):
        move_slider(session, name, place)
        time.sleep(2)
        session.shoot(f"{number}_slider")
    (session.folder / "show_materials").touch()
    if session.came(lambda now: now["drawn_with_materials"] > 60, MATERIALS_SECONDS):
        session.shoot("6_materials")


def main() -> None:
    """Install, open, drive, close."""
    folder = Path(sys.argv[1])
    places = json.loads((folder / "places.json").read_text())
    session = Session(folder, folder / "portrait.png")
    session.install(folder / "facewright.zip")
    try:
        session.open()
        drive(session, places)
    finally:
        session.close()


if __name__ == "__main__":
    main()
