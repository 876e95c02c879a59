"""MLflow's interface as a person sees it: a real server, a real browser, a sweep of made-up records."""

import io
import re

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from sweep import tracking_keys as keys
from sweep.tracking import Tracker
from sweep.tracking_verdict import judged
from tests.browser import needs_browser, wait_for
from tests.cli import sweep
from tests.mlflow_pages import base_of, interface, visitor
from tests.sweeps import varied_records, write_sweep

pytestmark = [pytest.mark.slow, needs_browser]

SCHEMES = ("float32", "ptq_int8", "qat_int8")
RUN_LINKS = "a[href*='/runs/']"
SEARCH = "input[placeholder*='metrics']"
# The grid of metrics holds only the rows in sight: a row's cells from the left, or a page further once these are drawn.
ROW_OR_SCROLL = """
const [names, grid] = document.querySelectorAll('.ReactVirtualized__Grid');
const cells = grid => [...grid.firstElementChild.children];
const top = cell => parseFloat(cell.style.top), left = cell => parseFloat(cell.style.left);
const name = cells(names).find(cell => cell.textContent.trim() === arguments[0]);
if (name)
    return cells(grid).filter(cell => top(cell) === top(name)).sort((a, b) => left(a) - left(b)).map(
        cell => cell.textContent.trim());
const drawn = Math.max(...cells(grid).map(cell => top(cell) + cell.offsetHeight));
if (drawn >= Math.min(grid.scrollTop + grid.clientHeight, grid.scrollHeight)) grid.scrollTop += grid.clientHeight / 2;
return null;
"""
SCATTERED = """
const plot = [...document.querySelectorAll('.js-plotly-plot')].find(
    plot => plot.offsetParent && plot.data[0].type.startsWith('scatter'));
return plot ? plot.data.flatMap(trace => [...trace.y]) : null;
"""
PLOT = "document.querySelector('.js-plotly-plot')"


@pytest.fixture(scope="module")
def records():
    return varied_records()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, records):
    """Where `mlruns` holds the sweep, its registered model and its report."""
    folder = tmp_path_factory.mktemp("ui")
    root = folder / "mlruns"
    tracker = Tracker.open(root, None, "facerec-sweep")
    tracker.register_best(write_sweep(tracker, root / "stages", records), "fingerprints")
    reported = sweep("report", cwd=folder)
    assert reported.returncode == 0, reported.stderr
    return folder


@pytest.fixture(scope="module")
def views(folder):
    """The addresses that `python -m sweep ui` prints, by their names, while it runs."""
    with interface(folder) as printed:
        yield printed


@pytest.fixture(scope="module")
def base(views):
    return base_of(views)


@pytest.fixture(scope="module")
def browser(base):
    with visitor(base) as running:
        yield running


@pytest.fixture
def page(browser, views, base):
    """Opens one of the printed addresses, or a path of the interface's own."""

    def opened(view):
        browser.get("about:blank")  # another fragment alone would not load the page again
        browser.get(views.get(view) or f"{base}/#{view}")
        return browser

    return opened


def variants(records, *schemes):
    return [f"{r.candidate.name} {v.scheme}" for r in records for v in r.variants if v.scheme in (schemes or SCHEMES)]


def shown_runs(browser):
    """Names of the runs in the table, from the top, once it shows as many as it says match."""
    names = [link.text.strip() for link in browser.find_elements(By.CSS_SELECTOR, RUN_LINKS)]
    counted = re.search(r"(\d+) matching runs?", browser.find_element(By.TAG_NAME, "body").text)
    return names if counted and int(counted[1]) == len(names) else None


def search_for(browser, query):
    field = wait_for(browser, lambda: browser.find_element(By.CSS_SELECTOR, SEARCH), "the search field")
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(query, Keys.ENTER)


def test_the_latest_sweep_is_a_table_of_its_variants_the_best_first(page, records):
    by_tar = {f"{r.candidate.name} {v.scheme}": v.validation.tar_at_far["1e-3"] for r in records for v in r.variants}
    expected = sorted(by_tar, key=by_tar.get, reverse=True)
    browser = page("Latest sweep")
    wait_for(browser, lambda: shown_runs(browser) == expected, f"a table of {expected}")


