"""What hides the face: found, painted on, used, reset; the photo without it. Real data-blocks, made-up networks."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def chosen(bpy, fake_pipeline, photo_file):
    """The panel with a photo."""
    panel = bpy.context.scene.facewright
    panel.filepath = str(photo_file)
    return panel


@pytest.fixture
def found(bpy, chosen):
    """The panel with a mask that was found."""
    bpy.ops.facewright.find_mask()
    return chosen


def values(image) -> np.ndarray:
    """(H, W) red of an image, row 0 on top."""
    width, height = image.size
    flat = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(flat)
    return flat.reshape(height, width, image.channels)[::-1, :, 0]


def paint(image, rows: slice, columns: slice, value: float = 1.0) -> None:
    """What a stroke leaves behind: changed pixels and nothing packed."""
    width, height = image.size
    flat = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(flat)
    flat.reshape(height, width, image.channels)[::-1][rows, columns, :3] = value
    image.pixels.foreach_set(flat)
    image.update()


def images(bpy) -> set[str]:
    return {image.name for image in bpy.data.images}


def test_mask_is_an_image_of_the_file_as_large_as_the_photo(bpy, found, photo, fake_pipeline, result) -> None:
    image = found.mask
    assert image.name == "ada_mask"
    assert image.packed_file is not None and not image.is_dirty
    assert image.size[:] == (photo.shape[1], photo.shape[0])
    expected = fake_pipeline.occluder_mask(photo, result.landmarks.points) > 0
    assert expected.any()
    assert np.array_equal(values(image) > 0.5, expected)
    assert set(np.unique(values(image))) == {0.0, 1.0}


def test_photo_under_the_mask_and_the_picture_in_the_panel(bpy, found, addon, photo) -> None:
    backdrop = addon("blender_addon.masks").backdrop_of(found.mask)
    assert backdrop.packed_file is not None
    shown = addon("blender_addon.photo_source").pixels_of(backdrop).astype(int)
    assert np.abs(shown - photo).mean() < 4  # JPEG
    previews = addon("blender_addon.previews")
    assert "ada_mask" in previews._masks
    assert previews.mask_icon("of nobody") == 0


def test_tint_lies_where_the_mask_is(bpy, addon, found, result, photo) -> None:
    previews, masks = addon("blender_addon.previews"), addon("blender_addon.masks")
    mask = np.zeros(photo.shape[:2], np.uint8)
    x, y = int(result.box.x0 + result.box.x1) // 2, int(result.box.y0 + result.box.y1) // 2
    mask[:y] = 255
    grey = np.full_like(photo, 100)
    for shrink in (1, 2):  # the photo under a mask may be reduced
        previews.show_mask("test", np.ascontiguousarray(grey[::shrink, ::shrink]), mask, masks.box_of(found.mask))
        size = 256
        flat = np.empty(size * size * 4, np.float32)
        previews._masks["test"].image_pixels_float.foreach_get(flat)
        red = flat.reshape(size, size, 4)[::-1, :, 0] * 255
        assert red[20].mean() == pytest.approx(100 * 0.45 + 255 * 0.55, abs=2)
        assert red[-20].mean() == pytest.approx(100, abs=2)
        edge = np.abs(np.diff(red.mean(axis=1))).argmax()
        assert abs(edge - size / 2) < 4
    assert x > 0


def test_sliders_reach_the_search(bpy, found, fake_pipeline) -> None:
    small = (values(found.mask) > 0.5).sum()
    found.mask_grow = 0.05
    bpy.ops.facewright.find_mask()
    assert (values(found.mask) > 0.5).sum() > small
    found.keep_glasses, found.deocclusion, found.mask_threshold = True, "telea", 0.3
    bpy.ops.facewright.find_mask()
    assert not values(found.mask).any()
    settings = fake_pipeline.settings
    assert (settings.keep_glasses, settings.deocclusion) == (True, "telea")
    assert (settings.mask_threshold, settings.mask_grow) == pytest.approx((0.3, 0.05))


def test_finding_again_piles_nothing_up(bpy, found) -> None:
    before = images(bpy)
    for grow in (0.03, 0.04):
        found.mask_grow = grow
        bpy.ops.facewright.find_mask()
    assert images(bpy) == before
    assert found.mask.name == "ada_mask"


def test_unpainted_mask_leaves_the_search_to_the_pipeline(bpy, found, fake_pipeline) -> None:
    bpy.ops.facewright.reconstruct()
    assert fake_pipeline.masks == [None]


def test_painted_mask_is_used_instead_of_the_found_one(bpy, found, fake_pipeline, photo) -> None:
    paint(found.mask, slice(0, 40), slice(0, 50))  # adds a corner
    paint(found.mask, slice(100, None), slice(None), 0.0)  # removes the rest
    bpy.ops.facewright.reconstruct()
    used = fake_pipeline.masks[-1]
    expected = np.zeros(photo.shape[:2], bool)
    expected[:40, :50] = True
    assert used.dtype == np.uint8
    assert np.array_equal(used > 127, expected)


@pytest.mark.parametrize(("value", "deleted"), [(0.2, False), (0.8, True)])
def test_soft_strokes_count_from_the_middle(bpy, found, addon, value, deleted) -> None:
    paint(found.mask, slice(0, 10), slice(0, 10), value)
    paint(found.mask, slice(-1, None), slice(-1, None), 1.0)
    assert (addon("blender_addon.masks").painted(found.mask)[:10, :10] > 0).all() == deleted


def test_a_mask_whose_strokes_are_taken_back_is_the_found_one(bpy, found, addon, fake_pipeline) -> None:
    masks = addon("blender_addon.masks")
    paint(found.mask, slice(0, 10), slice(0, 10), 1.0)
    assert masks.painted(found.mask) is not None
    paint(found.mask, slice(0, 10), slice(0, 10), 0.0)
    assert masks.painted(found.mask) is None


def test_sliders_leave_a_painted_mask_alone(bpy, found, addon) -> None:
    refresh = addon("blender_addon.mask_refresh")
    assert refresh.due(bpy.context.scene)
    paint(found.mask, slice(0, 10), slice(0, 10))
    painted = values(found.mask)
    found.mask_threshold = 0.2
    assert not refresh.due(bpy.context.scene)
    assert np.array_equal(values(found.mask), painted)


def test_reset_gives_the_found_mask_and_undo_the_painted_one(bpy, found) -> None:
    before = values(found.mask)
    paint(found.mask, slice(0, 10), slice(0, 10))
    bpy.ops.ed.undo_push(message="painted")
    bpy.ops.facewright.find_mask("EXEC_DEFAULT", True)
    assert np.array_equal(values(found.mask), before)
    bpy.ops.ed.undo()
    again = bpy.context.scene.facewright.mask
    assert again.name == "ada_mask"
    assert values(again)[:10, :10].all()


def test_one_undo_step_takes_the_mask_away(bpy, chosen) -> None:
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.facewright.find_mask("EXEC_DEFAULT", True)
    assert images(bpy) == {"ada_mask", "ada_mask Photo"}
    bpy.ops.ed.undo()
    assert images(bpy) == set()
    assert bpy.context.scene.facewright.mask is None


def test_strokes_are_in_the_saved_file(bpy, found, addon, tmp_path) -> None:
    paint(found.mask, slice(0, 10), slice(0, 10))
    path = str(tmp_path / "painted.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    image = bpy.context.scene.facewright.mask
    assert values(image)[:10, :10].all()
    masks = addon("blender_addon.masks")
    assert masks.painted(image) is not None
    assert masks.backdrop_of(image) is not None
    assert addon("blender_addon.operators.mask").request_of(bpy.context.scene.facewright).box is not None


def test_each_photo_and_face_keeps_its_mask(bpy, found, photo, tmp_path, fake_pipeline, result) -> None:
    import cv2

    other = tmp_path / "bob.png"
    cv2.imwrite(str(other), photo)
    first, path = found.mask, found.filepath
    paint(first, slice(0, 10), slice(0, 10))
    found.filepath = str(other)
    assert found.mask is None
    bpy.ops.facewright.find_mask()
    assert found.mask.name == "bob_mask"
    found.filepath = path
    assert found.mask == first and values(first)[:10, :10].all()
    fake_pipeline.detect = lambda photo: [result.box, result.box]
    bpy.ops.facewright.find_faces()
    assert found.mask == first  # the largest face, which is the one that was meant
    found.face_index = 1
    assert found.mask is None
    bpy.ops.facewright.find_mask()
    assert found.mask not in (None, first)
    found.face_index = 0
    assert found.mask == first


def test_masks_of_other_photos_go_unless_they_were_painted(bpy, found, photo, tmp_path) -> None:
    import cv2

    for name, touch in (("bob", True), ("eve", False), ("kay", False)):
        path = tmp_path / f"{name}.png"
        cv2.imwrite(str(path), photo)
        found.filepath = str(path)
        bpy.ops.facewright.find_mask()
        if touch:
            paint(found.mask, slice(0, 10), slice(0, 10))
    assert images(bpy) == {f"{name}_mask{photo}" for name in ("bob", "kay") for photo in ("", " Photo")}
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "kept.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "kept.blend"))
    assert "bob_mask" in images(bpy)  # nobody uses it, but it is the user's work


def test_the_users_own_image_of_that_name_is_left_alone(bpy, chosen) -> None:
    mine = bpy.data.images.new("ada_mask", 8, 8)
    mine.use_fake_user = True
    for _ in range(2):
        bpy.ops.facewright.find_mask()
    assert bpy.data.images["ada_mask"] == mine and mine.size[:] == (8, 8)
    assert chosen.mask.name == "ada_mask.001"


def test_turning_to_another_photo_while_the_search_runs(bpy, chosen, addon, photo, tmp_path) -> None:
    import cv2

    other = tmp_path / "bob.png"
    cv2.imwrite(str(other), photo)
    first = chosen.filepath
    finder = addon("blender_addon.operators.mask").FACEWRIGHT_OT_find_mask

    class Late:
        """The operator's own methods on a plain object: background Blender runs no modal operators."""

        report = staticmethod(lambda kind, text: None)

    late = Late()
    outcome = finder.prepare(late, bpy.context)(lambda stage, share: None, lambda: False)
    chosen.filepath = str(other)
    finder.finish(late, bpy.context, outcome)
    assert chosen.mask is None
    chosen.filepath = first
    bpy.ops.facewright.find_mask()
    assert chosen.mask.name == "ada_mask"


