"""Commands about embeddings, decoders, encoders and generators."""

from __future__ import annotations

from app import asking
from app.bench.generators import FLOW, LAFITE
from app.commands.command import Command

COMMANDS: tuple[Command, ...] = (
    Command("models.manager", "Models", "Models…", "Ctrl+M", lambda w: w.models.open(), False),
    Command("models.seeds", "Trials/Reconstruction", "More seeds…", "Ctrl+G",
            lambda w: w.show_gallery(), True, True),
    Command("models.sheet", "Trials/Reconstruction", "Sheet of reconstructions…", "Ctrl+Shift+G",
            lambda w: w.sheet.open_for(w.controller.view)),
    Command("models.lafite", "Models", "Paint with the shipped LAFITE", "",
            lambda w: w.request(generator=LAFITE), True, True),
    Command("models.flow", "Models", "Paint with the shipped flow-matching decoder", "",
            lambda w: w.request(generator=FLOW)),
    Command("models.generator-file", "Models", "Paint with a file…", "",
            lambda w: asking.ask_generator_file(w)),
    Command("models.generator-folder", "Models", "Paint with a diffusers folder…", "",
            lambda w: asking.ask_generator_folder(w)),
)  # fmt: skip
