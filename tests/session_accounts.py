"""A table of sessions beside a plain account of what each of them must be by now."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from fakes import running_sum
from session_bench import ROOMY, SessionBench

from service.batching.partition import BatchLimits
from service.domain.caller import Caller
from service.errors import NotFound, SessionGone
from service.sessions.hold import Hold
from service.sessions.session import Session

CALLERS = (Caller("ann", is_admin=False), Caller("bob", is_admin=False), Caller("root", is_admin=True))
IDLE_S, TTL_S = 60.0, 100.0
# So few that streams and finite requests have to share them.
SEATS = BatchLimits(3, 60)


@dataclass
class Account:
    """What a session must be: whose, what it was sent, what it was told last, when it ends, or why it has."""

    owner: str
    sent: list[np.ndarray]
    used_s: float
    deadline_s: float
    answer: list | None = None
    step: int = 0
    hold: Hold | None = None
    lost: list[str] = field(default_factory=list)
    end: str | None = None

    def is_for(self, caller: Caller) -> bool:
        return caller.is_admin or caller.name == self.owner


class Accounts:
    """What is accounted for by name, and who acts now."""

    def __init__(self) -> None:
        self.bench = SessionBench(replace(ROOMY, idle_s=IDLE_S, ttl_s=TTL_S), SEATS)
        self.accounts: dict[str, Account] = {}
        self.names = [f"s{number}" for number in range(4)]
        self.caller = CALLERS[0]
        self.seed = 0

    def assert_nothing_leaks(self) -> None:
        self.bench.sessions.close_all("test")
        assert (len(self.bench.sessions), self.bench.batcher.slots.in_use) == (0, 0)

    def assert_as_accounted(self) -> None:
        """Who is open, with as many slots and no more; who has ended has told its holder why."""
        accounted = dict(self.open_accounts())
        assert {session.id for session in self.bench.sessions} == accounted.keys()
        rows = sum(len(account.sent) for account in accounted.values())
        assert self.bench.batcher.slots.in_use == rows
        answers = [row.output.nbytes for session in self.bench.sessions for row in session.answer or ()]
        assert self.bench.sessions.answer_bytes == sum(answers)
        for account in self.accounts.values():
            self.assert_told(account)

    def assert_told(self, account: Account | None) -> None:
        if account is not None and account.hold is not None:
            assert account.lost == ([] if account.end is None else [account.end])

    def found(self, identity: str) -> Session | None:
        """As whoever asks finds it; None where it is refused, and then as it should be."""
        account = self.accounts.get(identity)
        if account is not None and account.end is None and account.is_for(self.caller):
            return self.bench.sessions.find(identity)
        refusal, words = NotFound, f"session: there is no '{identity}' here"
        if account is not None and account.end is not None and account.is_for(self.caller):
            refusal, words = SessionGone, f"session: '{identity}' has ended: {account.end};"
        with pytest.raises(refusal) as refused:
            self.bench.sessions.find(identity)
        assert type(refused.value) is refusal
        assert refused.value.message.startswith(words)
        return None

    def is_open(self, identity: str) -> bool:
        account = self.accounts.get(identity)
        return account is not None and account.end is None

    def open_accounts(self) -> list[tuple[str, Account]]:
        return [(name, account) for name, account in self.accounts.items() if account.end is None]

    def account(self, session: Session, sent: list[np.ndarray], deadline_s: float | None = None) -> Account:
        now_s = self.bench.clock.now()
        account = Account(self.caller.name, sent, now_s, now_s + TTL_S if deadline_s is None else deadline_s)
        self.accounts[session.id] = account
        return account

    def chunks(self, session: Session, steps: int) -> list[np.ndarray]:
        self.seed += 7
        return [self.bench.steps(steps, self.seed + row) for row in range(session.rows)]

    def answered(self, account: Account, chunks, told) -> None:
        number, answers = told
        account.sent = [np.concatenate(pair) for pair in zip(account.sent, chunks, strict=True)]
        account.step, account.answer, account.used_s = account.step + 1, answers, self.bench.clock.now()
        assert number == account.step
        for answer, row, chunk in zip(answers, account.sent, chunks, strict=True):
            np.testing.assert_array_equal(answer.output, running_sum(row)[-len(chunk) :])
