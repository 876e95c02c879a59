"""Everything the report says of a sweep, worked out once: page, tables, document and summary only tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from analysis.comparison import Compared, Quantised, against_best, lighter_ties, quantisation, ties
from analysis.records import SweepInfo
from analysis.selection import Entry, Selection, Standing, select
from analysis.trade import Hypervolume, Relaxation, hypervolume, relaxations
from facerec_core.types import RunRecord


@dataclass(frozen=True)
class Findings:
    """The judged sweep; `compared` are the eligible entries against the recommended one, empty without replicates."""

    info: SweepInfo
    records: tuple[RunRecord, ...]
    selection: Selection
    compared: tuple[Compared, ...]
    quantised: tuple[Quantised, ...]
    hypervolume: Hypervolume | None
    relaxations: tuple[Relaxation, ...]

    @cached_property
    def differences(self) -> Mapping[int, Compared]:
        """What is compared, by the identity of its entry."""
        return {id(one.entry): one for one in self.compared}

    @cached_property
    def ties(self) -> tuple[Compared, ...]:
        """The entries that cannot be told from the recommended one."""
        return ties(self.compared)

    @cached_property
    def lighter_ties(self) -> tuple[Compared, ...]:
        """Of other candidates that tie: the smallest smaller file, and the fastest faster network."""
        return lighter_ties(self.selection, self.compared)

    @cached_property
    def resampled(self) -> bool:
        """Whether any validation rate has an interval."""
        return any(entry.variant is not None and entry.variant.validation.intervals for entry in self.trained)

    @cached_property
    def trained(self) -> tuple[Entry, ...]:
        """Every entry with a variant, best first within each standing."""
        order: tuple[Standing, ...] = ("front", "dominated", "undecided", "infeasible", "reference")
        found = (entry for standing in order for entry in self.selection.having(standing))
        return tuple(entry for entry in found if entry.variant)


def find(records: Sequence[RunRecord], info: SweepInfo) -> Findings:
    """Judge every candidate of a sweep and compare it with the recommended one."""
    selection = select(records, info)
    return Findings(
        info=info,
        records=tuple(records),
        selection=selection,
        compared=against_best(selection),
        quantised=quantisation(selection),
        hypervolume=hypervolume(selection),
        relaxations=relaxations(selection),
    )
