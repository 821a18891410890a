"""The Reconstruct operator: synchronous, on the worker thread, cancelled, failing, with the scene changing under it."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

STAGES = ("detect", "landmark", "complete", "regress", "fit", "texture", "hair")


@pytest.fixture
def modal(bpy, addon):
    """Drives a job operator's modal part as Blender's event loop does; background Blender has none."""
    reconstruct = addon("blender_addon.operators.reconstruct")
    base = addon("blender_addon.operators.base")

    class Modal(base.JobOperator):
        """The methods of the real operator on a plain object that records its reports."""

        bl_idname, title, filepath = "facewright.reconstruct", "The reconstruction", ""
        prepare = reconstruct.FACEWRIGHT_OT_reconstruct.prepare
        finish = reconstruct.FACEWRIGHT_OT_reconstruct.finish

        def __init__(self) -> None:
            self.reports: list[tuple[set[str], str]] = []
            self.timers: list[object] = []

        def report(self, kind: set[str], text: str) -> None:
            self.reports.append((kind, text))

        def begin(self, work=None) -> None:
            self._job = addon("blender_addon.job").begin(self.title, work or self.prepare(bpy.context))

        def run(self, seconds: float = 20.0) -> set[str]:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                state = self.step(bpy.context)
                if state != {"PASS_THROUGH"}:
                    return state
                time.sleep(0.01)
            raise AssertionError("the job never ended")

    yield Modal()
    addon("blender_addon.job").stop()


def _names(bpy) -> dict[str, set[str]]:
    kinds = ("objects", "meshes", "materials", "images", "collections", "cameras", "worlds", "shape_keys")
    return {kind: {item.name for item in getattr(bpy.data, kind)} for kind in kinds}


def test_synchronous_from_a_script(bpy, fake_pipeline, photo_file) -> None:
    assert bpy.ops.facewright.reconstruct(filepath=str(photo_file)) == {"FINISHED"}
    head = bpy.context.active_object
    assert head.name == "ada"
    assert len(head.data.shape_keys.key_blocks) == 65
    assert bpy.context.scene.camera.name == "ada Camera"


def test_panels_file_and_image_give_the_same_photo(bpy, addon, photo, photo_file) -> None:
    source = addon("blender_addon.photo_source")
    image = bpy.data.images.load(str(photo_file))
    assert source.from_image(image).path == photo_file
    image.pack()
    assert np.abs(source.from_image(image).pixels.astype(int) - photo).max() <= 1


def test_one_undo_step_removes_everything(bpy, fake_pipeline, photo_file) -> None:
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.ed.undo_push(message="before")
    before = _names(bpy)
    world = bpy.context.scene.world
    assert bpy.ops.facewright.reconstruct("EXEC_DEFAULT", True, filepath=str(photo_file)) == {"FINISHED"}
    assert _names(bpy) != before
    bpy.ops.ed.undo()
    assert _names(bpy) == before
    assert bpy.context.scene.world == world
    assert bpy.context.scene.camera is None


def test_worker_builds_the_head(bpy, modal, fake_pipeline, photo_file) -> None:
    bpy.context.scene.facewright.filepath = str(photo_file)
    threads = []
    fake_pipeline.at_stage = lambda stage: threads.append(threading.current_thread())
    modal.begin()
    assert modal.run() == {"FINISHED"}
    assert bpy.data.objects["ada"].type == "MESH"
    assert threads and threading.main_thread() not in threads
    assert ({"WARNING"}, fake_pipeline._result.warnings[0]) in modal.reports


def test_progress_names_the_stages(bpy, addon, modal, fake_pipeline, photo_file) -> None:
    labels = addon("blender_addon.reconstruction").STAGE_LABELS
    assert set(STAGES) <= set(labels)
    bpy.context.scene.facewright.filepath = str(photo_file)
    gate, seen = threading.Event(), threading.Event()

    def hold(stage: str) -> None:
        if stage == "fit":
            seen.set()
            gate.wait(10)

    fake_pipeline.at_stage = hold
    modal.begin()
    assert seen.wait(10)
    assert modal.step(bpy.context) == {"PASS_THROUGH"}
    running = addon("blender_addon.job").current()
    assert running.progress.stage == "fit" and 0.5 < running.progress.fraction < 0.7
    assert not bpy.ops.facewright.reconstruct.poll()  # one at a time
    gate.set()
    assert modal.run() == {"FINISHED"}
    assert bpy.ops.facewright.reconstruct.poll()


@pytest.mark.parametrize("stage", STAGES)
def test_cancel_at_each_stage_changes_nothing(bpy, modal, fake_pipeline, photo_file, stage) -> None:
    bpy.context.scene.facewright.filepath = str(photo_file)
    before = _names(bpy)
    reached, gate = _held(fake_pipeline, stage)
    modal.begin()
    assert reached.wait(10)
    bpy.ops.facewright.cancel()
    gate.set()
    assert modal.run() == {"CANCELLED"}
    assert _names(bpy) == before
    (kind, text) = modal.reports[-1]
    assert kind == {"WARNING"}
    assert "Nothing was changed" in text


def _held(fake_pipeline, stage: str) -> tuple[threading.Event, threading.Event]:
    reached, gate = threading.Event(), threading.Event()

    def hold(now: str) -> None:
        if now == stage:
            reached.set()
            gate.wait(10)

    fake_pipeline.at_stage = hold
    return reached, gate


def test_deleting_a_head_while_a_job_runs(bpy, modal, fake_pipeline, photo_file) -> None:
    bpy.ops.facewright.reconstruct(filepath=str(photo_file))
    bpy.context.scene.facewright.filepath = str(photo_file)
    reached, gate = _held(fake_pipeline, "fit")
    modal.begin()
    assert reached.wait(10)
    bpy.data.objects.remove(bpy.data.objects["ada"])
    gate.set()
    assert modal.run() == {"FINISHED"}
    assert len([item for item in bpy.data.objects if item.type == "MESH"]) == 1


def test_undo_while_a_job_runs(bpy, modal, fake_pipeline, photo_file) -> None:
    bpy.context.scene.facewright.filepath = str(photo_file)
    bpy.ops.ed.undo_push(message="empty")
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.ed.undo_push(message="cube")
    reached, gate = _held(fake_pipeline, "fit")
    modal.begin()
    assert reached.wait(10)
    bpy.ops.ed.undo()
    gate.set()
    assert modal.run() == {"FINISHED"}
    assert {item.type for item in bpy.data.objects} == {"MESH", "CAMERA", "LIGHT"}
    assert "Cube" not in bpy.data.objects


def test_opening_a_file_stops_the_job(bpy, modal, fake_pipeline, photo_file) -> None:
    bpy.context.scene.facewright.filepath = str(photo_file)
    reached, gate = _held(fake_pipeline, "fit")
    modal.begin()
    assert reached.wait(10)
    bpy.ops.wm.read_homefile(use_empty=True)
    gate.set()
    assert modal.run() == {"CANCELLED"}
    assert not bpy.data.objects
    assert bpy.ops.facewright.reconstruct.poll()


def test_edit_mode_is_left_before_building(bpy, modal, fake_pipeline, photo_file) -> None:
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.object.mode_set(mode="EDIT")
    assert bpy.ops.facewright.reconstruct(filepath=str(photo_file)) == {"FINISHED"}
    assert bpy.context.mode == "OBJECT"
    assert bpy.context.active_object.name == "ada"


def test_scene_removed_while_a_job_runs(bpy, modal, fake_pipeline, photo_file) -> None:
    bpy.context.scene.facewright.filepath = str(photo_file)
    bpy.data.scenes.new("Other")
    reached, gate = _held(fake_pipeline, "fit")
    modal.begin()
    assert reached.wait(10)
    bpy.data.scenes.remove(bpy.context.scene)
    gate.set()
    assert modal.run() == {"FINISHED"}
    assert "ada" in bpy.context.scene.objects


def test_unexpected_failure_is_logged_and_raised(bpy, addon, modal, fake_pipeline, photo_file, caplog) -> None:
    bpy.context.scene.facewright.filepath = str(photo_file)
    fake_pipeline._fail_at, fake_pipeline._error = "fit", ZeroDivisionError("a bug")
    before = _names(bpy)
    modal.begin()
    with pytest.raises(ZeroDivisionError):
        modal.run()
    assert "facewright.reconstruct failed in Blender" in caplog.text
    assert addon("blender_addon.job").current() is None
    assert _names(bpy) == before


def test_failure_while_building_leaves_no_half_head(bpy, addon, fake_pipeline, photo_file, monkeypatch) -> None:
    builder = addon("blender_addon.face_builder")
    before = _names(bpy)

    def fail(*_):
        raise addon("core.errors").OutputError("No room. Free some memory.")

    monkeypatch.setattr(builder, "build_camera", fail)
    with pytest.raises(RuntimeError, match="No room"):
        bpy.ops.facewright.reconstruct(filepath=str(photo_file))
    assert _names(bpy) == before


def test_faces_are_listed_and_the_picked_one_is_used(bpy, fake_pipeline, result, photo_file, addon) -> None:
    chosen = bpy.context.scene.facewright
    chosen.filepath = str(photo_file)
    assert addon("blender_addon.properties").picked_face(chosen) is None
    bpy.ops.facewright.find_faces()
    picked = addon("blender_addon.properties").picked_face(chosen)
    assert (picked.x0, picked.y1) == pytest.approx((result.box.x0, result.box.y1), abs=1e-3)
    assert picked.points == pytest.approx(result.box.points, abs=1e-3)
    chosen.filepath = ""
    assert len(chosen.faces) == 0


def test_job_reports_in_order_and_ends_once(addon) -> None:
    job = addon("blender_addon.job")
    work = job.begin("A test", lambda report, cancelled: report("one", 0.5) or 42)
    assert work.wait(5)
    end = work.poll()
    assert isinstance(end, job.Done) and end.outcome == 42
    assert work.progress == job.Progress("one", 0.5)
    with pytest.raises(addon("core.errors").FaceError, match="still running"):
        job.begin("Another", lambda report, cancelled: None)
    job.end(work)
    assert job.current() is None


def test_timer_is_removed_on_every_way_out(bpy, addon, modal) -> None:
    removed = []
    context = SimpleNamespace(
        window_manager=SimpleNamespace(event_timer_remove=removed.append, windows=[]),
        scene=bpy.context.scene,
    )
    for leave in ("cancel", "step"):
        modal._timer, modal._job = object(), addon("blender_addon.job").begin("A test", lambda r, c: None)
        modal._job.wait(5)
        modal.finish = lambda context, outcome: None
        getattr(modal, leave)(context)
        assert modal._timer is None and modal._job is None
    assert len(removed) == 2


def test_menu_offers_the_regressors_of_this_build(bpy, addon, fake_pipeline, photo_file) -> None:
    chosen = bpy.context.scene.facewright
    items = chosen.bl_rna.properties["regressor"].enum_items
    assert tuple(item.identifier for item in items) == addon("core.regressors").present()
    assert all(item.description for item in items)
    for item in items:
        chosen.regressor = item.identifier
        assert bpy.ops.facewright.reconstruct(filepath=str(photo_file)) == {"FINISHED"}
        assert fake_pipeline.settings.regressor == item.identifier


def test_file_of_a_build_with_other_regressors_opens(bpy, addon) -> None:
    chosen = bpy.context.scene.facewright
    chosen["regressor"] = 77
    assert chosen.regressor == ""
    assert addon("blender_addon.preferences").settings(chosen).regressor == "student"
