"""Scripts played on a table of sessions: each verb is one of theirs."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from bench import all_due, assert_answered
from session_accounts import CALLERS, IDLE_S, Accounts

from service.domain.caller import now_asks
from service.errors import EngineFailed, OutOfOrder, SessionExists, SessionHeld
from service.sessions.hold import Hold
from service.sessions.snapshot_format import dump, load


class Play(Accounts):
    """Each verb is one of a script's; whoever acts is one of the CALLERS, drawn anew each time."""

    async def play(self, script) -> None:
        for verb, place, value, caller in script:
            self.seed += 100
            self.caller = CALLERS[caller]
            now_asks(self.caller)
            await getattr(self, verb)(self.names[place % len(self.names)], value)
            self.bench.sessions.sweep()
            self.assert_as_accounted()

    async def open(self, identity, rows) -> None:
        if self.is_open(identity):
            with pytest.raises(SessionExists):
                self.bench.sessions.open(identity, rows)
            return
        session = self.bench.sessions.open(identity, rows)
        self.account(session, [np.empty((0, 2), np.float32)] * rows)

    async def step(self, identity, steps) -> None:
        if (session := self.found(identity)) is None:
            return
        account, chunks = self.accounts[identity], self.chunks(session, steps)
        if account.hold is not None and steps % 2:
            # Somebody who does not have it.
            with pytest.raises(SessionHeld):
                await self.bench.answers(session, *chunks)
            return
        with suppress(EngineFailed):
            self.answered(account, chunks, await self.bench.answers(session, *chunks, hold=account.hold))

    async def repeat(self, identity, ahead) -> None:
        if (session := self.found(identity)) is None:
            return
        account, chunks = self.accounts[identity], self.chunks(session, 1)
        with pytest.raises(OutOfOrder, match=f"due is {account.step + 1}"):
            await self.bench.answers(session, *chunks, number=account.step + 1 + ahead, hold=account.hold)
        if account.step:
            batches = len(self.bench.backend.batches)
            asked = self.bench.answers(session, *chunks, number=account.step, hold=account.hold)
            number, answers = await asked
            assert (number, len(self.bench.backend.batches)) == (account.step, batches)
            assert answers is account.answer
            account.used_s = self.bench.clock.now()

    async def crowd(self, identity, steps) -> None:
        """All that are open step at once, some twice, some give up, beside finite requests of any urgency."""
        now_asks(CALLERS[-1])
        finite = [self.bench.ticket(steps * 3, priority=1 + number) for number in range(4)]
        self.bench.batcher.submit(finite)
        asked = []
        for number, (name, account) in enumerate(self.open_accounts()):
            session = self.bench.sessions.find(name)
            for nth in range(1 + number % 2):
                chunks = self.chunks(session, steps + nth)
                asked.append((account, chunks, self.bench.ask(session, *chunks, hold=account.hold)))
        await all_due()
        for _, _, task in asked[:: 3 + steps]:
            task.cancel()
        await self.bench.drain()
        for account, chunks, task in asked:
            with suppress(EngineFailed, asyncio.CancelledError):
                # What ran after one that failed goes on from where that one began.
                self.answered(account, chunks, await task)
        for ticket in finite:
            with suppress(EngineFailed):
                ticket.future.result()
                assert_answered(ticket)

    async def take(self, identity, _) -> None:
        """Also from another who has it."""
        if (session := self.found(identity)) is None:
            return
        account = self.accounts[identity]
        before, told = account.hold, account.lost
        account.lost = []
        account.hold = Hold(self.bench.sessions, session, account.lost.append)
        await account.hold.take()
        if before is not None:
            assert (told, before.is_held) == (["taken_over"], False)
            # It can do nothing more.
            before.let_go()
            before.end("disconnected")
            with pytest.raises(SessionHeld):
                await self.bench.answers(session, *self.chunks(session, 1), hold=before)

    async def let_go(self, _, is_ending) -> None:
        """Of the first that is held."""
        account = next((account for _, account in self.open_accounts() if account.hold is not None), None)
        if account is None or account.hold is None:
            return
        if is_ending:
            account.hold.end("disconnected")
            account.end = "disconnected"
        else:
            account.hold.let_go()
            account.used_s = self.bench.clock.now()
        account.hold = None
        assert account.lost == []

    async def branch(self, identity, steps) -> None:
        """As a forecast does; and it stays, as any other."""
        if (session := self.found(identity)) is None:
            return
        branch = await self.bench.sessions.branch(session)
        self.account(branch, list(self.accounts[identity].sent))
        self.names.append(branch.id)
        assert branch.answer is session.answer
        await self.step(branch.id, steps)

    async def move(self, identity, other) -> None:
        """By its bytes to another id, or back to where it was: whoever is there is replaced."""
        if (session := self.found(identity)) is None:
            return
        target, origin = self.names[other % len(self.names)], self.accounts[identity]
        snapshot = load(dump(await self.bench.sessions.snapshot(session)))
        mine = replace(snapshot, owner=self.caller.name)
        there = self.accounts.get(target)
        if self.is_open(target) and (other % 2 or not there.is_for(self.caller)):
            with pytest.raises(SessionExists):
                self.bench.sessions.restore(mine, target, "client", is_replacing=not other % 2)
            return
        if there is not None and there.end is None:
            there.end = "replaced"
        moved = self.bench.sessions.restore(mine, target, "client", is_replacing=True)
        self.assert_told(there)
        account = self.account(moved, list(origin.sent), session.deadline_s)
        account.step, account.answer = origin.step, moved.answer
        for row, was in zip(moved.answer or (), origin.answer or session.answer or (), strict=True):
            np.testing.assert_array_equal(row.output, was.output)

    async def close(self, identity, _) -> None:
        if self.found(identity) is not None:
            self.accounts[identity].end = "closed"
            self.bench.sessions.close(identity)

    async def fail(self, _, times) -> None:
        self.bench.backend.failures_left = times

    async def advance(self, _, tens) -> None:
        self.bench.clock.advance(10.0 * tens + 1)
        now_s = self.bench.clock.now()
        for _, account in self.open_accounts():
            if account.deadline_s <= now_s:
                account.end = "ttl"
            elif account.used_s + IDLE_S <= now_s:
                account.end = "idle"
