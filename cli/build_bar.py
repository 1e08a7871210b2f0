"""A progress bar for building plans."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from cli.console import err
from service.plans.profiles import Profile
from service.plans.progress import OnProgress


@contextmanager
def build_bar(name: str, profiles: int) -> Iterator[Callable[[Profile], OnProgress]]:
    """A bar on standard error over all profiles of a bundle, fed by TensorRT's own phases.

    What TensorRT logs would tear it: the errors among it come back as a refusal's words anyway.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
    )
    try:
        with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
            task = bar.add_task(name, total=profiles, note="")
            started = iter(range(profiles))

            def on_profile(profile: Profile) -> OnProgress:
                before = next(started)

                def on_progress(phase: str, fraction: float) -> None:
                    bar.update(task, completed=before + fraction, note=f"{profile}  {phase.lower()}")

                return on_progress

            yield on_profile
    finally:
        structlog.reset_defaults()
