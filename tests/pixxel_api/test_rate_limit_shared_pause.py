"""Clients that share a pause: a 429 to one of them delays the requests of all."""

from __future__ import annotations

import math

import pytest

from pixxel_api.client import Client
from pixxel_api.errors import RateLimited
from pixxel_api.rate_limit import RateLimiter
from tests.pixxel_api.scripted import ScriptedServer, answer


class CountedPause:
    """A pause that lasts until it was asked for a number of times.

    Attributes:
        begun: The pauses that were begun, in seconds.
    """

    def __init__(self, questions: int = 0, seconds: float = math.inf) -> None:
        self.questions = questions
        self._seconds = seconds
        self.begun: list[float] = []

    def begin(self, seconds: float) -> None:
        self.begun.append(seconds)

    def seconds_left(self) -> float:
        self.questions -= 1
        return self._seconds if self.questions >= 0 else 0.0


def make_client(server: ScriptedServer, pause: CountedPause, **options: float) -> Client:
    return Client("t", url=server.url, user_agent="test", shared_pause=pause, **options)  # type: ignore[arg-type]  # options are numbers


@pytest.mark.parametrize(("headers", "seconds"), [(("Retry-After: 7",), 7.0), ((), 1.0)])
def test_429_begins_shared_pause(headers: tuple[str, ...], seconds: float) -> None:
    pause = CountedPause()
    with ScriptedServer(answer(429, headers=headers)) as server:
        client = make_client(server, pause)
        with pytest.raises(RateLimited):
            client.send_once("POST", "/v0/orders", body={})
        client.close()
    assert pause.begun == [seconds]


def test_other_errors_begin_no_pause() -> None:
    pause = CountedPause()
    with ScriptedServer(answer(404), answer()) as server:
        client = make_client(server, pause)
        with pytest.raises(Exception, match="404"):
            client.send_with_retries("GET", "/v0/orders")
        client.close()
    assert pause.begun == []


@pytest.mark.parametrize("seconds", [0.001, math.inf])
def test_client_waits_while_shared_pause_lasts(seconds: float) -> None:
    pause = CountedPause(3, seconds)
    with ScriptedServer(answer()) as server:
        client = make_client(server, pause)
        client.send_with_retries("GET", "/v0/orders")
        client.close()
    assert pause.questions < 0, "the request was sent during the pause"


def test_pause_that_begins_while_waiting_for_a_slot_is_observed() -> None:
    pause = CountedPause()
    limiter = RateLimiter(50, lambda: None, pause)
    limiter.wait()
    asked: list[float] = []

    def pause_now() -> None:
        if not asked:
            asked.append(1)
            pause.questions = 2

    limiter = RateLimiter(50, pause_now, pause)
    limiter.wait()
    limiter.wait()
    assert pause.questions < 0


def test_stop_ends_the_wait_for_a_shared_pause() -> None:
    def stop() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        RateLimiter(None, stop, CountedPause(10)).wait()
