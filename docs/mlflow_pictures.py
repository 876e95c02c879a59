"""Photographs MLflow's pages of the latest sweep below a folder: `python -m docs.mlflow_pictures --folder FOLDER`.

FOLDER is the one that holds `mlruns`. The sweep has to have a report (`python -m sweep report`) and a registered model
(`tracking.register=NAME`). Needs Chromium and its driver, as the tests in a browser do.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.browser import screenshot, wait_for
from tests.mlflow_pages import base_of, interface, visitor

IMAGES = Path(__file__).resolve().parent / "images"


def main() -> None:
    """Start the interface, photograph its pages, end it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", default=".", type=Path, help="where mlruns is; default: here")
    parser.add_argument("--into", default=IMAGES, type=Path, help="where the pictures go; default: docs/images")
    arguments = parser.parse_args()
    with interface(arguments.folder) as views, visitor(base_of(views)) as browser:
        for name, (view, is_there) in PAGES.items():
            browser.get("about:blank")  # another fragment alone would not load the page again
            browser.get(views[view])
            wait_for(browser, lambda shows=is_there: shows(browser), f"the page {view!r}")  # type: ignore[misc]
            path = arguments.into / f"mlflow_{name}.png"
            screenshot(browser, path)
            sys.stdout.write(f"{path}\n")


def _table_is_whole(browser: Chrome) -> bool:
    shown = len(browser.find_elements(By.CSS_SELECTOR, "a[href*='/runs/']"))
    counted = re.search(r"(\d+) matching runs?", browser.find_element(By.TAG_NAME, "body").text)
    return counted is not None and 0 < int(counted[1]) == shown


def _lines_are_drawn(browser: Chrome) -> bool:
    return len(browser.find_elements(By.CSS_SELECTOR, ".parcoords .axis-title")) > 2


def _curves_are_drawn(browser: Chrome) -> bool:
    return len(browser.find_elements(By.CSS_SELECTOR, ".scatterlayer .trace .js-line")) > 2


def _report_is_drawn(browser: Chrome) -> bool:
    browser.switch_to.frame(browser.find_element(By.CSS_SELECTOR, "iframe.mlflow-html-iframe"))
    try:
        return bool(browser.find_elements(By.CSS_SELECTOR, ".js-plotly-plot .main-svg"))
    finally:
        browser.switch_to.default_content()


def _model_is_open(browser: Chrome) -> bool:
    """Its tags are there, and its signature, which is folded away at first."""
    for part in ("Inputs (1)", "Outputs (1)"):
        browser.find_element(By.XPATH, f"//*[normalize-space(text())='{part}']").click()
    return "limit.latency_ms" in browser.find_element(By.TAG_NAME, "body").text


PAGES: dict[str, tuple[str, Callable[[Chrome], bool]]] = {
    "runs": ("Latest sweep", _table_is_whole),
    "compare": ("Best, compared", _lines_are_drawn),
    "roc": ("ROC curves", _curves_are_drawn),
    "report": ("Report", _report_is_drawn),
    "model": ("Registered", _model_is_open),
}

if __name__ == "__main__":
    main()
