"""What `carousel serve` says once it listens: where everything is, and a request that works."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import orjson
import typer

from service.api.examples import predict_example
from service.app import Carousel
from service.plans.driver import Gpu, find_gpu
from service.repository.manifest import Task
from service.repository.served_model import ServedModel


def print_banner(carousel: Carousel, address: str) -> None:
    """Print the addresses and a `curl` line with a real sequence."""
    # A server whose output goes to a full disk serves all the same.
    with suppress(OSError):
        typer.echo("\n".join(_banner(carousel, address)))


def _banner(carousel: Carousel, address: str) -> Iterator[str]:
    models = carousel.registry.models
    yield f"\nCarousel serves {', '.join(model.manifest.name for model in models)}"
    yield f"  {_where()}"
    for title, path in (("page", "/"), ("docs", "/docs"), ("metrics", "/metrics")):
        yield f"  {title:<8} {address}{path}"
    showpiece = _showpiece(models)
    if showpiece is not None:
        has_keys = carousel.admission.has_keys
        first = ", with an API key in CAROUSEL_KEY" if has_keys else ""
        yield f"\nTry it{first}; the answer is {_due_label(showpiece)}:\n"
        yield _curl(showpiece, address, has_keys)


def _where() -> str:
    device = find_gpu()
    if isinstance(device, Gpu):
        return f"on the CPU, and on {device} as soon as its engines are ready"
    return f"on the CPU: {device.reason}"


def _showpiece(models: list[ServedModel]) -> ServedModel | None:
    """The smallest real sequence with a label for an answer."""
    classifiers = [
        model for model in models if model.manifest.task is Task.CLASSIFICATION and model.golden.sequences
    ]
    return min(classifiers, key=lambda model: model.golden.sequences[0].size, default=None)


def _due_label(model: ServedModel) -> str:
    labels = model.manifest.output.labels or ()
    return labels[int(model.golden.outputs[0].argmax())]


def _curl(model: ServedModel, address: str, has_keys: bool) -> str:
    body = orjson.dumps(predict_example(model)).decode()
    # In double quotes, for the shell to fill in: a key in the history of commands would stay there.
    key = '-H "Authorization: Bearer $CAROUSEL_KEY" ' if has_keys else ""
    url = f"{address}/predict/{model.manifest.name}"
    return f"curl -s {url} {key}-H 'Content-Type: application/json' -d '{body}'"
