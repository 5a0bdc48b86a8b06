"""Tests of preview.html: its bytes, and the page opened from the disk in a browser."""

from __future__ import annotations

import json
import re
import shutil
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from target_stac.formats import preview
from target_stac.formats.preview import PreviewItem, write_preview

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from selenium.webdriver import Chrome

COLLECTIONS = {"l2a": "Surface reflectance", "l1c": "Radiance", "points": "Points & lines"}
FLAGS = [
    "--headless",
    "--no-sandbox",  # required for root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1200,800",
]
ATTACK = "<!--<script></script ><img src=x onerror=\"document.body.dataset.hacked='1'\">"
SCRIPT = "javascript:document.body.dataset.hacked='1'"


def make_square(west: float, south: float, size: float = 4.0) -> dict[str, Any]:
    east, north = west + size, south + size
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def make_preview_item(
    name: str,
    geometry: dict[str, Any] | None,
    *,
    href: str | None = "",
    assets: dict[str, Any] | None = None,
    collection: str | None = "l2a",
    **properties: Any,
) -> PreviewItem:
    item = {
        "type": "Feature",
        "id": name,
        "collection": collection,
        "geometry": geometry,
        "properties": {"datetime": "2024-06-01T10:00:00Z", **properties},
        "assets": assets or {},
    }
    return PreviewItem(f"{collection}/{name}/{name}.json" if href == "" else href, item)


def make_cloud_cover(percent: float) -> dict[str, Any]:
    return {"eo:cloud_cover": percent}


ASSETS = {
    "blue": {"href": "./blue.tif", "roles": ["data"]},
    "red": {"href": "./red.tif", "roles": ["data", "reflectance"]},
    "thumbnail": {"href": "https://example.com/a b.png?sig=%2F1", "roles": ["thumbnail"]},
    "preview": {"href": "../shared/overview.png", "roles": ["overview"]},
}
ORDERED: dict[str, Any] = {"view:off_nadir": 3.5, "order:status": "succeeded"}
ITEMS = [
    make_preview_item("big", make_square(0, 0, 20), **make_cloud_cover(80)),
    make_preview_item(
        "small",
        make_square(8, 8),
        assets=ASSETS,
        gsd=5,
        platform="firefly-1",
        title="The small one",
        **make_cloud_cover(10),
        **ORDERED,
    ),
    make_preview_item(
        "old", make_square(40, 10), collection="l1c", datetime="2023-12-31T23:30:00-02:00"
    ),
    make_preview_item(
        "long",
        make_square(-30, 10),
        collection="l1c",
        datetime=None,
        start_datetime="2024-01-30T00:00:00Z",
        end_datetime="2024-02-02T00:00:00Z",
        **make_cloud_cover(30),
    ),
    make_preview_item(
        "tiny", make_square(100.0, 40.0, 0.001), collection="l1c", **make_cloud_cover(30.5)
    ),
    make_preview_item("bare", None),
    make_preview_item("spot", {"type": "Point", "coordinates": [-60, -10]}, collection="points"),
    make_preview_item(
        "split",
        {
            "type": "MultiPolygon",
            "coordinates": [
                make_square(176, -20)["coordinates"],
                make_square(-180, -20)["coordinates"],
            ],
        },
        collection="unheard of",
        **make_cloud_cover(0),
    ),
]


def render_page(items: Iterable[PreviewItem], **settings: Any) -> tuple[int, bytes]:
    pieces: list[bytes] = []
    known = {"title": "An export", "collections": COLLECTIONS, **settings}
    drawn = write_preview(pieces.append, items=items, **known)
    return drawn, b"".join(pieces)


def read_script_json(html: bytes, name: str) -> Any:
    found = re.search(
        rf'<script id="{name}" type="application/json">(.*?)</script>', html.decode(), re.DOTALL
    )
    assert found
    return json.loads(found[1])


