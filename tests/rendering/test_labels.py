"""Names of regions never lie on one another, and stand by their regions."""

from dataclasses import replace

import numpy as np
import pytest
import pyvista as pv

from nsdviewer.rendering.brain3d import BrainDrawing
from nsdviewer.rendering.label_places import camera_axes, place_labels
from nsdviewer.rendering.loading import load_before_opengl
from nsdviewer.rendering.scene import Scene
from nsdviewer.session.scenes import scene_of
from nsdviewer.state import UNFOLDED, Camera
from tests.conftest import Subject

WIDTH, HEIGHT, FONT = 700, 520, 12.0
ALL = ("floc-faces", "floc-bodies", "floc-places", "floc-words", "prf-visualrois")


def crowded(mini: Subject, morph: float) -> Scene:
    return scene_of(
        mini.workspace, mini.state.replace(roi_collections=ALL, morph=morph, concept="")
    )


def box(name: str, x: float, y: float) -> tuple[float, float, float, float]:
    return x, y, (0.3 * len(name) + 0.3) * FONT, 0.65 * FONT


def turned(camera: Camera, degrees: float) -> Camera:
    """Return the camera carried around the vertical axis."""
    position, focal, up = (np.array(camera[i : i + 3]) for i in (0, 3, 6))
    angle = np.radians(degrees)
    matrix = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    return (*(focal + matrix @ (position - focal)), *focal, *(matrix @ up), camera[9])


@pytest.mark.parametrize("morph", [0.0, 1.0, UNFOLDED])
def test_names_do_not_overlap(mini: Subject, morph: float) -> None:
    scene = crowded(mini, morph)
    for degrees in (0, 40, 90):
        camera = turned(scene.camera, degrees)
        placed = place_labels(scene.hemispheres, camera, WIDTH, HEIGHT, FONT)
        boxes = [box(p.name, p.x_px, p.y_px) for p in placed]
        for k, (x, y, w, h) in enumerate(boxes):
            assert w <= x <= WIDTH - w and h <= y <= HEIGHT - h
            for a, b, v, g in boxes[:k]:
                assert abs(x - a) >= w + v or abs(y - b) >= h + g
        if degrees == 0:
            assert len(placed) >= 8


def test_a_name_stands_by_its_region(mini: Subject) -> None:
    scene = crowded(mini, 1.0)
    right, up, _ = camera_axes(scene.camera)
    px_per_mm = HEIGHT / (2 * scene.camera[9])
    for placed in place_labels(scene.hemispheres, scene.camera, WIDTH, HEIGHT, FONT):
        near = []
        for one in scene.hemispheres:
            for label in (each for each in one.labels if each.name == placed.name):
                offset = (one.vertices[label.vertex] - scene.camera[3:6]) * px_per_mm
                beside = placed.x_px - WIDTH / 2 - offset @ right
                above = placed.y_px - HEIGHT / 2 - offset @ up
                half_width = (0.38 * len(placed.name) + 0.4) * FONT
                near.append(abs(beside) <= half_width and abs(above) < 2 * FONT)
        assert any(near)


def test_each_side_names_a_region_once(mini: Subject) -> None:
    scene = crowded(mini, 1.0)
    for one in scene.hemispheres:
        names = [label.name for label in one.labels]
        assert len(names) == len(set(names))
    placed = place_labels(scene.hemispheres, scene.camera, WIDTH, HEIGHT, FONT)
    names = [each.name for each in placed]
    assert max(names.count(name) for name in names) <= 2


def test_what_is_turned_away_or_hidden_has_no_name(mini: Subject) -> None:
    scene = crowded(mini, 1.0)
    for degrees in (0, 90, 180, 270):
        camera = turned(scene.camera, degrees)
        _, _, forward = camera_axes(camera)
        facing = {
            label.name
            for one in scene.hemispheres
            for label in one.labels
            if one.normals[label.vertex] @ forward < 0
        }
        placed = place_labels(scene.hemispheres, camera, WIDTH, HEIGHT, FONT)
        assert {each.name for each in placed} <= facing


def test_nothing_is_named_through_the_other_hemisphere(mini: Subject) -> None:
    scene = crowded(mini, 1.0)
    focal = np.array(scene.camera[3:6])
    from_left: Camera = (*(focal - (500, 0, 0)), *focal, 0.0, 0.0, 1.0, scene.camera[9])
    left = scene.hemispheres[0]
    placed = place_labels(scene.hemispheres, from_left, WIDTH, HEIGHT, FONT)
    alone = place_labels((left,), from_left, WIDTH, HEIGHT, FONT)
    assert len(alone) >= 3 and placed == alone


def test_names_can_be_left_out(mini: Subject) -> None:
    scene = scene_of(mini.workspace, mini.state.replace(roi_labels=False, concept=""))
    assert all(not one.labels and len(one.outlines) for one in scene.hemispheres)


def test_the_names_are_in_the_picture_and_move_with_the_camera(mini: Subject) -> None:
    scene = crowded(mini, 1.0)
    load_before_opengl()
    with pv.vtk_verbosity("off"):
        plotter = pv.Plotter(off_screen=True, window_size=[WIDTH, HEIGHT])
        try:
            drawing = BrainDrawing(plotter, lambda: FONT)
            for camera in (scene.camera, turned(scene.camera, 30)):
                pictures = []
                for labels in (True, False):
                    drawing.draw(replace(scene, camera=camera), labels=labels)
                    plotter.render()
                    pictures.append(plotter.screenshot(return_img=True).astype(int))
                rows, columns = np.nonzero(np.abs(pictures[0] - pictures[1]).sum(2))
                assert len(rows)
                placed = place_labels(scene.hemispheres, camera, WIDTH, HEIGHT, FONT)
                boxes = [box(each.name, each.x_px, each.y_px) for each in placed]
                reach = 0.3 * FONT
                near = np.zeros(len(rows), bool)
                for x, y, w, h in boxes:
                    named = (np.abs(columns - x) < w + reach) & (
                        np.abs(HEIGHT - rows - y) < h + reach
                    )
                    assert named.any()
                    near |= named
                assert near.all()
        finally:
            plotter.close()
