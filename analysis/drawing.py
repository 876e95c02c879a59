"""The still pictures of a report, as PNG and SVG; where there is a core to spare, in a process beside the page's."""

from __future__ import annotations

import gc
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.findings import Findings

Images = tuple[bytes, bytes]
"""PNG and SVG."""
Shown = Mapping[str, Sequence[Any]]
"""By the name of a picture, what it shows: plain data, small beside the records."""


def shown(found: Findings) -> Shown:
    """What each picture of a report shows."""
    from analysis.curve_data import slopes
    from analysis.figure_data import pareto_points
    from analysis.health_data import health_panels
    from analysis.learning_data import learning_curves
    from analysis.limit_data import limit_marks
    from analysis.roc_data import roc_lines
    from analysis.search_data import search_figure

    chosen, lines = found.selection, roc_lines(found.selection, "test")
    title = f"{chosen.metric.title} (validation)"
    return {
        "pareto": (pareto_points(chosen, found.compared), title),
        "limits": (limit_marks(chosen),),
        "roc": (lines, "ROC on the test pairs"),
        "det": (lines, "DET on the test pairs"),
        "quantisation": (slopes(chosen), title),
        "health": (health_panels(chosen),),
        "search": (search_figure(chosen),),
        "learning": (learning_curves(chosen),),
    }


def draw(name: str, what: Sequence[Any]) -> Images:
    """One picture of `shown`."""
    from analysis import figures, figures_curves, figures_health, figures_learning, figures_roc, figures_search

    drawers: Mapping[str, Callable[..., Any]] = {
        "pareto": figures.draw_pareto,
        "limits": figures_curves.draw_limits,
        "roc": figures_roc.draw_roc,
        "det": figures_roc.draw_det,
        "quantisation": figures_curves.draw_slopes,
        "health": figures_health.draw_health,
        "search": figures_search.draw_search,
        "learning": figures_learning.draw_learning,
    }
    figure = drawers[name](*what)
    return figures.image_bytes(figure, "png"), figures.image_bytes(figure, "svg")


@contextmanager
def painter() -> Iterator[Executor]:
    """A process to draw in beside this one. It begins to load what it needs at once, which takes a second or two."""
    # Spawned, for the other process of a fork would hold the locks of this one's threads.
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=_begin) as pool:
        pool.submit(draw, "limits", ((),))
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)


def drawn(pictures: Shown, beside: Executor | None) -> Iterator[tuple[str, Images]]:
    """(name, images) of all pictures in their order, begun now in the `painter`, or here when they are asked for."""
    if beside is None:
        return ((name, draw(name, what)) for name, what in pictures.items())
    return _gathered({name: beside.submit(draw, name, what) for name, what in pictures.items()}, pictures)


def _gathered(begun: dict[str, Future[Images]], pictures: Shown) -> Iterator[tuple[str, Images]]:
    """Both processes draw from when the first picture is asked for: this one the last that the other has not begun."""
    here: dict[str, Images] = {}
    for name, future in begun.items():
        while not future.done() and (taken := _take(begun)):
            here[taken] = draw(taken, pictures[taken])
        yield name, here[name] if name in here else _result(future, name, pictures[name])


def _take(begun: dict[str, Future[Images]]) -> str | None:
    """Take the last picture that is not begun yet off the other process's list; None where there is none left."""
    return next((name for name, future in reversed(begun.items()) if not future.cancelled() and future.cancel()), None)


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that waits for the pictures is told
    gc.disable()  # whatever is made here is soon gone


def _result(future: Future[Images], name: str, what: Sequence[Any]) -> Images:
    """What was drawn aside; where that process died, as of too little memory, it is drawn here."""
    try:
        return future.result()
    except BrokenProcessPool:
        return draw(name, what)
