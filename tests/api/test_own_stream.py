"""A stream of a request's own: wherever a reload carries it, it goes on there, and ends there."""

from __future__ import annotations

import numpy as np
import pytest
from changing_models import ASKED, changing
from on_a_loop import on_a_loop

from service.api.own_stream import Terms, own_stream
from service.errors import SnapshotMismatch, Unavailable

STEPS = np.array(ASKED, np.float32)


def open_sessions(server) -> int:
    return sum(len(model.sessions) for model in server.carousel.registry.models)


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_reload_with_the_same_weights_carries_it_on(contents, tmp_path, version):
    @on_a_loop
    async def reload():
        contents.put(tmp_path, "a")
        async with changing(tmp_path) as server:
            predictor = server.carousel.predictor
            whole = (await server.ask()).json()["predictions"][0]["output"]
            async with own_stream(predictor, predictor.registry.find("gait"), Terms(10.0)) as stream:
                await stream.output(STEPS[:1])
                folder = contents.put(tmp_path, "a", version=version)
                manifest = folder / "manifest.json"
                # Another text makes it another bundle.
                manifest.write_text(manifest.read_text().replace("how somebody", "how anybody"))
                assert (await server.load()).status_code == 200
                np.testing.assert_allclose(await stream.output(STEPS[1:]), whole, atol=1e-5)
                assert open_sessions(server) == 1
            assert open_sessions(server) == 0

    reload()


def test_other_weights_or_none_end_it_with_the_reason(contents, tmp_path):
    @on_a_loop
    async def reload():
        contents.put(tmp_path, "a")
        async with changing(tmp_path) as server:
            predictor = server.carousel.predictor
            async with own_stream(predictor, predictor.registry.find("gait"), Terms(10.0)) as stream:
                await stream.output(STEPS[:1])
                contents.put(tmp_path, "b", version="2")
                await server.load()
                with pytest.raises(SnapshotMismatch, match="model_changed"):
                    await stream.output(STEPS[1:])
            async with own_stream(predictor, predictor.registry.find("gait"), Terms(10.0)) as stream:
                await server.unload()
                with pytest.raises(Unavailable, match="unloading"):
                    await stream.output(STEPS)
            assert open_sessions(server) == 0

    reload()
