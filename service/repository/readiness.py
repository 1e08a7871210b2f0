"""Whether every model still answers: one that did lately does, one that is idle is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from service.backends.engine_thread import Outcome
from service.repository.served_model import ServedModel

_LATELY_S = 30.0
_PATIENCE_S = 2.0


async def faults(models: Iterable[ServedModel]) -> dict[str, str]:
    """Why each model that does not answer does not, by `name/version`."""
    # Asked in the same turn as it was looked up: one that leaves meanwhile still answers what it was asked.
    asked = [(model, _asked(model)) for model in models if model.engines.idle_s > _LATELY_S]
    found = await asyncio.gather(*(_fault(answer) for _, answer in asked))
    return {
        f"{model.manifest.name}/{model.manifest.version}": fault
        for (model, _), fault in zip(asked, found, strict=True)
        if fault
    }


async def _fault(answer: asyncio.Future[Outcome]) -> str | None:
    """Why a canary has no answer; None where it has."""
    try:
        outcome = await asyncio.wait_for(asyncio.shield(answer), _PATIENCE_S)
    except TimeoutError:
        return f"has not answered within {_PATIENCE_S:g} s"
    if isinstance(outcome, Exception):
        return str(outcome)
    return None if outcome.is_finite else "answers its canary with what is not finite"


def _asked(model: ServedModel) -> asyncio.Future[Outcome]:
    """The answer to come; whoever asks while one is awaited waits for the same, or a queue would grow."""
    awaited = model.asked
    if not awaited or awaited[-1].done():
        done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        awaited[:] = [done]
        model.engines.submit(model.canary.batch, done.set_result)
    return awaited[-1]
