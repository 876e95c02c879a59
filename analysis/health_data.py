"""What the report tells of quantisation health: how far each layer of the best int8 files is from float32."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from analysis.selection import SCHEME_NAMES, Entry, Selection, candidate_names
from facerec_core.types import QuantisationHealth, Scheme, VariantRecord

MOST_CANDIDATES = 3
NAMED = 3
"""So many of the worst layers of a file are named."""


@dataclass(frozen=True)
class HealthLine:
    """One int8 file: its label, and what was found of its layers."""

    label: str
    scheme: Scheme
    health: QuantisationHealth

    @property
    def values(self) -> tuple[float | None, ...]:
        """SQNR of every layer in dB, None where there is none."""
        return tuple(layer.sqnr_db for layer in self.health.layers)

    @property
    def median_db(self) -> float | None:
        """The median of its layers' SQNR."""
        known = [value for value in self.values if value is not None]
        return statistics.median(known) if known else None


@dataclass(frozen=True)
class HealthPanel:
    """The int8 files of one candidate; there is at least one."""

    label: str
    lines: tuple[HealthLine, ...]


@dataclass(frozen=True)
class Block:
    """Layers that belong together: where the first one stands, how many they are, and what they are called."""

    first: int
    count: int
    label: str


def health_panels(selection: Selection) -> tuple[HealthPanel, ...]:
    """The best candidates whose layers were compared, the recommended one first, PTQ before QAT."""
    ranked = (*selection.having("front", "dominated"), *selection.having("undecided", "infeasible"))
    best = {entry.record.key: entry.record for entry in ranked if entry.variant and entry.variant.health}
    names = candidate_names([entry.record for entry in {e.record.key: e for e in selection.entries}.values()])
    chosen = list(best.values())[:MOST_CANDIDATES]
    return tuple(HealthPanel(names[record.key], _lines(names[record.key], record.variants)) for record in chosen)


def _lines(name: str, variants: Sequence[VariantRecord]) -> tuple[HealthLine, ...]:
    return tuple(
        HealthLine(f"{name} {SCHEME_NAMES[variant.scheme]}", variant.scheme, variant.health)
        for variant in variants
        if variant.health
    )


def blocks(health: QuantisationHealth) -> tuple[Block, ...]:
    """The stem, every inverted residual by its number, and what follows them."""
    found: list[Block] = []
    for label, group in groupby(health.layers, key=lambda layer: _block(layer.layer)):
        first = found[-1].first + found[-1].count if found else 0
        found.append(Block(first, len(list(group)), label))
    return tuple(found)


def _block(layer: str) -> str:
    head = layer.split("_")[0]
    return head.removeprefix("block") if head.startswith("block") else "stem" if head == "stem" else "end"


def decibels(value: float | None) -> str:
    """A ratio in dB with one decimal, or a dash."""
    return "–" if value is None else f"{value:.1f} dB".replace("-", "−")


def worst_text(health: QuantisationHealth) -> str:
    """The worst layers and how bad they are, the worst first; a dash where no layer has a ratio."""
    return ", ".join(f"{layer.layer} {decibels(layer.sqnr_db)}" for layer in health.worst(NAMED)) or "–"


def health_text(best: Entry | None) -> str:
    """The recommended file's worst layers in a sentence; empty where its layers were not compared."""
    health = best.variant.health if best and best.variant else None
    if best is None or health is None:
        return ""
    told = f"Furthest from float32 in {best.label}: {worst_text(health)}."
    return f"{told} Its fingerprint is at {decibels(health.fingerprint_db)}."


def health_json(variant: VariantRecord | None) -> dict[str, Any]:
    """What a list of files says of each: fingerprint and worst layer, None where layers were not compared."""
    health = variant.health if variant else None
    worst = health.worst() if health else ()
    return {
        "fingerprint_sqnr_db": health.fingerprint_db if health else None,
        "worst_layer": worst[0].layer if worst else None,
        "worst_layer_sqnr_db": worst[0].sqnr_db if worst else None,
    }


def panels_json(panels: Sequence[HealthPanel]) -> list[dict[str, Any]]:
    """Every layer of the files that are drawn."""
    return [{"label": line.label, "variant": line.scheme, **asdict(line.health)} for p in panels for line in p.lines]
