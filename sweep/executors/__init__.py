"""What candidates are carried through on: this process, worker processes of this machine, or a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable

from sweep.executors.base import Emit, Executor
from sweep.executors.site import Site
from sweep.schema import Settings

__all__ = ["Executor", "Site", "check_executor", "open_executor"]


def check_executor(settings: Settings) -> None:
    """Refuse what cannot work, before anything is opened for it.

    Raises:
        OptionError: more workers than the machine's memory allows.
    """
    if settings.executor.kind == "local":
        from sweep.executors import memory

        memory.share_bytes(settings.workers, settings.executor.memory_gb)


def open_executor(settings: Settings, site: Site, hear: Emit, say: Callable[[str], None]) -> Executor:
    """The executor that `executor` in the configuration asks for.

    Args:
        settings: of any point of the sweep.
        site: where results go.
        hear: told signs of life by an executor that cannot wait until it is asked for them.
        say: prints a line that stays, such as a warning.

    Raises:
        UsageError: it cannot be used: too little memory for so many workers, no such scheduler.
    """
    if settings.executor.kind == "inprocess":
        from sweep.executors.inprocess import InProcessExecutor

        return InProcessExecutor(site.stages, hear)
    if settings.executor.kind == "dask":
        from sweep.executors.cluster import open_cluster

        return open_cluster(settings.executor, site, say)
    return _local(settings, site, say)


def _local(settings: Settings, site: Site, say: Callable[[str], None]) -> Executor:
    from sweep.executors import memory
    from sweep.executors.local import LocalExecutor, LocalLimits

    options, workers = settings.executor, settings.workers
    share = memory.share_bytes(workers, options.memory_gb)
    if warning := memory.crowded(workers):
        say(warning)
    limits = LocalLimits(options.tasks_a_worker, share, options.free_gb * memory.GB)
    return LocalExecutor(workers, limits, site.stages, site.root / "workers.log")
