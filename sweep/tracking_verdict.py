"""What became of each candidate and variant of a sweep, as tags that one filters by in MLflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from facerec_core.types import RunRecord
from sweep.records import lean
from sweep.tracking_runs import Runs

if TYPE_CHECKING:
    from analysis.selection import Selection, Standing

BEST_FIRST: tuple[Standing, ...] = (
    "front",
    "dominated",
    "undecided",
    "infeasible",
    "pruned",
    "failed",
    "reference",
)
CANDIDATE = ""
MOST_BEST = 100
Verdicts = Mapping[tuple[str, str], dict[str, str]]
"""Tags by the key of a candidate and the scheme of its variant, CANDIDATE for the candidate itself."""


def judged(records: Sequence[RunRecord], target_far: float) -> Selection:
    """The selection of the report: a record carries its own limits."""
    from analysis.records import SweepInfo
    from analysis.selection import select

    return select(records, SweepInfo("", "", target_far, {}, 0.0, "", None))


def verdicts(selection: Selection) -> Verdicts:
    """The tags of every candidate and variant; a candidate stands where the best of its variants does."""
    standings: dict[tuple[str, str], Standing] = {}
    for entry in selection.entries:
        key = entry.record.key
        if entry.variant:
            standings[key, entry.variant.scheme] = entry.standing
        standings[key, CANDIDATE] = min(
            standings.get((key, CANDIDATE), entry.standing), entry.standing, key=BEST_FIRST.index
        )
    best = selection.recommended
    chosen = {(best.record.key, scheme) for scheme in (best.variant.scheme, CANDIDATE)} if best and best.variant else ()
    return {whose: _tags(standing, whose in chosen) for whose, standing in standings.items()}


@dataclass
class BestSoFar:
    """The front of what this process wrote of a sweep: who is dominated by it is dominated in the whole sweep.

    So most tags are right as soon as a candidate is written, and `mark` has few to set; it has the last word, since
    another metric is chosen where a later candidate lacks this one. The latest MOST_BEST candidates are enough.
    """

    target_far: float
    records: list[RunRecord] = field(default_factory=list)

    def settled(self, record: RunRecord) -> Verdicts:
        """The tags of a record that stand against what is to come, all but those of the front; the record is added."""
        others = [known for known in self.records if known.key != record.key]
        together = [*others, lean(record)]
        found = verdicts(judged(together, self.target_far))
        self.records = [one for one in together if found[one.key, CANDIDATE]["standing"] == "front"][-MOST_BEST:]
        return {whose: tags for whose, tags in found.items() if whose[0] == record.key and tags["standing"] != "front"}


def _tags(standing: Standing, recommended: bool) -> dict[str, str]:
    marks = {"pareto": standing == "front", "recommended": recommended}
    return {"standing": standing} | {name: str(mark).lower() for name, mark in marks.items()}


def mark(runs: Runs, sweep_run_id: str, found: Verdicts) -> int:
    """Set the tags on the sweep's runs, and return how many had others before; what is right already costs nothing.

    Raises:
        MlflowException: the tracker refuses.
    """
    changed = 0
    for run in runs.tagged(sweep_run_id=sweep_run_id):
        held = run.tags
        tags = found.get((held.get("candidate_key", ""), held.get("variant", CANDIDATE)), {})
        if any(held.get(name) != text for name, text in tags.items()):
            runs.log(run.run_id, tags=tags)
            changed += 1
    return changed
