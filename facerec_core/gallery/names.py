"""Names of people: what may be one, and how one is shown. They come from whoever wrote the file."""

from __future__ import annotations

import unicodedata

from facerec_core.errors import DataError

MOST_NAME_BYTES = 128
"""Of the name in UTF-8."""
_ACTING = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode's categories of what a terminal or a line might act on: controls, formatting, surrogates, line ends."""
_JOINERS = "\u200c\u200d"
"""Formatting that spelling needs, in Persian or Sinhala, and between the parts of an emoji."""


def canonical_name(name: str, key: str) -> str:
    """The name as it is stored: composed characters (NFC), without blanks around it.

    Args:
        name: as typed.
        key: where it came from, for the message.

    Raises:
        DataError: empty, too long, not Unicode text, or with characters that act rather than show.
    """
    stored = unicodedata.normalize("NFC", name).strip()
    try:
        size_bytes = len(stored.encode())
    except UnicodeEncodeError:
        size_bytes = 0
    if not 1 <= size_bytes <= MOST_NAME_BYTES or not _shows(stored):
        raise DataError(
            f"{key}: got '{printable(name[:MOST_NAME_BYTES])}', allowed: 1 to {MOST_NAME_BYTES} bytes of UTF-8 "
            "without control characters"
        )
    return stored


def _shows(name: str) -> bool:
    shown = [character for character in name if character not in _JOINERS]
    return bool(shown) and not any(unicodedata.category(character) in _ACTING for character in shown)


def printable(text: str) -> str:
    """The text with every character that a terminal might act on, such as an escape, in the way Python writes it."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in text
    )
