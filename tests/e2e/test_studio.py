"""`studio` as a process, used in a real browser, on networks of one operator that tell people by their colour."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from facerec_core.gallery.files import read_gallery
from facerec_core.types import Candidate
from sweep.studio.desk import photos_text
from tests import cli
from tests.browser import chromium, needs_browser, wait_for
from tests.exports import track, with_files
from tests.records import make_record
from tests.tiny_tflite import mean_colour_tflite

pytestmark = [pytest.mark.slow, needs_browser]
SCALES = {"float32": None, "ptq_int8": (0.0079, -3), "qat_int8": (0.0080, 2)}
COLOURS = {"ada": (220, 40, 40), "bob": (40, 220, 40), "stranger": (60, 60, 220)}
EVIL = "<b>Bob</b>"


@dataclass(frozen=True)
class Studio:
    """A studio that was started: its address, its folder, its process, and all it has said."""

    address: str
    folder: Path
    process: object
    log: Path


def draw_photos(folder: Path) -> None:
    """Two photos of each, and a file that is none."""
    folder.mkdir()
    for person, (name, colour) in enumerate(COLOURS.items()):
        for number in (1, 2):
            noise = np.random.default_rng(10 * person + number).integers(-9, 10, (64, 64, 3))
            pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{name}{number}.png")
    (folder / "notes.png").write_text("no picture")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def studio(tmp_path_factory) -> Iterator[Studio]:
    folder = tmp_path_factory.mktemp("studio")
    record = with_files(
        make_record(Candidate(0.35, 96, 448)), folder, lambda scheme: mean_colour_tflite(96, SCALES[scheme]), 3
    )
    track(folder, record)
    draw_photos(folder / "photos")
    (folder / "desk").mkdir()
    port, log = free_port(), folder / "log"
    process = cli.start("studio", "paths.root=../mlruns", "--port", str(port), cwd=folder / "desk", log=log)
    try:
        cli.wait_for(lambda: "Ctrl-C" in log.read_text(), "the studio to listen", process)
        yield Studio(f"http://127.0.0.1:{port}", folder, process, log)
    finally:
        cli.end(process)


@pytest.fixture(scope="module")
def browser(studio) -> Iterator[Chrome]:
    with chromium(1280, 1000) as browser:
        browser.get(studio.address)
        wait_for(browser, lambda: "No photo yet" in text(browser, ".result-area"), "the page")
        yield browser


def texts(browser: Chrome, where: str) -> list[str]:
    """What elements say, all read in the same moment: the page may rebuild them in the next."""
    return browser.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map(one => one.innerText.trim())", where
    )


def text(browser: Chrome, where: str) -> str:
    return " ".join(texts(browser, where))


def drop(browser: Chrome, where: str, *paths: Path) -> None:
    browser.find_element(By.CSS_SELECTOR, f"{where} input[type=file]").send_keys("\n".join(map(str, paths)))


class Shown(NamedTuple):
    """The answer on the page, read in one moment: its number (0 where there is none), who says it of what, and what."""

    number: int
    says: str
    verdict: str


def shown(browser: Chrome) -> Shown:
    number, says, verdict = browser.execute_script(
        "const shown = document.querySelector('.result');"
        "const text = where => shown.querySelector(where).innerText.trim();"
        "return shown ? [shown.dataset.answer, text('.says'), text('.verdict')] : [0, '', '']"
    )
    return Shown(int(number), says, verdict)


def wait_for_answer(browser: Chrome, after: int, photo: str) -> str:
    """The verdict on a photo in a later answer than that number."""

    def later() -> Shown | None:
        found = shown(browser)
        return found if found.number > after and found.says.endswith(f" says of {photo}") else None

    return wait_for(browser, later, f"an answer to {photo}").verdict


def enrol(browser: Chrome, studio: Studio, name: str, *photos: str) -> None:
    """Enrol somebody, and wait until the photo in hand has been asked about again."""
    browser.find_element(By.CSS_SELECTOR, ".name input").send_keys(name)
    drop(browser, ".add", *(studio.folder / "photos" / photo for photo in photos))
    wait_for(browser, lambda: len(texts(browser, ".thumb")) == len(photos), "the photos")
    asked = shown(browser)
    browser.find_element(By.CSS_SELECTOR, "button.enrol").click()
    said = f"{name}: {photos_text(len(photos))} enrolled"
    wait_for(browser, lambda: said in text(browser, ".message"), "the enrolment")
    if asked.number:
        wait_for_answer(browser, asked.number, asked.says.rpartition(" ")[2])


def identify(browser: Chrome, studio: Studio, photo: str, verdict: str) -> None:
    asked = shown(browser).number
    drop(browser, ".ask", studio.folder / "photos" / photo)
    assert wait_for_answer(browser, asked, photo) == verdict


def switch(browser: Chrome, label: str) -> None:
    (button,) = [one for one in browser.find_elements(By.CSS_SELECTOR, ".q-btn-toggle button") if one.text == label]
    button.click()
    wait_for(browser, lambda: f"{label} says" in text(browser, ".result-area"), f"what {label} says")


def figure(browser: Chrome, name: str) -> float:
    return float(text(browser, f".figure.{name}"))


def galleries(studio: Studio) -> dict[str, Path]:
    return {path.stem: path for path in (studio.folder / "mlruns" / "studio").rglob("*.fpdb")}


def test_people_are_enrolled_and_told_from_strangers(browser, studio) -> None:
    """One session, as somebody would use the page; later tests go on from its end."""
    identify(browser, studio, "ada1.png", "Unknown")
    assert "Nobody is enrolled for this variant yet" in text(browser, ".why")
    assert "Nobody is enrolled yet" in text(browser, ".people")

    enrol(browser, studio, "Ada", "ada1.png")
    assert text(browser, ".verdict") == "Ada", "the photo in hand is asked about again"
    enrol(browser, studio, EVIL, "bob1.png", "bob2.png")
    assert texts(browser, ".people .who") == [EVIL, "Ada"]
    assert not texts(browser, ".studio b"), "a name is text, not markup"

    identify(browser, studio, "ada2.png", "Ada")
    assert figure(browser, "similarity") > 0.99
    assert figure(browser, "threshold") == 0.42
    assert "for FAR 0.001" in text(browser, ".result-area")
    assert figure(browser, "margin") == pytest.approx(figure(browser, "similarity") - 0.42, abs=2e-4)
    assert texts(browser, ".nearest tbody td:first-child") == ["Ada", EVIL]

    identify(browser, studio, "stranger1.png", "Unknown")
    assert "The nearest is" in text(browser, ".why")
    assert figure(browser, "margin") < 0


def test_galleries_are_private_files_of_each_int8_variant(browser, studio) -> None:
    assert set(galleries(studio)) == {"people-ptq_int8", "people-qat_int8"}
    for path in galleries(studio).values():
        assert read_gallery(path).names == (EVIL, "Ada")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_switch_of_variant_asks_about_the_same_photo_again(browser, studio) -> None:
    identify(browser, studio, "bob1.png", EVIL)
    said, noted = {}, {}
    for label in ("PTQ int8", "float32", "QAT int8"):
        switch(browser, label)
        assert text(browser, ".verdict") == EVIL
        said[label] = (text(browser, ".latency"), text(browser, ".file-size"), text(browser, "section"))
        noted[label] = text(browser, ".choice .muted")
    assert said["float32"][0] == "–"
    assert "float32 keeps its fingerprints in memory only" in noted["float32"]
    assert noted["PTQ int8"] == noted["QAT int8"] == "", "a gallery keeps those"
    assert re.fullmatch(r"[\d.,]+ ms", said["QAT int8"][0])
    assert re.fullmatch(r"[\d.,]+ to [\d.,]+ ms", text(browser, ".interval"))
    assert "estimated by another board's fit, scaled" in said["QAT int8"][2]
    assert said["QAT int8"][1] == f"{len(mean_colour_tflite(96, SCALES['qat_int8'])) / 1000:,.1f} kB"


def test_another_board_has_another_latency(browser) -> None:
    before = text(browser, ".latency")
    browser.find_element(By.CSS_SELECTOR, "section .q-select").click()
    options = wait_for(browser, lambda: browser.find_elements(By.CSS_SELECTOR, ".q-menu .q-item"), "the boards")
    next(option for option in options if option.text == "stm32h747").click()
    wait_for(browser, lambda: text(browser, ".latency") not in ("", before), "another latency")
    assert "stm32h747" in text(browser, "section")


def test_a_file_that_is_no_picture_is_named(browser, studio) -> None:
    drop(browser, ".ask", studio.folder / "photos" / "notes.png")
    wait_for(browser, lambda: "notes.png: not a JPEG" in text(browser, ".broken"), "the reason")
    identify(browser, studio, "ada1.png", "Ada")


def test_somebody_without_a_name_is_not_enrolled(browser) -> None:
    browser.find_element(By.CSS_SELECTOR, "button.enrol").click()
    wait_for(browser, lambda: "name: got ''" in text(browser, ".message"), "the refusal")


def press_remove(browser: Chrome, name: str) -> None:
    """Press the button of a row that removes, and wait for the question."""
    (row,) = [one for one in browser.find_elements(By.CSS_SELECTOR, ".person") if name in one.text]
    row.find_element(By.CSS_SELECTOR, "button").click()
    wait_for(browser, lambda: texts(browser, ".asking .who") == [f"Remove {name} for good?"], "the question")


def focused(browser: Chrome) -> str:
    return browser.execute_script("return document.activeElement.innerText.trim()")


def names_of(studio: Studio) -> set[tuple[str, ...]]:
    return {read_gallery(path).names for path in galleries(studio).values()}


def test_removing_asks_first_and_can_be_taken_back(browser, studio) -> None:
    everybody = [EVIL, "Ada"]
    label = "return [...document.querySelectorAll('.person button')].map(one => one.getAttribute('aria-label'))"
    assert browser.execute_script(label) == [f"Remove {name}" for name in everybody]
    press_remove(browser, EVIL)
    assert not texts(browser, ".studio b"), "a name is text in the question, too"
    group = browser.find_element(By.CSS_SELECTOR, ".asking")
    assert group.aria_role == "group"
    assert group.accessible_name == f"Remove {EVIL} for good?"
    wait_for(browser, lambda: focused(browser) == "Cancel", "the keyboard on the harmless answer")

    press_remove(browser, "Ada")
    assert texts(browser, ".person .who") == [EVIL, "Remove Ada for good?"], "one question at a time"
    browser.find_element(By.CSS_SELECTOR, ".asking .cancel").click()
    wait_for(browser, lambda: texts(browser, ".person .who") == everybody, "the question to be gone")
    press_remove(browser, "Ada")
    wait_for(browser, lambda: focused(browser) == "Cancel", "the keyboard")
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    wait_for(browser, lambda: texts(browser, ".person .who") == everybody, "the question to be gone")
    back = "return document.activeElement.getAttribute('aria-label')"
    wait_for(browser, lambda: browser.execute_script(back) == "Remove Ada", "the keyboard where it was")
    assert names_of(studio) == {(EVIL, "Ada")}


def test_a_gallery_that_cannot_be_written_keeps_the_person_everywhere(browser, studio) -> None:
    """The second gallery is one that no rename may replace, so that the first has been replaced already."""
    press_remove(browser, "Ada")
    path = galleries(studio)["people-qat_int8"]
    attributes = ["chattr", "+i", str(path)]
    if shutil.which("chattr") is None or subprocess.run(attributes, capture_output=True, check=False).returncode:
        browser.find_element(By.CSS_SELECTOR, ".asking .cancel").click()
        pytest.skip("no file can be made unchangeable here")
    try:
        browser.find_element(By.CSS_SELECTOR, ".asking .confirm").click()
        said = wait_for(browser, lambda: text(browser, ".people .broken"), "the reason")
    finally:
        subprocess.run(["chattr", "-i", str(path)], check=True)
    assert said.startswith("Ada was not removed: cannot write ")
    assert texts(browser, ".people .who") == [EVIL, "Ada"]
    assert names_of(studio) == {(EVIL, "Ada")}


def test_whoever_is_removed_is_unknown(browser, studio) -> None:
    identify(browser, studio, "ada1.png", "Ada")
    press_remove(browser, "Ada")
    browser.find_element(By.CSS_SELECTOR, ".asking .confirm").click()
    wait_for(browser, lambda: text(browser, ".verdict") == "Unknown", "Ada to be unknown")
    assert text(browser, ".people .message") == "Ada: 1 photo removed."
    assert texts(browser, ".person .who") == [EVIL]
    assert names_of(studio) == {(EVIL,)}


def test_the_page_fits_a_telephone(studio) -> None:
    with chromium(390, 844) as browser:
        browser.get(studio.address)
        wait_for(browser, lambda: "No photo yet" in text(browser, ".result-area"), "the page")
        assert EVIL in text(browser, ".people .who"), "a tab sees who was enrolled in another"
        identify(browser, studio, "bob1.png", EVIL)
        wide = browser.execute_script("return document.documentElement.scrollWidth")
        assert wide <= 390, f"{wide} pixels are wider than the telephone"


def test_nothing_comes_from_elsewhere_and_nothing_complains(browser, studio) -> None:
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map(one => one.name)")
    assert loaded
    assert [one for one in loaded if not one.startswith((studio.address, "data:", "blob:"))] == []
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


@pytest.mark.parametrize("header", ["Host", "Origin"])
def test_a_page_from_elsewhere_is_refused(studio, header) -> None:
    request = urllib.request.Request(studio.address, headers={header: "http://elsewhere.example"})  # noqa: S310
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request, timeout=60)  # noqa: S310


def test_a_taken_port_is_refused_in_one_line(studio) -> None:
    port = studio.address.rpartition(":")[2]
    message = cli.refused("studio", "paths.root=../mlruns", "--port", port, cwd=studio.folder / "desk")
    assert message.startswith(f"--port: got {port}, allowed: a free port of 127.0.0.1")


def test_it_leaves_galleries_and_nothing_else(studio) -> None:
    """The last one: it stops the studio."""
    maps = Path(f"/proc/{studio.process.pid}/maps").read_text()
    assert "ai_edge_litert" in maps
    assert "/tensorflow/" not in maps, "fingerprints come from LiteRT"
    os.kill(studio.process.pid, signal.SIGINT)
    assert studio.process.wait(cli.PATIENCE_SECONDS) == 0
    assert list((studio.folder / "desk").iterdir()) == [], "nothing is written where it was started"
    said = studio.log.read_text()
    assert said.endswith("Stopped.\n")
    assert len(said.splitlines()) == 4, "it logs nothing of what is done on the page"
    kept = sorted(path.name for path in (studio.folder / "mlruns" / "studio").rglob("*") if path.is_file())
    assert kept == ["people-ptq_int8.fpdb", "people-qat_int8.fpdb"]
