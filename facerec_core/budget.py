"""The limits, checked: which of them a candidate keeps, exceeds, or leaves undecided."""

from __future__ import annotations

import math
from dataclasses import replace

from facerec_core.latency.board import BoardSpec
from facerec_core.options import Budget, LatencyBudget
from facerec_core.types import Cost, Feasibility, Latency, LimitCheck, Verdict


def check(
    cost: Cost, latency: Latency, budget: Budget, board: BoardSpec, *, file_bytes: int | None = None
) -> Feasibility:
    """Check a candidate against every limit that is set; a figure equal to its limit keeps it.

    `flash_bytes` is what the board has beside its program, `ram_bytes` all it has; what they are compared with is
    what the board's runtime keeps there. RAM is judged by the most it may take, as a latency is under `upper`: where
    only `board.ram_spread` makes it too much, it is undecided.

    Args:
        cost: exact cost of the candidate.
        latency: its latency on the board.
        budget: the limits.
        board: the board with its memories.
        file_bytes: size of the .tflite file; None before there is one, then the predicted size counts.
    """
    size = cost.file_bytes if file_bytes is None else file_bytes
    figures = {
        "parameter_bytes": cost.parameter_bytes,
        "file_bytes": size,
        "peak_activation_bytes": cost.peak_activation_bytes,
        "arena_bytes": cost.arena_bytes,
    }
    flash = figures[memory_figures(board)[0]]
    checks = (
        _bytes("parameter_bytes", "parameter_bytes", cost.parameter_bytes, budget.parameter_bytes),
        _bytes("file_bytes", "file_bytes", size, budget.file_bytes),
        _bytes("flash_bytes", memory_figures(board)[0], flash, room_for_model(board)),
        _bytes("activation_bytes", "peak_activation_bytes", cost.peak_activation_bytes, budget.activation_bytes),
        _ram(cost, board),
        _latency(latency, budget.latency),
    )
    return Feasibility(tuple(item for item in checks if item is not None))


def memory_figures(board: BoardSpec) -> tuple[str, str]:
    """What a network takes on a board in flash and in RAM, as names of figures.

    A compiled network keeps its int8 weights and int32 biases in flash, which is one byte a parameter with four for
    each channel, just what `parameter_bytes` counts; an interpreted one the whole file, and in RAM the whole arena.
    """
    if board.deployed_as == "compiled":
        return "parameter_bytes", "peak_activation_bytes"
    return "file_bytes", "arena_bytes"


def ram_needed(cost: Cost, board: BoardSpec) -> tuple[int, int]:
    """Bytes of RAM a network takes on a board beside the program's own, as predicted and at most.

    Both are the activations, or the arena, and what the runtime keeps beside them; the second with activations larger
    than the rule by `board.ram_spread`.
    """
    figure: int = getattr(cost, memory_figures(board)[1])
    most = math.ceil(figure * (1 + board.ram_spread))
    return figure + board.program_ram_bytes, most + board.program_ram_bytes


def room_for_model(board: BoardSpec) -> int | None:
    """Bytes of flash beside the program, None where the board states no flash."""
    return None if board.flash_bytes is None else board.flash_bytes - board.program_bytes


def for_file(limits: tuple[LimitCheck, ...], size_bytes: int) -> tuple[LimitCheck, ...]:
    """The same limits judged by another file of the same candidate."""
    return tuple(_judged(limit, size_bytes) if limit.figure == "file_bytes" else limit for limit in limits)


def unmeasured(limit: LimitCheck) -> bool:
    """Whether it is undecided for want of a measurement, as only `budget.latency.judge=measured_only` has it."""
    return limit.verdict == "undecided" and limit.figure == "latency_ms"


def _judged(limit: LimitCheck, value: float) -> LimitCheck:
    excess = value - limit.limit
    return replace(limit, value=value, excess=excess, verdict="exceeded" if excess > 0 else "ok")


def _bytes(name: str, figure: str, value: int, limit: int | None) -> LimitCheck | None:
    return None if limit is None else _judged(LimitCheck(name, figure, value, limit, "bytes", 0, "ok"), value)


def _ram(cost: Cost, board: BoardSpec) -> LimitCheck | None:
    if board.ram_bytes is None:
        return None
    predicted, most = ram_needed(cost, board)
    limit = board.ram_bytes
    verdict: Verdict = "exceeded" if predicted > limit else "undecided" if most > limit else "ok"
    return LimitCheck("ram_bytes", memory_figures(board)[1], most, limit, "bytes", most - limit, verdict)


def _latency(latency: Latency, budget: LatencyBudget) -> LimitCheck | None:
    """The latency limit; `value` is the figure that was judged, the interval's upper end under `upper`."""
    if budget.limit_ms is None:
        return None
    figure, value = ("latency_high_ms", latency.high_ms) if budget.judge == "upper" else ("latency_ms", latency.ms)
    verdict = _latency_verdict(latency, budget.limit_ms, budget)
    return LimitCheck("latency_ms", figure, value, budget.limit_ms, "ms", value - budget.limit_ms, verdict)


def _latency_verdict(latency: Latency, limit_ms: float, budget: LatencyBudget) -> Verdict:
    if budget.judge == "measured_only" and latency.provenance != "measured":
        return "undecided"
    if budget.judge != "upper":
        return "exceeded" if latency.ms > limit_ms else "ok"
    if latency.high_ms <= limit_ms:
        return "ok"
    return "exceeded" if latency.low_ms > limit_ms else "undecided"
