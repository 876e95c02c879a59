"""What the report says in words: why this candidate, what ties with it, what a limit costs, what to beware of."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.comparison import Compared, difference
from analysis.figure_data import MOST_CANDIDATES
from analysis.findings import Findings
from analysis.selection import Entry, Selection
from analysis.trade import Hypervolume, Relaxation
from analysis.wording import percent, points, points_text, quantity
from facerec_core.group_rates import spread
from facerec_core.roc import far_label
from facerec_core.types import Evaluation, IdentificationRates

PAIRED = "95 % interval of the paired difference"


def why(findings: Findings) -> list[str]:
    """The recommendation's grounds, each a sentence; why there is none when there is none."""
    selection = findings.selection
    best, metric = selection.recommended, selection.metric
    if best is None:
        return _why_none(selection)
    eligible = len(selection.having("front", "dominated"))
    told = [
        f"Highest {metric.title} on validation, {percent(best.value)}, of {eligible} int8 files within every limit."
    ]
    told += _next_best(findings, best)
    told += _against_float(selection, best)
    told += _tied(findings, best)
    better = [e for e in selection.having("undecided") if (e.value or 0) > (best.value or 0)]
    if better:
        told.append(
            f"{better[0].label} would reach {percent(better[0].value)}, but whether it meets the limits is undecided: "
            "measure it on the board."
        )
    return told


def _why_none(selection: Selection) -> list[str]:
    counts = {name: len(selection.having(name)) for name in ("undecided", "infeasible", "pruned", "failed")}
    if not any(counts.values()):
        return ["No candidate has finished yet."]
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return [f"No int8 file was trained to the end and meets every limit without doubt: {told}."]


def _next_best(findings: Findings, best: Entry) -> list[str]:
    rivals = [e for e in findings.selection.having("front", "dominated") if e.record.key != best.record.key]
    if not rivals:
        return []
    known = findings.differences.get(id(rivals[0]))
    behind = f": {points_text(known.difference)}, {PAIRED}" if known else ""
    return [f"The next best candidate, {rivals[0].label}, reaches {percent(rivals[0].value)}{behind}."]


def _against_float(selection: Selection, best: Entry) -> list[str]:
    siblings = [e for e in selection.having("reference") if e.record.key == best.record.key]
    full = next((e for e in siblings if e.variant and e.variant.scheme == "float32"), None)
    if full is None or full.variant is None or best.variant is None or full.value is None or best.value is None:
        return []
    known = difference(best.variant.validation, full.variant.validation, selection.metric)
    change = points_text(known) if known else f"{points(best.value - full.value)} points"
    return [f"Against its own float32 network ({percent(full.value)}) quantisation changes it by {change}."]


def _tied(findings: Findings, best: Entry) -> list[str]:
    """How many cannot be told from the best, and which of them cost less."""
    if not findings.compared:
        return []
    tied, others = len(findings.ties), len(findings.compared)
    count = f"{tied} of {others}" if tied else f"None of {others}"
    told = [f"{count} other files {'is' if tied < 2 else 'are'} statistically tied with it."]
    return told + [_lighter(one, best) for one in findings.lighter_ties]


def _lighter(one: Compared, best: Entry) -> str:
    entry = one.entry
    bytes_saved = best.variant.file.size_bytes - entry.variant.file.size_bytes if best.variant and entry.variant else 0
    saved_ms = best.record.latency.ms - entry.record.latency.ms
    saved = quantity(bytes_saved / 1000, "kB") if bytes_saved >= 1000 else quantity(bytes_saved, "bytes")
    gains = [f"its file is {saved} smaller"] if bytes_saved > 0 else []
    gains += [f"it is {quantity(saved_ms, 'ms')} faster"] if saved_ms > 0 else []
    return f"{entry.label} is statistically tied, {points_text(one.difference)}: {' and '.join(gains)}."


def relaxation_text(found: Relaxation) -> str:
    """What one limit would have to be to admit a candidate, and what that would buy."""
    check, label = found.check, found.entry.label
    needed = f"{quantity(check.value, check.unit)} instead of {quantity(check.limit, check.unit)}"
    if found.entry.value is None:
        bought = "not trained, so nothing is known of its accuracy"
    elif found.gain is None:
        bought = percent(found.entry.value)
    else:
        bought = f"{percent(found.entry.value)}, {points(found.gain)} points"
    doubt = "; undecided now, a measurement may settle it" if check.verdict == "undecided" else ""
    return f"{needed} would admit {label} ({bought}{doubt})."


