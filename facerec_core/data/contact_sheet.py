"""A sheet of small pictures with captions, row by row, as one PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Images = NDArray[np.uint8]

THUMBNAIL = 96
_MARGIN, _GAP = 24, 6
_LABEL_WIDTH = 250
_TITLE, _HEADING, _TEXT, _SMALL = 26, 20, 15, 11
_LINE = 20
_CAPTION = _SMALL + 5
_INK, _FAINT, _PAPER, _RULE = (24, 24, 24), (110, 110, 110), (255, 255, 255), (205, 205, 205)
_MAX_HEIGHT = 30_000


@dataclass(frozen=True)
class Row:
    """Pictures side by side: lines of text on their left, uint8 RGB [side, side, 3] each, a caption below each."""

    label: tuple[str, ...]
    images: tuple[Images, ...]
    captions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """Rows below a heading and a line that says what they are."""

    heading: str
    note: str
    rows: tuple[Row, ...]


def contact_sheet(title: str, note: str, sections: Sequence[Section], columns: int) -> bytes:
    """Draw the sheet.

    Args:
        title: what is shown.
        note: one line below the title.
        sections: from top to bottom.
        columns: the most pictures in a row; further ones are left out.

    Returns:
        A PNG file. Rows that would make it higher than any viewer shows are left out, and the sheet says so.
    """
    width = 2 * _MARGIN + _LABEL_WIDTH + columns * (THUMBNAIL + _GAP)
    sheet = Image.new("RGB", (width, _MAX_HEIGHT), _PAPER)
    draw = ImageDraw.Draw(sheet)
    y = _write(draw, _MARGIN, title, _TITLE, _INK, width - 2 * _MARGIN) + 4
    y = _write(draw, y, note, _TEXT, _FAINT, width - 2 * _MARGIN)
    for section in sections:
        y = _section(sheet, draw, y, section, columns)
    out = io.BytesIO()
    sheet.crop((0, 0, width, min(y + _MARGIN, _MAX_HEIGHT))).save(out, "PNG", optimize=True)
    return out.getvalue()


def _section(sheet: Image.Image, draw: ImageDraw.ImageDraw, y: int, section: Section, columns: int) -> int:
    room = sheet.width - 2 * _MARGIN
    y += 2 * _GAP
    draw.line((_MARGIN, y, sheet.width - _MARGIN, y), fill=_RULE)
    y = _write(draw, y + 2 * _GAP, section.heading, _HEADING, _INK, room) + 2
    y = _write(draw, y, section.note, _TEXT, _FAINT, room) + _GAP
    for index, row in enumerate(section.rows):
        if y + THUMBNAIL + 4 * _CAPTION > _MAX_HEIGHT:
            return _write(draw, y, f"… and {len(section.rows) - index} rows more", _TEXT, _FAINT, room)
        y = _row(sheet, draw, y, row, columns) + _GAP
    return y


def _row(sheet: Image.Image, draw: ImageDraw.ImageDraw, top: int, row: Row, columns: int) -> int:
    y = top
    for line in row.label:
        colour = _INK if y == top else _FAINT
        y = _write(draw, y, line, _TEXT, colour, _LABEL_WIDTH - 2 * _GAP)
    bottom = max(y, top + THUMBNAIL)
    for column, image in enumerate(row.images[:columns]):
        x = _MARGIN + _LABEL_WIDTH + column * (THUMBNAIL + _GAP)
        size = (THUMBNAIL, THUMBNAIL)
        sheet.paste(Image.fromarray(np.asarray(image)).resize(size, Image.Resampling.LANCZOS), (x, top))
        if column < len(row.captions):
            _write(draw, top + THUMBNAIL + 2, row.captions[column], _SMALL, _FAINT, THUMBNAIL, x)
            bottom = max(bottom, top + THUMBNAIL + 2 + _CAPTION)
    return bottom


def _write(
    draw: ImageDraw.ImageDraw, y: int, text: str, size: int, colour: tuple[int, int, int], room: int, x: int = _MARGIN
) -> int:
    """Write a line, cut in the middle where it is too long, and return where the next one begins."""
    font = ImageFont.load_default(size)
    draw.text((x, y), _fitted(draw, _printable(text), font, room), fill=colour, font=font)
    return y + round(1.3 * size)


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)


def _fitted(draw: ImageDraw.ImageDraw, text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, room: int) -> str:
    """The text, its middle replaced by an ellipsis until it fits: the ends tell file names apart."""
    kept = len(text)
    fitted = text
    while draw.textlength(fitted, font=font) > room and kept > 2:
        kept -= 1
        fitted = f"{text[: kept // 2]}…{text[len(text) - (kept + 1) // 2 :]}"
    return fitted
