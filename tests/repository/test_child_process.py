"""What happens in another process ends nothing here: crashes, silence and nonsense become errors."""

from __future__ import annotations

import asyncio
import os

import pytest
from on_a_loop import on_a_loop

from service.errors import EngineFailed
from service.repository.child_process import report_of


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A module of these lines, that child processes can run by the name `program`."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))

    def write(*lines: str) -> str:
        (tmp_path / "program.py").write_text("\n".join(lines))
        return "program"

    return write


@on_a_loop
async def test_the_last_line_is_the_report(program):
    name = program(
        "import sys", "print('loading')", 'print(\'{"ok": true, "seen": "\' + sys.argv[1] + \'"}\')'
    )
    assert await report_of(name, ["this"]) == {"ok": True, "seen": "this"}


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["import os, signal", "os.kill(os.getpid(), signal.SIGSEGV)"], "program crashed with SIGSEGV"),
        (["import sys", "sys.exit('no such plan')"], "program ended with 1 and no report: no such plan"),
        (["print('[1, 2]')"], "program ended with 0 and no report"),
        (["raise RuntimeError('boom')"], "RuntimeError: boom"),
    ],
)
@on_a_loop
async def test_whatever_is_not_a_report_is_an_error_with_its_last_words(program, lines, words):
    with pytest.raises(EngineFailed) as refusal:
        await report_of(program(*lines), [])
    assert words in refusal.value.message


@pytest.mark.parametrize("sigterm", ["SIG_DFL", "SIG_IGN"])
@on_a_loop
async def test_a_caller_that_leaves_takes_the_process_along(program, tmp_path, sigterm):
    pipe = tmp_path / "pid"
    os.mkfifo(pipe)
    name = program(
        "import os, signal, time",
        f"signal.signal(signal.SIGTERM, signal.{sigterm})",
        f"open({str(pipe)!r}, 'w').write(str(os.getpid()))",
        "time.sleep(600)",
    )
    task = asyncio.create_task(report_of(name, []))
    pid = int(await asyncio.to_thread(pipe.read_text))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@on_a_loop
async def test_a_process_that_hangs_is_ended(program):
    name = program("import time", "time.sleep(600)")
    with pytest.raises(EngineFailed, match=r"program has not ended within 0\.5 s"):
        await report_of(name, [], limit_s=0.5)
