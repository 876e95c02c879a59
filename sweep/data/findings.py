"""What is wrong with a data set, as findings of plain data: pure functions of names, splits and duplicates."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from facerec_core.data.duplicates import HASH_BITS, Duplicate, Duplicates
from facerec_core.data.records import FaceSet
from facerec_core.types import BrokenImage

Severity = Literal["error", "warning"]
Kind = Literal[
    "broken",
    "refused",
    "shared identity",
    "duplicate across splits",
    "unfinished",
    "similar names",
    "duplicate of two people",
    "duplicate of one person",
    "flat",
]

MEANINGS: Mapping[Kind, str] = {
    "broken": "images that cannot be read",
    "refused": "a sweep with these options would not begin",
    "shared identity": "the same name in two splits: trained and evaluated on, or chosen and tested on",
    "duplicate across splits": "the same picture in two splits",
    "unfinished": "so many near duplicates that the search was ended",
    "similar names": "two identities of one split with the same name but for case, blanks or accents' encoding",
    "duplicate of two people": "the same picture under two names of one split: at least one label is wrong",
    "duplicate of one person": "the same picture twice in one identity: it counts double, and its pair is no test",
    "flat": "pictures of a single colour",
}


@dataclass(frozen=True)
class Shown:
    """An image of a data set: its name, its person, its split, and its index through all splits."""

    name: str
    identity: str
    split: str
    index: int


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, in words, with the images it is about; `distance_bits` of a duplicate."""

    kind: Kind
    severity: Severity
    text: str
    images: tuple[Shown, ...] = ()
    distance_bits: int | None = None


def list_images(splits: Mapping[str, FaceSet]) -> tuple[Shown, ...]:
    """All images, in the order of the splits."""
    listed = [
        (name, faces.identities[label], split)
        for split, faces in splits.items()
        for name, label in zip(faces.names, faces.labels, strict=True)
    ]
    return tuple(Shown(*fields, index) for index, fields in enumerate(listed))


def normalised(identity: str) -> str:
    """A name without what spellings of it differ in: Unicode form, case, underscores, dashes and blanks."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", identity).casefold())
    return " ".join(folded.replace("_", " ").replace("-", " ").split())


def name_findings(splits: Mapping[str, FaceSet], allow_shared: bool) -> Iterator[Finding]:
    """Identities whose names are the same in two splits, or twice in one, after `normalised`.

    Args:
        splits: each with its identities.
        allow_shared: names shared by splits are warnings instead of errors.
    """
    places: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for split, faces in splits.items():
        for identity in faces.identities:
            places[normalised(identity)].append((split, identity))
    for found in places.values():
        if len({split for split, _ in found}) > 1:
            severity: Severity = "warning" if allow_shared else "error"
            yield Finding("shared identity", severity, ", ".join(f"{identity} ({split})" for split, identity in found))
        elif len(found) > 1:
            names = ", ".join(identity for _, identity in found)
            yield Finding("similar names", "warning", f"{names} ({found[0][0]})")


def duplicate_findings(
    duplicates: Duplicates, images: Sequence[Shown], nameless: str | None = None
) -> Iterator[Finding]:
    """What each pair of duplicates means for those who train and evaluate on it.

    Args:
        duplicates: as found.
        images: all of them, by index.
        nameless: a split of pairs of people without names, where a picture may well be in several pairs: only
            duplicates across its border count.
    """
    for pair in duplicates.pairs:
        first, second = images[pair.first], images[pair.second]
        if not first.split == second.split == nameless:
            yield _of_pair(pair, first, second)
    for index in duplicates.flat:
        yield Finding("flat", "warning", f"{images[index].name} ({images[index].split})", (images[index],))
    if not duplicates.complete:
        text = "the search ended early; what is listed is not all"
        yield Finding("unfinished", "error", text)


def _of_pair(pair: Duplicate, first: Shown, second: Shown) -> Finding:
    kind: Kind
    if first.split != second.split:
        kind = "duplicate across splits"
    elif first.identity != second.identity:
        kind = "duplicate of two people"
    else:
        kind = "duplicate of one person"
    how = "equal pixels" if pair.exact else f"{pair.distance_bits} of {HASH_BITS} bits differ"
    text = f"{first.name} ({first.split}) and {second.name} ({second.split}): {how}"
    severity: Severity = "error" if kind == "duplicate across splits" else "warning"
    return Finding(kind, severity, text, (first, second), pair.distance_bits)


def broken_findings(broken: Sequence[BrokenImage], skipped: bool, refusal: str | None) -> Iterator[Finding]:
    """Broken images, and what else keeps a sweep from beginning.

    Args:
        broken: images that cannot be used.
        skipped: `data.skip_broken`, with which a sweep goes on without them.
        refusal: what a sweep would say.
    """
    severity: Severity = "warning" if skipped else "error"
    for image in broken:
        yield Finding("broken", severity, f"{image.name}: {image.reason}")
    if refusal and (skipped or not broken):
        yield Finding("refused", "error", refusal)