def test_completed_photo_without_a_head(bpy, found, photo, addon) -> None:
    for _ in range(2):  # the second takes the first one's place
        assert bpy.ops.facewright.complete_photo() == {"FINISHED"}
    image = found.completed
    assert images(bpy) == {"ada_mask", "ada_mask Photo", "ada Completed"}
    assert image.packed_file is not None
    shown = addon("blender_addon.photo_source").pixels_of(image)
    hole = values(found.mask) > 0.5
    assert np.array_equal(shown[~hole], photo[~hole])
    assert (shown[hole] == [1, 2, 3]).all()
    assert not bpy.data.objects


def test_completing_uses_the_painted_mask(bpy, found, fake_pipeline) -> None:
    paint(found.mask, slice(None), slice(None), 0.0)
    paint(found.mask, slice(0, 10), slice(0, 10))
    bpy.ops.facewright.complete_photo()
    assert (fake_pipeline.masks[-1] > 0).sum() == 100


def test_nothing_to_complete(bpy, chosen) -> None:
    chosen.keep_glasses = True
    assert bpy.ops.facewright.complete_photo() == {"FINISHED"}
    assert chosen.completed is None and images(bpy) == set()
    chosen.deocclusion = "none"
    with pytest.raises(RuntimeError, match="Choose what to paint with first"):
        bpy.ops.facewright.complete_photo()


