"""Random changes have the same outcome in every store as in the model, reopened or not."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from simplex_trio.errors import StoreConflict
from simplex_trio.router.store.interface import Change, Store
from simplex_trio.router.store.memory import MemoryStore
from simplex_trio.router.store.postgres import open_postgres_store
from simplex_trio.router.store.sqlite import open_sqlite_store
from tests.postgres import new_url
from tests.router.store.model import BEGINNING, Conflict, Model, changes
from tests.router.store.support import contents

_commits = st.lists(st.lists(changes(), min_size=1, max_size=6), max_size=8)


async def _commit(store: Store, model: Model, commit: list[Change]) -> Model:
    try:
        expected = model.after(commit)
    except Conflict:
        expected = None
    try:
        await store.commit(commit)
    except StoreConflict:
        assert expected is None
        expected = model
    assert expected is not None
    assert await contents(store) == expected.contents()
    return expected


@given(commits=_commits)
async def test_memory(commits: list[list[Change]]) -> None:
    store, model = MemoryStore(), Model()
    for commit in [BEGINNING, *commits]:
        model = await _commit(store, model, commit)


@given(runs=st.lists(_commits, max_size=3))
async def test_sqlite(runs: list[list[list[Change]]]) -> None:
    model = Model()
    with TemporaryDirectory() as directory:
        for commits in [[BEGINNING], *runs]:
            async with open_sqlite_store(Path(directory, "router.db")) as store:
                assert await contents(store) == model.contents()
                for commit in commits:
                    model = await _commit(store, model, commit)


@given(runs=st.lists(_commits, max_size=2))
@settings(max_examples=max(8, settings().max_examples // 10))
async def test_postgres(postgres: str, runs: list[list[list[Change]]]) -> None:
    model, url = Model(), new_url(postgres)
    for commits in [[BEGINNING], *runs]:
        async with open_postgres_store(url) as store:
            assert await contents(store) == model.contents()
            for commit in commits:
                model = await _commit(store, model, commit)
