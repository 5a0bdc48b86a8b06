"""Invalid messages: an error of one line or a rejected record, without the value."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_singer.errors import InputError
from tests.target_pixxel_store.target_harness import delivery_request, record, schema, state

if TYPE_CHECKING:
    from tests.target_pixxel_store.target_harness import Json, TargetHarness

MARKER = "v4lue-n0t-t0-be-ech0ed"


def test_unparsable_line_earlier_records_get_outcomes(harness: TargetHarness) -> None:
    first, second = harness.catalog_ids(2)
    result = harness.run_command(
        *(
            json.dumps(each) + "\n"
            for each in (
                schema("delivery_requests"),
                delivery_request(first),
                state(1),
                delivery_request(second),
            )
        ),
        f"{MARKER}\n",
        json.dumps(state(2)) + "\n",
    )
    assert result.status == 2
    assert result.kinds == ["created"] * 2
    assert result.states == [{"upto": 1}]
    assert "line 5 of the input is not a JSON object" in result.log
    assert MARKER not in result.log
    assert "Traceback" not in result.log


def broken_schema(**rules: Any) -> Json:
    """Return a SCHEMA of requests with an invalid `schema` or key properties."""
    message = schema("delivery_requests")
    properties = {**message["schema"]["properties"], **rules.pop("fields", {})}
    keys = rules.pop("key_properties", [])
    rules = {"type": "object", "properties": properties, **rules}
    return {**message, "schema": rules, "key_properties": keys}


BROKEN_SCHEMAS: dict[str, Json] = {
    "unknown type": broken_schema(fields={"path": {"type": "strin"}}),
    "properties is a list": broken_schema(properties=[]),
    "required is a number": broken_schema(required=5),
    "key_properties is a number": broken_schema(key_properties=5),
    "key_properties holds an object": broken_schema(key_properties=[{"a": MARKER}]),
    "schema is a list": {**schema("delivery_requests"), "schema": [MARKER]},
    "key not in the schema": broken_schema(key_properties=["no_such"]),
    "reference to a file": broken_schema(fields={"path": {"$ref": "file:///etc/hostname"}}),
    "record violates enum": broken_schema(fields={"path": {"enum": ["another"]}}),
}


@pytest.mark.parametrize("case", BROKEN_SCHEMAS)
def test_broken_schema_reported_without_value(harness: TargetHarness, case: str) -> None:
    [key] = harness.catalog_ids(1)
    bad_request = delivery_request(key, path=MARKER)
    result = harness.run(BROKEN_SCHEMAS[case], bad_request, state(1), on_error="continue")
    if result.error is None:
        assert (result.status, result.kinds, result.states) == (3, ["failed"], [{"upto": 1}])
        assert result.rejected == [BROKEN_SCHEMAS[case], bad_request]
    else:
        assert isinstance(result.error, InputError)
        assert len(result.error.lines) == 1
        assert result.error.lines[0].startswith("line ")
        assert result.states == []
    assert (
        MARKER not in json.dumps([result.outcomes, result.summary, str(result.error)]) + result.log
    )
    assert harness.posted_bodies() == []


@pytest.mark.parametrize(
    ("value", "problem"),
    [("1e400", "has the number 1e400"), ("NaN", "has the value NaN")],
)
def test_number_out_of_range_reported_as_what_it_is(
    harness: TargetHarness, value: str, problem: str
) -> None:
    request = json.dumps(delivery_request(harness.catalog_ids(1)[0], path=7)).replace("7", value)
    result = harness.run(f"{json.dumps(schema('delivery_requests'))}\n", f"{request}\n")
    assert isinstance(result.error, InputError)
    assert result.error.lines[0].startswith(f"line 2 of the input {problem}")


def test_half_of_surrogate_pair_is_repaired(harness: TargetHarness) -> None:
    request = delivery_request(harness.catalog_ids(1)[0], path="a\ud800")
    result = harness.run(schema("delivery_requests"), request, state(1))
    assert (result.error, result.kinds) == (None, ["created"])
    [body] = harness.posted_bodies()
    assert "a\ufffd" in json.dumps(body, ensure_ascii=False)


@pytest.mark.parametrize(
    ("rule", "place"),
    [({"pattern": "("}, "an invalid JSON Schema"), ({"pattern": "^(?=a)b"}, "lookaround"),
     ({"pattern": r"(a)\1"}, "references to groups"),
     ({"pattern": "(a{999}){999}"}, "path.pattern"),
     ({"$ref": "#/definitions/none"}, "a reference that it does not contain"),
     ({"patternProperties": {"^(?!a)": {}}}, "patternProperties")],
)  # fmt: skip
def test_schema_that_cannot_be_checked_ends_run_before_requests(
    harness: TargetHarness, rule: Json, place: str
) -> None:
    result = harness.run(broken_schema(fields={"path": rule}), delivery_request("a"), state(1))
    assert isinstance(result.error, InputError)
    [line] = result.error.lines
    assert line.startswith("line 1 of the input is a SCHEMA with ")
    assert place in line
    assert harness.sandbox.requests == []


def test_schema_pattern_takes_linear_time(harness: TargetHarness) -> None:
    [key] = harness.catalog_ids(1)
    message = broken_schema(fields={"path": {"pattern": r"^(([a-z])+.)+[A-Z]([a-z])+$"}})
    result = harness.run(
        message, delivery_request(key, path="a" * 100_000), state(1), on_error="continue"
    )
    assert (result.status, result.kinds, result.states) == (3, ["failed"], [{"upto": 1}])
    assert result.reasons == ["'path' violates the rule 'pattern' of its stream's schema"]


def test_schema_remote_reference_not_fetched(harness: TargetHarness) -> None:
    message = broken_schema(fields={"path": {"$ref": f"{harness.sandbox.url}/v0/of-the-schema"}})
    result = harness.run(message, delivery_request(harness.catalog_ids(1)[0], path="a"))
    assert isinstance(result.error, InputError)
    assert "/v0/of-the-schema" not in {each.path for each in harness.sandbox.requests}


def test_stream_map_failing_on_record_rejects_it(harness: TargetHarness) -> None:
    first, second = harness.catalog_ids(2)
    result = harness.run(
        delivery_request(first, path=MARKER), delivery_request(second, path="7"), state(1),
        stream_maps={"delivery_requests": {"path": "str(int(path))"}},
        on_error="continue",
    )  # fmt: skip
    assert (result.status, result.states) == (3, [{"upto": 1}])
    assert sorted(result.kinds) == ["created", "failed"]
    assert any("the stream map fails with" in reason for reason in result.reasons)
    assert result.rejected[1]["record"]["path"] == MARKER
    assert MARKER not in json.dumps([result.outcomes, result.summary]) + result.log


@pytest.mark.parametrize(
    ("depth", "store"), [(50, "research"), (50, "nowhere"), (150, "research"), (5000, "research")]
)
def test_nested_record_by_depth_delivered_or_reported(
    harness: TargetHarness, depth: int, store: str
) -> None:
    [key] = harness.catalog_ids(1)
    nested = '{"a":' * depth + f'"{MARKER}"' + "}" * depth
    bad_request = json.dumps(delivery_request(key, store, more="DEEP")).replace('"DEEP"', nested)
    messages = [json.dumps(schema("delivery_requests")), bad_request, json.dumps(state(1))]
    result = harness.run(*(f"{message}\n" for message in messages), on_error="continue")
    assert MARKER not in json.dumps([result.outcomes, result.summary]) + result.log
    if depth == 50:
        kinds = ["created" if store == "research" else "failed"]
        assert (result.error, result.kinds, result.states) == (None, kinds, [{"upto": 1}])
    else:
        assert isinstance(result.error, InputError)
        assert result.error.lines[0].startswith("line 2 of the input is n")
        assert result.states == []
        assert harness.posted_bodies() == []


def test_schema_of_ignored_stream_not_compiled(harness: TargetHarness) -> None:
    message = {**broken_schema(fields={"path": {"pattern": "^(?=a)"}}), "stream": "others"}
    result = harness.run(message, record("others", path="b"), state(1))
    assert (result.error, result.status, result.states) == (None, 0, [{"upto": 1}])
