"""Items derived from items: a relative link where both are in the export, wherever they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.stac_target.exports import (
    Json,
    api_link,
    derived,
    export,
    item,
    item_files,
    lines_of,
    link,
    links_resolve,
    read,
    snapshot,
)

if TYPE_CHECKING:
    from pathlib import Path

ABSOLUTE = api_link("derived_from", "archive", "origin")["href"]
ORIGIN = item("origin", collection="archive")
HOST = "https://stac.example.com"


def href(folder: Path, name: str = "l2a/child") -> str:
    """Where the item's file says it is derived from; its line of ndjson must say where it was."""
    [line] = [each for each in lines_of(folder / "items.ndjson") if each["id"] == name[4:]]
    assert link(line, "derived_from")["href"].endswith("/origin")
    return str(link(read(item_files(folder)[name]), "derived_from")["href"])


@pytest.mark.parametrize("objects", [[ORIGIN, derived("child", "origin")],
                                     [derived("child", "origin"), ORIGIN]])  # fmt: skip
def test_the_link_is_relative_whichever_comes_first(tmp_path: Path, objects: list[Json]) -> None:
    export(tmp_path, *objects)
    assert href(tmp_path) == "../../../archive/2025/03/origin.json"
    links_resolve(tmp_path)
    line = lines_of(tmp_path / "items.ndjson")[-1]
    assert link(line, "derived_from") == api_link("derived_from", "archive", "origin")


def test_the_link_is_absolute_without_the_origin_and_relative_when_it_comes(tmp_path: Path) -> None:
    export(tmp_path, derived("child", "origin"), item("other", "2024-01-01"))
    assert href(tmp_path) == ABSOLUTE
    export(tmp_path, ORIGIN)
    assert href(tmp_path) == "../../../archive/2025/03/origin.json"
    links_resolve(tmp_path)


def test_the_link_follows_an_origin_that_moves(tmp_path: Path) -> None:
    export(tmp_path, ORIGIN, derived("child", "origin", day="2025-01-05"))
    export(tmp_path, item("origin", "2023-02-01", collection="archive"))
    assert href(tmp_path) == "../../../archive/2023/02/origin.json"
    links_resolve(tmp_path)


def test_the_link_is_restored_when_the_origin_goes(tmp_path: Path) -> None:
    export(tmp_path, ORIGIN, derived("child", "origin"))
    export(tmp_path, derived("child", "origin"), mode="overwrite")
    assert href(tmp_path) == ABSOLUTE
    links_resolve(tmp_path)


def test_the_link_is_absolute_in_a_published_export_and_still_follows(tmp_path: Path) -> None:
    export(tmp_path, derived("child", "origin"), root_href=HOST)
    assert href(tmp_path) == ABSOLUTE
    export(tmp_path, ORIGIN, root_href=HOST)
    for day in ("2025-03-07", "2023-02-01"):
        export(tmp_path, item("origin", day, collection="archive"), root_href=HOST)
        path = f"{HOST}/archive/{day[:7].replace('-', '/')}/origin.json"
        line = lines_of(tmp_path / "items.ndjson")[-1]
        for document in (line, read(item_files(tmp_path)["l2a/child"])):
            assert link(document, "derived_from")["href"] == path
        links_resolve(tmp_path, root_href=HOST)


def test_chains_and_circles_resolve(tmp_path: Path) -> None:
    def made(name: str, origin: str) -> Json:
        return item(name, collection="archive", links=[api_link("derived_from", "archive", origin)])

    objects = [made("c", "b"), made("b", "a"), made("x", "y"), made("y", "x"), made("z", "z")]
    export(tmp_path / "one", *objects, item("a", collection="archive"))
    links_resolve(tmp_path / "one")
    found = item_files(tmp_path / "one")
    for name, origin in ("cb", "ba", "xy", "yx", "zz"):
        hrefs = link(read(found[f"archive/{name}"]), "derived_from")["href"]
        assert hrefs == f"./{origin}.json"
    export(tmp_path / "two", *objects[:2])
    export(tmp_path / "two", *objects[2:])
    export(tmp_path / "two", item("a", collection="archive"))
    assert snapshot(tmp_path / "one") == snapshot(tmp_path / "two")


def test_an_archive_item_and_two_catalogs_of_it_are_three_items(tmp_path: Path) -> None:
    catalogs = [derived(f"catalog-{n}", "origin", collection="archive", assets={}) for n in (1, 2)]
    export(tmp_path, ORIGIN, *catalogs)
    assert set(item_files(tmp_path)) == {
        f"archive/{n}" for n in ("origin", "catalog-1", "catalog-2")
    }
    export(tmp_path, catalogs[0], ORIGIN)
    assert len(lines_of(tmp_path / "items.ndjson")) == 3
    links_resolve(tmp_path)


@pytest.mark.parametrize(
    "odd",
    [
        {"rel": "derived_from", "href": "https://example.com/origin"},
        {"rel": "derived_from", "href": "https://example.com/collections/archive/items/"},
        {"rel": "derived_from"},
        {"rel": "derived_from", "href": 7},
        {"href": "https://example.com/x"},
    ],
)
def test_links_of_another_form_are_kept_as_they_come(tmp_path: Path, odd: dict[str, Any]) -> None:
    absolute = str(odd.get("href")).startswith("https:")
    export(tmp_path, ORIGIN, item("child", links=[odd]))
    before = snapshot(tmp_path)
    assert odd in read(item_files(tmp_path)["l2a/child"])["links"]
    assert (odd in lines_of(tmp_path / "items.ndjson")[-1]["links"]) == absolute
    export(tmp_path, ORIGIN, item("child", links=[odd]))
    assert snapshot(tmp_path) == before


def test_an_id_with_reserved_characters_is_found(tmp_path: Path) -> None:
    made = item("child", links=[api_link("derived_from", "an%20archive", "x%2Fy%3F")])
    export(tmp_path, item("x/y?", collection="an archive"), made)
    links_resolve(tmp_path)
    target = item_files(tmp_path)["an archive/x/y?"]
    relative = link(read(item_files(tmp_path)["l2a/child"]), "derived_from")["href"]
    assert relative.endswith(target.name)
