"""What all operators share: one boundary for errors, and background jobs driven by a modal timer."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import ClassVar

import bpy

from ...core.errors import Cancelled, FaceError
from .. import job
from ..hair_builder import head_of
from ..head_builder import is_head

LOGGER = logging.getLogger(__name__)
_TICK = 0.1  # seconds between looks at the worker


def active_head(context: bpy.types.Context) -> bpy.types.Object | None:
    """The head the panel talks about: the active object, the one whose hair that is, or the active camera's."""
    active = head_of(context.active_object) or context.active_object
    if is_head(active):
        return active
    if active is None or active.type != "CAMERA":
        return None
    beside = [other for collection in active.users_collection for other in collection.objects]
    return next((other for other in beside if is_head(other)), None)


def required_head(context: bpy.types.Context) -> bpy.types.Object:
    """The active head; `FaceError` when there is none."""
    head = active_head(context)
    if head is None:
        raise FaceError("Select a head that Facewright made.")
    return head


class FacewrightOperator:
    """Runs `work_on(context)`: a `FaceError` becomes a report, anything else is logged and raised."""

    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Run and report."""
        return self.guarded(self.work_on, context)

    def guarded(self, step: Callable[..., None], *arguments: object) -> set[str]:
        """Call `step` and turn its failure into the operator's."""
        try:
            step(*arguments)
        except Cancelled as error:
            self.report({"WARNING"}, str(error))
            return {"CANCELLED"}
        except FaceError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        except Exception:
            LOGGER.exception(
                "%s failed in Blender %s, scene %s",
                self.bl_idname,
                bpy.app.version_string,
                bpy.context.scene.name,
            )
            raise
        return {"FINISHED"}

    def work_on(self, context: bpy.types.Context) -> None:
        """Do the work; raise `FaceError` with a sentence for the user."""
        raise NotImplementedError


class HeadOperator(FacewrightOperator):
    """An operator on the active head."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only where there is a head."""
        if active_head(context) is not None:
            return True
        cls.poll_message_set("Select a head that Facewright made")
        return False

    def work_on(self, context: bpy.types.Context) -> None:
        """Hand the head over."""
        self.work_on_head(context, required_head(context))

    def work_on_head(self, context: bpy.types.Context, head: bpy.types.Object) -> None:
        """Do the work on one head."""
        raise NotImplementedError


class JobOperator(FacewrightOperator):
    """`execute` computes and waits; `invoke` computes on a worker thread while the window stays alive."""

    bl_options: ClassVar[set[str]] = {"UNDO"}
    title = "Facewright"
    _timer: bpy.types.Timer | None = None
    _job: job.Job | None = None

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """One job at a time."""
        running = job.current()
        if running is None:
            return True
        cls.poll_message_set(f"{running.title} is still running")
        return False

    def prepare(self, context: bpy.types.Context) -> job.Work:
        """Read what the work needs from Blender and return it as a call that needs no Blender."""
        raise NotImplementedError

    def finish(self, context: bpy.types.Context, outcome: object) -> None:
        """Apply the outcome to the scene."""
        raise NotImplementedError

    def work_on(self, context: bpy.types.Context) -> None:
        """Everything at once, for scripts."""
        outcome = self.prepare(context)(lambda stage, fraction: None, lambda: False)
        self.finish(context, outcome)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Start the worker."""
        if context.window is None:
            return self.execute(context)
        started = self.guarded(lambda: self._start(context))
        return {"RUNNING_MODAL"} if "FINISHED" in started else started

    def _start(self, context: bpy.types.Context) -> None:
        self._job = job.begin(self.title, self.prepare(context))
        self._timer = context.window_manager.event_timer_add(_TICK, window=context.window)
        context.window_manager.modal_handler_add(self)

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Look at the worker at every tick; all other events stay with the user."""
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        redraw_sidebars(context)
        return self.step(context)

    def step(self, context: bpy.types.Context) -> set[str]:
        """Drain the queue; at the end of the work, apply it."""
        running = self._job
        if running is None or job.current() is not running:  # stopped by a file being opened
            self._release(context)
            return {"CANCELLED"}
        end = running.poll()
        if end is None:
            return {"PASS_THROUGH"}
        self._release(context)
        redraw_sidebars(context)
        return self.guarded(self._conclude, context, end)

    def _conclude(self, context: bpy.types.Context, end: job.Done | job.Failed) -> None:
        if isinstance(end, job.Failed):
            raise end.error
        self.finish(context, end.outcome)

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender ends the operator: a file is being opened, or the window closes."""
        self._release(context)

    def _release(self, context: bpy.types.Context) -> None:
        if self._timer is not None:
            context.window_manager.event_timer_remove(self._timer)
            self._timer = None
        if self._job is not None:
            job.end(self._job)
            self._job = None


def redraw_sidebars(context: bpy.types.Context) -> None:
    """Show progress in every 3D View."""
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                for region in area.regions:
                    if region.type == "UI":
                        region.tag_redraw()