# --- in the browser -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (browser and driver):
        pytest.skip("chromium and chromedriver are not installed")
    options = Options()
    options.binary_location = browser
    profile = tmp_path_factory.mktemp("profile")
    for flag in [*FLAGS, f"--user-data-dir={profile}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = Service(executable_path=driver)
    started = webdriver.Chrome(options=options, service=service)
    try:
        yield started
    finally:
        started.quit()


class PreviewPage:
    """The page in a browser."""

    def __init__(self, chrome: Chrome) -> None:
        self.chrome = chrome

    def open(self, path: Path) -> None:
        self.chrome.get(path.as_uri())
        WebDriverWait(self.chrome, 10).until(
            lambda _: self.js("return document.body.dataset.ready")
        )

    def js(self, script: str, *values: object) -> Any:
        return self.chrome.execute_script(script, *values)

    def text(self, name: str) -> str:
        return str(self.chrome.find_element(By.ID, name).text)

    def fill(self, name: str, value: str) -> None:
        self.js(
            "const field = document.getElementById(arguments[0]); field.value = arguments[1];"
            "field.dispatchEvent(new Event('input', {bubbles: true}));",
            name,
            value,
        )

    def press(self, css: str) -> None:
        self.chrome.find_element(By.CSS_SELECTOR, css).click()

    def shown_ids(self) -> set[str]:
        """Return the ids in the list; assert that the count and the map show the same items."""
        self.chrome.execute_async_script(
            "requestAnimationFrame(() => requestAnimationFrame(arguments[0]))"
        )
        drawn, listed = self.js(
            "const {items, map} = preview;"
            "const listed = [...document.querySelectorAll('#list button')];"
            "return [items.filter((i) => map.hasLayer(i.layer)).map((i) => i.id),"
            " listed.map((b) => items[b.dataset.index].id)]"
        )
        assert sorted(drawn) == sorted(listed)
        assert self.text("shown") == str(len(drawn))
        return set(drawn)

    def click(self, longitude: float, latitude: float) -> None:
        """Click a position on the map."""
        x, y = self.js(
            "const p = preview.map.latLngToContainerPoint([arguments[1], arguments[0]]);"
            "return [Math.round(p.x), Math.round(p.y)]",
            longitude,
            latitude,
        )
        middle = self.chrome.find_element(By.ID, "map")
        left, top = x - middle.size["width"] // 2, y - middle.size["height"] // 2
        ActionChains(self.chrome).move_to_element_with_offset(middle, left, top).click().perform()

    def details(self) -> dict[str, str]:
        return dict(
            self.js(
                "return [...document.querySelectorAll('#properties dt')]"
                ".map((t) => [t.textContent, t.nextSibling.textContent])"
            )
        )

    def links(self) -> dict[str, str]:
        return dict(
            self.js(
                "return [...document.querySelectorAll('#links a')]"
                ".map((a) => [a.textContent, a.getAttribute('href')])"
            )
        )

    def read_console(self) -> list[Any]:
        return list(self.chrome.get_log("browser"))  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def preview_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "preview.html"
    path.write_bytes(render_page(ITEMS)[1])
    return path


@pytest.fixture
def preview_page(chrome: Chrome, preview_file: Path) -> PreviewPage:
    page = PreviewPage(chrome)
    page.read_console()
    page.open(preview_file)
    return page


ALL = {"big", "small", "old", "long", "tiny", "spot", "split"}


def test_page_opened_from_disk_makes_no_requests_and_logs_no_errors(
    preview_page: PreviewPage,
) -> None:
    assert preview_page.shown_ids() == ALL
    assert preview_page.text("drawn") == "7"
    assert (
        preview_page.text("note")
        == "7 of 8 items are drawn. 1 item has no geometry that can be drawn."
    )
    assert preview_page.js("return performance.getEntriesByType('resource').length") == 0
    assert preview_page.read_console() == []


def test_footprint_of_any_size_has_colour_of_its_collection(
    preview_page: PreviewPage,
) -> None:
    script = """
        const [at, id] = arguments;
        const canvas = document.querySelector('.leaflet-overlay-pane canvas');
        const place = preview.map.latLngToContainerPoint(at);
        const page = document.getElementById('map').getBoundingClientRect();
        const box = canvas.getBoundingClientRect();
        const scale = canvas.width / box.width;
        const x = (page.left + place.x - box.left) * scale;
        const y = (page.top + place.y - box.top) * scale;
        const wanted = preview.items.find((item) => item.id === id).group.colour;
        const data = canvas.getContext('2d').getImageData(x - 6, y - 6, 13, 13).data;
        const near = (i) => [0, 1, 2].every((c) =>
            Math.abs(data[i + c] - parseInt(wanted.slice(1 + 2 * c, 3 + 2 * c), 16)) < 12);
        let found = 0;
        for (let i = 0; i < data.length; i += 4) found += data[i + 3] > 40 && near(i);
        return found;
    """
    places = {"big": [20, 10], "tiny": [40, 100], "spot": [-10, -60], "long": [12, -28]}
    preview_page.shown_ids()
    for name, place in places.items():
        assert preview_page.js(script, place, name) > 8, name
    assert preview_page.js(script, [-40, 0], "big") == 0  # nothing is drawn there


def test_cloud_filter_keeps_items_at_or_below_value(preview_page: PreviewPage) -> None:
    preview_page.fill("cloud", "30")
    assert preview_page.shown_ids() == {"small", "long", "split"}
    preview_page.press("#unknown")
    assert preview_page.shown_ids() == {"small", "long", "split", "old", "spot"}
    preview_page.press("button[type=reset]")
    assert preview_page.shown_ids() == ALL


def test_date_filter_keeps_overlapping_intervals_by_utc_day(
    preview_page: PreviewPage,
) -> None:
    preview_page.fill("from", "2024-01-01")
    assert "old" in preview_page.shown_ids()  # 01:30 UTC; in 2023 by its own offset
    preview_page.fill("from", "2024-01-02")
    assert preview_page.shown_ids() == ALL - {"old"}
    preview_page.fill("from", "2024-02-01")
    assert preview_page.shown_ids() == ALL - {"old"}  # one of them ended on the 2nd
    preview_page.fill("from", "2024-01-02")
    preview_page.fill("to", "2024-01-31")
    assert preview_page.shown_ids() == {"long"}  # it began on the 30th
    preview_page.fill("from", "2024-02-03")
    preview_page.fill("to", "2024-06-01")
    assert preview_page.shown_ids() == ALL - {"old", "long"}  # the last day counts


def test_legend_toggles_collections(preview_page: PreviewPage) -> None:
    preview_page.press("[data-collection=l1c]")
    assert preview_page.shown_ids() == ALL - {"old", "long", "tiny"}
    preview_page.press("#none")
    assert preview_page.shown_ids() == set()
    preview_page.press("[data-collection=points]")
    assert preview_page.shown_ids() == {"spot"}
    preview_page.press("#all")
    assert preview_page.shown_ids() == ALL
    legend = preview_page.text("legend").split("\n")
    assert [*legend[::2]] == ["Radiance", "Surface reflectance", "Points & lines", "Other"]


def test_click_on_overlapping_footprints_shows_smallest_first(
    preview_page: PreviewPage,
) -> None:
    preview_page.click(10, 10)
    assert preview_page.text("details-title") == "The small one"
    assert preview_page.text("place") == "1 of 2 here"
    assert preview_page.details() == {
        "Id": "small",
        "Collection": "Surface reflectance",
        "Acquired": "2024-06-01T10:00:00Z",
        "Platform": "firefly-1",
        "Ground sampling": "5 m",
        "Cloud cover": "10 %",
        "Off nadir": "3.5°",
        "Order": "succeeded",
        "Data assets": "2",
    }
    assert preview_page.links() == {
        "Item JSON": "./l2a/small/small.json",
        "Thumbnail": "https://example.com/a%20b.png?sig=%2F1",
        "Overview": "./l2a/small/../shared/overview.png",
    }
    preview_page.press("#next")
    assert preview_page.details()["Id"] == "big"
    preview_page.click(0, -40)  # the sea
    assert preview_page.text("details-title") == ""


@pytest.mark.parametrize(
    ("place", "name"),
    [((100, 40), "tiny"), ((-60, -10), "spot"), ((178, -18), "split"), ((-178, -18), "split")],
)
def test_click_on_dot_point_or_split_footprint_shows_item(
    preview_page: PreviewPage, place: tuple[float, float], name: str
) -> None:
    preview_page.click(*place)
    assert preview_page.details()["Id"] == name


def test_keyboard_opens_and_closes_item_details(preview_page: PreviewPage) -> None:
    preview_page.js("document.querySelector('#list button').focus()")
    keys = ActionChains(preview_page.chrome)
    keys.send_keys("\ue007").perform()  # Enter
    assert preview_page.js("return document.activeElement.id") == "details-title"
    assert preview_page.details()["Id"] in ALL
    keys.reset_actions()
    keys.send_keys("\ue00c").perform()  # Escape
    assert preview_page.js("return document.activeElement.matches('#list button')")
    assert not preview_page.chrome.find_element(By.ID, "details").is_displayed()


def test_hostile_texts_and_hrefs_are_shown_as_text(chrome: Chrome, tmp_path: Path) -> None:
    hostile = make_preview_item(
        ATTACK,
        make_square(0, 0),
        href=SCRIPT,
        collection=ATTACK,
        title=ATTACK + "\u2028",
        platform=ATTACK,
        gsd={"a": ATTACK},
        assets={
            "thumbnail": {"href": SCRIPT},
            "overview": {"href": "//evil.example/x.png"},
        },
    )
    strings = {"title": ATTACK, "collections": {ATTACK: ATTACK}}
    path = tmp_path / "hostile & co.html"
    path.write_bytes(render_page([hostile], **strings)[1])
    preview_page = PreviewPage(chrome)
    preview_page.read_console()
    preview_page.open(path)
    preview_page.click(2, 2)
    assert preview_page.chrome.title == ATTACK
    assert preview_page.chrome.find_element(By.TAG_NAME, "h1").text == ATTACK
    assert preview_page.text("details-title").startswith(ATTACK)
    assert preview_page.details()["Id"] == ATTACK
    assert preview_page.details()["Platform"] == ATTACK
    assert preview_page.links() == {}
    assert preview_page.text("links").splitlines() == [
        f"Item JSON: {SCRIPT}",
        f"Thumbnail: {SCRIPT}",
        "Overview: //evil.example/x.png",
    ]
    assert preview_page.js("return document.querySelectorAll('img').length") == 0
    assert preview_page.js("return document.body.dataset.hacked") is None
    assert preview_page.js("return performance.getEntriesByType('resource').length") == 0
    assert preview_page.read_console() == []


def test_content_security_policy_blocks_injected_script(preview_page: PreviewPage) -> None:
    preview_page.js(
        "const s = document.createElement('script');"
        "s.textContent = \"document.body.dataset.hacked='1'\"; document.body.append(s);"
        "const a = document.createElement('a'); a.href = arguments[0];"
        "document.body.append(a); a.click();",
        SCRIPT,
    )
    assert preview_page.js("return document.body.dataset.hacked") is None
    assert "Content Security Policy" in str(preview_page.read_console())


# --- bytes --------------------------------------------------------------------------------------


def test_page_of_same_items_has_same_bytes() -> None:
    backwards = dict(reversed(COLLECTIONS.items()))
    assert render_page(ITEMS) == render_page(iter(ITEMS), collections=backwards)


def test_page_source_has_no_external_references() -> None:
    html = render_page([])[1].decode()
    style = html[html.index("<style>") : html.index("</style>")]
    assert not re.search(r"url\(|@import", style)
    assert not re.search(r"<(script|img|iframe)[^>]* src", html)
    assert re.findall(r"<link[^>]*>", html) == ['<link rel="icon" href="data:,">']
    assert "sourceMappingURL" not in html


def test_preview_of_many_items_streams_them() -> None:
    written = size = read = 0

    def write(piece: bytes) -> None:
        nonlocal written, size
        written += 1
        size += len(piece)

    def items() -> Iterator[PreviewItem]:
        nonlocal read
        for number in range(5000):
            assert written == 1 + number  # the head, and every row before
            read += 1
            yield make_preview_item(f"item-{number}", make_square(number % 170, 0), title="x" * 200)

    render_page([])  # the templates are read once
    tracemalloc.start()
    try:
        drawn = write_preview(write, title="", items=items(), collections=COLLECTIONS)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (drawn, read, written) == (5000, 5000, 5002)
    assert peak < size / 2  # neither the page nor the items are in memory as a whole


@pytest.mark.parametrize(("total", "read"), [(51_200, 4), (None, 9)])
def test_preview_beyond_maximum_omits_items_with_note(
    total: int | None, read: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview, "MAX_FOOTPRINTS", 3)
    items = iter([make_preview_item(str(number), make_square(number, 0)) for number in range(9)])
    drawn, html = render_page(items, total=total)
    assert drawn == 3
    assert len(read_script_json(html, "rows")) == 3
    assert read_script_json(html, "left-out") == f"3 of {total or 9:,} items are drawn."
    assert len(list(items)) == 9 - read  # with a total, the remaining items are not read


def test_preview_of_all_items_has_no_note() -> None:
    assert preview.MAX_FOOTPRINTS == 20_000
    assert read_script_json(render_page(ITEMS[:3], total=3)[1], "left-out") == ""
    assert read_script_json(render_page([])[1], "rows") == []


@pytest.mark.parametrize(
    "geometry",
    [
        None,
        [],
        {"type": "Polygon"},
        {"type": ["Polygon"], "coordinates": []},
        {"type": "Polygon", "coordinates": []},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 0]]]},
        {"type": "Polygon", "coordinates": [[0, 0], [1, 1], [1, 0], [0, 0]]},
        {"type": "Point", "coordinates": [500_000.0, 4_100_000.0]},
        {"type": "Point", "coordinates": [float("nan"), 0]},
        {"type": "Point", "coordinates": [10**400, 0]},
        {"type": "Point", "coordinates": ["<b>", 0]},
        {"type": "Point", "coordinates": [1]},
        {"type": "GeometryCollection", "geometries": []},
    ],
)
def test_invalid_geometry_is_counted_in_note(geometry: Any) -> None:
    drawn, html = render_page([make_preview_item("odd", geometry), ITEMS[0]])
    assert drawn == 1
    assert "1 item has no geometry that can be drawn." in read_script_json(html, "left-out")