def test_painting_needs_a_mask(bpy, chosen) -> None:
    with pytest.raises(RuntimeError, match="There is no mask yet"):
        bpy.ops.facewright.paint_mask()


def test_paint_mask_opens_the_editor_with_the_brush_and_gives_both_back(bpy, found, addon) -> None:
    views, brush = addon("blender_addon.image_views"), addon("blender_addon.mask_brush")
    owner = brush._owner(bpy.context, "color")
    owner.color, owner.secondary_color = (0.25, 0.5, 0.75), (0.5, 0.5, 0.5)
    owner.size = 77
    bpy.ops.facewright.paint_mask()
    (area,) = views.showing(bpy.context, found.mask)
    assert area.spaces.active.image == found.mask and area.spaces.active.mode == "PAINT"
    assert tuple(owner.color) == (1, 1, 1) and brush.adds(bpy.context)
    assert owner.size == int(0.14 * addon("blender_addon.masks").box_of(found.mask).size)
    bpy.ops.facewright.paint_mask(mode="REMOVE")
    assert len(views.showing(bpy.context, found.mask)) == 1
    assert tuple(owner.color) == (0, 0, 0) and tuple(owner.secondary_color) == (1, 1, 1)
    paint(found.mask, slice(0, 10), slice(0, 10))
    bpy.ops.facewright.paint_mask(mode="DONE")
    assert views.showing(bpy.context, found.mask) == []
    assert tuple(owner.color) == pytest.approx((0.25, 0.5, 0.75)) and owner.size == 77
    assert values(found.mask)[:10, :10].all()


