"""The film of a turning cortex: whole, seamless, and readable by others."""

import json
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from nsdviewer.errors import Cancelled, RequestError
from nsdviewer.jobs import SilentProgress
from nsdviewer.rendering.figure_notes import read_noted
from nsdviewer.rendering.scene import Scene
from nsdviewer.rendering.turntable import Turntable, cameras, turning, write_turntable
from nsdviewer.session.scenes import scene_of
from nsdviewer.state import DocumentKind, Theme, ViewState
from tests.conftest import Subject

TURN = Turntable(seconds=1.0, fps=8, size_px=129)
DARK = {"theme": Theme.DARK}


@pytest.fixture(scope="module")
def scene(mini: Subject) -> Scene:
    return scene_of(mini.workspace, mini.state.replace(trials=(), theme=Theme.LIGHT))


@pytest.fixture(scope="module")
def pictures(scene: Scene) -> list[np.ndarray]:
    return list(turning(scene, TURN))


@pytest.fixture(scope="module")
def film(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("films") / "a turn ü.mp4"
    write_turntable(scene, path, TURN, scene.state.to_dict(), SilentProgress())
    return path


def test_a_film_is_what_players_play(film: Path, pictures: list[np.ndarray]) -> None:
    with av.open(str(film)) as opened:
        stream = opened.streams.video[0]
        assert stream.codec_context.name == "h264" and stream.pix_fmt == "yuv420p"
        # H.264 wants even sides: one more than was asked for.
        assert (stream.width, stream.height) == (130, 130)
        assert stream.average_rate == 8
        decoded = [frame.to_ndarray(format="rgb24") for frame in opened.decode(stream)]
        assert float(stream.duration * stream.time_base) == pytest.approx(1.0)
    assert len(decoded) == len(pictures) == 8
    for ours, theirs in zip(pictures, decoded, strict=True):
        off = np.abs(ours.astype(int) - theirs).mean()
        assert off < 4
        assert off < np.abs(pictures[3].astype(int) - theirs).mean() or theirs is decoded[3]
    # Browsers play it while it loads: the index stands before the pictures.
    whole = film.read_bytes()
    assert whole.index(b"moov") < whole.index(b"mdat")


def test_a_film_begins_again_where_it_ends(scene: Scene, pictures: list[np.ndarray]) -> None:
    turn = cameras(scene, 12)
    outward = np.array([np.array(c[0:3]) - np.array(c[3:6]) for c in turn])
    outward /= np.linalg.norm(outward, axis=1)[:, None]
    given = np.array(scene.camera[0:3]) - np.array(scene.camera[3:6])
    np.testing.assert_allclose(outward[0], given / np.linalg.norm(given), atol=1e-6)
    # All look from one height, at one point, at one scale; the steps are equal, the last one too.
    assert np.ptp(outward[:, 2]) < 1e-9
    assert len({c[3:6] for c in turn}) == 1 and len({c[9] for c in turn}) == 1
    angle = np.unwrap(np.arctan2(outward[:, 1], outward[:, 0]))
    steps = np.diff([*angle, angle[0] + np.sign(angle[1] - angle[0]) * 2 * np.pi])
    np.testing.assert_allclose(np.abs(steps), 2 * np.pi / 12, atol=1e-9)
    # Upright throughout, and nothing is cut off.
    assert all(c[8] > 0 for c in turn)
    for picture in pictures:
        edge = np.concatenate([picture[30:-20, 0], picture[30:-20, -1], picture[0, 25:]])
        assert (edge == picture[0, -1]).all()
    apart = [np.abs(p.astype(int) - pictures[0]).mean() for p in pictures[1:]]
    assert min(apart) > 2


def test_a_film_says_what_made_it(film: Path, scene: Scene, tmp_path: Path) -> None:
    kind, document = read_noted(film)
    assert kind is DocumentKind.VIEW and ViewState.from_dict(document) == scene.state
    again = tmp_path / "again.mp4"
    write_turntable(scene, again, TURN, scene.state.to_dict(), SilentProgress())
    assert again.read_bytes() == film.read_bytes()


def test_a_gif_is_the_same_turn(scene: Scene, pictures: list[np.ndarray], tmp_path: Path) -> None:
    path = tmp_path / "turn.gif"
    write_turntable(scene, path, TURN, scene.state.to_dict(), SilentProgress())
    with Image.open(path) as film:
        assert film.n_frames == 8 and film.size == (130, 130)
        assert film.info["loop"] == 0 and film.info["duration"] == pytest.approx(125, abs=5)
        film.seek(5)
        shown = np.asarray(film.convert("RGB")).astype(int)
    assert np.abs(shown - pictures[5]).mean() < 6
    assert ViewState.from_dict(read_noted(path)[1]) == scene.state


def test_a_cancelled_film_leaves_nothing(scene: Scene, tmp_path: Path) -> None:
    class Impatient:
        def report(self, fraction: float, message: str = "") -> None:
            if fraction > 0.2:
                raise Cancelled(message)

    for suffix in (".mp4", ".gif"):
        with pytest.raises(Cancelled):
            write_turntable(scene, tmp_path / f"turn{suffix}", TURN, {}, Impatient())
    assert not list(tmp_path.iterdir())


def test_what_is_no_film_is_refused(scene: Scene, film: Path, tmp_path: Path) -> None:
    for values in (
        (0, 30, 500),
        (6, 0, 500),
        (6, 30, 5),
        (6, 30, 99999),
        (6, 999, 500),
        (600, 60, 99),
    ):
        with pytest.raises(RequestError):
            Turntable(*values)
    bare = replace(scene, hemispheres=(), camera=())
    for shown, name in ((scene, "turn.avi"), (bare, "turn.mp4")):
        with pytest.raises(RequestError):
            write_turntable(shown, tmp_path / name, TURN, {}, SilentProgress())
    with pytest.raises(RequestError, match="GIF"):
        write_turntable(scene, tmp_path / "t.gif", Turntable(1, 60, 99), {}, SilentProgress())
    cut = tmp_path / "cut.mp4"
    for share in (0, 0.1, 0.6):
        cut.write_bytes(film.read_bytes()[: int(film.stat().st_size * share)])
        try:
            assert json.dumps(read_noted(cut)[1])
        except RequestError as error:
            assert "\n" not in str(error)


def test_a_playlist_called_a_film_opens_nothing(film: Path, tmp_path: Path) -> None:
    """FFmpeg would follow it, and say what it met there."""
    for name in (film, "/etc/hostname"):
        path = tmp_path / "list.mp4"
        path.write_text(f"ffconcat version 1.0\nfile '{name}'\n")
        with pytest.raises(RequestError, match="bears no view") as caught:
            read_noted(path)
        assert isinstance(caught.value.__cause__, av.error.InvalidDataError)
