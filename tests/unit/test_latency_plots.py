"""The pictures of docs/latency.md and docs/ethos_u.md: what they were drawn from is what the code says today."""

import html
import json
import re

import pytest

from docs import latency_plots

BOARDS = {board.name: board for board in latency_plots.shipped_boards()}


def test_every_board_has_its_picture_and_every_picture_is_shown():
    pictures = {path.stem.removeprefix("latency_") for path in latency_plots.IMAGES.glob("latency_*.svg")}
    assert pictures == set(BOARDS)
    pages = "".join((latency_plots.ROOT / "docs" / f"{page}.md").read_text("utf-8") for page in ("latency", "ethos_u"))
    assert [name for name in pictures if f"(images/latency_{name}.svg)" not in pages] == []


@pytest.mark.parametrize("name", BOARDS)
def test_a_picture_was_drawn_from_the_figures_of_today(name):
    """`python docs/latency_plots.py` draws them anew."""
    picture = (latency_plots.IMAGES / f"latency_{name}.svg").read_text("utf-8")
    (description,) = re.findall(r"<dc:description>(.*?)</dc:description>", picture, re.DOTALL)
    assert json.loads(html.unescape(description)) == latency_plots.drawn(BOARDS[name])


def test_the_figures_of_a_picture_are_those_of_the_tables():
    drawn = latency_plots.drawn(BOARDS["stm32f746"])
    assert drawn["ms"]["0.5@128"][1::2] == ["322.7", "borrowed"]
    assert ["MobileNetV2 0.35@96, 1280-d, 2 classes", "stand_in", "126.6"] in drawn["rows"]
    assert len(drawn["ms"]) == 30
    assert latency_plots.drawn(BOARDS["ethos_u55_128"])["rows"] == []
