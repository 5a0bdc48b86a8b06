"""The rate budget: leases, lost workers and pauses, on a clock that the tests set."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pixxel_backfill.engines.rate_budget import Grant, LeasedShare, RateBudget

LEASE_SECONDS = 5.0
SPACING = 0.5
SHARES = 2
WORKERS = 4


@dataclass
class Network:
    """A clock, a budget, and workers whose renewals take time or are lost."""

    now: float = 0.0
    delay: float = 0.0
    loses_request: bool = False
    loses_answer: bool = False
    shares: list[LeasedShare] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.budget = RateBudget(SHARES, SPACING, LEASE_SECONDS, self.read_clock)
        for number in range(WORKERS):

            def send(pause: float, *, is_last: bool, lease: str = str(number)) -> Grant:
                return self.send(lease, pause, is_last=is_last)

            self.shares.append(LeasedShare(send, LEASE_SECONDS, self.read_clock))

    def read_clock(self) -> float:
        return self.now

    def send(self, lease: str, pause: float, *, is_last: bool) -> Grant:
        self.now += self.delay
        if self.loses_request:
            raise ConnectionError
        grant = self.budget.renew(lease, pause, is_last=is_last)
        self.now += self.delay
        if self.loses_answer:
            raise TimeoutError
        return grant

    def holders(self) -> list[int]:
        return [number for number, share in enumerate(self.shares) if not share.seconds_left()]


@pytest.fixture
def network() -> Network:
    return Network()


STEPS = st.tuples(
    st.sampled_from(range(WORKERS)),
    st.sampled_from(["renew", "renew", "last", "lose request", "lose answer", "lose last"]),
    st.sampled_from([0.0, 0.1, 2.0, LEASE_SECONDS]),  # until the next step
    st.sampled_from([0.0, 0.3, 3.0, LEASE_SECONDS]),  # in each direction of the network
)


@given(st.lists(STEPS, max_size=40))
@example([(0, "renew", 2.0, 3.0), (1, "renew", 2.0, 0.0), (2, "renew", 0.0, 0.0)])  # slow answer
@example([*((each, "renew", 0.0, 0.0) for each in (0, 1)), (0, "lose last", 0.3, 0.0),
          *((2, "renew", 0.3, 0.0) for _ in range(2))])  # fmt: skip
@settings(max_examples=200)
def test_shares_are_never_held_by_more_workers_than_there_are_shares(
    steps: list[tuple[int, str, float, float]],
) -> None:
    """A holder that others no longer count must not send: it may be back from a lost connection."""
    network = Network()
    sent: dict[int, float] = {}
    for number, action, seconds, delay in steps:
        network.delay = delay
        network.loses_request = action == "lose request"
        network.loses_answer = action in {"lose answer", "lose last"}
        network.shares[number].renew(is_last=action in {"last", "lose last"})
        network.now += seconds
        holders = network.holders()
        assert len(holders) <= SHARES
        sent |= dict.fromkeys(holders, network.now)
        recent = [each for each in sent.values() if each > network.now - SPACING]
        assert len(recent) <= SHARES


def test_lease_that_is_not_renewed_returns_to_the_budget(network: Network) -> None:
    lost, other, waiting, _ = network.shares
    lost.renew()
    other.renew()
    waiting.renew()
    assert network.holders() == [0, 1]
    network.now += LEASE_SECONDS - 0.1
    other.renew()
    network.now += 0.1 + SPACING
    waiting.renew()
    assert network.holders() == [1, 2]
    lost.renew()
    assert network.holders() == [1, 2]
    waiting.renew(is_last=True)
    network.now += SPACING
    lost.renew()
    assert network.holders() == [0, 1]


def test_pause_of_one_worker_reaches_all_and_does_not_grow(network: Network) -> None:
    first, second, *_ = network.shares
    first.renew()
    second.renew()
    first.begin(4.0)
    assert first.seconds_left() == 4.0
    assert second.seconds_left() == 0.0
    network.delay = 0.3
    for share in itertools.islice(itertools.cycle([first, second]), 6):
        share.renew()
    assert network.now == pytest.approx(3.6)
    assert 0.4 <= first.seconds_left() < 1.1  # one round trip longer
    assert 0.4 <= second.seconds_left() < 1.1


def test_pause_whose_message_is_lost_is_sent_again(network: Network) -> None:
    first, second, *_ = network.shares
    second.renew()
    first.begin(4.0)
    network.loses_request = True
    first.renew()
    network.loses_request = False
    first.renew()
    second.renew()
    assert second.seconds_left() == 4.0
