"""The compare verb: two candidates or two sweeps side by side, and an exit status for a CI job."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.compared import Comparison, Matched, Side, best_files, compare_files, file_of, judge, match, side_of
from analysis.selection import Metric, choose_metric
from facerec_core.errors import DataError, OptionError
from facerec_core.types import RunRecord, Scheme, Split
from sweep.compare_sides import CandidateChoice, Choice, find
from sweep.compare_text import as_object, write_matched, write_two
from sweep.schema import Settings
from sweep.steps import Steps
from sweep.tracking import Tracker
from sweep.tracking_verdict import judged

if TYPE_CHECKING:
    from argparse import Namespace


@dataclass(frozen=True)
class Request:
    """How two sides are compared; `target_far` is None unless it was typed, `variant` None for the better int8 file."""

    target_far: float | None
    variant: Scheme | None
    split: Split
    max_drop: float
    allow_unpaired: bool
    json: bool


def compare(settings: Settings, flags: Namespace, target_far: float | None = None) -> int:
    """Print A and B side by side: 1 when B's metric is lower beyond noise by more than `--max-drop`, else 0.

    Of two sweeps what they recommend is judged. Candidates are looked for in `sweep` where it is set.

    Raises:
        DataError: printed, but not judged: no paired interval and no `--allow-unpaired`, or nothing recommended.
        OptionError: not two sides, no such side, or one without the variant.
        StorageError: a record is damaged.
        TrackingError: there is no sweep, or the tracker cannot be read.
    """
    if len(flags.sides) != 2:
        hint = "such as `compare baseline latest` or `compare 0.35@96-448 0.5@96-640`"
        raise OptionError("compare", " ".join(flags.sides), "two candidates or two sweeps", hint)
    request = Request(target_far, flags.variant, flags.split, flags.max_drop, flags.allow_unpaired, flags.json)
    root, tracking = settings.paths.folder, settings.tracking
    with Steps() as steps:
        steps.doing("reading the tracker")
        tracker = Tracker.open(root, tracking.uri, tracking.experiment, create=False)
        a, b = (find(word, settings, tracker) for word in flags.sides)
    if isinstance(a, CandidateChoice) and isinstance(b, CandidateChoice):
        return _two_candidates(a, b, request)
    if isinstance(a, CandidateChoice) or isinstance(b, CandidateChoice):
        kind = "candidate" if isinstance(a, CandidateChoice) else "sweep"
        raise OptionError("compare", flags.sides[1], f"a {kind}, because {flags.sides[0]} is one")
    return _two_sweeps(a, b, request)


def _two_candidates(a: CandidateChoice, b: CandidateChoice, request: Request) -> int:
    metric = _metric((a.record, b.record), a, request)
    compared = compare_files(_side(a, metric, request), _side(b, metric, request), metric, request.split)
    verdict = judge(compared, request.max_drop, request.allow_unpaired)
    if request.json:
        _write_json(as_object(compared) | _judgement(compared, request))
    else:
        write_two(compared, metric, verdict, request.max_drop, sys.stdout)
    return _status(compared, request)


def _two_sweeps(a: Choice, b: Choice, request: Request) -> int:
    metric = _metric((*a.records, *b.records), a, request)
    sides = [_recommended(choice, request) for choice in (a, b)]
    own, other = sides
    compared = compare_files(own, other, metric, request.split) if own and other else None
    places = [best_files(choice.records, choice.sweep.name, metric, request.variant) for choice in (a, b)]
    matched = match(places[0], places[1], compared, metric, request.split)
    _tell(matched, metric, request, (a.sweep.name, b.sweep.name))
    if compared is None:
        bare = " and ".join(one.sweep.name for one, side in zip((a, b), sides, strict=True) if side is None)
        allowed = f"a candidate that keeps every limit{f' and has {request.variant}' if request.variant else ''}"
        raise DataError(f"not judged: sweep {bare} recommends nothing, allowed: {allowed}; or compare two candidates")
    return _status(compared, request)


def _tell(matched: Matched, metric: Metric, request: Request, names: tuple[str, str]) -> None:
    if not request.json:
        write_matched(matched, metric, names, request.max_drop, request.allow_unpaired, sys.stdout)
        return
    best = matched.recommended
    _write_json(
        {
            "sweeps": list(names),
            "recommended": None if best is None else as_object(best) | _judgement(best, request),
            "candidates": [as_object(pair) | _judgement(pair, request) for pair in matched.pairs],
            "only_a": list(matched.only_a),
            "only_b": list(matched.only_b),
        }
    )


def _metric(records: Sequence[RunRecord], a: Choice, request: Request) -> Metric:
    """One metric for both sides, by the rule of the report: the FAR that was typed, else that of A's sweep."""
    return choose_metric(records, a.sweep.target_far if request.target_far is None else request.target_far)


def _side(choice: CandidateChoice, metric: Metric, request: Request) -> Side:
    if None not in (choice.scheme, request.variant) and choice.scheme != request.variant:
        raise OptionError("--variant", request.variant, f"{choice.scheme}, of which that run is")
    scheme = choice.scheme or request.variant
    variant = file_of(choice.record, metric, scheme)
    if variant is None:
        allowed = f"one with {scheme or 'an int8 variant'}"
        raise OptionError("compare", choice.record.key, allowed, f"it is {choice.record.status} and has none")
    return side_of(choice.records, choice.record, choice.sweep.name, variant)


def _recommended(choice: Choice, request: Request) -> Side | None:
    """What the sweep's report recommends, or another variant of that candidate where one was asked for."""
    far = choice.sweep.target_far if request.target_far is None else request.target_far
    selection = judged(choice.records, far)
    best = selection.recommended
    if best is None or best.variant is None:
        return None
    variant = file_of(best.record, selection.metric, request.variant) if request.variant else best.variant
    return None if variant is None else side_of(choice.records, best.record, choice.sweep.name, variant)


def _judgement(compared: Comparison, request: Request) -> dict[str, object]:
    verdict = judge(compared, request.max_drop, request.allow_unpaired)
    return {"max_drop": request.max_drop, "verdict": verdict}


def _status(compared: Comparison, request: Request) -> int:
    verdict = judge(compared, request.max_drop, request.allow_unpaired)
    if verdict != "unknown":
        return int(verdict == "regressed")
    figure = compared.metric
    if figure.difference is None:
        raise DataError(
            f"not judged: {figure.name} is undefined on {compared.split}; set target_far to a FAR that both resolve"
        )
    raise DataError(f"not judged: {compared.unpaired}; or --allow-unpaired to judge by the plain difference")


def _write_json(content: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(content, indent=1, allow_nan=False) + "\n")
    sys.stdout.flush()
