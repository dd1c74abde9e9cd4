from __future__ import annotations

from random import Random

import pytest

from simplex_trio.router.core.by_id import ById


@pytest.mark.parametrize("seed", range(5))
def test_a_table_is_like_a_dictionary(seed: int) -> None:
    random = Random(seed)
    ids = [b"", *(random.randbytes(random.choice([1, 24])) for _ in range(50))]
    table: ById[int] = ById()
    expected: dict[bytes, int] = {}
    for step in range(500):
        entity_id = random.choice(ids)
        match random.randrange(4):
            case 0 | 1:
                table[entity_id] = step
                expected[entity_id] = step
            case 2 if entity_id in expected:
                del table[entity_id]
                del expected[entity_id]
            case 3:
                assert table.pop(entity_id) == expected.pop(entity_id, None)
        assert len(table) == len(expected)
        assert sorted(table.ids()) == sorted(expected)
        assert sorted(table.values()) == sorted(expected.values())
        for each in ids:
            assert table.get(each) == expected.get(each)
            assert (each in table) == (each in expected)


def test_entries_come_and_go_while_the_ids_are_gone_through() -> None:
    table: ById[int] = ById()
    for number in range(200):
        table[bytes([number])] = number
    seen = []
    for entity_id in table.ids():
        seen.append(entity_id)
        del table[entity_id]
        table[bytes([200, *entity_id])] = 0
    assert {bytes([number]) for number in range(200)} <= set(seen)
    assert len(table) == 200
