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
    asked = [model for model in models if model.engines.idle_s > _LATELY_S]
    found = await asyncio.gather(*(_fault(model) for model in asked))
    return {
        f"{model.manifest.name}/{model.manifest.version}": fault
        for model, fault in zip(asked, found, strict=True)
        if fault
    }


async def _fault(model: ServedModel) -> str | None:
    """What is wrong with the answer to the model's canary; None where it is right."""
    done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def answered(outcome: Outcome) -> None:
        if not done.done():
            done.set_result(outcome)

    model.engines.submit(model.canary.batch, answered)
    try:
        outcome = await asyncio.wait_for(done, _PATIENCE_S)
    except TimeoutError:
        return f"has not answered within {_PATIENCE_S:g} s"
    return str(outcome) if isinstance(outcome, Exception) else None
