"""Who sees to a server: never without work, never twice, never too early gone."""

from __future__ import annotations

from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from simplex_trio.agent.workers import Workers


def test_no_worker_without_work() -> None:
    workers = Workers[str]()
    assert not workers.may_start("router", has_work=False)
    assert len(workers) == 0


def test_no_second_worker() -> None:
    workers = Workers[str]()
    assert workers.may_start("router", has_work=True)
    assert not workers.may_start("router", has_work=True)
    assert workers.may_start("another", has_work=True)
    assert repr(workers) == "<Workers: 2>"


def test_a_worker_that_ended_can_be_followed_by_another() -> None:
    workers = Workers[str]()
    workers.may_start("router", has_work=True)
    assert workers.goes_on("router", has_work=True)
    assert not workers.goes_on("router", has_work=False)
    assert "router" not in workers
    assert workers.may_start("router", has_work=True)


class WorkersModel(RuleBasedStateMachine):
    """Work is added and done in any order; the steps of workers happen in between."""

    def __init__(self) -> None:
        super().__init__()
        self.workers = Workers[str]()
        self.work = 0
        self.running = 0

    @rule()
    def add_work(self) -> None:
        self.work += 1
        if self.workers.may_start("router", has_work=self.work > 0):
            self.running += 1

    @rule()
    def ask_without_adding(self) -> None:
        if self.workers.may_start("router", has_work=self.work > 0):
            self.running += 1

    @precondition(lambda self: self.running and self.work)
    @rule()
    def work_gets_done(self) -> None:
        self.work -= 1

    @precondition(lambda self: self.work)
    @rule()
    def work_is_taken_back(self) -> None:
        self.work = 0

    @precondition(lambda self: self.running)
    @rule()
    def a_worker_looks_around(self) -> None:
        if not self.workers.goes_on("router", has_work=self.work > 0):
            self.running -= 1

    @invariant()
    def one_worker_where_there_is_work(self) -> None:
        assert self.running <= 1
        assert self.running == ("router" in self.workers)
        assert self.running or not self.work


TestWorkersModel = WorkersModel.TestCase
