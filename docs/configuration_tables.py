"""Writes the tables of keys in docs/configuration.md anew from `conf/`: `python docs/configuration_tables.py`.

A test compares page and files, so run this after every change in `conf/`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONF = ROOT / "conf"
PAGE = ROOT / "docs" / "configuration.md"

_DEFAULT = re.compile(r"^  - (?P<group>\w+): (?P<option>\w+)", re.MULTILINE)
_VALUE = re.compile(r"(?P<indent> *)(?P<key>\w+):(?: (?P<value>[^#]*\S))?\s*# (?P<comment>.+)")
_SECTION = r"(?P<head>^## {title}\n(?:(?!## ).*\n)*?)(?P<table>(?:^\|.*\n)+)"


def stated_values(file: Path, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """(dotted key, value as written, comment) of every value in a configuration file."""
    parents: list[str] = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if match := _VALUE.fullmatch(line):
            parents = [*parents[: len(match["indent"]) // 2], match["key"]]
            if match["value"]:
                yield prefix + ".".join(parents), match["value"], match["comment"]


def tables() -> dict[str, str]:
    """A Markdown table for each heading of the page: the root keys, and the default option of each group."""
    root = CONF / "config.yaml"
    out = {"Root": _table(stated_values(root))}
    for match in _DEFAULT.finditer(root.read_text(encoding="utf-8")):
        group = match["group"]
        if group not in {"experiment", "debug"}:  # they have no keys of their own
            out[group] = _table(stated_values(CONF / group / f"{match['option']}.yaml", f"{group}."))
    return out


def _table(rows: Iterator[tuple[str, str, str]]) -> str:
    lines = [f"| `{key}` | `{value}` | {comment} |\n" for key, value, comment in rows]
    return "".join(["| key | default | meaning |\n", "|---|---|---|\n", *lines])


def rewritten(page: str) -> str:
    """The page with every table as the files have it now.

    Raises:
        ValueError: a group without a heading and table on the page.
    """
    for title, table in tables().items():
        section = re.compile(_SECTION.format(title=re.escape(title)), re.MULTILINE)
        match = section.search(page)
        if match is None:
            raise ValueError(f"docs/configuration.md: needed: a heading '## {title}' with a table below it")
        page = page[: match.start("table")] + table + page[match.end("table") :]
    return page


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
