"""What a session refuses it refuses at every door alike, in the same words, and stays where it was."""

from __future__ import annotations

import numpy as np
import pytest
from session_doors import SESSION_DOORS, Rest, Talk, WebSocket, refusal

from service.errors import (
    InvalidRequest,
    NotFound,
    OutOfOrder,
    ResumeRefused,
    SessionExists,
    SessionGone,
    SessionHeld,
)

every_door = pytest.mark.parametrize("door", SESSION_DOORS.values(), ids=SESSION_DOORS)
numbered = {name: door for name, door in SESSION_DOORS.items() if door.has_numbers}
BINARY = SESSION_DOORS["WebSocket in bytes"]
websockets = {name: door for name, door in SESSION_DOORS.items() if isinstance(door, WebSocket)}


def parts_of(shown) -> list[np.ndarray]:
    return np.split(shown.golden.sequences[0], [4, 7])


async def ended(served, talk: Talk) -> None:
    assert (await served.http.delete(talk.path)).status_code == 204


@pytest.mark.parametrize("door", numbered.values(), ids=numbered)
def test_a_number_that_is_sent_again_has_its_answer_again_and_a_gap_is_refused(stage, shown, door):
    parts = parts_of(shown)

    async def scenario() -> None:
        served, talk = stage.served, Talk(shown.name, "mine")
        async with door.line(served, talk) as line:
            await line.step([parts[0]], 1)
            (second,) = await line.step([parts[1]], 2)
            np.testing.assert_array_equal((await line.step([parts[1]], 2))[0], second)
        # Nor do other doors run it again.
        for other in numbered.values() if talk.token else [Rest()]:
            async with other.line(served, talk) as line:
                np.testing.assert_array_equal((await line.step([parts[1]], 2))[0], second)
            for number in (1, 4):
                refused = await refusal(other, served, talk, [parts[2]], number=number)
                assert refused.is_of(OutOfOrder)
                assert refused.message == f"step: got {number}, due is 3"
        async with door.line(served, talk) as line:
            (third,) = await line.step([parts[2]], 3, ends=True)
        due = shown.golden.outputs[0].reshape(-1, third.shape[-1])
        np.testing.assert_allclose(third, due[-len(third) :], rtol=0, atol=shown.tolerance)

    stage.play(scenario())


@every_door
def test_a_session_that_is_not_known_and_one_that_has_ended(stage, shown, door):
    first, *_ = parts_of(shown)

    async def scenario() -> None:
        refused = await refusal(door, stage.served, Talk(shown.name, "never", is_open=True), [first])
        assert refused.is_of(NotFound)
        assert refused.message == "session: there is no 'never' here"
        for opened_at in SESSION_DOORS.values():
            talk = Talk(shown.name, "over")
            async with opened_at.line(stage.served, talk) as line:
                await line.step([first], ends=True)
            refused = await refusal(door, stage.served, talk, [first])
            assert refused.is_of(SessionGone)
            assert refused.message == "session: 'over' has ended: closed; open a new one"

    stage.play(scenario())


@every_door
def test_an_id_that_is_in_use_is_not_given_to_another(stage, shown, door):
    first, second, _ = parts_of(shown)

    async def scenario() -> None:
        served, talk = stage.served, Talk(shown.name, "mine")
        async with Rest().line(served, talk) as line:
            await line.step([first], 1)
            refused = await refusal(door, served, Talk(shown.name, "mine"), [first])
            assert refused.is_of(SessionExists)
            assert refused.message.startswith("session: 'mine' is open already")
            await line.step([second], 2, ends=True)

    stage.play(scenario())


@every_door
def test_other_rows_than_the_session_s_are_refused_and_it_stays_where_it_was(stage, shown, door):
    first, second, _ = parts_of(shown)

    async def scenario() -> None:
        talk = Talk(shown.name, "pair", rows=2)
        async with door.line(stage.served, talk) as line:
            before = await line.step([first, first])
        refused = await refusal(door, stage.served, talk, [second])
        assert refused.is_of(InvalidRequest)
        assert refused.message == "sequence: 1 rows, the session has 2"
        assert (await stage.served.http.get(talk.path)).json()["step"] == 1
        np.testing.assert_array_equal(before[0], before[1])
        await ended(stage.served, talk)

    stage.play(scenario())


@every_door
@pytest.mark.parametrize("holder", websockets.values(), ids=websockets)
def test_what_a_websocket_holds_is_no_other_s(stage, shown, door, holder):
    first, second, third = parts_of(shown)

    async def scenario() -> None:
        served, talk = stage.served, Talk(shown.name, "held")
        async with holder.line(served, talk) as line:
            await line.step([first], 1)
            other = Talk(shown.name, "held", is_open=True)
            refused = await refusal(door, served, other, [second])
            assert refused.is_of(ResumeRefused if isinstance(door, WebSocket) else SessionHeld)
            await line.step([second], 2)
        # Let go, it is anybody's; a WebSocket's still for the token only.
        way = door if not isinstance(door, WebSocket) else Rest()
        async with way.line(served, other) as line:
            (output,) = await line.step([third], ends=True)
        due = shown.golden.outputs[0].reshape(-1, output.shape[-1])
        np.testing.assert_allclose(output, due[-len(output) :], rtol=0, atol=shown.tolerance)

    stage.play(scenario())


def test_what_is_sent_again_may_be_anything_and_is_never_our_fault(stage, shown):
    """Its numbers are those of the first time, but words about it need what was answered."""
    first, second, third = parts_of(shown)
    odd = np.full_like(second, 99)

    async def scenario() -> None:
        served, talk = stage.served, Talk(shown.name, "mine")
        async with BINARY.line(served, talk) as line:
            await line.step([first], 1)
            (due,) = await line.step([second], 2)
            for sent in (third, odd):
                np.testing.assert_array_equal((await line.step([sent], 2))[0], due)
        if shown.name == "moby":
            refused = await refusal(Rest(), served, talk, [third], number=2)
            assert refused.is_of(InvalidRequest)
            assert refused.message.startswith(
                "sequence: 15 steps, but step 2 was answered with 3: send again"
            )
            refused = await refusal(Rest(), served, talk, [odd], number=2)
            assert refused.is_of(InvalidRequest)
            assert refused.message == "sequence: step 0 is outside 0 to 82"
        await ended(served, talk)

    stage.play(scenario())


@pytest.mark.parametrize("identity", ["a/b", "..", "."])
@every_door
def test_an_id_that_no_path_can_have_is_refused(stage, shown, door, identity):
    async def scenario() -> None:
        refused = await refusal(door, stage.served, Talk(shown.name, identity), parts_of(shown)[:1])
        assert refused.is_of(InvalidRequest)
        assert "expected a name that a path can have: no '/' in it" in refused.message

    stage.play(scenario())
