"""Pickles are read without being run: what Python 2 and 3 and numpy write, and what attackers do."""

import contextlib
import io
import os
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerec_core.data import plain_pickle
from facerec_core.data.pickled_calls import PickledArray
from facerec_core.data.plain_pickle import read_plain_pickle
from facerec_core.errors import DataError

IMAGES = [b"\xff\xd8one\n\x00", b"\x89PNG'two\"", b"\xff\xd8\xe9\\three", b"", b"\xff\xd8five", b"\xff\xd8six"]
SAME = [True, False, True]

# Written by Python 2.7.18: cPickle at protocols 0, 1 and 2, then pickle at 0.
PYTHON_2 = [
    b"((lp1\nS'\\xff\\xd8one\\n\\x00'\np2\naS'\\x89PNG\\'two\"'\np3\naS'\\xff\\xd8\\xe9\\\\three'\np4\naS''\n"
    b"aS'\\xff\\xd8five'\np5\naS'\\xff\\xd8six'\np6\na(lp7\nI01\naI00\naI01\natp8\n.",
    b"(]q\x01(U\x07\xff\xd8one\n\x00q\x02U\t\x89PNG'two\"q\x03U\t\xff\xd8\xe9\\threeq\x04U\x00U\x06\xff\xd8fiveq\x05"
    b"U\x05\xff\xd8sixq\x06e]q\x07(I01\nI00\nI01\netq\x08.",
    b"\x80\x02]q\x01(U\x07\xff\xd8one\n\x00q\x02U\t\x89PNG'two\"q\x03U\t\xff\xd8\xe9\\threeq\x04U\x00U\x06\xff\xd8five"
    b"q\x05U\x05\xff\xd8sixq\x06e]q\x07(\x88\x89\x88e\x86q\x08.",
    b"((lp0\nS'\\xff\\xd8one\\n\\x00'\np1\naS'\\x89PNG\\'two\"'\np2\naS'\\xff\\xd8\\xe9\\\\three'\np3\naS''\np4\n"
    b"aS'\\xff\\xd8five'\np5\naS'\\xff\\xd8six'\np6\na(lp7\nI01\naI00\naI01\natp8\n.",
]


def read(content):
    return read_plain_pickle(content, "x.bin")


def plain(value):
    """With bytes for memoryviews and lists for arrays, to compare."""
    if isinstance(value, PickledArray):
        return value.values.tolist()
    if isinstance(value, list | tuple):
        return type(value)(map(plain, value))
    return bytes(value) if isinstance(value, memoryview) else value


@pytest.mark.parametrize("content", PYTHON_2)
def test_python_2(content):
    assert plain(read(content)) == (IMAGES, SAME)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("dump", [pickle.dumps, lambda v, p: dump_in_python(v, p)], ids=["C", "Python"])
def test_python_3(dump, protocol):
    value = (IMAGES, [*SAME, 0, 255, 65_536, -7, 2**40, None, "tëxt\n\\"], ((), (1,), (1, 2, 3, 4)), bytearray(b"x"))
    value = value if protocol == 5 else value[:3]
    assert plain(read(dump(value, protocol))) == value


def dump_in_python(value, protocol):
    out = io.BytesIO()
    pickle._Pickler(out, protocol).dump(value)
    return out.getvalue()


@pytest.mark.parametrize("protocol", range(6))
def test_numpy(protocol):
    arrays = [np.frombuffer(image, np.uint8) for image in IMAGES]
    again = np.frombuffer(IMAGES[0], np.uint8)
    value = ([*arrays, again, again], [np.bool_(True), np.bool_(False)], np.array(SAME), np.array([1, 0]))
    images, truths, same, numbers = plain(read(pickle.dumps(value, protocol)))
    assert [bytes(image) for image in images] == [*IMAGES, IMAGES[0], IMAGES[0]]
    assert (truths, same, numbers) == ([True, False], SAME, [1, 0])


def test_an_old_numpys_name_is_known_too():
    content = pickle.dumps([np.frombuffer(b"abc", np.uint8)], 2)
    assert plain(read(content.replace(b"numpy._core", b"numpy.core"))) == [list(b"abc")]


def test_frames_are_read_whatever_their_size():
    large = [bytes(100_000), b"x" * 300]
    assert plain(read(pickle.dumps(large, 4))) == large


class Calls:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


class Thing:
    def __init__(self):
        self.a = 1


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("function", [os.system, eval, exec, getattr, __import__, np.load, np.frombuffer, io.open])
def test_code_is_never_called(function, protocol, tmp_path):
    target = tmp_path / "made"
    content = pickle.dumps(([Calls(function, f"open({str(target)!r}, 'w')")], [True]), protocol)
    with pytest.raises(DataError, match=rf"x.bin, byte \d+, opcode (STACK_)?GLOBAL: asks for .*{function.__name__}"):
        read(content)
    assert not target.exists()


@pytest.mark.parametrize("protocol", range(6))
def test_objects_are_not_made(protocol):
    with pytest.raises(DataError, match=r"opcode (STACK_)?GLOBAL: asks for"):
        read(pickle.dumps(Thing(), protocol))


