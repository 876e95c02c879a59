"""The limits, checked: which of them a candidate keeps, exceeds, or leaves undecided."""

from __future__ import annotations

from facerec_core.options import Budget, LatencyBudget
from facerec_core.types import Cost, Feasibility, Latency, LimitCheck, Verdict


def check(
    cost: Cost,
    latency: Latency,
    budget: Budget,
    *,
    file_bytes: int | None = None,
    ram_bytes: int | None = None,
) -> Feasibility:
    """Check a candidate against every limit that is set; a figure equal to its limit keeps it.

    Args:
        cost: exact cost of the candidate.
        latency: its latency on the board.
        budget: the limits.
        file_bytes: size of the .tflite file, None before there is one: that limit is then not checked yet.
        ram_bytes: RAM of the board, the limit on activations where `budget.activation_bytes` sets none.
    """
    checks = [
        _bytes("parameter_bytes", cost.parameter_bytes, budget.parameter_bytes),
        _bytes("file_bytes", file_bytes, budget.file_bytes),
        _bytes("activation_bytes", cost.peak_activation_bytes, budget.activation_bytes),
        _latency(latency, budget.latency),
    ]
    if budget.activation_bytes is None:
        checks.insert(3, _bytes("ram_bytes", cost.peak_activation_bytes, ram_bytes))
    return Feasibility(tuple(item for item in checks if item is not None))


def _bytes(name: str, value: int | None, limit: int | None) -> LimitCheck | None:
    if value is None or limit is None:
        return None
    excess = value - limit
    return LimitCheck(name, value, limit, "bytes", excess, "exceeded" if excess > 0 else "ok")


def _latency(latency: Latency, budget: LatencyBudget) -> LimitCheck | None:
    """The latency limit; `value` is the figure that was judged, the interval's upper end under `upper`."""
    if budget.limit_ms is None:
        return None
    value = latency.high_ms if budget.judge == "upper" else latency.ms
    verdict = _latency_verdict(latency, budget.limit_ms, budget)
    return LimitCheck("latency_ms", value, budget.limit_ms, "ms", value - budget.limit_ms, verdict)


def _latency_verdict(latency: Latency, limit_ms: float, budget: LatencyBudget) -> Verdict:
    if budget.judge == "measured_only" and latency.provenance != "measured":
        return "undecided"
    if budget.judge != "upper":
        return "exceeded" if latency.ms > limit_ms else "ok"
    if latency.high_ms <= limit_ms:
        return "ok"
    return "exceeded" if latency.low_ms > limit_ms else "undecided"
