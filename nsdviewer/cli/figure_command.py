"""The command that draws: a view, a session, a page, or a figure that nsdviewer wrote, once more."""

import argparse
from pathlib import Path

from nsdviewer.cli.options import Commands, when_asked
from nsdviewer.cli.state_options import add_changes, state_from
from nsdviewer.errors import RequestError
from nsdviewer.jobs import StreamProgress
from nsdviewer.rendering.view_kinds import ExportedView, ExportRequest, format_for
from nsdviewer.state import DocumentKind, Page, ViewState, read_document
from nsdviewer.state.assignments import assigned


def add_figure(commands: Commands) -> None:
    """Add ``figure``."""
    figure = commands.add_parser(
        "figure", help="write a view, a page or a figure again, drawn or as numbers"
    )
    figure.add_argument(
        "state",
        metavar="DOCUMENT|ROOT",
        help="a saved view, session or page, a figure that nsdviewer wrote (.png, .svg, .pdf, "
        ".mp4, .gif), or an NSD folder",
    )
    add_changes(figure)
    figure.add_argument(
        "-o", "--out", type=Path, required=True,
        help=".png, .svg, .pdf; numbers as .nii.gz, .func.gii, .mgz, .csv; the cortex turning as "
        ".mp4, .gif",
    )  # fmt: skip
    figure.add_argument(
        "--view", choices=[v.value for v in ExportedView], default=None,
        help="which part of the window; of a page, a view of what it is made of",
    )  # fmt: skip
    figure.add_argument(
        "--scale", type=float, default=1.0, help="of a view: 1 is 300 dots to the inch"
    )
    figure.add_argument("--dpi", type=int, default=None, help="of a page, in place of its own")
    figure.add_argument(
        "--layer", default="", metavar="SOURCE",
        help="the layer whose numbers are written; the topmost where left out",
    )  # fmt: skip
    turning = figure.add_argument_group("of .mp4 and .gif")
    turning.add_argument("--seconds", type=float, default=6.0, help="for one turn")
    turning.add_argument("--fps", type=int, default=30, help="pictures a second")
    turning.add_argument("--size", type=int, default=1080, help="width and height in pixels")
    figure.set_defaults(run=when_asked("figure_command", "run_figure"))


def run_figure(arguments: argparse.Namespace) -> int:
    """Write what a document shows, by the output's suffix."""
    shown = shown_by(arguments)
    _require_apart(arguments)
    for path in _write(shown, arguments):
        print(path)
    return 0


def _require_apart(arguments: argparse.Namespace) -> None:
    """Raise `RequestError` where a changed copy of a document would take its place."""
    changed = bool(arguments.changes) or arguments.dpi is not None
    beside = arguments.out.with_suffix(".json")
    if changed and beside.absolute() == Path(str(arguments.state)).absolute():
        raise RequestError(
            f"The JSON beside {arguments.out.name} would replace {beside.name}, which it was made "
            "from; give the figure another name."
        )


def shown_by(arguments: argparse.Namespace) -> Page | ViewState:
    """Return the page or the view that a command names, changed as its ``--set`` say.

    Raises
    ------
    RequestError
        If the document is none, or a field cannot have its value.
    """
    from nsdviewer.rendering.figure_notes import NOTED_SUFFIXES, read_noted

    path = Path(str(arguments.state))
    if path.suffix.lower() in NOTED_SUFFIXES and not path.is_dir():
        kind, document = read_noted(path)
        if kind is not DocumentKind.PAGE:
            return assigned(ViewState.from_dict(document), arguments.changes)
    elif path.is_dir():
        return state_from(arguments)
    else:
        kind, document = read_document(path)
        if kind is not DocumentKind.PAGE:
            return state_from(arguments)
    page = Page.from_dict(document)
    return page.replace(state=assigned(page.state, arguments.changes))


def _write(shown: Page | ViewState, arguments: argparse.Namespace) -> tuple[Path, ...]:
    from nsdviewer.rendering.turntable import TURNTABLE_SUFFIXES, Turntable
    from nsdviewer.session.page_export import export_page
    from nsdviewer.session.session import open_workspace
    from nsdviewer.session.turntable_export import export_turntable
    from nsdviewer.session.view_export import export_view

    out, progress = arguments.out, StreamProgress()
    state = shown.state if isinstance(shown, Page) else shown
    if out.suffix.lower() in TURNTABLE_SUFFIXES:
        turn = Turntable(arguments.seconds, arguments.fps, arguments.size)
        return export_turntable(open_workspace(state), state, turn, out, progress)
    if isinstance(shown, Page) and arguments.view is None:
        if arguments.scale != 1.0:
            raise RequestError("A page has its own size; for more dots to the inch use --dpi.")
        page = shown if arguments.dpi is None else shown.replace(dpi=arguments.dpi)
        return export_page(page, out, progress)
    if arguments.dpi is not None:
        raise RequestError("A view has no dots to the inch of its own; use --scale, 1 is 300.")
    view = ExportedView(arguments.view or ExportedView.FIGURE.value)
    request = ExportRequest(view, out, arguments.scale, arguments.layer)
    # Nothing is loaded for a file that cannot be.
    format_for(request.view, request.path)
    return export_view(open_workspace(state), state, request, progress)
