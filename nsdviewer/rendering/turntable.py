"""The cortex turning once about its vertical axis, as a film that begins again where it ends."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pyvista as pv
from matplotlib.backends.backend_agg import FigureCanvasAgg
from numpy.typing import NDArray
from PIL import Image

from nsdviewer.errors import RequestError
from nsdviewer.files import atomic_path
from nsdviewer.jobs import Progress
from nsdviewer.rendering.brain3d import BrainDrawing
from nsdviewer.rendering.label_places import camera_axes
from nsdviewer.rendering.loading import load_before_opengl
from nsdviewer.rendering.page_bars import draw_colour_bar
from nsdviewer.rendering.page_canvas import PageCanvas
from nsdviewer.rendering.scene import Scene
from nsdviewer.rendering.view_cortex import widen_lines
from nsdviewer.rendering.view_kinds import MM_PER_INCH
from nsdviewer.state import Camera, Page
from nsdviewer.state.page_box import Box

TURNTABLE_SUFFIXES = (".mp4", ".gif")
_LEAST_PX, _MOST_PX = 64, 2160
_MOST_FRAMES = 3600
# A GIF counts time in hundredths of a second, and players take less than two for ten.
_MOST_FPS, _MOST_FPS_GIF = 120, 50
_AIR = 1.06
_AWAY_MM = 500.0
_LINES_SUIT_PX = 900
# Edges as smooth as eyes can tell in a film, in half of the time of sixteen samples.
_SAMPLES = 8
# A quality at which even grey shows no blocks.
_CRF = "17"
# What is written over the film is laid out on a page this wide.
_PAGE_MM, _TEXT_PT = 120.0, 6.5
_GIF_COLOURS = 255


@dataclass(frozen=True)
class Turntable:
    """How a film of one turn is made.

    Attributes
    ----------
    seconds
        For the turn.
    fps
        Pictures a second.
    size_px
        Width and height; made even, as H.264 wants it.
    """

    seconds: float = 6.0
    fps: int = 30
    size_px: int = 1080

    def __post_init__(self) -> None:
        if not 1 <= self.fps <= _MOST_FPS:
            raise RequestError(f"A film has 1 to {_MOST_FPS} pictures a second, not {self.fps}.")
        if not _LEAST_PX <= self.size_px <= _MOST_PX:
            raise RequestError(
                f"A film is {_LEAST_PX} to {_MOST_PX} pixels wide and high, not {self.size_px}."
            )
        if not 0.1 <= self.seconds <= 600:
            raise RequestError(f"A turn takes 0.1 to 600 seconds, not {self.seconds:g}.")
        if self.n_frames > _MOST_FRAMES:
            raise RequestError(
                f"A turn of {self.n_frames:,} pictures is too long; stay below {_MOST_FRAMES:,}: fewer "
                "seconds, or fewer pictures a second."
            )

    @property
    def n_frames(self) -> int:
        """Pictures of one turn; the one after the last would be the first."""
        return max(round(self.seconds * self.fps), 2)

    @property
    def side_px(self) -> int:
        """Width and height of the film."""
        return self.size_px + self.size_px % 2


def write_turntable(
    scene: Scene, path: Path, turn: Turntable, document: dict[str, Any], progress: Progress
) -> None:
    """Write a film of the cortex as MP4 (H.264, yuv420p) or GIF; whole or not at all.

    Picture by picture, so that memory does not grow with its length.

    Parameters
    ----------
    document
        Goes into the file's metadata.

    Raises
    ------
    RequestError
        If the suffix is another, or there is no cortex.
    Cancelled
        If `progress` does.
    """
    suffix = require_film(path, turn)
    if not scene.hemispheres or not scene.camera:
        raise RequestError("There is no cortex to turn: the subject's surfaces are not on disk.")
    note = json.dumps(document, sort_keys=True)
    write = _write_mp4 if suffix == ".mp4" else _write_gif
    with atomic_path(path) as temporary:
        write(_reported(turning(scene, turn), turn, progress), temporary, turn, note)


def require_film(path: Path, turn: Turntable) -> str:
    """Return the suffix that says how a film is written; raises `RequestError` if it cannot be."""
    suffix = Path(path).suffix.lower()
    if suffix not in TURNTABLE_SUFFIXES:
        raise RequestError(
            f"A film is written as {', '.join(TURNTABLE_SUFFIXES)}; '{path.name}' is none of these."
        )
    if suffix == ".gif" and turn.fps > _MOST_FPS_GIF:
        raise RequestError(f"A GIF shows at most {_MOST_FPS_GIF} pictures a second; write an MP4.")
    return suffix


def turning(scene: Scene, turn: Turntable) -> Iterator[NDArray[np.uint8]]:
    """Yield the pictures (side, side, 3) of one turn."""
    side = turn.side_px
    rgb, opaque = _caption(scene, side)
    load_before_opengl()
    with pv.vtk_verbosity("off"):
        plotter = pv.Plotter(off_screen=True, window_size=(side, side), lighting="none")
        try:
            plotter.enable_anti_aliasing("msaa", multi_samples=_SAMPLES)
            drawing = BrainDrawing(plotter)
            # Names would jump from place to place.
            drawing.draw(scene, labels=False)
            widen_lines(plotter, side / _LINES_SUIT_PX)
            for camera in cameras(scene, turn.n_frames):
                drawing.set_camera(camera)
                plotter.render_window.Render()
                drawn = np.asarray(plotter.screenshot(return_img=True), np.uint16)
                laid = drawn * (255 - opaque) + rgb * opaque.astype(np.uint16)
                yield ((laid + 127) // 255).astype(np.uint8)
        finally:
            plotter.close()


def cameras(scene: Scene, n_frames: int) -> list[Camera]:
    """Return the cameras of one turn about the vertical axis through the cortex's middle.

    The first looks from where the scene's does; all have one scale, at which nothing is cut off.
    """
    points = np.concatenate([h.vertices[h.faces.ravel()] for h in scene.hemispheres])
    points = points[np.isfinite(points).all(1)].astype(np.float64)
    if not len(points):
        raise RequestError("Nothing of the cortex is left at this shape; choose another.")
    middle = (points.min(0) + points.max(0)) / 2
    axes = _axes(scene.camera)
    about = points - middle
    found = []
    for k in range(n_frames):
        angle = 2 * np.pi * k / n_frames
        cos, sin = np.cos(angle), np.sin(angle)
        found.append(axes @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]]))
    # The extent changes slowly: some directions stand for all.
    some = found[:: max(n_frames // 24, 1)]
    scale = _AIR * max(float(np.abs(about @ turned[:2].T).max()) for turned in some)
    return [
        (
            *map(float, middle - _AWAY_MM * turned[2]),
            *map(float, middle),
            *map(float, turned[1]),
            scale,
        )
        for turned in found
    ]


def _axes(camera: Camera) -> NDArray[np.float64]:
    """Return (3, 3) the directions to the right, upwards and forwards of a camera."""
    return np.stack(camera_axes(camera))


def _caption(scene: Scene, side_px: int) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Return what stands over all pictures: (side, side, 3) colours and (side, side, 1) opacity."""
    dpi = side_px / (_PAGE_MM / MM_PER_INCH)
    page = Page(scene.state, width_mm=_PAGE_MM, height_mm=_PAGE_MM, font_pt=_TEXT_PT)
    canvas = PageCanvas(page, Box(0, 0, _PAGE_MM, _PAGE_MM), dpi, whole_pixels=True)
    with mpl.rc_context(canvas.style()):
        if scene.colour_bars:
            draw_colour_bar(canvas, Box(3, 3, 17, 30), scene.colour_bars[0], 5.2)
        lines = canvas.wrapped(" | ".join(scene.provenance), 4.2, _PAGE_MM - 6, 3)
        colour = canvas.palette.warning if scene.simulated else canvas.palette.muted
        canvas.text(3, _PAGE_MM - 2, "\n".join(lines), 4.2, colour, va="bottom")
        agg = FigureCanvasAgg(canvas.figure)
        agg.draw()
        drawn = np.array(agg.buffer_rgba())
    return drawn[..., :3], drawn[..., 3:].astype(np.uint16)