def test_painted_masks_that_cannot_be_used_are_refused(bpy, found, fake_pipeline) -> None:
    paint(found.mask, slice(None), slice(None))
    for operator in (bpy.ops.facewright.reconstruct, bpy.ops.facewright.complete_photo):
        with pytest.raises(RuntimeError, match=r"covers the whole face.*Remove some of it"):
            operator()
    found.mask.scale(90, 60)
    paint(found.mask, slice(0, 10), slice(0, 10))
    with pytest.raises(RuntimeError, match=r"90 x 60 pixels and the photo 480 x 600.*Find the mask again"):
        bpy.ops.facewright.reconstruct()
    bpy.ops.facewright.find_mask()
    bpy.ops.facewright.reconstruct()
    assert fake_pipeline.masks == [None]


def test_leaving_all_as_it_is_ignores_the_mask(bpy, found, fake_pipeline) -> None:
    paint(found.mask, slice(None), slice(None))
    found.deocclusion = "none"
    bpy.ops.facewright.reconstruct()
    assert fake_pipeline.masks == [None]
    assert fake_pipeline.settings.deocclusion == "none"


def test_mask_image_that_the_user_removed(bpy, found, fake_pipeline) -> None:
    bpy.data.images.remove(found.mask)
    bpy.ops.facewright.reconstruct()
    assert fake_pipeline.masks == [None]
    bpy.ops.facewright.find_mask()
    assert found.mask.name == "ada_mask"


def test_photo_under_the_mask_that_the_user_removed(bpy, found, addon) -> None:
    bpy.data.images.remove(addon("blender_addon.masks").backdrop_of(found.mask))
    bpy.ops.facewright.paint_mask()
    bpy.ops.facewright.paint_mask(mode="DONE")
    bpy.ops.facewright.find_mask()
    assert addon("blender_addon.masks").backdrop_of(found.mask) is not None


def test_photo_that_is_missing(bpy, chosen, tmp_path) -> None:
    chosen.filepath = ""
    with pytest.raises(RuntimeError, match="Pick an image or a photo file first"):
        bpy.ops.facewright.find_mask()
    chosen.filepath = str(tmp_path / "nowhere.jpg")
    for operator in (bpy.ops.facewright.find_mask, bpy.ops.facewright.complete_photo):
        with pytest.raises(RuntimeError, match=r"nowhere\.jpg"):
            operator()
    assert images(bpy) == set()


def test_no_face_to_look_at(bpy, chosen, fake_pipeline) -> None:
    fake_pipeline.detect = lambda photo: []
    with pytest.raises(RuntimeError, match="No face was found"):
        bpy.ops.facewright.find_mask()


def test_failing_and_cancelled_searches_change_nothing(bpy, chosen, addon, fake_pipeline) -> None:
    fake_pipeline._fail_at, fake_pipeline._error = "parse", addon("core.errors").WeightsError("Broken. Mend it.")
    with pytest.raises(RuntimeError, match=r"Broken\. Mend it\."):
        bpy.ops.facewright.find_mask()
    assert images(bpy) == set()
    reconstruction = addon("blender_addon.reconstruction")
    request = addon("blender_addon.operators.mask").request_of(chosen)
    asked: list[str] = []
    for work in (reconstruction.find_mask, reconstruction.complete):
        with pytest.raises(addon("core.errors").Cancelled):
            work(request, lambda stage, share: asked.append(stage), lambda: True)
    assert set(asked) <= set(reconstruction.STAGE_LABELS)
