"""Whatever the contract allows for an answer, a sync ends well or with an error of ours."""

from __future__ import annotations

import csv
import io
from collections import Counter
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pixxel_api.errors import PixxelError
from tap_pixxel.stream_types.child import ChildStream
from tap_pixxel.stream_types.stac import StacStreamMixin
from tap_pixxel.streams import STREAMS
from tap_pixxel.tap import TapPixxel
from tests.pixxel_sandbox.contract_checks import load_contract
from tests.tap_pixxel.syncs import MessageCollector, SyncResult, make_catalog, make_config

from .generated import objects, reports
from .operations import answer_schema, operation
from .served import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_pixxel.stream_types.base import PixxelStream

    from .operations import Operation

often = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # a failure reads well enough unshrunk
    suppress_health_check=list(HealthCheck),
)
oftener = settings(often, max_examples=150)
"""Where records hang on several answers that must fit: in one example of ten or so."""
BESIDE = {
    "archive_items": ("/v0/archives/collections",),
    "catalogs": ("/v0/catalogs/deliveries", "/v0/stores"),
    "satellite_images": ("/v0/satellites",),
}
"""What a stream reads besides its own list and those of its parents."""
SEARCHED = {"datetime": "2020-01-01T00:00:00Z/2030-01-01T00:00:00Z", "bbox": [-10, -10, 10, 10]}


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """The server of all answers."""
    load_contract()
    with Service().open() as opened:
        yield opened


def attempt(service: Service, name: str, **more: Any) -> tuple[SyncResult, bool]:
    """Sync a stream; gives what came, and whether the run ended well."""
    config = make_config(service, **SEARCHED, **more)
    writer = MessageCollector()
    tap = TapPixxel(config=config, catalog=make_catalog(config, name), message_writer=writer)
    try:
        status = tap.run()
    except PixxelError:
        return SyncResult(None, writer.messages), False
    return SyncResult(status, writer.messages), True


def named(kind: type[PixxelStream]) -> str:
    """Give a stream's name, which the SDK declares for instances only."""
    return str(kind.__dict__["name"])


def parents(kind: type[PixxelStream]) -> list[type[PixxelStream]]:
    """Give a stream and those whose rows it hangs on."""
    return [kind, *(parents(kind.parent) if issubclass(kind, ChildStream) else ())]


def asked(path: str) -> Operation:
    """Find the operation that reads a path."""
    both = (operation(method, path) for method in ("get", "post"))
    return next(each for each in both if each and each.path.count("{") == path.count("{"))


def lists(kind: type[PixxelStream]) -> dict[str, str]:
    """Name the lists in the answers to the operations that read a stream."""
    beside = {asked(path): path.rpartition("/")[2] for path in BESIDE.get(named(kind), ())}
    own = {asked(each.path): each.records_key for each in parents(kind)}
    return {str(each): name for each, name in (beside | own).items()}


def answers(kind: type[PixxelStream]) -> st.SearchStrategy[dict[str, Any]]:
    """Give answers to all that a sync of a stream asks."""
    paths = [*(each.path for each in parents(kind)), *BESIDE.get(named(kind), ())]
    operations = map(asked, paths)
    return st.fixed_dictionaries(
        {str(each): objects(answer_schema(each, 200)) for each in operations}
    )


def breaches(synced: SyncResult) -> list[str]:
    """Say which records do not obey the schema that came before them."""
    found, check = [], None
    for message in synced.messages:
        if message["type"] == "SCHEMA":
            check = jsonschema_rs.Draft7Validator(message["schema"], validate_formats=True)
        elif message["type"] == "RECORD":
            assert check is not None
            found += [
                f"{e.instance_path}: {e.message}" for e in check.iter_errors(message["record"])
            ]
    return found


