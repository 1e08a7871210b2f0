"""The page: one HTML document, no script, no file from elsewhere."""

from __future__ import annotations

from html import escape

from service.repository.manifest import Manifest
from service.repository.model_states import IndexEntry, State
from service.repository.registry import Registry
from service.repository.served_model import ServedModel

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1c2430 }
body { max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
h1 { margin-bottom: 0 } nav a { margin-right: 1.5rem } code { background: #f2f4f7; padding: .1rem .3rem }
table { border-collapse: collapse; width: 100%; margin-top: 1.5rem }
th, td { text-align: left; vertical-align: top; padding: .5rem .75rem; border-bottom: 1px solid #dde2e9 }
.failed { color: #a02020 }
"""


def page(registry: Registry) -> str:
    """What is served now: each model with what it takes, what it gives and how good it is."""
    rows = "".join(_row(model) for model in registry.models)
    failures = "".join(_absent(entry) for entry in registry.index if entry.reason)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Carousel</title><style>{_STYLE}</style></head><body>
<h1>Carousel</h1><p>An inference server for LSTMs.</p>
<nav><a href="/docs">API documentation</a><a href="/metrics">metrics</a><a href="/v2">protocol</a></nav>
{failures}
<table><thead><tr><th>model</th><th>kind</th><th>takes</th><th>gives</th>
<th>runs on</th><th>measured on sealed test data</th></tr></thead>
<tbody>{rows}</tbody></table>
</body></html>"""


def _absent(entry: IndexEntry) -> str:
    name = f"{escape(entry.name)}/{escape(entry.version)}"
    words = "is served as it was" if entry.state is State.READY else "is not served"
    return f'<p class="failed"><strong>{name}</strong> {words}: {escape(entry.reason)}</p>'


def _row(model: ServedModel) -> str:
    manifest = model.manifest
    cells = [
        f"<code>{escape(manifest.name)}</code> {escape(manifest.version)}<br>{escape(manifest.description)}",
        escape(manifest.kind),
        escape(_takes(manifest)),
        escape(_gives(manifest)),
        _runs_on(model),
        "<br>".join(escape(f"{q.metric}: {q.value:g} {q.unit}") for q in manifest.quality),
    ]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _runs_on(model: ServedModel) -> str:
    """The engine in use, and what is the matter with the better ones."""
    in_use = model.engines.capability
    lines = [f"{escape(in_use.device)}, {escape(in_use.engine)}"]
    if model.engines.is_degraded:
        lines.append('<span class="failed">a better engine is out of use</span>')
    lines += [f"no {escape(name)}: {escape(why)}" for name, why in model.refused_engines.items()]
    return "<br>".join(lines)


def _takes(manifest: Manifest) -> str:
    if manifest.step.symbols:
        return f"text of {len(manifest.step.symbols)} symbols"
    return " x ".join(["steps", *map(str, manifest.step.shape)])


def _gives(manifest: Manifest) -> str:
    shape = " x ".join(map(str, manifest.output.shape))
    when = "each step" if manifest.output.readout.value == "every_step" else "the last step"
    return f"{manifest.task.value.replace('_', ' ')} ({shape} at {when})"
