"""Where the process runs: display server, remote session, and whether a window can open at all."""

import ctypes
import os
import sys
from collections.abc import Mapping

# Qt's own platforms that need no display server.
_HEADLESS = ("offscreen", "minimal", "vnc", "linuxfb", "eglfs")
_REMOTE = (
    ("SSH", ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY")),
    ("VNC", ("VNCDESKTOP", "TIGERVNC_DISPLAY")),
    ("RDP", ("XRDP_SESSION", "XRDP_SOCKET_PATH")),
    ("X2Go or NoMachine", ("X2GO_SESSION", "NX_CLIENT", "NXSESSIONID")),
    ("Chrome Remote Desktop", ("CHROME_REMOTE_DESKTOP_SESSION",)),
)
_COMMANDS = "commands such as 'nsdviewer figure' work without one (see 'nsdviewer --help')"


def remote_session(environment: Mapping[str, str] = os.environ) -> str:
    """Return how a person sits at this machine from afar, as ``SSH``; "" for at the machine."""
    found = [name for name, keys in _REMOTE if any(environment.get(key) for key in keys)]
    if environment.get("SESSIONNAME", "").upper().startswith("RDP"):
        found.append("RDP")
    return ", ".join(found)


def display_server(environment: Mapping[str, str] = os.environ) -> str:
    """Return what windows are shown by."""
    if sys.platform in ("win32", "darwin"):
        return {"win32": "Windows", "darwin": "macOS"}[sys.platform]
    chosen = environment.get("QT_QPA_PLATFORM", "")
    found = [
        name for name, key in (("Wayland", "WAYLAND_DISPLAY"), ("X11", "DISPLAY"))
        if environment.get(key)
    ]  # fmt: skip
    said = " and ".join(found) or "none"
    return f"{said} (QT_QPA_PLATFORM={chosen})" if chosen else said


def why_no_window(environment: Mapping[str, str] = os.environ) -> str:
    """Return one sentence why no window can open here, "" where one can.

    Qt ends the process where it finds no display, so this is asked before.
    """
    if not sys.platform.startswith("linux"):
        return ""
    chosen = environment.get("QT_QPA_PLATFORM", "").partition(":")[0].partition(";")[0]
    if chosen in _HEADLESS:
        return ""
    x11, wayland = environment.get("DISPLAY", ""), environment.get("WAYLAND_DISPLAY", "")
    if not x11 and not wayland:
        return (
            "There is no display to open a window on (neither DISPLAY nor WAYLAND_DISPLAY is set): "
            "start nsdviewer at the machine itself, in a remote desktop, or over 'ssh -X'; "
            f"{_COMMANDS}."
        )
    if wayland and chosen != "xcb" and _answers("libwayland-client.so.0", "wl_display_connect"):
        return ""
    if x11 and _answers("libxcb.so.1", "xcb_connect"):
        if chosen != "wayland" and not _is_there("libxcb-cursor.so.0"):
            return (
                "The library libxcb-cursor.so.0, which Qt needs on X11, is missing: install it "
                "(Debian and Ubuntu: 'apt install libxcb-cursor0', Fedora: 'dnf install "
                f"xcb-util-cursor') and start again; {_COMMANDS}."
            )
        return ""
    name = f"DISPLAY={x11}" if x11 else f"WAYLAND_DISPLAY={wayland}"
    return (
        f"The display that {name} names does not answer: start nsdviewer where it does, or connect "
        f"again with 'ssh -X'; {_COMMANDS}."
    )


def _answers(library: str, connect: str) -> bool:
    """Whether a display server takes a connection; True where the client library is not here."""
    try:
        client = ctypes.CDLL(library)
    except OSError:
        # Qt may bring its own.
        return True
    opening = getattr(client, connect)
    opening.restype = ctypes.c_void_p
    if connect == "wl_display_connect":
        display = opening(None)
        if not display:
            return False
        client.wl_display_disconnect(ctypes.c_void_p(display))
        return True
    connection = ctypes.c_void_p(opening(None, None))
    fault = client.xcb_connection_has_error(connection)
    client.xcb_disconnect(connection)
    return int(fault) == 0


def _is_there(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