def hypervolume_text(found: Hypervolume) -> str:
    """The front's hypervolume and what it is a share of."""
    corner = f"{quantity(found.size_bytes / 1000, 'kB')} and {quantity(found.latency_ms, 'ms')}"
    return f"Hypervolume of the front: {found.share:.4f} of the box that metric 0 and 1, {corner} enclose."


def notices(findings: Findings) -> list[str]:
    """What a reader has to know before comparing: a fallback metric, mixed data, candidates with warnings."""
    selection, records = findings.selection, findings.records
    told = []
    if findings.info.status == "RUNNING":
        told.append("The sweep is still running: this is what the candidates show that are finished so far.")
    if selection.metric.fallback:
        told.append(f"{selection.metric.fallback}. Candidates are ranked by {selection.metric.title} instead.")
    told += _mixtures(findings)
    if findings.trained and not findings.resampled:
        told.append(
            "There are no intervals: people were not resampled (eval.replicates=0, people without names, too few "
            "of them, or an earlier version). Whether two candidates differ cannot be told."
        )
    if len({entry.record.key for entry in selection.entries if entry.variant}) > MOST_CANDIDATES:
        told.append(
            f"Of ROC and learning curves the best {MOST_CANDIDATES} candidates' are drawn; the tables have all."
        )
    told += dict.fromkeys(warning for record in records for warning in record.warnings)
    return told


def _mixtures(findings: Findings) -> list[str]:
    """Figures that do not belong side by side."""
    told = []
    prints = {record.data.fingerprint for record in findings.records if record.data}
    if len(prints) > 1:
        told.append(
            f"The candidates were evaluated on {len(prints)} different data sets; their figures do not compare."
        )
    if len({(record.latency.board, record.latency.runtime) for record in findings.records}) > 1:
        told.append("The latencies belong to different boards or runtimes; they do not compare.")
    kernels = {entry.variant.kernels for entry in findings.trained if entry.variant}
    if len(kernels) > 1:
        told.append("Some files were run with fast kernels, some with reference kernels; their rates differ a little.")
    return told


def threshold_text(evaluation: Evaluation) -> str:
    """What the validation threshold gives on a split, in words."""
    if evaluation.threshold is None:
        return f"The pairs cannot resolve FAR {far_label(evaluation.target_far)}, so no threshold was set."
    target = far_label(evaluation.target_far)
    return (
        f"At the threshold {evaluation.threshold:.4f}, chosen on validation for FAR {target}, "
        f"the test pairs give TAR {percent(evaluation.realised_tar)} at FAR {evaluation.realised_far:.2g}."
    )


def groups_text(evaluation: Evaluation) -> str:
    """Which groups of people fare worst at the threshold, in words; empty where groups or rates are not known."""
    found = spread(evaluation.groups)
    told = []
    if found.far_group is not None and found.far is not None:
        times = f", at least {found.far_ratio:.2g} times that of the best group" if found.far_ratio else ""
        told.append(f"Strangers are let in most often in the group {found.far_group} (FAR {found.far:.2g}{times}).")
    if found.tar_group is not None:
        share = f", {found.tar_ratio:.2f} times that of the best group" if found.tar_ratio is not None else ""
        rate = f"TAR {percent(found.tar)}{share}"
        told.append(f"People are recognised least often in the group {found.tar_group} ({rate}).")
    return " ".join(told)


def searched(evaluation: Evaluation) -> Sequence[str]:
    """The FPIRs at which identification was judged, as labels."""
    return tuple(dict.fromkeys(label for rates in evaluation.identification for label in rates.fnir_at_fpir))


def searches_of(evaluation: Evaluation) -> list[tuple[str, IdentificationRates]]:
    """Who enrolled, and the rates; what belongs together stands together."""
    found = [("itself", rates) for rates in evaluation.identification]
    found += [("float32", rates) for rates in evaluation.float_gallery]
    return sorted(found, key=lambda one: (one[1].gallery, one[1].enrolled_images, one[1].rule))
