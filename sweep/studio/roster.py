"""The part of the page that lists people, and where one is taken out once that has been confirmed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from nicegui import ui

from facerec_core.errors import FacerecError
from sweep.studio.desk import Desk, Person, photos_text
from sweep.studio.result import show_trouble


class Roster:
    """Everybody by name. One person at a time can be asked about; asking about another takes the question back.

    Args:
        desk: what does it.
        changed: called when somebody may have gone.
    """

    def __init__(self, desk: Desk, changed: Callable[[], Awaitable[None]]) -> None:
        self._desk = desk
        self._changed = changed
        self._asked: tuple[ui.element, Person] | None = None

    def build(self) -> None:
        """The card."""
        with ui.element("section").classes("card people"):
            ui.html("People", sanitize=False, tag="h2")
            self._message = ui.column().classes("w-full message")
            self._list = ui.column().classes("w-full gap-0")
        self.show()

    def show(self) -> None:
        """List people as they are now; nobody is asked about any more."""
        self._asked = None
        self._message.clear()
        self._list.clear()
        with self._list:
            try:
                people = self._desk.people()
            except FacerecError as error:
                show_trouble(str(error))
                return
            if not people:
                ui.label("Nobody is enrolled yet.").classes("muted")
            for person in people:
                self._rest(ui.element("div").classes("person"), person)

    def _rest(self, row: ui.element, person: Person) -> ui.button:
        """What a row shows before it asks; returns its button."""
        row.clear()
        row.classes(remove="asking").props(remove="role aria-label")
        with row:
            ui.label(person.name).classes("who")
            ui.label(photos_text(max(person.photos.values()))).classes("muted")
            button = ui.button(icon="delete", on_click=partial(self._ask, row, person)).props("flat dense round")
            button.props["aria-label"] = f"Remove {person.name}"
            with button:  # beside the button: below, it would hide the next person's
                ui.tooltip("Remove this person").props('anchor="center left" self="center right"')
        return button

    def _ask(self, row: ui.element, person: Person) -> None:
        """Turn a row into the question, and put the keyboard on its harmless answer."""
        self._take_back()
        self._asked = (row, person)
        self._message.clear()
        question = f"Remove {person.name} for good?"
        row.clear()
        row.classes("asking")
        row.props["role"], row.props["aria-label"] = "group", question
        with row:
            ui.label(question).classes("who")
            cancel = ui.button("Cancel", on_click=self._cancel).props("flat dense no-caps").classes("cancel")
            remove = ui.button("Remove", color="negative").props("unelevated dense no-caps").classes("confirm")
        remove.on_click(partial(self._remove, person, remove, cancel))
        for one in (cancel, remove):
            one.on("keydown.escape", self._cancel)
        _focus(cancel)

    def _take_back(self) -> ui.button | None:
        """End the question that is open, if one is; returns the button that asked it."""
        asked, self._asked = self._asked, None
        return self._rest(*asked) if asked else None

    def _cancel(self) -> None:
        if button := self._take_back():
            _focus(button)

    async def _remove(self, person: Person, remove: ui.button, cancel: ui.button) -> None:
        for one in (remove, cancel):
            one.set_enabled(False)
        trouble = ""
        try:
            photos = await asyncio.to_thread(self._desk.remove, person.name)
        except FacerecError as error:
            trouble = str(error)
        self.show()
        with self._message:
            if trouble:
                show_trouble(trouble)
            else:
                said = (
                    f"{person.name}: {photos_text(photos)} removed." if photos else f"{person.name} was gone already."
                )
                _focus(ui.label(said).classes("done").props("role=status tabindex=-1"))
        await self._changed()


def _focus(element: ui.element) -> None:
    """Put the keyboard on an element once the browser has drawn it: what was pressed has gone, and the focus too."""
    element.client.run_javascript(f"setTimeout(() => getHtmlElement({element.id})?.focus())")
