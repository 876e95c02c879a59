import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facerec_core.errors import DataError, OptionError
from facerec_core.latency import read_counts, read_table, row_label, table_path
from tests.latency_tables import H747_TABLE, rows_of, write_rows

FOLDER = table_path(H747_TABLE).parent
TABLES = sorted(path for path in FOLDER.glob("*.csv") if not path.name.startswith("tflm_"))
COUNTS = sorted(FOLDER.glob("tflm_*.csv"))


@pytest.fixture
def table(tmp_path):
    """Writes a copy of a shipped table with one line or cell changed, and returns its path."""

    def write(line=None, drop=None, extra=(), append=None, keep=6, **cells):
        rows = rows_of(H747_TABLE)
        columns = [column for column in rows[0] if column != drop] + list(extra)
        kept = [dict(row) for row in rows[:keep]]
        if append is not None:
            kept.append({**kept[0], **append})
        if line is not None:
            kept[line - 2].update(cells)
        return write_rows(tmp_path / "mine.csv", kept, columns)

    return write


def refusal(path, read=read_table):
    with pytest.raises(DataError) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestShipped:
    @pytest.mark.parametrize("path", TABLES, ids=lambda path: path.name)
    def test_tables_are_valid_and_cite_a_source(self, path):
        for row in read_table(path).rows:
            assert row.source.startswith("https://")
            assert re.fullmatch(r"[0-9a-f]{40}|\d{4}-\d\d-\d\d|\d+\.\d+\.\d+", row.commit)
            assert row.role != "own" or row.runtime_version != "not stated"

    @pytest.mark.parametrize("path", COUNTS, ids=lambda path: path.name)
    def test_counts_are_valid_and_name_their_builds(self, path):
        counts = read_counts(path)
        assert all(re.fullmatch(r"[0-9a-f]{40}", build) for build in counts.builds)
        assert len(counts.of_build("90b983c2")) == 37

    def test_the_published_macs_of_every_row_are_ours(self):
        printed = {
            (row.width, row.resolution): row for path in TABLES for row in read_table(path).rows if row.macs_millions
        }
        assert printed[0.35, 144].embedding == 448  # 23.5 million MACs leave no other length
        assert len(printed) == 5

    def test_rows_are_called_by_their_network(self):
        labels = [row_label(row) for row in read_table(table_path(H747_TABLE)).rows]
        assert labels[0] == "MobileNetV2 0.35@128, 1280-d, 5 classes"
        assert "MobileNetV1 0.25@96, 1 channel, 256-d, 5 classes" in labels


class TestCells:
    @pytest.mark.parametrize(
        ("column", "value"),
        [
            *[("latency_ms", text) for text in ("-3", "0", "nan", "inf", "1e9", "94 ms", "0.094s", "9_4", "", "१००")],
            *[("low_ms", text) for text in ("0", "90 ms", "nan")],
            *[("width", text) for text in ("9", "0", "-0.35")],
            *[("resolution", text) for text in ("128.5", "128x128", "+128")],
            *[("channels", text) for text in ("2", "rgb")],
            *[("clock_mhz", text) for text in ("0", "400 MHz", "0.4 GHz")],
            ("model", "MobileNetV3"),
            ("role", "maybe"),
            ("source", ""),
            ("classes", "0"),
            ("macs_millions", "59.0"),
            ("n", "-1"),
        ],
    )
    def test_a_bad_cell_names_file_line_and_column(self, table, column, value):
        path = table(line=3, **{column: value})
        message = refusal(path)
        assert message.startswith(f"{path}, line 3, column {column}: got ")
        assert value in message
        assert "allowed: " in message

    @pytest.mark.parametrize("value", ["0.29075", "290750.0"])
    def test_seconds_or_microseconds_in_the_column_of_milliseconds_are_noticed(self, table, value):
        assert f"line 3, column latency_ms: got {value}, allowed: milliseconds" in refusal(
            table(line=3, latency_ms=value)
        )

    def test_a_clock_that_is_not_stated_leaves_the_check_of_units(self, table, tmp_path):
        rows = [{**row, "clock_mhz": ""} for row in rows_of(H747_TABLE)]
        assert read_table(write_rows(tmp_path / "ok.csv", rows)).clock == "a clock the source does not state"
        rows[0]["latency_ms"] = "0.09434"
        assert "line 2, column latency_ms: got 0.09434" in refusal(write_rows(tmp_path / "bad.csv", rows))

    @pytest.mark.parametrize(
        ("spread", "column"),
        [(("300", "310"), "low_ms"), (("280", "290"), "high_ms"), (("280", ""), "high_ms"), (("", "300"), "low_ms")],
    )
    def test_a_spread_that_does_not_hold_the_time_is_refused(self, table, spread, column):
        assert f"line 3, column {column}" in refusal(table(line=3, low_ms=spread[0], high_ms=spread[1]))

    def test_a_mobilenet_v1_with_the_channels_of_another_is_refused(self, table):
        path = table(line=3, model="MobileNetV1", width="0.25", embedding="1280")
        assert "line 3, column embedding: got 1280, allowed: 256" in refusal(path)

    def test_a_row_without_a_head(self, table):
        row = read_table(table(line=2, classes="", low_ms="94", high_ms="95")).rows[0]
        assert row.timed_network == row.network
        assert row.times_ms == (94.34, 94.0, 95.0)

    @settings(max_examples=60, deadline=None)
    @given(text=st.text(st.characters(codec="utf-8", exclude_characters='",\r\n'), max_size=12))
    def test_a_time_is_read_as_the_number_it_spells_or_not_at_all(self, tmp_path_factory, text):
        rows = [{**rows_of(H747_TABLE)[0], "latency_ms": text}]
        path = write_rows(tmp_path_factory.mktemp("tables") / "one.csv", rows)
        try:
            [row] = read_table(path).rows
        except DataError:
            return
        assert row.latency_ms == float(text)
        assert 1 < row.latency_ms < 1e5


