"""Many items: months that are divided, and memory that does not grow."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.target_stac.exports import (
    TARGET,
    Json,
    assert_links_resolve,
    encode_messages,
    export,
    find_item_files,
    make_collection,
    make_environment,
    make_item,
    make_record_message,
    make_schema_message,
    read_documents,
    snapshot,
)

if TYPE_CHECKING:
    from pathlib import Path

_PEAK = """
import os, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss)
"""


def test_a_day_too_long_for_one_file_is_divided_and_shrinks_again(tmp_path: Path) -> None:
    """5,000 items of one day make links of 1.2 MB."""
    items = [make_item(f"an-item-of-a-long-day-{n:04}", assets={}) for n in range(5000)]
    export(tmp_path / "out", *items, formats=["catalog"])
    assert_links_resolve(tmp_path / "out")
    catalogs = [p for p, d in read_documents(tmp_path / "out") if d["type"] != "Feature"]
    assert max(path.stat().st_size for path in catalogs) < 1_000_000
    assert (tmp_path / "out/l2a/2025/03/07/0/catalog.json").exists()
    export(tmp_path / "out", *items[:20], formats=["catalog"], mode="overwrite")
    export(tmp_path / "fresh", *items[:20], formats=["catalog"])
    assert snapshot(tmp_path / "out") == snapshot(tmp_path / "fresh")


@pytest.mark.parametrize("root_href", [None, "https://stac.example.com"])
def test_a_month_is_divided_by_days_as_it_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root_href: str | None
) -> None:
    monkeypatch.setattr("target_stac.catalog.layout.MAX_LINK_BYTES", 1500)
    items = [make_item(f"{day:02}-{n}", f"2025-03-{day:02}") for day in (1, 9) for n in range(7)]
    steps = [items[:3], items[5:8], [items[3]], items[8:], items[4:5]]
    divided = []
    for step in steps:
        export(tmp_path / "steps", *step, root_href=root_href)
        assert_links_resolve(tmp_path / "steps", root_href=root_href)
        divided.append((tmp_path / "steps/l2a/2025/03/09/catalog.json").exists())
    assert (divided[0], divided[-1]) == (False, True)
    assert set(find_item_files(tmp_path / "steps")) == {f"l2a/{each['id']}" for each in items}
    ids = [
        document["id"]
        for path, document in read_documents(tmp_path / "steps")
        if "09" in path.parts
    ]
    assert "l2a-2025-03-09" in ids
    export(tmp_path / "once", *items, root_href=root_href)
    assert snapshot(tmp_path / "steps") == snapshot(tmp_path / "once")


def make_wide_item(number: int) -> Json:
    """An item of 20 kB, as those of many bands are."""
    href = f"https://example.com/{number}/"
    assets = {f"B{n:03}": {"href": f"{href}{n}.tif", "title": "band " * 20} for n in range(130)}
    return make_item(f"wide-{number:05}", f"2025-{number % 12 + 1:02}-01", assets=assets)


def measure_peak_memory(folder: Path, count: int) -> int:
    """The most memory, in kB, that an export of some items needs; the first with a collection."""
    lines = folder / f"{count}.singer"
    with lines.open("wb") as file:
        file.write(
            encode_messages(
                [
                    make_schema_message("s"),
                    make_record_message("s", stac_collection=make_collection("l2a")),
                ]
            )
        )
        file.writelines(
            encode_messages([make_record_message("s", stac_item=make_wide_item(n))])
            for n in range(count)
        )
    settings = {"output": str(folder / str(count)), "formats": ["catalog", "ndjson"]}
    # The process in between is small: a child counts the size of its parent as its own.
    with lines.open("rb") as given:
        result = subprocess.run(
            [sys.executable, "-c", _PEAK, TARGET, "--config=ENV"],
            stdin=given,
            capture_output=True,
            check=True,
            timeout=60,
            env=make_environment(settings),
        )
    status, memory = map(int, result.stdout.split()[-2:])
    assert status == 0
    return memory


def test_memory_does_not_grow_with_the_items(tmp_path: Path) -> None:
    """Ten times the items are 40 MB more of them."""
    few, many = measure_peak_memory(tmp_path, 250), measure_peak_memory(tmp_path, 2500)
    assert len(find_item_files(tmp_path / "2500")) == 2500
    assert many - few < 10_000, (few, many)