def _reported(
    pictures: Iterator[NDArray[np.uint8]], turn: Turntable, progress: Progress
) -> Iterator[NDArray[np.uint8]]:
    for k, picture in enumerate(pictures):
        progress.report(k / turn.n_frames, f"picture {k + 1} of {turn.n_frames}")
        yield picture


def _write_mp4(
    pictures: Iterator[NDArray[np.uint8]], path: Path, turn: Turntable, note: str
) -> None:
    import av

    # The index goes to the front, so that browsers play it while it still loads.
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as film:
        film.metadata.update({"title": "nsdviewer", "comment": note})
        stream = film.add_stream("libx264", rate=Fraction(turn.fps))
        stream.width = stream.height = turn.side_px
        stream.pix_fmt = "yuv420p"
        # One thread: the same film has the same bytes.
        stream.options = {"crf": _CRF, "preset": "medium", "threads": "1"}
        for picture in pictures:
            film.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        film.mux(stream.encode(None))


def _write_gif(
    pictures: Iterator[NDArray[np.uint8]], path: Path, turn: Turntable, note: str
) -> None:
    first = Image.fromarray(next(pictures)).quantize(_GIF_COLOURS, Image.Quantize.MEDIANCUT)

    def others() -> Iterator[Image.Image]:
        for picture in pictures:
            # One table of colours for all: what does not move does not flicker.
            yield Image.fromarray(picture).quantize(palette=first, dither=Image.Dither.NONE)

    first.save(
        path, format="GIF", save_all=True, append_images=others(), loop=0, comment=note.encode(),
        duration=round(1000 / turn.fps), optimize=False,
    )  # fmt: skip