class TestNothingStatedIsMixed:
    @pytest.mark.parametrize("column", ["runtime", "runtime_version", "kernels", "core", "clock_mhz"])
    def test_two_runtimes_or_cores(self, table, column):
        with pytest.raises(DataError, match=rf"line 5, column {column}: got .*never mixes"):
            read_table(table(line=5, **{column: "480"}))

    def test_a_clock_and_none(self, table):
        assert "line 5, column clock_mhz: got None" in refusal(table(line=5, clock_mhz=""))

    def test_timed_and_simulated(self, table):
        assert "line 5, column role: got 'simulated'" in refusal(table(line=5, role="simulated"))

    def test_two_values_for_one_network_are_refused_and_a_repeated_row_counts_once(self, table):
        assert "line 8, column latency_ms: got '94.34 and 95 ms" in refusal(table(append={"latency_ms": "95"}))
        assert len(read_table(table(append={})).rows) == 6


class TestFiles:
    def test_missing_unknown_and_repeated_columns_are_named(self, table):
        with pytest.raises(DataError, match="line 1: columns missing commit, unknown comment"):
            read_table(table(drop="commit", extra=["comment"]))
        with pytest.raises(DataError, match="line 1: columns missing latency_ms, unknown latency_s"):
            read_table(table(drop="latency_ms", extra=["latency_s"]))
        with pytest.raises(DataError, match="line 1: columns repeated n"):
            read_table(table(extra=["n"]))

    @pytest.mark.parametrize("cut", range(1, 240, 7))
    def test_a_cut_file_is_refused_wherever_it_was_cut(self, table, cut):
        path = table()
        text = path.read_bytes()
        path.write_bytes(text[:-cut])
        rest = text[:-cut]
        if rest.endswith(b"\n"):
            assert len(read_table(path).rows) == 5
            return
        column = rest.decode().split("\n")[0].split(",")[rest.split(b"\n")[-1].count(b",")]
        assert re.search(rf"line {rest.count(10) + 1}, column {column}: got .*this one was cut", refusal(path))

    def test_a_line_with_a_cell_too_few_is_refused(self, table):
        path = table()
        lines = path.read_text(encoding="utf-8").splitlines()
        lines[3] = lines[3].rpartition(",")[0]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        assert "line 4, column commit: got '20 cells', allowed: 21 cells" in refusal(path)

    @pytest.mark.parametrize("read", [read_table, read_counts])
    @pytest.mark.parametrize(
        ("content", "what"),
        [
            (b"", "line 1, column .*the file is empty"),
            (b"\n\n", "line 1, column .*the file is empty"),
            (b"role,board\nown,\xff\n", "line 2, column board: got 'byte 0xff', allowed: text in UTF-8"),
            (b'role,"board\n', "line 1, column .*allowed: a line of CSV"),
        ],
    )
    def test_what_is_no_table_is_refused(self, tmp_path, content, what, read):
        path = tmp_path / "mine.csv"
        path.write_bytes(content)
        assert re.search(rf"mine\.csv, {what}", refusal(path, read))

    def test_a_table_without_rows_and_one_that_is_not_there(self, table, tmp_path):
        assert "no rows" in refusal(table(keep=0))
        assert "cannot be read" in refusal(tmp_path / "absent.csv")

    def test_windows_line_ends_a_byte_order_mark_and_another_order_of_columns(self, table, tmp_path):
        path = table()
        rows = read_table(path).rows
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
        assert read_table(path).rows == rows
        turned = list(reversed(rows_of(H747_TABLE)[0]))
        assert read_table(write_rows(tmp_path / "turned.csv", rows_of(H747_TABLE)[:6], turned)).rows == rows

    def test_an_unknown_table_is_answered_with_the_shipped_ones(self):
        with pytest.raises(
            OptionError, match=rf"board\.table: got 'nope\.csv'.*{H747_TABLE}.*latency measure"
        ) as caught:
            table_path("nope.csv")
        assert "tflm_cortex" not in str(caught.value)
        with pytest.raises(
            OptionError, match=r"board\.counts: got 'nope\.csv'.*tflm_cortex_m4\.csv, tflm_cortex_m7\.csv$"
        ):
            table_path("nope.csv", "board.counts")
