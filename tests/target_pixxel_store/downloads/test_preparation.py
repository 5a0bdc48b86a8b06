"""What the API says of a download that it is asked for: odd answers, and ready ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.target_pixxel_store.download_checks import POLL, files, whole
from tests.target_pixxel_store.intercepting_proxy import Answer, Asked, Between
from tests.target_pixxel_store.target_runner import state, wanted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.target_pixxel_store.target_runner import Workplace

DOWNLOADS = "/v0/catalogs/download"


def is_poll(asked: Asked) -> bool:
    return asked.method == "GET" and asked.path.startswith(POLL)


def test_a_download_that_is_ready_at_once_is_not_looked_at(
    place: Workplace, images: Path, between: Between
) -> None:
    [key] = place.catalogs(1)
    ready = Answer(0)

    def remember(asked: Asked, pass_on: Callable[[], Answer]) -> Answer:
        nonlocal ready
        if asked.is_a("POST", DOWNLOADS) and ready.body:
            return Answer(201, ready.body)
        answer = pass_on()
        if is_poll(asked):
            ready = answer
        return answer

    between.otherwise = remember
    place.run(wanted(key))
    for name in files(images):
        (images / name).unlink()
    place.keep_journal()
    polls = sum(map(is_poll, between.asked))
    ran = place.run(wanted(key))
    assert whole(place, ran.outcomes[0])
    assert sum(map(is_poll, between.asked)) == polls


@pytest.mark.parametrize(
    ("polled", "answer", "why"),
    [
        (False, Answer(201, {"status": "created"}), "the response is not a download"),
        (False, Answer(400), "returned 400"),
        (True, Answer(400), "returned 400"),
        (True, Answer(404), "the API no longer knows the requested download"),
    ],
)
@pytest.mark.usefixtures("images")
def test_an_odd_answer_fails_the_record(
    place: Workplace,
    between: Between,
    polled: bool,  # noqa: FBT001
    answer: Answer,
    why: str,
) -> None:
    def otherwise(asked: Asked, pass_on: Callable[[], Answer]) -> Answer:
        matters = is_poll(asked) if polled else asked.is_a("POST", DOWNLOADS)
        return answer if matters else pass_on()

    between.otherwise = otherwise
    ran = place.run(wanted(place.catalogs(1)[0]), state(1))
    assert (ran.status, ran.kinds, ran.states) == (1, ["failed"], [])
    assert why in ran.reasons[0]
    assert files(place.folder / "images") == []
