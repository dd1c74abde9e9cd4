"""The tables of a store in PostgreSQL, and damage that is noticed in them."""

from __future__ import annotations

import pytest

from simplex_trio.errors import StoreCorrupted
from simplex_trio.router.store.interface import (
    PutNotification,
    PutQueue,
    PutService,
    PutStatistics,
)
from simplex_trio.router.store.postgres import open_postgres_store
from simplex_trio.router.store.postgres_schema import COLUMNS, is_number
from simplex_trio.storage.postgres.connection import open_connection
from simplex_trio.storage.postgres.parameters import Statement
from simplex_trio.storage.postgres.url import DatabaseURL
from tests.postgres import new_place, new_url
from tests.router.store.support import (
    LINK_DATA,
    contents,
    full_queue,
    message,
    notification,
    queue,
    service,
)

_COLUMNS = """
    SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns
    WHERE table_schema = $1 AND table_name <> 'lease' ORDER BY table_name, ordinal_position
    """


async def filled(postgres: str) -> DatabaseURL:
    """A store with something in each table."""
    url = new_url(postgres)
    async with open_postgres_store(url) as store:
        await store.commit([PutQueue(queue("a")), PutQueue(full_queue("b"), LINK_DATA)])
        await store.commit([message(1), message(2, "b"), PutNotification(notification(3, "b"))])
        await store.commit([PutService(service("a")), PutStatistics({"sent": 1})])
    return url


async def do(url: DatabaseURL, sql: str) -> None:
    """Do to the tables what the store never does."""
    async with open_connection(url, name="other") as other:
        await other.run([Statement(sql)])


async def test_columns_are_those_of_the_tables(postgres: str) -> None:
    url = await filled(postgres)
    async with open_connection(url, name="other") as other:
        (found,) = await other.run([Statement(_COLUMNS, (url.schema,))])
    assert found == [
        (table, column, "bigint" if is_number(column) else "bytea")
        for table in sorted(COLUMNS)
        for column in COLUMNS[table]
    ]


@pytest.mark.parametrize(
    ("change", "table"),
    [
        ("UPDATE queues SET dh_secret = '\\x00' WHERE link_id IS NULL", "queues"),
        ("UPDATE queues SET checksum = 5 WHERE link_id IS NULL", "queues"),
        ("UPDATE queues SET created_day = created_day + 1 WHERE link_id IS NULL", "queues"),
        ("UPDATE messages SET received_at = 5 WHERE sequence = 1", "messages"),
        ("UPDATE messages SET sequence = 9 WHERE sequence = 1", "messages"),
        ("UPDATE messages SET body = '\\x00' WHERE sequence = 1", "messages"),
        ("UPDATE messages SET body_checksum = 5 WHERE sequence = 1", "messages"),
        ("UPDATE links SET user_data = '\\x00'", "links"),
        ("UPDATE services SET role = '\\x00'", "services"),
        ("UPDATE notifications SET nonce = '\\x00'", "notifications"),
        ("UPDATE statistics SET value = value + 1", "statistics"),
    ],
)
async def test_the_place_is_named(postgres: str, change: str, table: str) -> None:
    url = await filled(postgres)
    await do(url, change)
    async with open_postgres_store(url) as store:
        with pytest.raises(StoreCorrupted) as caught:
            await contents(store)
    assert f"table {table}, row " in caught.value.place


@pytest.mark.parametrize(
    "change",
    [
        "DROP TRIGGER link_goes ON queues",
        "ALTER TABLE queues DISABLE TRIGGER notifier_goes",
        "ALTER TABLE links DROP CONSTRAINT links_recipient_id_fkey",
        "ALTER TABLE queues DROP CONSTRAINT queues_sender_id_key",
        "ALTER TABLE messages ALTER body TYPE text USING 'x'",
    ],
)
async def test_tables_that_have_changed_are_refused(postgres: str, change: str) -> None:
    url = await filled(postgres)
    await do(url, change)
    with pytest.raises(StoreCorrupted, match="schema"):
        async with open_postgres_store(url):
            pytest.fail("other tables")


async def test_a_table_that_goes_while_the_store_is_open(postgres: str) -> None:
    place = new_place(postgres)
    async with open_postgres_store(place) as store:
        await store.commit([PutQueue(queue("a"))])
        await do(DatabaseURL.parse(place), "DROP TABLE statistics")
        with pytest.raises(StoreCorrupted):
            await store.commit([PutStatistics({"sent": 2})])
        await store.commit([message(5)])