HOSTILE = {
    "an old way to call": (b"(S'echo'\nios\nsystem\n.", "byte 9, opcode INST: not allowed"),
    "another old way": (b"(cos\nsystem\nS'echo'\no.", "byte 1, opcode GLOBAL: asks for os.system"),
    "a name in unprintable letters": (b"c\x1b[31m\nx\ty\n.", r"asks for \?\[31m.x\?y, which is not allowed"),
    "a name from the stack": (
        b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
        "byte 14, opcode STACK_GLOBAL: asks for os.syst",
    ),
    "a name that is none": (b"\x80\x04K\x01K\x02\x93.", "STACK_GLOBAL: a name that is int"),
    "a registered extension": (b"\x80\x02\x82\x01.", "byte 2, opcode EXT1: not allowed"),
    "a persistent id": (b"Pid\n.", "byte 0, opcode PERSID: not allowed"),
    "a buffer from elsewhere": (b"\x80\x05\x97.", "opcode NEXT_BUFFER: not allowed"),
    "a dictionary": (b"}.", "opcode EMPTY_DICT: not allowed"),
    "no instruction": (b"\xff.", "opcode 0xff: not allowed"),
    "a protocol of the future": (b"\x80\x06N.", "opcode PROTO: got protocol 6"),
    "a call of a number": (b"K\x01)R.", "opcode REDUCE: calls something"),
    "a call of a class": (b"cnumpy\nndarray\n)R.", "opcode REDUCE: calls something"),
    "a call without arguments": (b"c_codecs\nencode\n)R.", "opcode REDUCE: wrong arguments for encode"),
    "a call with a number": (b"c_codecs\nencode\nK\x01R.", "opcode REDUCE: calls with something else than a tuple"),
    "a call with very much": (b"cnumpy\ndtype\n(" + b"N" * 9 + b"tR.", "calls with something else than a tuple of at"),
    "another encoding": (b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x03\x00\x00\x00zlbtR.", "encodes something else"),
    "objects in an array": (b"cnumpy\ndtype\n(X\x01\x00\x00\x00OtR.", "an array of 'O'; allowed: u1, b1, i8"),
    "the state of a list": (b"])b.", "opcode BUILD: sets the state of list"),
    "append to a number": (b"K\x01K\x02a.", "opcode APPEND: appends to int"),
    "pop of nothing": (b"0.", "opcode POP: the stack is empty"),
    "a tuple without mark": (b"t.", "opcode TUPLE: there is no mark"),
    "a forgotten value": (b"h\x07.", "opcode BINGET: nothing was remembered under 7"),
    "values left over": (b"NN.", "opcode STOP: values are left over"),
    "a mark left over": (b"(N.", "opcode STOP: values are left over"),
    "nothing at all": (b"", "byte 0, opcode missing: wants 1 bytes, 0 are left; the file is cut"),
    "more than the file holds": (b"\x8e" + b"\xff" * 8 + b".", "opcode BINBYTES8: wants 18,446,744,073,709,551,615 by"),
    "a huge number": (b"\x8b\x40\x00\x00\x00" + b"\x01" * 64 + b".", "opcode LONG4: a number of 64 bytes"),
    "a number in letters": (b"Iten\n.", "opcode INT: got b'ten'; needed: a whole number"),
    "a number of many digits": (b"L" + b"9" * 5000 + b"L\n.", "opcode LONG: got b'9{20}'"),
    "a text without quotes": (b"Sabc\n.", "opcode STRING: a text without quotes"),
    "a wrong escape": (rb"S'\xg'" + b"\n.", "opcode STRING: a text with a wrong escape"),
    "a wrong letter": (b"X\x01\x00\x00\x00\xff.", "opcode BINUNICODE: a text that is not utf-8"),
    "two pickles": (b"N.N.", "opcode STOP: 2 bytes follow the end"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_no_plain_data_is_refused_with_instruction_and_place(case):
    content, message = HOSTILE[case]
    with pytest.raises(DataError, match=message) as raised:
        read(content)
    assert str(raised.value).startswith("x.bin, byte ")
    assert str(raised.value).isprintable()


def test_a_memo_of_a_high_number_takes_no_room():
    assert read(b"\x80\x02Nr\xff\xff\xff\xff.") is None


def test_copies_are_limited():
    text = b"X" + (100_000).to_bytes(4, "little") + b"a" * 100_000 + b"q\x00"
    call = b"c_codecs\nencode\n(h\x00X\x07\x00\x00\x00latin-1tR0"
    with pytest.raises(DataError, match="more bytes are made than the file has room for"):
        read(b"\x80\x02" + text + call * 10 + b".")


def test_instructions_are_limited(monkeypatch):
    monkeypatch.setattr(plain_pickle, "MAX_OPCODES", 100)
    assert read(b"N0" * 49 + b"N.") is None
    with pytest.raises(DataError, match="more than 100 instructions"):
        read(b"N0" * 50 + b"N.")


def test_a_list_that_holds_itself_is_no_endless_one():
    value = read(b"]q\x00h\x00a.")
    assert value[0] is value
    deep = read(b"(" * 10_000 + b"t" * 10_000 + b".")
    assert len(deep) == 1


@pytest.mark.parametrize("content", [*PYTHON_2, pickle.dumps((IMAGES, SAME), 4)])
def test_a_file_that_is_cut_anywhere_is_refused(content):
    for length in range(len(content)):
        with pytest.raises(DataError, match="byte "):
            read(content[:length])


@given(
    st.sampled_from([*PYTHON_2, pickle.dumps((IMAGES, SAME), 5), pickle.dumps([np.arange(9, dtype=np.uint8)], 2)]),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_any_damage_gives_a_value_or_a_data_error(content, changes):
    damaged = bytearray(content)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    with contextlib.suppress(DataError):
        read(bytes(damaged))
