"""Random lives of many sessions, with a clock that is turned by hand."""

from __future__ import annotations

import asyncio

from drawn import examples
from hypothesis import given
from hypothesis import strategies as st
from played_sessions import Play
from session_accounts import CALLERS


def action(verb: str, values: st.SearchStrategy[int]) -> st.SearchStrategy[tuple[str, int, int, int]]:
    """What is done to which session, and by whom: seldom by a stranger."""
    return st.tuples(
        st.just(verb), st.integers(0, 7), values, st.sampled_from([0, 0, 0, *range(len(CALLERS))])
    )


openings = action("open", st.integers(1, 3))
steps = action("step", st.integers(1, 9))
takes = action("take", st.just(0))
actions = st.one_of(
    openings,
    openings,
    steps,
    steps,
    steps,
    action("repeat", st.integers(1, 3)),
    action("crowd", st.integers(1, 4)),
    takes,
    takes,
    action("let_go", st.integers(0, 1)),
    action("branch", st.integers(1, 5)),
    action("move", st.integers(0, 7)),
    action("close", st.just(0)),
    action("fail", st.integers(1, 2)),
    action("advance", st.sampled_from([0, 2, 4, 7])),
)
# Long ones: in few steps little happens.
scripts = st.lists(actions, min_size=30, max_size=60)


@given(st.lists(openings, min_size=4, max_size=6), scripts)
@examples(100)
def test_whatever_happens_every_answer_is_the_whole_stream_s(begun, script):
    async def scenario():
        play = Play()
        await play.play([*begun, *script])
        play.assert_nothing_leaks()

    asyncio.run(scenario())
