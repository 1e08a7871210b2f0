"""Whatever is done to the files and the server: at rest it serves what the policy makes of the disk."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

from changing_models import ChangingServer, changing
from drawn import examples
from hypothesis import given
from hypothesis import strategies as st
from on_a_loop import on_a_loop

from service.repository.manifest import ONNX

VERSIONS = st.sampled_from(("1", "2", "3", "10"))
STEPS = st.one_of(
    st.tuples(st.just("put"), VERSIONS, st.sampled_from("ab")),
    st.tuples(st.just("spoil"), VERSIONS),
    st.tuples(st.just("remove"), VERSIONS),
    st.tuples(st.sampled_from(("look", "load", "unload", "rest"))),
)


class Disk:
    """What lies on disk, what of it serves for lack of better, and whether it was unloaded by name."""

    def __init__(self, models_dir: Path, contents) -> None:
        self.models_dir, self.contents = models_dir, contents
        self.versions: dict[str, str] = {}

    def put(self, version: str, content: str) -> None:
        self.contents.put(self.models_dir, content, version)
        self.versions[version] = content

    def spoil(self, version: str) -> None:
        if version in self.versions:
            (self.models_dir / "gait" / version / ONNX).write_bytes(b"torn")
            self.versions[version] = "torn"

    def remove(self, version: str) -> None:
        shutil.rmtree(self.models_dir / "gait" / version, ignore_errors=True)
        self.versions.pop(version, None)

    def due(self, policy: str, before: dict[str, str]) -> dict[str, str]:
        """Version and content of all that is to serve; `before` serves on where its file is torn now."""
        able = {v: before.get(v) if content == "torn" else content for v, content in self.versions.items()}
        newest = sorted((v for v, content in able.items() if content), key=int, reverse=True)
        most = {"latest": 1, "latest:2": 2, "all": None}[policy]
        return {version: able[version] for version in newest[:most]}


async def serving(server: ChangingServer) -> dict[str, str]:
    found = {}
    for version in server.carousel.registry.serving("gait"):
        told, found[version] = await server.serving(f"gait/versions/{version}")
        assert told == version
    return found


@given(policy=st.sampled_from(("latest", "latest:2", "all")), steps=st.lists(STEPS, min_size=4, max_size=12))
@examples(12)
def test_at_rest_what_serves_is_what_the_policy_makes_of_the_disk(contents, policy, steps):
    with tempfile.TemporaryDirectory() as folder:
        on_a_loop(story)(Disk(Path(folder), contents), policy, steps)


async def story(disk: Disk, policy: str, steps: list) -> None:
    disk.put("1", "a")
    is_over = asyncio.Event()
    async with changing(disk.models_dir, version_policy=policy, watch_s=3600.0) as server:

        async def keep_asking() -> None:
            while not is_over.is_set():
                answer = await server.ask()
                # A model may be away, but an accepted request never fails.
                assert answer.status_code in (200, 404, 503), answer.text
                assert "draining" not in answer.text
                await asyncio.to_thread(int)

        asking = asyncio.create_task(keep_asking())
        for step, *arguments in [*steps, ("rest",)]:
            before = await serving(server)
            if step in ("put", "spoil", "remove"):
                getattr(disk, step)(*arguments)
            elif step == "look":
                await server.look()
            elif step == "load":
                answer = await server.load()
                assert answer.status_code in (200, 400, 404)
                if answer.status_code != 404:
                    assert await serving(server) == disk.due(policy, before)
            elif step == "unload":
                await server.unload()
                assert await serving(server) == {}
                # From here the files must change before the watcher takes the model up again.
                for version in list(disk.versions):
                    disk.put(version, "a")
            else:
                await server.look(2)
                assert await serving(server) == disk.due(policy, before)
        is_over.set()
        await asking
        await server.all_left()
        assert {entry.state for entry in server.carousel.registry.index} <= {"READY", "UNAVAILABLE"}
