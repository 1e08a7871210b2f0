"""One stream from its opening to its farewell."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.types import Message, Receive, Send

from service.api import stream_messages, stream_parting
from service.api.stream_messages import Opening
from service.api.stream_opening import held
from service.api.stream_parting import ABNORMAL, INTERNAL, POLICY, Parting
from service.api.stream_steps import Answer, StreamCall, StreamParts, StreamSteps, refused
from service.errors import CarouselError, CreditsExceeded, HeaderTimeout
from service.sessions.hold import Hold


class Conversation:
    """Reads while it answers, so that it notices who leaves; answers in order, one message at a time.

    Each message takes a credit and its answer gives it back, so no more than the credits wait here.
    """

    def __init__(
        self, parts: StreamParts, call: StreamCall, opening: Opening | None, receive: Receive, send: Send
    ) -> None:
        self._parts = parts
        self._call = call
        self._opening = opening
        self._receive, self._send = receive, send
        # None says that the server goes away.
        self._questions: asyncio.Queue[Message | None] = asyncio.Queue()
        self._unanswered, self._held_bytes = 0, 0
        self._has_room = asyncio.Event()
        self._hold: Hold | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._parting: Parting | None = None
        self._left_with = (ABNORMAL, "")

    async def run(self) -> tuple[int, str]:
        """The code and the reason with which it ended; the session has been let go, or has ended."""
        self._tasks = [asyncio.create_task(self._answer_all()), asyncio.create_task(self._read())]
        try:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in self._tasks:
                task.cancel()
            outcomes = await asyncio.gather(*self._tasks, return_exceptions=True)
            self._leave_session()
        for outcome in outcomes:
            self._note_failure(outcome)
        return await self._part()

    def go_away(self) -> None:
        """What has come is answered; then the client is told that the server ends."""
        self._questions.put_nowait(None)

    def go_away_now(self) -> None:
        self._give_up(stream_parting.going_away())

    async def _read(self) -> None:
        while (message := await self._receive())["type"] == "websocket.receive":
            if self._unanswered >= self._parts.credits:
                self._refuse_more()
                return
            self._unanswered += 1
            self._held_bytes += _size(message)
            self._questions.put_nowait(message)
            while self._held_bytes > self._parts.message_bytes:
                self._has_room.clear()
                await self._has_room.wait()
        self._left_with = (message.get("code", ABNORMAL), message.get("reason") or "")

    def _refuse_more(self) -> None:
        refusal = CreditsExceeded(
            f"credits: {self._unanswered} messages are unanswered, at most {self._parts.credits} may be"
        )
        self._part_with(refused(self._parts.errors, self._call, refusal, final_code=POLICY))

    async def _answer_all(self) -> None:
        try:
            self._hold, opened = await self._opened()
        except Exception as failure:  # noqa: BLE001 - the last resort: every message is answered
            status = failure.http_status if isinstance(failure, CarouselError) else 500
            self._part_with(refused(self._parts.errors, self._call, failure, final_code=4000 + status))
            return
        if self._hold is not None:
            await self._say(opened)
            await self._answer_steps(StreamSteps(self._parts, self._call, self._hold))
        self._end_as(stream_parting.going_away())

    async def _answer_steps(self, steps: StreamSteps) -> None:
        while self._parting is None and (question := await self._questions.get()) is not None:
            await self._answer(steps, question)

    async def _opened(self) -> tuple[Hold | None, str]:
        """The session and what the client is told of it; no session where the server goes away before."""
        opening = self._opening or await self._first_message()
        if opening is None:
            return None, ""
        model = self._parts.predictor.registry.find(self._call.model)
        hold, token = await held(self._parts.predictor, self._call.model, opening, self._on_lost)
        return hold, stream_messages.opened(model, hold, token, self._parts.credits)

    async def _first_message(self) -> Opening | None:
        question = await self._first_question()
        if question is None:
            return None
        self._give_back(question)
        return stream_messages.opening_of_message(question.get("text"), self._parts.max_rows)

    async def _first_question(self) -> Message | None:
        try:
            async with asyncio.timeout(self._parts.opening_s):
                return await self._questions.get()
        except TimeoutError:
            raise HeaderTimeout(f"open: not received within {self._parts.opening_s:g} s") from None

    async def _answer(self, steps: StreamSteps, question: Message) -> None:
        answer = await steps.answer(question)
        if answer is None:
            self._end_as(stream_parting.closed())
            await self._close_session()
        elif answer.final_code is not None:
            self._part_with(answer)
        else:
            await self._say(answer.content)
            self._give_back(question)

    async def _close_session(self) -> None:
        """As over REST, the client is told once the store has been asked to forget it."""
        if (hold := self._hold) is not None:
            self._end_session("closed")
            await self._parts.predictor.ended(hold.sessions, hold.session.id)

    def _give_back(self, question: Message) -> None:
        self._unanswered -= 1
        self._held_bytes -= _size(question)
        self._has_room.set()

    async def _say(self, content: str | bytes) -> None:
        kind = "text" if isinstance(content, str) else "bytes"
        await self._send({"type": "websocket.send", kind: content})
        self._parts.metrics.messages_out.inc()

    def _part_with(self, answer: Answer) -> None:
        self._end_as(Parting(answer.final_code or INTERNAL, answer.reason, answer.content))

    def _end_as(self, parting: Parting) -> None:
        """The first reason is the one that is told."""
        if self._parting is None:
            self._parting = parting

    def _on_lost(self, reason: str) -> None:
        """The session has ended or is another's: whatever runs for it here is given up at once."""
        self._hold = None
        self._give_up(stream_parting.lost_session(reason))

    def _give_up(self, parting: Parting) -> None:
        self._end_as(parting)
        for task in self._tasks:
            task.cancel()

    def _leave_session(self) -> None:
        if self._hold is not None and self._hold.session.resume_digest is not None:
            self._hold.let_go()
        else:
            self._end_session("disconnected" if self._parting is None else self._parting.reason)

    def _end_session(self, reason: str) -> None:
        if self._hold is not None:
            self._hold.end(reason)
            self._hold = None

    def _note_failure(self, outcome: BaseException | None) -> None:
        """A client that is gone is no failure."""
        if isinstance(outcome, OSError):
            self._left_with = (ABNORMAL, str(outcome))
        elif isinstance(outcome, Exception):
            self._part_with(refused(self._parts.errors, self._call, outcome, final_code=INTERNAL))

    async def _part(self) -> tuple[int, str]:
        parting = self._parting
        if parting is None:
            return self._left()
        with suppress(OSError):
            await self._say(parting.last)
            await self._send({"type": "websocket.close", "code": parting.code, "reason": parting.reason})
        return parting.code, parting.reason

    def _left(self) -> tuple[int, str]:
        if self._unanswered:
            self._parts.errors.count_departure()
        return stream_parting.left(*self._left_with)


def _size(message: Message) -> int:
    return len(message.get("text") or message.get("bytes") or b"")
