"""How the open files of a router are shared."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.serving.shares import FairShares, Share


def take_all(files: FairShares, origin: str) -> int:
    """How many files an address gets that opens connection after connection."""
    count = 0
    while files.share(origin).take():
        count += 1
    return count


def test_one_address_gets_half() -> None:
    assert take_all(FairShares(100, 10), "a") == 50


def test_the_next_client_finds_some_free() -> None:
    files = FairShares(100, 10)
    taken = [take_all(files, origin) for origin in "abcdef"]
    assert taken == [50, 25, 13, 6, 3, 2]
    assert files.share("g").take()


def test_the_last_file_is_given_out() -> None:
    files = FairShares(1, 1)
    share = files.share("a")
    assert share.take()
    assert not files.share("b").take()
    share.give_back()
    assert files.share("b").take()


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans())))
def test_nothing_is_lost_and_no_limit_passed(steps: list[tuple[int, bool]]) -> None:
    files = FairShares(10, 3)
    shares: list[Share] = [files.share(number % 2) for number in range(4)]
    held: Counter[int] = Counter()
    for number, takes in steps:
        if takes:
            free = 10 - files.count
            of_address = held[number] + held[(number + 2) % 4]
            expected = held[number] < 3 and of_address < free
            assert shares[number].take() == expected
            held[number] += expected
        elif held[number]:
            shares[number].give_back()
            held[number] -= 1
        assert files.count == held.total() <= 10
        assert [share.count for share in shares] == [held[each] for each in range(4)]
