"""The protocol's page says what is so."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from live_server import LiveServer
from on_a_loop import on_a_loop
from triton_conversation import talk

from service.api.open_inference.model_metadata import EXTENSIONS

PAGE = (Path(__file__).parents[2] / "docs" / "03-protocol.md").read_text()


@on_a_loop
async def test_its_example_runs(capsys):
    async with LiveServer() as server:
        host, port = server.address
        (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
        for theirs, ours in (("localhost:8000", f"{host}:{port}"), ('"vowels"', '"sums"'), (", 12)", ", 2)")):
            assert example.count(theirs) == 1
            example = example.replace(theirs, ours)
        await talk(server, lambda _: exec(example, {}))  # noqa: S102 - it is our own page
    assert capsys.readouterr().out.endswith(f"{np.array([[50.0, 0.0], [20.0, 0.0]])}\n")


def test_it_lists_the_extensions():
    assert all(f"`{extension}`" in PAGE.split("##")[0] for extension in EXTENSIONS)
