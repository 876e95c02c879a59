"""The report as a person reads it: in a real browser, on a telephone, on paper."""

import pytest
from selenium.webdriver.common.by import By

from analysis.records import SweepInfo
from analysis.report import write_report
from tests.browser import chromium, needs_browser, wait_for
from tests.sweeps import varied_records

pytestmark = [pytest.mark.slow, needs_browser]

INFO = SweepInfo("demo", "python -m sweep multirun", 1e-3, {"parameter_bytes": 1_000_000}, 0.0, "FINISHED", None)
PAPER_PX = 718
"""Between the margins of 1 cm of an upright A4 page at 96 dots an inch."""
PLOT_WIDTHS = "return [...document.querySelectorAll('.js-plotly-plot .main-svg')].map(plot => plot.clientWidth)"
PAGE_WIDTH = "return document.documentElement.scrollWidth"
TALLEST_REASON = "return Math.max(...[...document.querySelectorAll('.reasons tbody tr')].map(row => row.offsetHeight))"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    return write_report(varied_records(), INFO, tmp_path_factory.mktemp("report")).html.as_uri()


@pytest.fixture(scope="module")
def desk(address):
    with chromium(1200, 900) as browser:
        browser.get(address)
        yield browser


def widths(browser):
    return browser.execute_script(PLOT_WIDTHS)


def test_the_page_loads_nothing_from_elsewhere_and_complains_of_nothing(desk):
    assert len(widths(desk)) > 5
    assert desk.get_log("browser") == []


def test_every_picture_fits_on_paper_and_is_wide_again_afterwards(desk):
    before = widths(desk)
    assert max(before) > PAPER_PX
    desk.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    wait_for(desk, lambda: max(widths(desk)) <= PAPER_PX, "narrower pictures")
    desk.execute_script("window.dispatchEvent(new Event('afterprint'))")
    wait_for(desk, lambda: widths(desk) == before, "pictures as wide as before")


def test_a_telephone_scrolls_tables_and_not_the_page(address):
    with chromium(390, 844) as browser:
        browser.get(address)
        assert browser.execute_script(PAGE_WIDTH) <= 390
        assert browser.execute_script(TALLEST_REASON) < 80, "one reason takes two lines at most"


def test_the_table_is_filtered_by_words_and_by_standing(desk):
    def shown():
        rows = desk.find_elements(By.CSS_SELECTOR, "#candidates tbody tr")
        return [row.find_element(By.TAG_NAME, "td").text for row in rows if row.is_displayed()]

    everything = shown()
    words = desk.find_element(By.ID, "words")
    words.send_keys("0.5@128 qat")
    assert shown() == ["0.5@128-640 QAT"]
    words.clear()
    words.send_keys(" ")
    assert shown() == everything
    desk.find_element(By.XPATH, "//select[@id='standing']/option[.='recommended']").click()
    assert shown() == ["0.5@128-640 QAT"]
