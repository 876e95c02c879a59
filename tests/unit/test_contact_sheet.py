"""The contact sheet: what is drawn where."""

import io

import numpy as np
from PIL import Image

from facerec_core.data import contact_sheet as module
from facerec_core.data.contact_sheet import THUMBNAIL, Row, Section, contact_sheet

RED, GREEN = (200, 20, 20), (20, 160, 20)


def plain(colour, side=40):
    return np.full((side, side, 3), colour, np.uint8)


def drawn(*sections, title="Faces", columns=3):
    data = contact_sheet(title, "two people", sections, columns)
    return np.asarray(Image.open(io.BytesIO(data), formats=["PNG"]))


def where(sheet, colour):
    """Rows and columns that hold a colour."""
    rows, columns, _ = np.nonzero((sheet == colour).all(axis=2)[:, :, None])
    return rows, columns


def test_pictures_stand_side_by_side_at_full_size() -> None:
    sheet = drawn(Section("One", "", (Row(("Ada", "2 images"), (plain(RED), plain(GREEN)), ("1.jpg", "2.jpg")),)))
    red_rows, red_columns = where(sheet, RED)
    green_rows, green_columns = where(sheet, GREEN)
    assert len(red_rows) == len(green_rows) == THUMBNAIL**2
    assert (red_rows.min(), red_rows.max()) == (green_rows.min(), green_rows.max())
    assert red_columns.max() < green_columns.min()


def test_rows_and_sections_follow_each_other() -> None:
    rows = (Row(("Ada",), (plain(RED),)), Row(("Alan",), (plain(GREEN),)))
    sheet = drawn(Section("One", "first", rows), Section("Two", "second", (Row(("Ada",), (plain(RED),)),)))
    red, green = where(sheet, RED)[0], where(sheet, GREEN)[0]
    assert red.min() < green.min() < red.max()
    assert len(red) == 2 * THUMBNAIL**2


def test_further_pictures_are_left_out() -> None:
    sheet = drawn(Section("One", "", (Row(("Ada",), (plain(RED), plain(RED), plain(GREEN))),)), columns=2)
    assert len(where(sheet, RED)[0]) == 2 * THUMBNAIL**2
    assert len(where(sheet, GREEN)[0]) == 0


def test_labels_and_captions_never_reach_the_pictures() -> None:
    """Names may be long, and hold line breaks and letters the font has not."""
    name = "Ada\nLovelace 李 " * 20
    blank = drawn(Section("", "", (Row(("",), (plain(RED), plain(GREEN)), ("", "")),)), title="")
    named = drawn(Section(name, name, (Row((name,), (plain(RED), plain(GREEN)), (name, name)),)), title=name)
    assert blank.shape == named.shape
    for colour in (RED, GREEN):
        assert np.array_equal(where(blank, colour), where(named, colour))
    gap = slice(where(named, RED)[1].max() + 1, where(named, GREEN)[1].min())
    assert (named[where(named, RED)[0].min() + THUMBNAIL :, gap] == 255).all(), "captions stay below their picture"
    assert (named != blank).any()


def test_a_sheet_of_any_length_can_be_opened(monkeypatch) -> None:
    monkeypatch.setattr(module, "_MAX_HEIGHT", 800)
    sheet = drawn(Section("Many", "", (Row(("Ada",), (plain(RED),)),) * 50))
    assert sheet.shape[0] <= 800
    assert 0 < len(where(sheet, RED)[0]) < 50 * THUMBNAIL**2
    assert len(where(sheet, RED)[0]) % THUMBNAIL**2 == 0, "no picture is cut"


def test_no_sections() -> None:
    assert drawn().shape[2] == 3
