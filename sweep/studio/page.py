"""The page, one per open tab: what is shown where, and which button asks the desk for what.

Names and messages are only ever text of an element, never markup.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files

from nicegui import events, ui
from PIL import Image

from facerec_core.errors import FacerecError
from facerec_core.gallery.names import printable
from sweep.gallery.faces import NOT_ALIGNED
from sweep.studio.desk import Desk, Photo
from sweep.studio.enrolment import Enrolment
from sweep.studio.result import show_answer, show_idle, show_trouble
from sweep.studio.roster import Roster

FLOAT_NOTE = (
    "float32 keeps its fingerprints in memory only, since a gallery holds the int8 ones that a device computes. "
    "Whoever was enrolled before this start is missing here; whoever is enrolled now is missing after the next one."
)


@dataclass
class _Tab:
    """What one tab has in hand; it goes with the tab."""

    key: str
    board: str
    photo: Photo | None = field(default=None, repr=False)


def show(desk: Desk) -> None:
    """Build the page of a tab."""
    ui.add_css(files("sweep.studio").joinpath("page.css").read_text(encoding="utf-8"))
    ui.colors(primary="#1f5fa8")
    tab = _Tab(desk.first, desk.boards.first)
    with ui.element("main").classes("studio flex flex-col"):
        page = _Page(desk, tab)
        page.build()


class _Page:
    def __init__(self, desk: Desk, tab: _Tab) -> None:
        self._desk = desk
        self._tab = tab
        self._answers = 0
        self._roster = Roster(desk, self._identify)

    def build(self) -> None:
        """Heading and switch, then what is asked on the left and what is known on the right."""
        self._heading()
        with ui.element("div").classes("panes"):
            with ui.element("div").classes("pane"):
                self._question()
            with ui.element("div").classes("pane"):
                with _card("The network on a board"):
                    self._facts = ui.column().classes("w-full gap-2")
                self._show_facts()
                Enrolment(self._desk, self._somebody_came).build()
                self._roster.build()

    def _heading(self) -> None:
        with ui.column().classes("gap-1"):
            ui.html("facerec studio", sanitize=False, tag="h1")
            ui.label(f"Candidate {self._desk.title}").classes("muted")
        labels = {key: variant.label for key, variant in self._desk.variants.items()}
        with ui.column().classes("gap-2 choice"):
            switch = ui.toggle(labels, value=self._tab.key, on_change=self._switch).props("no-caps unelevated")
            switch.classes("switch")
            self._note = ui.column().classes("message")

    def _question(self) -> None:
        with _card("Who is this?"):
            upload = ui.upload(
                label="Drop a photo here, or press +",
                auto_upload=True,
                max_file_size=self._desk.max_bytes,
                on_upload=self._take,
                on_rejected=self._too_large,
            )
            upload.props('flat accept="image/*"').classes("ask")
            self._upload = upload
            self._result = ui.column().classes("w-full gap-3 result-area")
            with self._result:
                show_idle()
            network = self._desk.variants[self._tab.key].network
            if network.landmarks:
                ui.label(NOT_ALIGNED).classes("muted")

    async def _take(self, event: events.UploadEventArguments) -> None:
        self._tab.photo = Photo(printable(event.file.name), await event.file.read())
        self._upload.reset()
        await self._identify()

    def _too_large(self) -> None:
        self._result.clear()
        with self._result:
            show_trouble(f"The file is larger than data.max_image_bytes={self._desk.max_bytes}.")

    async def _switch(self, event: events.ValueChangeEventArguments[str]) -> None:
        self._tab.key = event.value
        self._show_facts()
        await self._identify()

    async def _somebody_came(self) -> None:
        self._roster.show()
        await self._identify()

    async def _identify(self) -> None:
        """Ask about the photo in hand again: it, the variant or the people have changed."""
        photo, key = self._tab.photo, self._tab.key
        if photo is None:
            return
        self._result.clear()
        with self._result:
            ui.spinner(size="lg")
        try:
            face = self._desk.seen(photo, key)
            answer = await asyncio.to_thread(self._desk.identify, photo, key)
        except FacerecError as error:
            self._tab.photo = None
            self._fill(partial(show_trouble, str(error)))
            return
        if (photo, key) == (self._tab.photo, self._tab.key):
            self._answers += 1
            says = f"{self._desk.variants[key].label} says of {photo.name}"
            self._fill(partial(show_answer, answer, Image.fromarray(face), says, self._answers))

    def _fill(self, build: Callable[[], None]) -> None:
        self._result.clear()
        with self._result:
            build()

    def _show_facts(self) -> None:
        desk, tab = self._desk, self._tab
        variant = desk.variants[tab.key]
        self._note.clear()
        if variant.network.model.scheme == "float32":
            with self._note:
                ui.label(FLOAT_NOTE).classes("muted")
        board = desk.boards.figure(tab.board, desk.candidate, variant.network.model.scheme)
        self._facts.clear()
        with self._facts:
            choice = ui.select(list(desk.boards.names), value=tab.board, label="Board", on_change=self._change_board)
            choice.props("outlined dense options-dense").classes("w-full")
            with ui.element("div").classes("figures w-full"):
                _figure("One fingerprint takes", board.figure, "latency")
                _figure("Between", board.interval or "–", "interval")
                _figure("The file takes", f"{variant.network.size_bytes / 1000:,.1f} kB", "file-size")
            ui.label(board.known).classes("muted provenance")
            if board.source:
                _details("What that rests on", board.source)

    def _change_board(self, event: events.ValueChangeEventArguments[str]) -> None:
        self._tab.board = event.value
        self._show_facts()


def _card(heading: str) -> ui.element:
    card = ui.element("section").classes("card")
    with card:
        ui.html(heading, sanitize=False, tag="h2")
    return card


def _details(summary: str, content: str) -> None:
    with ui.element("details").classes("muted"):
        with ui.element("summary"):
            ui.label(summary).classes("inline")
        ui.label(content)


def _figure(what: str, value: str, marker: str) -> None:
    with ui.column().classes("gap-0"):
        ui.label(what).classes("muted")
        ui.label(value).classes(f"figure {marker}")
