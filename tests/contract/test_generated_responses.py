"""For every response that the contract allows, a stream is read, or named as failed."""

from __future__ import annotations

import csv
import io
from collections import Counter
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pixxel_singer.exit_codes import ExitCode
from tap_pixxel.stream_types.child import ChildStream
from tap_pixxel.stream_types.stac import StacStreamMixin
from tap_pixxel.streams import STREAMS
from tap_pixxel.tap import TapPixxel
from tests.pixxel_sandbox.contract_checks import load_contract
from tests.tap_pixxel.syncs import MessageCollector, SyncResult, make_catalog, make_config

from .operations import find_operation, response_schema
from .strategies import csv_reports, objects
from .stub_server import StubServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_pixxel.stream_types.base import PixxelStream

    from .operations import Operation

few_examples = settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # a failure is readable without shrinking
    suppress_health_check=list(HealthCheck),
)
more_examples = settings(few_examples, max_examples=20)
"""For streams whose records need several matching responses."""
EXTRA_PATHS = {
    "archive_items": ("/v0/archives/collections",),
    "catalogs": ("/v0/catalogs/deliveries", "/v0/stores"),
    "satellite_images": ("/v0/satellites",),
}
"""Lists that a stream reads besides its own list and those of its parents."""
SEARCH_FILTERS = {
    "datetime": "2020-01-01T00:00:00Z/2030-01-01T00:00:00Z",
    "bbox": [-10, -10, 10, 10],
}


@pytest.fixture(scope="module")
def stub_server() -> Iterator[StubServer]:
    """Run the server of all responses."""
    load_contract()
    with StubServer().open() as server:
        yield server


def try_sync(server: StubServer, name: str, **settings: Any) -> tuple[SyncResult, bool]:
    """Sync a stream; return its messages, and whether the stream was read completely."""
    config = make_config(server, **SEARCH_FILTERS, **settings)
    writer = MessageCollector()
    tap = TapPixxel(config=config, catalog=make_catalog(config, name), message_writer=writer)
    status = tap.run()
    assert status is (ExitCode.INCOMPLETE if tap.failures else ExitCode.OK)
    return SyncResult(status, writer.messages), status is ExitCode.OK


def name_of(kind: type[PixxelStream]) -> str:
    """Return a stream's name, which the SDK declares for instances only."""
    return str(kind.__dict__["name"])


def with_ancestors(kind: type[PixxelStream]) -> list[type[PixxelStream]]:
    """Return a stream and its ancestors."""
    return [kind, *(with_ancestors(kind.parent) if issubclass(kind, ChildStream) else ())]


def read_operation(path: str) -> Operation:
    """Return the operation that reads a path."""
    both = (find_operation(method, path) for method in ("get", "post"))
    return next(each for each in both if each and each.path.count("{") == path.count("{"))


def list_keys(kind: type[PixxelStream]) -> dict[str, str]:
    """Return the names of the lists in a stream's responses, by operation."""
    extra = {
        read_operation(path): path.rpartition("/")[2] for path in EXTRA_PATHS.get(name_of(kind), ())
    }
    own = {read_operation(each.path): each.records_key for each in with_ancestors(kind)}
    return {str(each): name for each, name in (extra | own).items()}


def responses(kind: type[PixxelStream]) -> st.SearchStrategy[dict[str, Any]]:
    """Return responses to all requests of a stream's sync, by operation.

    Half of them are complete, as the records of some streams need several matching responses.
    """
    paths = [*(each.path for each in with_ancestors(kind)), *EXTRA_PATHS.get(name_of(kind), ())]
    schemas = {str(each): response_schema(each, 200) for each in map(read_operation, paths)}
    return st.booleans().flatmap(
        lambda complete: st.fixed_dictionaries(
            {name: objects(schema, complete=complete) for name, schema in schemas.items()}
        )
    )


def find_schema_violations(synced: SyncResult) -> list[str]:
    """Return the violations of records against the SCHEMA before them."""
    violations, validator = [], None
    for message in synced.messages:
        if message["type"] == "SCHEMA":
            validator = jsonschema_rs.Draft7Validator(message["schema"], validate_formats=True)
        elif message["type"] == "RECORD":
            assert validator is not None
            errors = validator.iter_errors(message["record"])
            violations += [f"{error.instance_path}: {error.message}" for error in errors]
    return violations


