"""What the soak calls lost, and what it lets pass."""

import pytest

from bench.soak import FILES, GROWTH, HUNG, Asked, Hurt, Reading, Tally, _judge

BEFORE = Reading(memory=100 * 2**20, files=20, processes=12)
HURT = Hurt("model-a", "killed", 10.0, 12.0)


def tally(*more: Asked, hurts: tuple[Hurt, ...] = (HURT,), first: int = 500, second: int = 500) -> Tally:
    chosen = [0] * first + [1] * second
    asked = [Asked(n / 100, n / 100 + 0.01, 200, choice) for n, choice in enumerate(chosen)]
    return Tally([*asked, *more], list(hurts))


def problems(found: Tally, after: Reading = BEFORE) -> list[str]:
    _judge(found, BEFORE, after)
    return found.problems


def failed(sent: float, done: float, said: str = "model-a: expected an answer") -> Asked:
    return Asked(sent, done, 500, None, said)


@pytest.mark.parametrize("times", [(9.9, 10.1), (10.5, 10.6), (11.9, 15.0)])
def test_what_was_on_its_way_in_a_hurt_component_may_fail(times: tuple[float, float]) -> None:
    assert problems(tally(failed(*times))) == []


@pytest.mark.parametrize(
    "lost",
    [
        failed(5.0, 5.1),
        failed(12.1, 12.2),
        failed(10.5, 10.6, "model-b: expected an answer"),
        Asked(10.5, 10.6, 0, None, "ServerDisconnectedError: "),
    ],
)
def test_any_other_is_lost(lost: Asked) -> None:
    assert len(problems(tally(lost))) == 1


@pytest.mark.parametrize(("first", "second", "good"), [(500, 500, True), (560, 440, True), (600, 400, False)])
def test_the_split_has_a_bound(first: int, second: int, good: bool) -> None:
    assert (problems(tally(first=first, second=second)) == []) is good


@pytest.mark.parametrize(
    "after",
    [
        Reading(BEFORE.memory + GROWTH + 1, 20, 12),
        Reading(BEFORE.memory, 21 + FILES, 12),
        Reading(BEFORE.memory, 20, 13),
        Reading(BEFORE.memory, 20, 11),
    ],
)
def test_a_leak_is_a_problem(after: Reading) -> None:
    assert len(problems(tally(), after)) == 1


def test_one_that_does_not_come_back_is_a_problem() -> None:
    assert len(problems(tally(hurts=(Hurt("router", "stopped", 0.0, HUNG + 1),)))) == 1
