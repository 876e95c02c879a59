"""docs/results.md against docs/results.json, and how its tables are made."""

import json
from dataclasses import replace

import pytest

from docs.results_tables import DATA, PAGE, rewritten, rows_of, table
from tests.records import make_records


def test_the_tables_equal_the_data() -> None:
    """Where this fails: python -m docs.results_tables."""
    page = PAGE.read_text(encoding="utf-8")
    assert rewritten(page, json.loads(DATA.read_text(encoding="utf-8"))) == page


def test_a_table_shows_intervals_and_leaves_out_what_no_row_has() -> None:
    rows = [
        {"candidate": "a", "variant": "ptq_int8", "size_bytes": 1234, "test_eer": 0.25},
        {"candidate": "a", "variant": "qat_int8", "size_bytes": 99, "test_eer": 0.125, "test_eer_interval": [0.1, 0.2]},
    ]
    assert table(rows).splitlines() == [
        "| candidate | variant | file, bytes | EER |",
        "|---|---|---|---|",
        "| a | ptq_int8 | 1,234 | 0.250 |",
        "| a | qat_int8 | 99 | 0.125 (0.100 to 0.200) |",
    ]


def test_a_table_without_its_place_is_an_error() -> None:
    with pytest.raises(ValueError, match="<!-- results: lost -->"):
        rewritten("# Results\n", {"lost": [{"candidate": "a"}]})


def test_a_record_gives_a_row_a_variant() -> None:
    (record,) = make_records(1)
    record = replace(record, stage_seconds={"float": 60.2, "control": 9.0, "ptq": 5.0, "qat": 8.0})
    rows = list(rows_of(record))
    assert [row["variant"] for row in rows] == [variant.scheme for variant in record.variants]
    for row, variant in zip(rows, record.variants, strict=True):
        assert row["test_eer"] == pytest.approx(variant.test.eer, abs=5e-5)
        assert row["size_bytes"] == variant.file.size_bytes
    assert rows[0]["stage_seconds"] == 60


@pytest.mark.parametrize(
    ("init", "said"), [("grow:/home/me/a.npz", ", grown"), ("slice:a.npz", ", sliced"), ("a.npz", "")]
)
def test_a_row_says_how_its_weights_began_but_not_in_which_file(init, said) -> None:
    (record,) = make_records(1)
    record = replace(record, stage_seconds={"float": 60.2, "ptq": 5.0, "qat": 8.0})
    plain = next(rows_of(record))["candidate"]
    row = next(rows_of(replace(record, config={**record.config, "train": {"init": init}})))
    assert row["candidate"] == plain + said
