"""A real headless Chromium for the tests that look at a page as a person would, driven over WebDriver.

    with chromium() as browser:
        browser.get("http://127.0.0.1:5000")
        heading = wait_for(browser, lambda: browser.find_element(By.TAG_NAME, "h1"), "a heading")

Tests that use it are marked `needs_browser` and `pytest.mark.slow`. It reaches no machine but this one.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest
from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    JavascriptException,
    NoSuchElementException,
    StaleElementReferenceException,
    TimeoutException,
)
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.wait import WebDriverWait

T = TypeVar("T")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMEDRIVER = shutil.which("chromedriver")
MISSING = " and ".join(name for name, path in (("chromium", CHROMIUM), ("chromedriver", CHROMEDRIVER)) if not path)
needs_browser = pytest.mark.skipif(bool(MISSING), reason=f"no {MISSING} on this machine (Debian has both as packages)")

APPEARS_WITHIN_S = 90.0  # generous: it is waited for a condition, and the machine may be busy
NOT_YET = (  # what a page says that is still being built
    NoSuchElementException,
    StaleElementReferenceException,
    ElementNotInteractableException,
    ElementClickInterceptedException,
    JavascriptException,
)
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # root may not have it, nor some containers; the only pages are our own
    "--disable-gpu",
    "--disable-dev-shm-usage",  # containers often have 64 MB of it
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-device-scale-factor=1",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)


@contextmanager
def chromium(width: int = 1600, height: int = 1200) -> Iterator[Chrome]:
    """A browser with an empty profile and room for a page of that many pixels, ended with the block.

    What pages write to the console is in `browser.get_log("browser")`.
    """
    with tempfile.TemporaryDirectory(prefix="browser-") as profile:
        options = ChromeOptions()
        options.binary_location = str(CHROMIUM)
        for argument in (*ARGUMENTS, f"--user-data-dir={profile}"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        # With its path given, selenium looks for no driver elsewhere.
        browser = Chrome(options=options, service=Service(str(CHROMEDRIVER)))
        try:
            browser.set_page_load_timeout(APPEARS_WITHIN_S)
            # A window has a frame and is never as narrow as a telephone; this is the page itself.
            page = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", page)
            yield browser
        finally:
            browser.quit()


def wait_for(browser: Chrome, condition: Callable[[], T], what: str, within_s: float = APPEARS_WITHIN_S) -> T:
    """The condition's first true result; elements that are not there yet count as false.

    Raises:
        AssertionError: it does not become true in time; says `what` was waited for and what the page shows.
    """
    try:
        found: T = WebDriverWait(browser, within_s, 0.1, NOT_YET).until(lambda _: condition())
    except TimeoutException:
        shown = browser.execute_script("return document.body ? document.body.innerText : ''")
        raise AssertionError(f"waited for {what} on {browser.current_url}, which shows:\n{shown[:4000]}") from None
    return found


def screenshot(browser: Chrome, path: Path) -> None:
    """What the window shows, as a PNG file."""
    path.write_bytes(browser.get_screenshot_as_png())