def test_items_with_invalid_values_are_encoded() -> None:
    odd = {
        "geometry": make_square(0, 0),
        "properties": [],
        "assets": {"a": None, "b": {"roles": 1}},
    }
    values: dict[str, Any] = {
        "gsd": float("inf"),
        "platform": "\ud800" * 999,
        "datetime": "soon",
        "title": 7,
    }
    strange = make_preview_item("b", make_square(0, 0), collection=None, **values)
    drawn, html = render_page([PreviewItem(None, odd), strange], title="\ud800")
    assert drawn == 2
    first, second = read_script_json(html, "rows")
    assert first[2:8] == [None] * 6
    assert second[7] == "7"
    assert second[8][4] == "Infinity"


def test_coordinates_are_rounded_to_five_decimals_without_height() -> None:
    point = {"type": "Point", "coordinates": [77.123456789, 12.987654321, 900]}
    assert read_script_json(render_page([make_preview_item("a", point)])[1], "rows")[0][:2] == [
        0,
        [[77.12346, 12.98765]],
    ]


def test_colours_follow_sorted_collection_ids_and_repeat() -> None:
    names = {f"c{number}": "" for number in range(14)}
    colours = [
        colour
        for *_, colour in read_script_json(render_page([], collections=names)[1], "facts")[
            "collections"
        ]
    ]
    assert len(set(colours[:12])) == 12
    assert colours[12:] == colours[:2]
