"""The part of the page where people come."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from nicegui import events, ui
from PIL import Image

from facerec_core.errors import FacerecError
from facerec_core.gallery.names import printable
from sweep.studio.desk import Desk, Photo, photos_text
from sweep.studio.result import show_trouble


class Enrolment:
    """Photos that were dropped wait for a name; a button enrols them with every variant.

    Args:
        desk: what does it.
        changed: called when somebody came.
    """

    def __init__(self, desk: Desk, changed: Callable[[], Awaitable[None]]) -> None:
        self._desk = desk
        self._changed = changed
        self._photos: list[Photo] = []

    def build(self) -> None:
        """The card."""
        with ui.element("section").classes("card"):
            ui.html("Enrol somebody", sanitize=False, tag="h2")
            self._name = ui.input("Name").props("outlined dense maxlength=128").classes("w-full name")
            self._upload = ui.upload(
                label="Drop photos of this person here, or press +",
                multiple=True,
                auto_upload=True,
                max_file_size=self._desk.max_bytes,
                on_multi_upload=self._take,
                on_rejected=lambda: self._say(f"A file is larger than data.max_image_bytes={self._desk.max_bytes}."),
            )
            self._upload.props('flat accept="image/*"').classes("add")
            self._waiting = ui.element("div").classes("thumbs")
            self._message = ui.column().classes("w-full message")
            self._button = ui.button("Enrol", on_click=self._enrol).props("no-caps unelevated").classes("enrol")
            ui.label("Each variant keeps fingerprints of its own; photos are not stored.").classes("muted")

    async def _take(self, event: events.MultiUploadEventArguments) -> None:
        photos = [Photo(printable(file.name), await file.read()) for file in event.files]
        self._upload.reset()
        self._message.clear()
        try:
            faces = [self._desk.seen(photo, self._desk.first) for photo in photos]
        except FacerecError as error:
            self._say(str(error))
            return
        self._photos += photos
        with self._waiting:
            for face in faces:
                ui.image(Image.fromarray(face)).classes("thumb").props("no-spinner")

    async def _enrol(self) -> None:
        name, photos = self._name.value, tuple(self._photos)
        self._message.clear()
        self._disable(True)
        try:
            done = await asyncio.to_thread(self._desk.enrol, name, photos)
        except FacerecError as error:
            self._say(str(error))
            return
        finally:
            self._disable(False)
        self._photos.clear()
        self._waiting.clear()
        self._name.value = ""
        already = f", {done.already} known already" if done.already else ""
        with self._message:
            ui.label(f"{done.name}: {photos_text(done.added)} enrolled{already}.").classes("done")
        await self._changed()

    def _disable(self, busy: bool) -> None:
        """While somebody is enrolled nothing more can be dropped or typed, which would be lost afterwards."""
        self._button.props("loading" if busy else None, remove=None if busy else "loading")
        for one in (self._upload, self._name):
            one.set_enabled(not busy)

    def _say(self, message: str) -> None:
        self._message.clear()
        with self._message:
            show_trouble(message)