def test_a_person_filters_by_width_resolution_variant_feasible_and_pareto(page, records):
    browser = page("Latest sweep")
    front = {e.record.candidate.name + " " + e.variant.scheme for e in judged(records, 1e-3).having("front")}
    level = "tags.level = 'variant' and "
    names = variants(records)
    filters = {
        "params.width = '0.5'": {name for name in names if name.startswith("0.5@")},
        "params.res = '96'": {name for name in names if "@96-" in name},
        "params.variant = 'ptq_int8'": set(variants(records, "ptq_int8")),
        "params.feasible = 'true'": set(names),
        "tags.pareto = 'true'": front,
        "tags.pareto = 'false' and params.variant != 'float32'": {"0.35@128-448 ptq_int8"},
        "tags.recommended = 'true'": {"0.5@128-640 qat_int8"},
        "params.width = '0.35' and params.res = '128' and tags.pareto = 'true'": {"0.35@128-448 qat_int8"},
    }
    assert 0 < len(front) < len(variants(records, "ptq_int8", "qat_int8"))
    for query, expected in filters.items():
        search_for(browser, level + query)
        wait_for(browser, lambda expected=expected: set(shown_runs(browser) or ()) == expected, f"{query}: {expected}")
    search_for(browser, "tags.level = 'candidate' and params.feasible = 'false'")
    infeasible = [records[4].candidate.name]
    wait_for(browser, lambda: shown_runs(browser) == infeasible, f"the infeasible candidate, {infeasible}")


def test_the_front_has_an_address_of_its_own(page, records):
    expected = [e.record.candidate.name + " " + e.variant.scheme for e in judged(records, 1e-3).having("front")]
    browser = page("Pareto front")
    wait_for(browser, lambda: shown_runs(browser) == expected, f"a table of {expected}")


def table_rows(browser):
    """The rows of all tables by their first cell."""
    rows = browser.execute_script(
        "return [...document.querySelectorAll('table tr')].map(r => [...r.querySelectorAll('th, td')].map("
        "c => c.textContent.trim()))"
    )
    return {row[0]: row[1:] for row in rows if row}


def figures_of(browser, metric):
    """What the compare page shows of a metric; below those asked for before."""
    return wait_for(browser, lambda: browser.execute_script(ROW_OR_SCROLL, metric), f"the metric {metric}")


def as_shown(text):
    return float(text.replace(",", ""))


def test_the_three_variants_of_a_candidate_are_compared_figure_by_figure(page, records):
    browser = page("Variants of 0.5@128-640")
    shown = wait_for(browser, lambda: "variant" in (rows := table_rows(browser)) and rows, "a table of parameters")
    best = records[3]
    assert shown["Run Name:"] == variants([best])
    assert shown["res"] == ["128"] * 3
    expected = {
        "accuracy": [v.validation.accuracy for v in best.variants],
        "tar_at_far_1e-3": [v.validation.tar_at_far["1e-3"] for v in best.variants],
        "test_tar_at_far_1e-3": [v.test.tar_at_far["1e-3"] for v in best.variants],
        "size_bytes": [v.file.size_bytes for v in best.variants],
        "arena_bytes": [v.file.arena.total_bytes for v in best.variants],
        "latency_ms": [best.latency.ms] * 3,
    }
    for key, values in sorted(expected.items()):
        # MLflow shows three decimals, or four digits.
        assert [as_shown(cell) for cell in figures_of(browser, key)] == pytest.approx(values, abs=6e-4, rel=5e-4), key


def test_the_best_candidates_are_drawn_in_parallel_coordinates_and_as_points(page, records):
    browser = page("Best, compared")
    titles = wait_for(
        browser,
        lambda: [title.text for title in browser.find_elements(By.CSS_SELECTOR, ".parcoords .axis-title")],
        "parallel coordinates",
    )
    assert {"res", "variant"} < set(titles)
    assert titles[-1].startswith("tar_at_far_")
    wait_for(browser, lambda: coloured_lines(browser) > 500, "lines between the coordinates")
    drawn = browser.execute_script(f"return {PLOT}.data[0].dimensions.map(d => [d.label, d.values])")
    best = sorted(records[:4], key=lambda r: -max(v.validation.tar_at_far["1e-3"] for v in r.variants[1:]))
    tars = [v.validation.tar_at_far[titles[-1].removeprefix("tar_at_far_")] for r in best for v in r.variants]
    assert dict(drawn)[titles[-1]] == pytest.approx(tars)

    press(browser, "//*[@role='tab' and normalize-space()='Scatter Plot']")
    points = wait_for(browser, lambda: browser.execute_script(SCATTERED), "a scatter plot")
    metric = browser.find_element(By.CSS_SELECTOR, ".ytitle").text
    figures = [keys.variant_metrics(record, v)[metric] for record in records for v in record.variants]
    assert sorted(points) == pytest.approx(sorted(figures)), "a point for each variant"
    wait_for(browser, lambda: coloured_pixels(browser, ".js-plotly-plot .main-svg") > 50, "points in the plot")


