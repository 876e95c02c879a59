"""The written report: its files, its document, its page."""

import csv
import dataclasses
import errno
import json
import shlex
from html.parser import HTMLParser
from pathlib import Path

import pytest

from analysis import drawing
from analysis.records import SweepInfo
from analysis.report import write_report
from facerec_core.errors import StorageError
from facerec_core.types import BrokenImage, GroupRates
from tests.records import LIMITS, STARTED, as_pruned, make_groups, make_records, with_groups

GOLDEN = Path(__file__).parents[1] / "golden" / "report.json"
COMMAND = "python -m sweep multirun width=0.35,0.5 res=96,128"
INFO = SweepInfo("demo", COMMAND, 1e-3, LIMITS, STARTED, "FINISHED", "sqlite:///mlruns/mlflow.db")
HOSTILE = '"><script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)>{{ 7*7 }}'


class Tags(HTMLParser):
    """The opening tags of a page, with their attributes."""

    def __init__(self, html):
        super().__init__()
        self.found = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        if len(data) < 100_000:
            self.text += data


@pytest.fixture(scope="module")
def eight(tmp_path_factory):
    return write_report(make_records(8), INFO, tmp_path_factory.mktemp("report") / "new" / "folder")


def rounded(value):
    """The same document with floats to 12 digits: libraries of different machines differ in the last ones."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return float(f"{value:.12g}") if isinstance(value, float) else value


def test_document_equals_the_golden_one(eight):
    assert rounded(json.loads(eight.json.read_text())) == rounded(json.loads(GOLDEN.read_text()))


def test_document_has_the_agreed_keys_and_every_candidate_once(eight):
    document = json.loads(eight.json.read_text())
    groups = ["front", "dominated", "undecided", "infeasible", "pruned", "failed"]
    added = ["recommended_details", "metric", "hypervolume", "quantisation", "relaxations", "quantisation_health"]
    assert list(document) == ["recommended", *groups, "limits", "target_far", *added]
    entries = [(e["key"], e["variant"]) for group in groups for e in document[group]]
    assert len(entries) == len(set(entries))
    assert {key for key, _ in entries} == {record.key for record in make_records(8)}
    assert document["recommended"] in document["front"]
    assert all(e["variant"] in ("ptq_int8", "qat_int8") for e in document["front"])
    assert all(any(c["verdict"] == "exceeded" for c in e["limits"]) for e in document["infeasible"])


def test_candidates_table_has_every_variant_and_whole_numbers(eight):
    rows = list(csv.DictReader(eight.candidates_csv.read_text().splitlines()))
    assert len(rows) == sum(max(1, len(record.variants)) for record in make_records(8))
    assert [row["label"] for row in rows if row["recommended"] == "True"] == ["0.5@128-640 QAT"]
    trained = [row for row in rows if row["variant"]]
    assert all(row["size_bytes"].isdigit() and row["macs"].isdigit() for row in trained)
    assert all(0 <= float(row["test_tar_at_far_1e-2"]) <= 1 for row in trained)
    untrained = next(row for row in rows if row["standing"] == "infeasible")
    assert (untrained["size_bytes"], untrained["test_auc"]) == ("", "")
    assert untrained["limits_exceeded"] == "latency_ms"


def test_pareto_table_is_the_front(eight):
    document = json.loads(eight.json.read_text())
    rows = list(csv.DictReader(eight.pareto_csv.read_text().splitlines()))
    assert [row["label"] for row in rows] == [entry["label"] for entry in document["front"]]


def test_pictures_are_pictures(eight):
    names = {"pareto", "limits", "roc", "det", "quantisation", "health", "search", "learning"}
    assert set(eight.figures) == names
    for png, svg in eight.figures.values():
        assert png.read_bytes().startswith(b"\x89PNG")
        assert "<svg" in svg.read_text()


def test_page_says_what_to_ship_why_and_how_to_repeat_it(eight):
    text = Tags(eight.html.read_text()).text
    assert "Ship 0.5@128-640 QAT" in text
    assert "Highest TAR at FAR 1e-3 on validation" in text
    assert "to spare" in text
    assert "loss became nan at step 40" in text
    assert "latency_ms: 549 ms, limit 500 ms" in text
    assert COMMAND in text
    assert "5f1c0ffee5f1c0ff" in text
    assert "python -m sweep run width=0.5 res=128 embedding=640 seed=0" in text


def test_page_loads_nothing_from_elsewhere(eight):
    tags = Tags(eight.html.read_text()).found
    loaded = {value for _, attrs in tags for name, value in attrs.items() if name in ("src", "href", "action", "data")}
    beside = {path.name for path in eight.html.parent.iterdir()} - {"report.html"}
    assert {address for address in loaded if not address.startswith("data:")} == beside
    assert "link" not in {tag for tag, _ in tags}
    policy = next(attrs["content"] for tag, attrs in tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")


def hostile_records():
    records = []
    for record in make_records(8):
        data = record.data and dataclasses.replace(record.data, name=HOSTILE, broken=(BrokenImage(HOSTILE, HOSTILE),))
        failure = record.failure and dataclasses.replace(record.failure, stage=HOSTILE, message=HOSTILE)
        curves = tuple(dataclasses.replace(p, metrics={HOSTILE: 1.0 + p.epoch}) for p in record.curves)
        latency = dataclasses.replace(record.latency, board=HOSTILE, runtime=HOSTILE)
        checks = tuple(dataclasses.replace(c, name=HOSTILE, unit=HOSTILE) for c in record.feasibility.checks)
        changes = {"data": data, "failure": failure, "curves": curves, "latency": latency, "git_commit": HOSTILE}
        changes |= {
            "feasibility": dataclasses.replace(record.feasibility, checks=checks),
            "versions": {HOSTILE: HOSTILE},
        }
        records.append(dataclasses.replace(record, key=HOSTILE + record.key, **changes))
    # the same candidate twice puts its key into every label
    twin = dataclasses.replace(records[0], key=f"{HOSTILE}twin")
    strangers = (GroupRates(HOSTILE, 10, 5, 40, 90_000, 0.01, 0.5), *make_groups()[1:])
    return [with_groups(record, strangers) for record in (*records, twin)]


def test_hostile_text_stays_text(tmp_path):
    word = HOSTILE.replace("(", "").replace(")", "")  # brackets would make it a sweep, which is not repeated
    command = f"{COMMAND} data.root={shlex.quote(word)}"
    info = dataclasses.replace(INFO, name=HOSTILE, command=command, status=HOSTILE, limits={HOSTILE: HOSTILE})
    plain = [*make_records(8), dataclasses.replace(make_records(1)[0], key="twin")]
    plain = [with_groups(record, make_groups()) for record in plain]
    safe = Tags(write_report(plain, INFO, tmp_path / "plain").html.read_text())
    attacked = Tags(write_report(hostile_records(), info, tmp_path / "hostile").html.read_text())
    shape = [(tag, sorted(attrs)) for tag, attrs in safe.found]
    assert [(tag, sorted(attrs)) for tag, attrs in attacked.found] == shape
    assert HOSTILE in attacked.text


def test_groups_of_people_are_shown_below_the_recommendation(tmp_path):
    paths = write_report([with_groups(record, make_groups()) for record in make_records(4)], INFO, tmp_path)
    text = " ".join(Tags(paths.html.read_text()).text.split())
    assert "let in most often in the group older (FAR 0.004, at least 4 times that of the best group)" in text
    assert "recognised least often in the group older (TAR 61.0 %, 0.74 times that of the best group)" in text
    assert "rare484–24–" in text
    assert "(none): images whose group is not known" in text
    best = json.loads(paths.json.read_text())["recommended"]["test"]
    assert [group["group"] for group in best["groups"]] == ["older", "rare", "younger", "(none)"]
    assert (best["worst_far_group"], best["worst_group_far"]) == ("older", 0.004)
    row = next(csv.DictReader(paths.candidates_csv.read_text().splitlines()))
    assert float(row["validation_worst_group_far_ratio"]) == pytest.approx(4)
    assert row["test_worst_tar_group"] == "older"


def test_without_groups_the_page_has_none(eight):
    assert "Groups of people" not in eight.html.read_text()
    row = next(csv.DictReader(eight.candidates_csv.read_text().splitlines()))
    assert row["test_worst_group_far"] == row["validation_worst_tar_group"] == ""


@pytest.mark.parametrize("records", [(), make_records(7)[5:]])
def test_a_report_without_a_complete_candidate_says_so(tmp_path, records):
    paths = write_report(records, INFO, tmp_path)
    document = json.loads(paths.json.read_text())
    assert document["recommended"] is None
    assert document["front"] == []
    assert "Nothing to recommend" in paths.html.read_text()
    assert paths.candidates_csv.read_text().startswith("key,label,standing")


def test_a_fallback_metric_is_shown(tmp_path):
    paths = write_report(make_records(2, impostor_pairs=20_000), INFO, tmp_path)
    assert "Candidates are ranked by TAR at FAR 1e-2 instead." in Tags(paths.html.read_text()).text
    best = json.loads(paths.json.read_text())["recommended"]
    assert best["selection_metric"] == "tar_at_far_1e-2"
    assert best["selection_value"] == best["validation"]["tar_at_far"]["1e-2"]
    assert best["validation"]["tar_at_far"]["1e-3"] is None


def test_candidates_on_different_data_are_pointed_out(tmp_path):
    first, second = make_records(2)
    second = dataclasses.replace(second, data=dataclasses.replace(second.data, fingerprint="other"))
    page = write_report([first, second], INFO, tmp_path).html.read_text()
    assert "evaluated on 2 different data sets" in Tags(page).text


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StorageError, match=r"cannot write to .*taken.*change paths.root"):
        write_report(make_records(1), INFO, tmp_path / "taken" / "report")


def test_a_full_disk_leaves_the_older_report_as_it_was(tmp_path, monkeypatch):
    paths = write_report(make_records(1), INFO, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write = Path.write_bytes

    def full(path, content):
        if "report.json" in path.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StorageError, match="No space left on device"):
        write_report(make_records(2), INFO, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert paths.html.exists()


def test_pictures_drawn_in_a_process_of_their_own_are_the_same_and_every_one_is_told(eight, tmp_path):
    told = []
    with drawing.painter() as beside:
        paths = write_report(make_records(8), INFO, tmp_path, told.append, beside)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in eight.html.parent.iterdir()
    }
    assert [line for line in told if line.endswith("is drawn, 8 of 8")]
    assert len(told) == 3 + len(paths.figures)


def test_a_pruned_candidate_is_listed_with_its_epochs(tmp_path):
    kept, other = make_records(2)
    paths = write_report([kept, as_pruned(other, epochs=3)], INFO, tmp_path)
    document = json.loads(paths.json.read_text())
    assert [entry["key"] for entry in document["pruned"]] == [other.key]
    page = paths.html.read_text()
    told = " ".join(Tags(page).text.split())
    assert "1 pruned" in told
    assert "Pruned Given up while they trained, because others were ahead at the same epoch" in told
    assert f'<tr><td>{other.candidate.name}</td><td class="n">3</td>' in page