def rows_of(kind: type[PixxelStream], answer: Any) -> list[dict[str, Any]]:
    """Give the rows of an answer as their records should have them, each the first of its id."""
    rows = answer.get(kind.records_key) or []
    if isinstance(rows, dict):
        rows = list(rows.values())
    first: dict[Any, Any] = {}
    for row in rows:
        if isinstance(row, dict) and isinstance(row.get("spec"), dict):
            spec = row.pop("spec")
            twice = {
                f"spec_{name}": spec[name]
                for name in spec
                if name == "id" or (name in row and row[name] != spec[name])
            }
            row |= {**spec, **twice, **row}
        if isinstance(row, dict):
            key = row.get("version" if named(kind) == "block_versions" else kind.row_key_field)
            first.setdefault(key if isinstance(key, str) else id(row), row)
    if named(kind) != "order_tasks":
        return list(first.values())
    return [
        {("stated_" * (name == "order_item_id")) + name: value for name, value in task.items()}
        for row in first.values()
        for task in row.get("tasks") or ()
        if isinstance(task, dict)
    ]


def lost(row: dict[str, Any], record: dict[str, Any], consumed: frozenset[str]) -> list[str]:
    """Name the values of a row that are neither in a column nor, as they came, in `extra`."""
    extra = record.get("extra") or {}
    return [
        name
        for name, value in row.items()
        if value not in (None, "")
        and name not in consumed
        and record.get(name) is None
        and not (name in extra and extra[name] == value)
    ]


LISTED = tuple(kind for kind in STREAMS if named(kind) != "order_report")


@pytest.mark.parametrize("kind", LISTED, ids=named)
def test_no_answer_crashes_a_stream_or_loses_a_value(
    service: Service, kind: type[PixxelStream], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tap_pixxel.tap.STREAMS", tuple(parents(kind)))
    service.lists = lists(kind)
    emitted: Counter[bool] = Counter()
    hangs = named(kind) in BESIDE or issubclass(kind, ChildStream)

    @(oftener if hangs else often)
    @given(answers(kind), st.booleans(), st.booleans())
    def check(given: dict[str, Any], stac: bool, delivered: bool) -> None:  # noqa: FBT001 - drawn
        service.answers = given
        synced, whole = attempt(service, named(kind), stac=stac, delivered_assets=delivered)
        assert breaches(synced) == []
        records = synced.records[named(kind)]
        emitted[whole] += len(records)
        if not whole or (hangs and not records):
            return
        for row in rows_of(kind, given[str(asked(kind.path))]):
            if all(isinstance(row.get(key), str) and row[key] for key in kind.primary_keys):
                same = [r for r in records if all(r[key] == row[key] for key in kind.primary_keys)]
                assert [] in [lost(row, record, consumed(kind, record)) for record in same]

    check()
    assert emitted[True]


def consumed(kind: type[PixxelStream], record: dict[str, Any]) -> frozenset[str]:
    """Name what the STAC object of a record stands for."""
    if issubclass(kind, StacStreamMixin) and record.get(kind.stac_column) is not None:
        # tests/stac: what no geometry can be is told of
        return kind.replaced_columns | {"geometry"}
    return frozenset()


def test_no_report_crashes_its_stream_or_loses_a_cell(service: Service) -> None:
    emitted: Counter[bool] = Counter()

    @often
    @given(reports())
    def check(report: bytes) -> None:
        service.answers = {"GET /v0/reports": report}
        synced, whole = attempt(service, "order_report")
        assert breaches(synced) == []
        records = synced.records["order_report"]
        emitted[whole] += len(records)
        if whole:
            text = io.StringIO(report.decode("utf-8-sig"), newline="")
            _, *lines = (line for line in csv.reader(text) if line)
            told = [sum(bool(cell.strip()) for cell in line) for line in lines]
            assert told == [cells(record) for record in records]

    check()
    assert emitted[True]


def cells(record: dict[str, Any]) -> int:
    """Count the cells that a record of a report holds."""
    own = [value for name, value in record.items() if name not in {"row_number", "more_cells"}]
    return sum(value is not None for value in own) + len(record.get("more_cells") or ())
