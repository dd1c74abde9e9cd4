from __future__ import annotations

from random import Random

from simplex_trio.agent.echoes import ECHO, Echoes


def test_an_echo_may_come_for_a_while() -> None:
    echoes = Echoes()
    echoes.expect([b"q"], 0.0)
    assert echoes.may_come(b"q", ECHO - 0.5)
    assert not echoes.may_come(b"q", ECHO)
    assert not echoes.may_come(b"other", 0.0)


def test_the_latest_time_counts_and_what_is_old_is_forgotten() -> None:
    random = Random(0)
    echoes = Echoes()
    expected: dict[bytes, float] = {}
    now = 0.0
    for _ in range(1000):
        now += random.choice([0.0, 0.5, 2.0, 30.0])
        queue_ids = [b"q%d" % random.randrange(20) for _ in range(random.randrange(4))]
        echoes.expect(queue_ids, now)
        expected.update(dict.fromkeys(queue_ids, now))
        for queue_id, since in expected.items():
            assert echoes.may_come(queue_id, now) == (now < since + ECHO)
    echoes.expect([], now + 2 * ECHO)
    assert not len(echoes)
