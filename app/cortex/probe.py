"""Whether OpenGL draws here; the trial itself belongs to the library, for `doctor` asks too."""

from nsdviewer.diagnosis.opengl import (
    HARDWARE,
    NO_ANSWER,
    SOFTWARE,
    OpenGL,
    examine_opengl,
    machine_key,
)

__all__ = ["HARDWARE", "NO_ANSWER", "SOFTWARE", "OpenGL", "examine_opengl", "machine_key"]
