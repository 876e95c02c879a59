"""The documentation against what it describes: commands compose, links lead somewhere, tables equal `conf/`.

A command with a word in capitals (`data.root=PATH`, `--config-dir DIR`) holds a placeholder and is not composed.
"""

from __future__ import annotations

import math
import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest

from docs.configuration_tables import CONF, PAGE, rewritten, stated_values
from facerec_core.roc import LISTED_FARS, far_floor, far_label
from sweep.arguments import parse_flags, split_verb
from sweep.compose import Composer, open_composer
from sweep.gallery.flags import FLAGS as GALLERY_FLAGS
from sweep.help import VERBS

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
MAPS = [ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md"]

COMMAND = re.compile(r"python -m sweep (?P<rest>[^`\n|]+)")
PLACEHOLDER = re.compile(r"(?<![\w-])[A-Z]{3,}\b")
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"(?<![\w/.:-])[\w./-]+\.(?:py|yaml|md|csv|toml|txt|j2)\b")
FOLDER = re.compile(r"`((?:conf|sweep|facerec_core|analysis|tests|docs|benchmarks|requirements)/[\w/]*)`")
GROUP_ROW = re.compile(r"\| `(?P<group>\w+)` \| (?P<options>(?:`\w+`(?:, )?)+) \|")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def commands() -> list[tuple[str, str]]:
    """(file, what follows `python -m sweep`) of every command without a placeholder."""
    found = [
        (name_of(file), match["rest"].strip())
        for file in [*PAGES, *sorted(CONF.rglob("*.yaml"))]
        for match in COMMAND.finditer(file.read_text(encoding="utf-8"))
    ]
    return [pair for pair in dict.fromkeys(found) if not PLACEHOLDER.search(pair[1])]


@pytest.fixture(scope="module")
def composer() -> Composer:
    return open_composer()


@pytest.mark.parametrize(("file", "command"), commands())
def test_every_command_composes(composer: Composer, file: str, command: str) -> None:
    verb, rest = split_verb(shlex.split(command, comments=True))
    flags = parse_flags(verb, rest)
    assert verb in VERBS
    if verb in GALLERY_FLAGS:
        assert verb != "gallery" or flags.overrides[0] in import_module("sweep.gallery").ACTIONS
        assert composer.one([argument for argument in flags.overrides if "=" in argument])
    elif verb in {"latency", "data"}:
        action, *rest = flags.overrides
        assert action in import_module(f"sweep.{verb}").ACTIONS
        board = flags.board if verb == "latency" and action != "import" else None
        overrides = [argument for argument in rest if "=" in argument] + [f"board={board}"] * (board is not None)
        assert composer.many(overrides, default_grid=True)
    elif verb == "search":
        assert composer.searching(flags.overrides)
    elif verb in {"multirun", "plan"}:
        assert composer.many(flags.overrides, default_grid=verb == "plan")
    else:
        assert composer.one(flags.overrides)


def test_commands_are_found_and_placeholders_are_told_apart() -> None:
    listed = commands()
    assert ("docs/tracking.md", "ui") in listed
    assert any(file.startswith("conf/experiment/") for file, _ in listed)
    assert PLACEHOLDER.search("multirun data.root=PATH")
    assert not PLACEHOLDER.search("run data.root=lfw-View.zip")


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_inside_the_repository_leads_somewhere(page: Path) -> None:
    targets = [match["target"] for match in LINK.finditer(FENCE.sub("", page.read_text(encoding="utf-8")))]
    broken = []
    for target in (t for t in targets if not re.match(r"https?:", t)):
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", MAPS, ids=name_of)
def test_every_file_that_is_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = {match.group() for match in FILE.finditer(text)} | set(FOLDER.findall(text))
    real = {name for name in named if name.endswith(".md") or not re.search(r"[A-Z]{3,}", name)}
    assert len(real) > 10
    assert [name for name in sorted(real) if not (ROOT / name).exists()] == []


def test_the_tables_of_keys_equal_the_files() -> None:
    """Where this fails: python docs/configuration_tables.py."""
    page = PAGE.read_text(encoding="utf-8")
    assert page == rewritten(page)
    for key, value, comment in stated_values(CONF / "train" / "default.yaml", "train."):
        assert f"| `{key}` | `{value}` | {comment} |" in page
    assert "`train.augment.flip`" in page


def test_a_group_without_a_heading_is_named() -> None:
    with pytest.raises(ValueError, match="'## Root'"):
        rewritten("# Configuration\n")


@pytest.mark.parametrize(
    ("name", "lines"),
    [("embedded data, default", []), ("`+experiment=tiny`", ["+experiment=tiny"]), ("`debug=fast`", ["debug=fast"])],
)
def test_the_far_floors_are_those_of_the_configuration(composer: Composer, name: str, lines: list[str]) -> None:
    options = composer.one(lines).data.synthetic
    people, each = options.eval_identities, options.eval_images
    impostors = math.comb(people * each, 2) - people * math.comb(each, 2)
    floor = far_floor(impostors)
    lowest = far_label(min(far for far in LISTED_FARS if far >= floor))
    row = f"| {name} | {people} × {each} | {impostors:,} | {far_label(float(f'{floor:.1e}'))} | {lowest} |"
    assert row in (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8").splitlines()


def test_every_option_of_every_group_is_listed() -> None:
    rows = GROUP_ROW.finditer(PAGE.read_text(encoding="utf-8").partition("\n## Root\n")[0])
    listed = {row["group"]: set(re.findall(r"\w+", row["options"])) for row in rows}
    groups = [folder for folder in CONF.iterdir() if folder.is_dir() and any(folder.glob("*.yaml"))]
    assert listed == {folder.name: {file.stem for file in folder.glob("*.yaml")} for folder in groups}