def expected_rows(kind: type[PixxelStream], response: Any) -> list[dict[str, Any]]:
    """Return the rows that records should hold: the first row of each id, flattened."""
    rows = response.get(kind.records_key) or []
    if isinstance(rows, dict):
        rows = list(rows.values())
    first: dict[Any, Any] = {}
    for row in rows:
        if isinstance(row, dict) and isinstance(row.get("spec"), dict):
            spec = row.pop("spec")
            duplicates = {
                f"spec_{name}": spec[name]
                for name in spec
                if name == "id" or (name in row and row[name] != spec[name])
            }
            row |= {**spec, **duplicates, **row}
        if isinstance(row, dict):
            key = row.get("version" if name_of(kind) == "block_versions" else kind.row_key_field)
            first.setdefault(key if isinstance(key, str) else id(row), row)
    if name_of(kind) != "order_tasks":
        return list(first.values())
    return [
        {("stated_" * (name == "order_item_id")) + name: value for name, value in task.items()}
        for row in first.values()
        for task in row.get("tasks") or ()
        if isinstance(task, dict)
    ]


def find_lost_values(
    row: dict[str, Any], record: dict[str, Any], in_stac: frozenset[str]
) -> list[str]:
    """Return the names of values that are neither in a column nor unchanged in `extra`."""
    extra = record.get("extra") or {}
    return [
        name
        for name, value in row.items()
        if value not in (None, "")
        and name not in in_stac
        and record.get(name) is None
        and not (name in extra and extra[name] == value)
    ]


LIST_STREAMS = tuple(kind for kind in STREAMS if name_of(kind) != "order_report")


@pytest.mark.parametrize("kind", LIST_STREAMS, ids=name_of)
def test_stream_any_allowed_response_completes_without_lost_values(
    stub_server: StubServer, kind: type[PixxelStream], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tap_pixxel.tap.STREAMS", tuple(with_ancestors(kind)))
    stub_server.list_keys = list_keys(kind)
    emitted: Counter[bool] = Counter()
    needs_other_rows = name_of(kind) in EXTRA_PATHS or issubclass(kind, ChildStream)

    @(more_examples if needs_other_rows else few_examples)
    @given(responses(kind), st.booleans(), st.booleans())
    def check_sync(drawn: dict[str, Any], stac: bool, delivered: bool) -> None:  # noqa: FBT001 - drawn
        stub_server.responses = drawn
        options = {"stac": stac, "delivered_assets": delivered}
        synced, completed = try_sync(stub_server, name_of(kind), **options)
        assert find_schema_violations(synced) == []
        records = synced.records[name_of(kind)]
        emitted[completed] += len(records)
        if not completed or (needs_other_rows and not records):
            return
        for row in expected_rows(kind, drawn[str(read_operation(kind.path))]):
            if all(isinstance(row.get(key), str) and row[key] for key in kind.primary_keys):
                same = [r for r in records if all(r[key] == row[key] for key in kind.primary_keys)]
                assert [] in [
                    find_lost_values(row, record, members_in_stac(kind, record)) for record in same
                ]

    check_sync()
    assert emitted[True]


def members_in_stac(kind: type[PixxelStream], record: dict[str, Any]) -> frozenset[str]:
    """Return the members of the row that the record's STAC object replaces."""
    if issubclass(kind, StacStreamMixin) and record.get(kind.stac_column) is not None:
        # tests/tap_pixxel/stac covers invalid geometries
        return kind.replaced_columns | {"geometry"}
    return frozenset()


def test_order_report_any_csv_completes_without_lost_cells(stub_server: StubServer) -> None:
    emitted: Counter[bool] = Counter()

    @few_examples
    @given(csv_reports())
    def check_sync(report: bytes) -> None:
        stub_server.responses = {"GET /v0/reports": report}
        synced, completed = try_sync(stub_server, "order_report")
        assert find_schema_violations(synced) == []
        records = synced.records["order_report"]
        emitted[completed] += len(records)
        if completed:
            text = io.StringIO(report.decode("utf-8-sig"), newline="")
            lines = [line for line in csv.reader(text) if line][1:]
            assert lines == [list(record["fields"].values()) for record in records]

    check_sync()
    assert emitted[True]
