"""Which image a line of an annotation file is about: names are written in more ways than one."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping

from facerec_core.data.images import SUFFIXES
from facerec_core.errors import DataError


def normal(name: str) -> str:
    """The name as sources spell it: macOS writes accents in two characters, everyone else in one."""
    return unicodedata.normalize("NFC", name.strip())


def spellings(name: str) -> tuple[str, ...]:
    """How an image such as "Ada_Lovelace/Ada_Lovelace_0001.jpg" may be called: with and without folder and suffix."""
    file = name.rpartition("/")[2]
    return tuple(dict.fromkeys((name, _stem(name), file, _stem(file))))


def _stem(name: str) -> str:
    return name.rpartition(".")[0] if name.lower().endswith(SUFFIXES) else name


def match_names(names: Iterable[str], lines: Mapping[str, int], source: str, unit: str = "line") -> dict[str, str]:
    """The entry of an annotation file that is about each image; images without one are left out.

    Args:
        names: of the images, such as "Ada_Lovelace/Ada_Lovelace_0001.jpg".
        lines: the line of each entry, by the image's name in any of its spellings.
        source: the file, for messages.
        unit: what `lines` counts, for messages.

    Raises:
        DataError: an entry fits several images, or an image is named by two entries.
    """
    found: dict[str, str] = {}
    taken: dict[str, str] = {}
    for name in names:
        entries = [spelling for spelling in spellings(name) if spelling in lines]
        if len(entries) > 1:
            raise DataError(
                f"{source}, {unit} {lines[entries[1]]}: {entries[1]!r} names {name}, which {unit} "
                f"{lines[entries[0]]} names too; needed: one {unit} an image"
            )
        for entry in entries:
            if entry in taken:
                raise DataError(
                    f"{source}, {unit} {lines[entry]}: {entry!r} may be {taken[entry]} or {name}; needed: a name "
                    "with its folder, such as IDENTITY/FILE"
                )
            found[name], taken[entry] = entry, name
    return found
