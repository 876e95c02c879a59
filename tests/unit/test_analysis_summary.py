"""The Markdown summary, and what the page says of intervals, searches and sources."""

import dataclasses
import json
import re

import pytest

from analysis.findings import find
from analysis.records import SweepInfo
from analysis.report import write_report
from analysis.sources import sources
from analysis.summary import escaped, markdown
from analysis.wording import points, share_text
from facerec_core.bootstrap import Ratio
from tests.records import LIMITS, STARTED, make_records
from tests.resampled import with_replicates

INFO = SweepInfo("demo", "python -m sweep multirun width=0.35,0.5", 1e-3, LIMITS, STARTED, "FINISHED", None)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    records = [with_replicates(record) for record in make_records(8)]
    return write_report(records, dataclasses.replace(INFO, status="RUNNING"), tmp_path_factory.mktemp("resampled"))


def test_the_summary_says_what_to_ship_and_how_it_was_made(written):
    text = written.summary_md.read_text()
    assert text.startswith("# Ship 0.5@128-640 QAT\n")
    assert "Highest TAR at FAR 1e-3 on validation" in text
    assert "| 0.5@128-640 QAT | **recommended** |" in text
    assert "`python -m sweep multirun width=0.35,0.5`" in text
    assert "fingerprint 5f1c0ffee5f1c0ff" in text
    assert "latency\\_ms: " in text
    assert "> The sweep is still running" in text


def test_a_summary_without_a_candidate_is_a_summary():
    assert markdown(find([], INFO)).startswith("# Nothing to recommend\n\nNo candidate has finished yet.")


def test_hostile_text_cannot_leave_its_place_in_the_summary():
    hostile = "x`](http://evil.example) <img src=x>\n# heading | cell"
    info = dataclasses.replace(INFO, name=hostile, command=hostile)
    records = make_records(4)
    latency = dataclasses.replace(records[0].latency, board=hostile)
    text = markdown(find([dataclasses.replace(record, latency=latency) for record in records], info))
    assert "\n# heading" not in text
    command = next(line for line in text.splitlines() if line.startswith("``"))
    assert command.endswith("``")
    assert "<img" not in text.replace(command, "").replace("\\<", "")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1


def test_escaping_leaves_plain_words_alone():
    assert escaped("0.5@128-640 QAT (3.1 %)") == "0.5@128-640 QAT (3.1 %)"
    assert escaped("- a\n* b") == "\\- a \\* b"


def test_the_page_shows_intervals_searches_and_where_figures_come_from(written):
    page = written.html.read_text()
    assert "95 % interval" in page
    assert 'id="searches"' in page
    assert "FNIR at FPIR 1e-2" in page
    assert "resamplings of the people" in page
    assert "Loss won back" in page
    assert "width=0.5" in page
    assert "There are no intervals" not in page


def test_the_document_compares_with_the_recommended(written):
    document = json.loads(written.json.read_text())
    assert document["recommended"]["less_recommended"] is None
    second = document["front"][1]
    assert second["less_recommended"]["low"] <= second["less_recommended"]["value"]
    assert isinstance(second["tied_with_recommended"], bool)
    assert second["validation"]["intervals"]["tar_at_far_1e-3"]["low"] < second["selection_value"]
    assert document["recommended_details"]["identification"][0]["gallery"] == 10
    assert 0 < document["hypervolume"]["share"] < 1
    assert {one["label"] for one in document["quantisation"]} >= {"0.5@128-640", "0.35@96-448"}


def test_sources_name_kernels_pairs_and_the_kind_of_latency():
    found = find([with_replicates(record) for record in make_records(4)], INFO)
    told = {one.figure: one for one in sources(found.selection.recommended, found.selection.metric)}
    assert "XNNPACK" in told["TAR at FAR 1e-3, validation"].known
    assert "1,500,000 impostor pairs of 580 people" in told["TAR at FAR 1e-3, test"].known
    assert told["latency"].known.startswith("fitted: ")
    assert "counted" in told["RAM"].known
    bare = find(make_records(4), INFO).selection
    assert "interval" not in next(iter(sources(bare.recommended, bare.metric))).known


def test_differences_and_shares_in_words():
    assert [points(value) for value in (0.0312, -0.0312, 0.0, 0.0001, None)] == ["+3.1", "−3.1", "0.0", "±0.0", "–"]
    assert share_text(Ratio(0.66, 0.5, float("inf"))) == "66 % (50 to ?)"
    assert share_text(None) == "–"
