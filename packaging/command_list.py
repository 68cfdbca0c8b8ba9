"""Write the guide's list of commands from the window's own table.

make screenshots            # writes it too
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "resources" / "guide" / "commands.md"
_HEAD = """# All commands

Every command stands in a menu and in the palette (Ctrl+Shift+P), which finds it by a few letters of its
name. On a Mac, Ctrl is the command key.
"""


def command_list() -> str:
    """Return the page."""
    from app.commands import COMMANDS

    menus: dict[str, list[str]] = {}
    for command in COMMANDS:
        # These say what was opened, and are no commands of their own to a reader.
        if not command.name.startswith("file.recent-"):
            keys = f"`{command.shortcut}`" if command.shortcut else ""
            menus.setdefault(command.menu, []).append(f"| {command.text} | {keys} |\n")
    parts = [_HEAD]
    for menu, lines in menus.items():
        title = menu.replace("/", " → ")
        parts.append(f"\n## {title}\n\n| command | keys |\n|---|---|\n")
        parts += lines
    return "".join(parts)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    PAGE.write_text(command_list(), encoding="utf-8")
    print(PAGE)
