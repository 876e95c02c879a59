import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerec_core.data.pairs_file import PairLine, parse_pairs, parse_people, resolve_pairs
from facerec_core.errors import DataError

VIEW1 = "2\nAda\t1\t2\nBob\t1\t3\nAda\t1\tBob\t2\nBob\t1\tCem\t1\n"


def test_a_view_1_file_is_one_set_without_folds():
    assert parse_pairs(VIEW1, "p") == (
        PairLine(2, "Ada/Ada_0001", "Ada/Ada_0002", True, None),
        PairLine(3, "Bob/Bob_0001", "Bob/Bob_0003", True, None),
        PairLine(4, "Ada/Ada_0001", "Bob/Bob_0002", False, None),
        PairLine(5, "Bob/Bob_0001", "Cem/Cem_0001", False, None),
    )


def test_a_view_2_file_prescribes_the_folds():
    lines = parse_pairs("2\t1\nAda 1 2\nAda 1 Bob 2\nBob 1 3\nBob 1 Cem 1\n", "p")
    assert [(line.same, line.fold) for line in lines] == [(True, 0), (False, 0), (True, 1), (False, 1)]


def test_one_fold_is_no_fold():
    assert {line.fold for line in parse_pairs("1 1\nAda 1 2\nAda 1 Bob 2\n", "p")} == {None}


def test_spaces_blank_lines_and_a_byte_order_mark_are_read():
    text = "\ufeff" + VIEW1.replace("\t", "  ").replace("\n", "\r\n\r\n")
    assert [line.first for line in parse_pairs(text, "p")] == [line.first for line in parse_pairs(VIEW1, "p")]


def test_tabs_allow_names_with_spaces():
    assert parse_pairs("1\nAda L\t1\t2\nAda L\t1\tBob\t2", "p")[0].first == "Ada L/Ada L_0001"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1 has to be"),
        ("1 2 3\n", "line 1 has to be"),
        ("x\n", "line 1: got 'x'"),
        ("0\n", "line 1: got '0'"),
        ("-3\n", "line 1: got '-3'"),
        ("9" * 5000, "line 1: got"),
        (VIEW1 + "Ada 1 3\n", "announces 4 pairs .*, 5 follow"),
        ("3" + VIEW1[1:], "announces 6 pairs .*, 4 follow"),
        (VIEW1.replace("Ada\t1\t2", "Ada\t1"), "line 2: got 'Ada 1'; needed: NAME n1 n2"),
        (VIEW1.replace("Ada\t1\tBob\t2", "Ada\t1\t4"), "line 4: .* needed: NAME1 n1 NAME2 n2"),
        (VIEW1.replace("Bob\t1\t3", "Bob\tone\t3"), "line 3: got 'one'"),
        (VIEW1.replace("Ada\t1\t2", "Ada\t2\t2"), "line 2 pairs Ada/Ada_0002 with itself"),
        (VIEW1.replace("Ada\t1\tBob\t2", "Ada\t1\tAda\t2"), "line 4: an impostor pair of Ada with themselves"),
    ],
)
def test_a_malformed_pairs_file_is_refused_naming_file_and_line(text, message):
    with pytest.raises(DataError, match=message) as raised:
        parse_pairs(text, "pairs.txt")
    assert str(raised.value).startswith("pairs.txt: ")


@given(st.text(max_size=200))
def test_any_text_is_pairs_or_a_data_error(text):
    for parse in (parse_pairs, parse_people):
        with contextlib.suppress(DataError):
            assert isinstance(parse(text, "f"), tuple)


def test_people_are_read_with_their_counts():
    lines = parse_people("2\nAda\t4\nBob\t1\n", "p")
    assert [(line.name, line.images, line.line) for line in lines] == [("Ada", 4, 2), ("Bob", 1, 3)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1"),
        ("2\nAda 1\n", "announces 2 people, 1 follow"),
        ("1\nAda\n", "line 2: got 'Ada'; needed: NAME COUNT"),
        ("2\nAda 1\nAda 2\n", "line 3: Ada was named before, in line 2"),
        ("1\nAda 10000\n", "at most 9999"),
    ],
)
def test_a_malformed_people_file_is_refused(text, message):
    with pytest.raises(DataError, match=message):
        parse_people(text, "people.txt")


def test_pairs_resolve_to_images_of_any_suffix():
    names = ["Ada/Ada_0001.jpg", "Ada/Ada_0002.PNG", "Bob/Bob_0001.webp", "Bob/Bob_0002.jpg", "Bob/Bob_0003.jpg"]
    names.append("Cem/Cem_0001")  # counted by a people file, absent from disk: known by its stem alone
    pairs = resolve_pairs(parse_pairs(VIEW1, "p"), names, "p", "r")
    assert (pairs[0].first, pairs[0].second) == ("Ada/Ada_0001.jpg", "Ada/Ada_0002.PNG")
    assert pairs[3].second == "Cem/Cem_0001"


def test_a_pair_of_an_absent_image_names_file_line_image_and_root():
    with pytest.raises(DataError, match=r"pairs.txt: line 3 names Bob/Bob_0001, .* no image in faces"):
        resolve_pairs(parse_pairs(VIEW1, "p"), ["Ada/Ada_0001.jpg", "Ada/Ada_0002.jpg"], "pairs.txt", "faces")


CSV = "name,imagenum1,imagenum2,\r\nAda,1,2,\r\nBob,1,3,\r\nAda,1,Bob,2\r\nBob,1,Cem,1"


def test_a_csv_holds_the_same_pairs():
    found, published = parse_pairs("\ufeff" + CSV, "p"), parse_pairs(VIEW1, "p")
    assert [(line.first, line.second, line.same) for line in found] == [
        (line.first, line.second, line.same) for line in published
    ]
    assert {line.fold for line in found} == {None}
    assert [line.line for line in found] == [2, 3, 4, 5]


def test_folds_of_a_csv_are_where_genuine_and_impostor_pairs_take_turns():
    fold = "Ada,1,2,\nAda,1,Bob,2\n"
    assert [line.fold for line in parse_pairs("name,imagenum1,imagenum2,\n" + fold * 3, "p")] == [0, 0, 1, 1, 2, 2]
    assert {line.fold for line in parse_pairs(fold * 101, "p")} == {None}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CSV.rpartition("\r\n")[0], "take 2 turns, the last of 2, 1 lines; .* is the file cut"),
        (CSV + "\r\nAda,1,3,\r\nBob,2,3", "take 3 turns, the last of 2, 2, 2 lines"),
        ("name,imagenum1,imagenum2,\n", "take 0 turns, the last of no lines"),
        (CSV.replace("Ada,1,2", "Ada,1,two"), "line 2: got 'two' in column 3"),
        (CSV.replace("Ada,1,Bob,2", "Ada,1,Bob,2,0"), "line 4: got 'Ada 1 Bob 2 0'; needed: NAME1 n1 NAME2 n2"),
    ],
)
def test_a_malformed_csv_is_refused(text, message):
    with pytest.raises(DataError, match=message):
        parse_pairs(text, "pairs.csv")


def test_people_of_view_2_are_read_with_their_folds():
    lines = parse_people("2\n1\nAda\t4\n2\nBob\t1\nCem\t2\n", "p")
    assert [(line.name, line.images, line.fold, line.line) for line in lines] == [
        ("Ada", 4, 0, 3), ("Bob", 1, 1, 5), ("Cem", 2, 1, 6),
    ]  # fmt: skip
    assert [line.fold for line in parse_people("name,images\nAda,4\nBob,1\n", "p")] == [None, None]
