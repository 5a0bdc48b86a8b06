"""Messages that are out of the ordinary: a line each or a rejected record, no value quoted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_singer.errors import InputError
from tests.target_pixxel_store.target_runner import record, request, schema, state

if TYPE_CHECKING:
    from tests.target_pixxel_store.target_runner import Json, Workplace

MARK = "v4lue-n0t-t0-be-ech0ed"


def test_what_came_before_an_unparsable_line_has_its_outcome(place: Workplace) -> None:
    first, second = place.catalogs(2)
    ran = place.command(
        *(json.dumps(each) + "\n" for each in
          (schema("delivery_requests"), request(first), state(1), request(second))),
        f"{MARK}\n",
        json.dumps(state(2)) + "\n",
    )  # fmt: skip
    assert ran.status == 2
    assert ran.kinds == ["created"] * 2
    assert ran.states == [{"upto": 1}]
    assert "line 5 of the input is not a JSON object" in ran.log
    assert MARK not in ran.log
    assert "Traceback" not in ran.log


def broken(**rules: Any) -> Json:
    """A SCHEMA of requests that breaks a rule, its `schema` or the message itself."""
    made = schema("delivery_requests")
    properties = {**made["schema"]["properties"], **rules.pop("fields", {})}
    keys = rules.pop("key_properties", [])
    rules = {"type": "object", "properties": properties, **rules}
    return {**made, "schema": rules, "key_properties": keys}


BROKEN: dict[str, Json] = {
    "a type that is none": broken(fields={"path": {"type": "strin"}}),
    "properties that are a list": broken(properties=[]),
    "required that is a number": broken(required=5),
    "keys that are a number": broken(key_properties=5),
    "keys that are no texts": broken(key_properties=[{"a": MARK}]),
    "a schema that is a list": {**schema("delivery_requests"), "schema": [MARK]},
    "a rule that leads to itself": broken(fields={"path": {"$ref": "#/properties/path"}}),
    "keys that the schema lacks": broken(key_properties=["no_such"]),
    "a pattern that is none": broken(fields={"path": {"pattern": "("}}),
    "a reference to nothing": broken(fields={"path": {"$ref": "#/definitions/none"}}),
    "a reference to a file": broken(fields={"path": {"$ref": "file:///etc/hostname"}}),
    "a rule that the record breaks": broken(fields={"path": {"enum": ["another"]}}),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_schema_is_told_without_the_value(place: Workplace, case: str) -> None:
    [key] = place.catalogs(1)
    wanted = request(key, path=MARK)
    ran = place.run(BROKEN[case], wanted, state(1), on_error="continue")
    if ran.error is None:
        assert (ran.status, ran.kinds, ran.states) == (3, ["failed"], [{"upto": 1}])
        assert ran.rejected == [BROKEN[case], wanted]
    else:
        assert isinstance(ran.error, InputError)
        assert len(ran.error.lines) == 1
        assert ran.error.lines[0].startswith("line ")
        assert ran.states == []
    assert MARK not in json.dumps([ran.outcomes, ran.summary, str(ran.error)]) + ran.log
    assert place.posts() == []


@pytest.mark.parametrize("case", ["a type that is none", "a reference to nothing"])
def test_a_broken_schema_brings_no_traceback(place: Workplace, case: str) -> None:
    ran = place.command(BROKEN[case], request("a", path=MARK), state(1))
    assert ran.status in {1, 2}
    assert "Traceback" not in ran.log
    assert MARK not in ran.log


def test_a_schema_is_not_looked_up_elsewhere(place: Workplace) -> None:
    made = broken(fields={"path": {"$ref": f"{place.sandbox.url}/v0/of-the-schema"}})
    ran = place.run(made, request(place.catalogs(1)[0], path="a"), on_error="continue")
    assert ran.kinds == ["failed"]
    assert "/v0/of-the-schema" not in {each.path for each in place.sandbox.requests}


def test_a_stream_map_that_fails_on_a_record_rejects_it(place: Workplace) -> None:
    first, second = place.catalogs(2)
    ran = place.run(
        request(first, path=MARK), request(second, path="7"), state(1),
        stream_maps={"delivery_requests": {"path": "str(int(path))"}},
        on_error="continue",
    )  # fmt: skip
    assert (ran.status, ran.states) == (3, [{"upto": 1}])
    assert sorted(ran.kinds) == ["created", "failed"]
    assert any("the stream map fails with" in why for why in ran.reasons)
    assert ran.rejected[1]["record"]["path"] == MARK
    assert MARK not in json.dumps([ran.outcomes, ran.summary]) + ran.log


@pytest.mark.parametrize("store", ["research", "nowhere"])
@pytest.mark.parametrize("depth", [50, 150, 600, 950, 5000])
def test_a_record_that_is_nested_deep(place: Workplace, depth: int, store: str) -> None:
    [key] = place.catalogs(1)
    deep = '{"a":' * depth + f'"{MARK}"' + "}" * depth
    wanted = json.dumps(request(key, store, more="DEEP")).replace('"DEEP"', deep)
    messages = [json.dumps(schema("delivery_requests")), wanted, json.dumps(state(1))]
    ran = place.run(*(f"{message}\n" for message in messages), on_error="continue")
    assert MARK not in json.dumps([ran.outcomes, ran.summary]) + ran.log
    if depth == 50:
        kinds = ["created" if store == "research" else "failed"]
        assert (ran.error, ran.kinds, ran.states) == (None, kinds, [{"upto": 1}])
    else:
        assert isinstance(ran.error, InputError)
        assert ran.error.lines[0].startswith("line 2 of the input is n")
        assert ran.states == []
        assert place.posts() == []


def test_secrets_in_a_catalog_go_nowhere(place: Workplace) -> None:
    [key] = place.catalogs(1)
    message = schema("catalogs", ["id", "secrets"])
    message["schema"]["properties"]["secrets"] = {"type": "object"}
    message["schema"]["required"] = ["id", "secrets"]
    settings = {"deliver_to": "research", "deliver_since": "all"}
    ran = place.run(
        message,
        record("catalogs", id=key, secrets={"client_secret": MARK},
               stac_item={"deep": [{"SECRETS": MARK}]}),
        state(1), on_error="continue", **settings,
    )  # fmt: skip
    assert (ran.kinds, ran.states) == (["failed"], [{"upto": 1}])
    assert "contains 'secrets'" in ran.reasons[0]
    told, kept = ran.rejected
    assert "secrets" not in told["schema"]["properties"]
    assert told["schema"]["required"] == ["id"]
    assert told["key_properties"] == ["id"]
    assert kept["record"] == {"id": key, "stac_item": {"deep": [{}]}}
    assert all(MARK not in path.read_text() for path in place.folder.iterdir())
    assert place.run(*ran.rejected, **settings).kinds == ["created"]


def test_a_dry_run_prints_markup_as_it_is(
    place: Workplace, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = place.catalogs(2)
    ran = place.run(request(first, path="[/x]"), request(second, "[bold]nowhere[/]"), dry_run=True)
    assert ran.error is None
    table = capsys.readouterr().err
    assert "[/x]" in table