def coloured_pixels(browser, selector):
    """How many pixels of an element, as it is shown, are neither white nor grey."""
    return int((saturation(browser, selector) > 60).sum())


def saturation(browser, selector):
    drawn = browser.find_element(By.CSS_SELECTOR, selector)
    return np.asarray(Image.open(io.BytesIO(drawn.screenshot_as_png)).convert("HSV"))[..., 1]


def coloured_lines(browser):
    """Coloured pixels in the left half of the parallel coordinates, away from the scale of colours."""
    shown = saturation(browser, ".gl-canvas-focus")
    return int((shown[:, : shown.shape[1] // 2] > 60).sum())


def press(browser, xpath):
    """Click an element, as soon as it takes clicks."""
    wait_for(browser, lambda: browser.find_element(By.XPATH, xpath).click() or True, xpath)


def test_roc_curves_are_overlaid_one_a_variant(page, records):
    browser = page("ROC curves")
    curves = wait_for(
        browser,
        lambda: set(found := drawn_curves(browser)) == set(variants(records)) and found,
        "a curve for each variant",
    )
    for record in records:
        for variant in record.variants:
            grid = [(step, tar) for _, tar, step in keys.roc_points(variant.validation.roc)]
            np.testing.assert_allclose(curves[f"{record.candidate.name} {variant.scheme}"], grid, rtol=1e-9)
    shown = browser.find_element(By.TAG_NAME, "body").text
    assert [name for name in variants(records) if f"{name} (roc_tar)" not in shown] == [], "the legend names them"


def drawn_curves(browser):
    """Points of every curve with a line on the page; MLflow draws each twice, for what it smooths."""
    lines = browser.find_elements(By.CSS_SELECTOR, ".scatterlayer .trace .js-line")
    traces = browser.execute_script(f"return {PLOT}.data.map(t => [t.name, [...t.x], [...t.y]])")
    return {name: list(zip(x, y, strict=True)) for name, x, y in traces if x} if len(lines) >= len(traces) / 2 else {}


def test_the_report_opens_from_the_sweeps_run(page, views):
    browser = page(views["Report"].split("#")[1].split("/artifacts/")[0])
    press(browser, "//*[@role='tab' and normalize-space()='Artifacts']")
    for name in ("report", "report.html"):
        press(browser, f"//i[contains(@class, 'fa-')]/parent::*[normalize-space()='{name}']")
    read_report(browser)
    browser = page("Report")
    read_report(browser)


def read_report(browser):
    """The page in the artifact's frame: its recommendation, and its drawings, which need their scripts to run."""
    frame = wait_for(browser, lambda: browser.find_element(By.CSS_SELECTOR, "iframe.mlflow-html-iframe"), "a frame")
    browser.switch_to.frame(frame)
    try:
        body = wait_for(browser, lambda: browser.find_element(By.TAG_NAME, "body"), "the report")
        wait_for(browser, lambda: "Ship 0.5@128-640 QAT" in body.text, "the recommendation")
        wait_for(browser, lambda: browser.find_element(By.CSS_SELECTOR, ".js-plotly-plot .main-svg"), "a drawing")
    finally:
        browser.switch_to.default_content()


def test_the_registered_model_shows_its_alias_its_limits_and_its_signature(page, records):
    browser = page("Registered")
    wait_for(browser, lambda: "limit.latency_ms" in table_rows(browser), "the tags of the version")
    shown, best = table_rows(browser), records[3]
    assert "recommended" in browser.find_element(By.TAG_NAME, "body").text
    assert shown["limit.latency_ms"][0] == f"500 ms; latency_high_ms {best.latency.high_ms:g}"
    assert shown["sha256"][0] == best.variants[2].file.sha256
    assert (shown["candidate"][0], shown["variant"][0]) == ("0.5@128-640", "qat_int8")
    for part in ("Inputs (1)", "Outputs (1)"):
        press(browser, f"//*[normalize-space(text())='{part}']")
    signature = "uint8, shape: [-1,128,128,3]", "float32, shape: [-1,640]"
    wait_for(
        browser,
        lambda: all(one in browser.find_element(By.TAG_NAME, "body").text for one in signature),
        f"a signature with {signature}",
    )
