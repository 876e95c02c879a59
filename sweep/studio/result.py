"""How a verdict looks: the face, the name or "Unknown", the score on its scale, and the nearest people."""

from __future__ import annotations

from nicegui import ui
from PIL import Image

from sweep.studio.answer import Answer, explanation, headline, share_of_scale, threshold_origin

_COLUMNS = (("person", "Nearest people", "left"), ("similarity", "Similarity", "right"),
            ("margin", "To threshold", "right"), ("photos", "Photos", "right"))  # fmt: skip


def show_idle() -> None:
    """Before there is a photo."""
    ui.label("No photo yet. It is held in memory while you look at it, and not stored.").classes("muted")


def show_trouble(message: str) -> None:
    """A photo that cannot be used, and why."""
    ui.label(message).classes("broken w-full").props('role="alert"')


def show_answer(answer: Answer, face: Image.Image, says: str, number: int) -> None:
    """A verdict.

    Args:
        answer: the verdict.
        face: what the network was given.
        says: names the variant and the photo.
        number: of the tab's answers.
    """
    with ui.element("div").classes("result w-full").props(f"data-answer={number}"):
        ui.image(face).classes("face").props('alt="the face as the network sees it" no-spinner')
        with ui.column().classes("gap-1"):
            ui.label(says).classes("muted says")
            ui.label(headline(answer)).classes("verdict " + ("known" if answer.match.known else "unknown"))
            ui.label(explanation(answer)).classes("why")
    if answer.near:
        _scale(answer)
        _figures(answer)
        _nearest(answer)


def _scale(answer: Answer) -> None:
    """The similarity as a bar from 0 to 1, with a mark at the threshold."""
    known = "accepted" if answer.match.known else ""
    with ui.element("div").classes(f"scale w-full {known}").props('role="img" aria-label="similarity and threshold"'):
        ui.element("div").classes("reached").style(f"width: {share_of_scale(answer.match.cosine)}%")
        ui.element("div").classes("limit").style(f"left: {share_of_scale(answer.threshold.threshold)}%")


def _figures(answer: Answer) -> None:
    match = answer.match
    figures = (
        ("Similarity", f"{match.cosine:.4f}", "similarity"),
        (f"Threshold, {threshold_origin(answer.threshold)}", f"{answer.threshold.threshold:.4f}", "threshold"),
        ("Margin", f"{match.margin:+.4f}", "margin"),
    )
    with ui.element("div").classes("figures w-full"):
        for what, value, marker in figures:
            with ui.column().classes("gap-0"):
                ui.label(what).classes("muted")
                ui.label(value).classes(f"figure {marker}")
    if answer.threshold.far is not None:
        ui.label(f"The FAR is of one comparison; this photo was compared with {answer.people} people.").classes("muted")


def _nearest(answer: Answer) -> None:
    rows = [
        {"person": near.name, "similarity": f"{near.similarity:.4f}", "margin": f"{near.margin:+.4f}",
         "photos": near.photos}
        for near in answer.near
    ]  # fmt: skip
    columns = [{"name": name, "label": label, "field": name, "align": align} for name, label, align in _COLUMNS]
    ui.table(rows=rows, columns=columns, row_key="person").classes("nearest w-full").props("flat dense")
