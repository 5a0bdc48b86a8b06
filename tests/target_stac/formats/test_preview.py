"""Tests of preview.html: its bytes, and the page opened from the disk in a browser."""

from __future__ import annotations

import json
import re
import shutil
import tracemalloc
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import duckdb
import pystac
import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from target_stac.formats import all_formats, preview
from target_stac.formats.preview import PreviewItem, write_preview
from tests.target_stac.exports import FORMATS, export, make_item

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
    "preview": {"href": "../shared/overview.png", "roles": ["overview"], "title": "In colour"},
    "cube": {
        "href": "s3://bucket/cube.tif",
        "type": "image/tiff",
        "bands": [
            {"name": "B1", "eo:center_wavelength": 0.47, "eo:full_width_half_max": 0.02},
            {"name": "B2", "eo:center_wavelength": 0.9, "eo:full_width_half_max": 0.005},
            {"name": "B3", "eo:center_wavelength": 2.2},
            {"name": "B4", "eo:center_wavelength": 11.0, "eo:full_width_half_max": 1},
        ],
    },
    "B5": {"href": "https://example.com/B5.tif", "bands": [{"eo:center_wavelength": 0.5625}]},
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
        "old",
        make_square(40, 10),
        assets={"thumbnail": {"href": "./t.png"}},
        collection="l1c",
        datetime="2023-12-31T23:30:00-02:00",
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


DATASETS = {"l2a": "geoparquet/l2a.parquet", "l1c": "geoparquet/l1c/"}


def render_page(items: Iterable[PreviewItem], **settings: Any) -> tuple[int, bytes]:
    pieces: list[bytes] = []
    known = {"title": "An export", "collections": COLLECTIONS, **settings}
    drawn = write_preview(pieces.append, items=items, **known)
    assert b"".join(pieces).count(b"</html>") == 1
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

    def open(self, path: Path, fragment: str = "") -> None:
        self.chrome.get("about:blank")  # another fragment alone would not load the page again
        self.chrome.get(path.as_uri() + fragment)
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

    def choose(self, name: str) -> None:
        """Select an item by its id."""
        self.js("preview.select(preview.items.find((item) => item.id === arguments[0]))", name)

    def copy(self, css: str, expected: str) -> None:
        """Press a button; assert that the clipboard then holds a text, pasted as a person does."""
        self.press(css)
        WebDriverWait(self.chrome, 10).until(lambda _: self._paste() == expected)

    def _paste(self) -> str:
        self.js(
            "const field = document.createElement('textarea'); field.id = 'pasted';"
            "document.querySelector('header').append(field)"
        )
        field = self.chrome.find_element(By.ID, "pasted")
        field.send_keys(Keys.CONTROL, "v")
        pasted = str(field.get_attribute("value"))
        self.js("document.getElementById('pasted').remove()")
        return pasted

    def read_code(self) -> dict[str, str]:
        return dict(
            self.js(
                "return [...document.querySelectorAll('#code dt')]"
                ".map((t) => [t.textContent, t.nextSibling.querySelector('code').textContent])"
            )
        )

    def wait_for_image(self, *, loaded: bool) -> None:
        """Wait until the image of the selected item is loaded, or cannot be."""
        script = "const i = document.getElementById('image'); return i.complete && i.src !== ''"
        WebDriverWait(self.chrome, 10).until(lambda _: self.js(script))
        image = self.chrome.find_element(By.ID, "image")
        WebDriverWait(self.chrome, 10).until(lambda _: image.is_displayed() is loaded)

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
    path.write_bytes(render_page(ITEMS, newest=ITEMS[1:3], datasets=DATASETS)[1])
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
        "Cloud cover": "10 %",
        "Platform": "firefly-1",
        "Ground sampling": "5 m",
        "Off nadir": "3.5°",
        "Order": "succeeded",
        "Data assets": "2",
    }
    assert preview_page.links() == {
        "Item JSON": "./l2a/small/small.json",
        "Thumbnail": "https://example.com/a%20b.png?sig=%2F1",
        "Link to this item": "#l2a/small",
    }
    preview_page.press("#next")
    assert preview_page.details()["Id"] == "big"
    preview_page.click(0, -40)  # the sea
    assert preview_page.text("details-title") == ""


def test_item_acquired_in_an_interval_shows_start_and_end(preview_page: PreviewPage) -> None:
    preview_page.choose("long")
    details = preview_page.details()
    assert (details["Start"], details["End"]) == ("2024-01-30T00:00:00Z", "2024-02-02T00:00:00Z")


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


def test_search_keeps_items_whose_id_or_title_contains_text(preview_page: PreviewPage) -> None:
    preview_page.fill("search", "SMALL O")
    assert preview_page.shown_ids() == {"small"}  # by its title
    preview_page.fill("search", " l")
    assert preview_page.shown_ids() == {"small", "old", "long", "split"}
    preview_page.fill("search", "tin")
    preview_page.chrome.find_element(By.ID, "search").send_keys(Keys.ENTER)
    assert preview_page.details()["Id"] == "tiny"
    assert preview_page.js("return preview.map.getBounds().contains([40, 100])")
    preview_page.press("button[type=reset]")
    assert preview_page.shown_ids() == ALL


def test_asset_list_has_copyable_hrefs(preview_page: PreviewPage, preview_file: Path) -> None:
    preview_page.choose("small")
    folder = preview_file.parent.as_uri()
    assert preview_page.text("assets-title") == "Assets (6)"
    listed = preview_page.js(
        "return [...document.querySelectorAll('#asset-list li')].map((l) => "
        "[l.querySelector('.name').textContent, l.querySelector('.kind').textContent,"
        " l.lastChild.tagName, l.lastChild.textContent])"
    )
    assert listed == [
        ["blue", "data", "A", "./l2a/small/./blue.tif".replace("/./", "/")],
        ["red", "data, reflectance", "A", "./l2a/small/red.tif"],
        ["thumbnail", "thumbnail", "A", "https://example.com/a%20b.png?sig=%2F1"],
        ["preview: In colour", "overview", "A", "./l2a/small/../shared/overview.png"],
        ["cube", "image/tiff", "CODE", "s3://bucket/cube.tif"],
        ["B5", "562.5 nm", "A", "https://example.com/B5.tif"],
    ]
    preview_page.copy("#asset-list li:nth-child(4) .copy", f"{folder}/l2a/shared/overview.png")
    preview_page.copy("#asset-list li:nth-child(5) .copy", "s3://bucket/cube.tif")
    hrefs = [
        f"{folder}/l2a/small/blue.tif",
        f"{folder}/l2a/small/red.tif",
        "https://example.com/a%20b.png?sig=%2F1",
        f"{folder}/l2a/shared/overview.png",
        "s3://bucket/cube.tif",
        "https://example.com/B5.tif",
    ]
    preview_page.copy("#copy-all", "\n".join(hrefs))


def test_item_without_asset_list_says_how_many_items_have_one(preview_page: PreviewPage) -> None:
    preview_page.choose("big")
    assert preview_page.text("assets-title") == "Assets"
    assert preview_page.text("assets-note") == (
        "This page lists the assets of 2 items, the newest. Of this one, see the item's JSON."
    )
    assert not preview_page.chrome.find_element(By.ID, "copy-all").is_displayed()
    assert preview_page.js("return document.querySelectorAll('#asset-list li').length") == 0
    preview_page.choose("small")
    assert not preview_page.chrome.find_element(By.ID, "assets-note").is_displayed()


@pytest.mark.parametrize("partition", ["none", "month"])
def test_copied_code_opens_the_item(chrome: Chrome, tmp_path: Path, partition: str) -> None:
    folder = tmp_path / "it's here"
    names = ["a'b", "50% #1", "plain"]
    items = [make_item(name) for name in names]
    export(
        folder, *items, make_item("alone", collection=None), formats=FORMATS, partition=partition
    )
    page = PreviewPage(chrome)
    page.open(folder / "preview.html")
    for name in [*names, "alone"]:
        page.choose(name)
        code = page.read_code()
        item = eval(code["pystac"], {"pystac": pystac})  # noqa: S307 - the code that is tested
        assert item.id == name
        [row] = duckdb.connect().execute(code["DuckDB"]).fetchall()
        assert name in row
        page.copy("#code dd:last-of-type .copy", code["DuckDB"])


def test_export_without_geoparquet_has_no_duckdb_line(chrome: Chrome, tmp_path: Path) -> None:
    export(tmp_path, make_item("a"))
    page = PreviewPage(chrome)
    page.open(tmp_path / "preview.html")
    page.choose("a")
    assert page.read_code().keys() == {"pystac"}


def test_link_to_item_reopens_it(preview_page: PreviewPage, preview_file: Path) -> None:
    preview_page.choose("old")
    address = preview_page.js("return location.hash")
    assert address == preview_page.links()["Link to this item"] == "#l1c/old"
    preview_page.open(preview_file, address)
    assert preview_page.details()["Id"] == "old"
    assert preview_page.js("return preview.map.getBounds().contains([12, 42])")
    assert not preview_page.js("return preview.map.getBounds().contains([40, 100])")
    preview_page.fill("search", "big")
    assert "split" not in preview_page.shown_ids()  # the filter has been applied
    preview_page.js("location.hash = '#unheard%20of/split'")  # as a person edits the address
    WebDriverWait(preview_page.chrome, 10).until(
        lambda _: preview_page.details().get("Id") == "split"
    )
    preview_page.press("#close")
    assert preview_page.js("return location.hash") == ""
    assert preview_page.shown_ids() == ALL  # the filter that hid it is reset


def test_link_to_unknown_item_says_so(preview_page: PreviewPage, preview_file: Path) -> None:
    preview_page.open(preview_file, "#l1c/gone")
    assert preview_page.text("missing") == "The item of this link is not on this page."
    assert preview_page.text("details-title") == ""
    preview_page.choose("old")
    assert preview_page.text("missing") == ""


def test_legend_of_sizes_has_sizes_that_map_draws(preview_page: PreviewPage) -> None:
    radii = preview_page.js(
        "const circles = [...document.querySelectorAll('#sizes circle')];"
        "return circles.map((circle) => Number(circle.getAttribute('r')))"
    )
    drawn = preview_page.js(
        "const layer = (id) => preview.items.find((item) => item.id === id).layer;"
        "return [layer('tiny')._radius, layer('spot').getLayers()[0]._radius]"
    )
    assert radii == drawn
    assert preview_page.text("sizes").splitlines() == [
        "a footprint smaller than 6 pixels; zoom in for its shape",
        "an item whose geometry is a point",
    ]


def test_band_strip_shows_centres_and_widths(preview_page: PreviewPage) -> None:
    preview_page.choose("small")
    assert preview_page.text("bands-text") == (
        "5 bands, centre 470 to 11,000 nm, width 5 to 1,000 nm, 2 without width, "
        "1 outside of the strip"
    )
    script = """
        const strip = document.querySelectorAll('#strips svg')[0];
        const box = strip.getBoundingClientRect();
        const axis = [...strip.querySelectorAll('text:not(.region)')].map((text, at) => {
            const tick = strip.querySelectorAll('line.tick')[at].getBoundingClientRect();
            return [Number(text.textContent.replace(',', '')), tick.left + tick.width / 2];
        });
        const [[low, left], [high, right]] = [axis[0], axis[axis.length - 1]];
        const read = (x) => low + (x - left) / (right - left) * (high - low);
        return [...strip.querySelectorAll('.band')].map((band) => {
            const line = band.querySelector('line').getBoundingClientRect();
            const bar = band.querySelector('rect');
            const width = bar && Number(bar.getAttribute('width')) / 360 * 2200;
            const title = band.querySelector('title').textContent;
            return [read(line.left + line.width / 2), width, title];
        });
    """
    bands = preview_page.js(script)
    assert [title for _, _, title in bands] == [
        "470 nm, width 20 nm",
        "562.5 nm, width not stated",
        "900 nm, width 5 nm",
        "2,200 nm, width not stated",
    ]
    centres = [centre for centre, _, _ in bands]
    assert centres == pytest.approx([470, 562.5, 900, 2200], abs=3)
    assert bands[0][1] == pytest.approx(20)  # to scale
    assert bands[1][1] is None
    regions = preview_page.js(
        "return [...document.querySelectorAll('#strips .region')].map((t) => t.textContent)"
    )
    assert regions == ["visible", "near infrared", "short-wave infrared"]
    assert preview_page.js("return document.querySelectorAll('#strips svg').length") == 1


def test_bands_of_a_short_range_have_a_second_strip_of_it(chrome: Chrome, tmp_path: Path) -> None:
    bands = [{"eo:center_wavelength": 0.47 + number / 100} for number in range(44)]
    item = make_preview_item("a", make_square(0, 0), assets={"a": {"href": "a", "bands": bands}})
    path = tmp_path / "preview.html"
    path.write_bytes(render_page([item, make_preview_item("b", make_square(9, 9))])[1])
    page = PreviewPage(chrome)
    page.open(path)
    page.choose("a")
    strips = "return [...document.querySelectorAll('#strips svg')].map((s) => s.ariaLabel)"
    assert page.js(strips) == ["Bands from 350 nm to 2,550 nm", "Bands from 457.1 nm to 912.9 nm"]
    page.choose("b")
    assert not page.chrome.find_element(By.ID, "bands").is_displayed()


def test_bands_beyond_room_are_said_to_be_missing(
    chrome: Chrome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview, "MAX_BAND_SET_BYTES", 10)
    path = tmp_path / "preview.html"
    path.write_bytes(render_page(ITEMS)[1])
    page = PreviewPage(chrome)
    page.open(path)
    page.choose("small")
    assert page.text("bands-text") == (
        "This page has no room for the bands of this item; see the item's JSON."
    )


# The smallest PNG: one transparent pixel.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c02"
    "0000000b4944415478da6364f80f00010501012718e3660000000049454e44ae426082"
)


class RecordingHandler(SimpleHTTPRequestHandler):
    """Serves a folder, and records the requests with their Referer."""

    requests: list[tuple[str, str | None]]

    def do_GET(self) -> None:
        self.requests.append((self.path, self.headers["Referer"]))
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder; yield its URL."""
    RecordingHandler.requests = []
    handler = partial(RecordingHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("partition", ["none", "month"])
def test_code_of_published_page_has_urls(chrome: Chrome, tmp_path: Path, partition: str) -> None:
    export(tmp_path, make_item("a b"), formats=FORMATS, partition=partition)
    page = PreviewPage(chrome)
    with serve(tmp_path) as url:
        chrome.get(f"{url}/preview.html#l2a/a%20b")
        code = page.read_code()
        item = eval(code["pystac"], {"pystac": pystac})  # noqa: S307 - the code that is tested
        assert item.id == "a b"
        if partition == "none":
            assert f"FROM '{url}/geoparquet/l2a.parquet'" in code["DuckDB"]
        else:  # over HTTP, DuckDB cannot list a folder
            assert "DuckDB" not in code
    page.read_console()  # the missing favicon


def test_thumbnail_of_selected_item_is_loaded(chrome: Chrome, tmp_path: Path) -> None:
    (tmp_path / "l2a/beside").mkdir(parents=True)
    (tmp_path / "l2a/beside/t.png").write_bytes(PNG)
    (tmp_path / "web").mkdir()
    (tmp_path / "web/t.png").write_bytes(PNG)
    with serve(tmp_path) as url:
        hrefs = {"beside": "./t.png", "web": f"{url}/web/t.png", "broken": "./gone.png"}
        items = [
            make_preview_item(
                name, make_square(at * 10, 0), assets={"x": {"href": href, "roles": ["thumbnail"]}}
            )
            for at, (name, href) in enumerate(hrefs.items())
        ]
        (tmp_path / "preview.html").write_bytes(render_page(items)[1])
        page = PreviewPage(chrome)
        page.open(tmp_path / "preview.html")
        assert RecordingHandler.requests == []  # opening the page requests nothing
        page.choose("beside")
        page.wait_for_image(loaded=True)
        page.choose("web")
        page.wait_for_image(loaded=True)
        assert RecordingHandler.requests == [("/web/t.png", None)]
        page.choose("broken")
        page.wait_for_image(loaded=False)
        assert page.links()["Thumbnail"] == "./l2a/broken/gone.png"
        chrome.get(f"{url}/preview.html#l2a/web")  # the same page, published
        page.wait_for_image(loaded=True)
        assert RecordingHandler.requests[-1] == ("/web/t.png", None)
    page.read_console()  # the missing image, and the favicon of the server


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
            "thumbnail": {"href": SCRIPT, "title": ATTACK, "type": ATTACK, "roles": [ATTACK]},
            ATTACK: {"href": ATTACK},
            "overview": {"href": "//evil.example/x.png"},
            "page": {"href": "data:text/html,<script>1</script>"},
            "spaced": {"href": f" \t{SCRIPT}"},
        },
    )
    strings = {"title": ATTACK, "collections": {ATTACK: ATTACK}, "datasets": {ATTACK: ATTACK}}
    path = tmp_path / "hostile & co.html"
    path.write_bytes(render_page([hostile], newest=[hostile], **strings)[1])
    preview_page = PreviewPage(chrome)
    preview_page.read_console()
    preview_page.open(path)
    preview_page.click(2, 2)
    assert preview_page.chrome.title == ATTACK
    assert preview_page.chrome.find_element(By.TAG_NAME, "h1").text == ATTACK
    assert preview_page.text("details-title").startswith(ATTACK)
    assert preview_page.details()["Id"] == ATTACK
    assert preview_page.details()["Platform"] == ATTACK
    assert preview_page.links().keys() == {"Link to this item"}
    assert preview_page.text("links").splitlines() == [
        f"Item JSON: {SCRIPT}",
        f"Thumbnail: {SCRIPT}",
        "Link to this item",
    ]
    assert preview_page.read_code().keys() == {"DuckDB"}  # there is no file for pystac
    assert ATTACK.replace("'", "''") in preview_page.read_code()["DuckDB"]
    assert preview_page.text("asset-list").count(SCRIPT) == 2
    assert preview_page.text("asset-list").count(ATTACK) == 5
    followed = preview_page.js(
        "return [...document.querySelectorAll('#asset-list a')].map((a) => a.protocol)"
    )
    assert followed == []
    assert preview_page.js("return document.querySelectorAll('img').length") == 1
    assert not preview_page.js("return document.getElementById('image').hasAttribute('src')")
    assert preview_page.js("return document.body.dataset.hacked") is None
    assert preview_page.js("return performance.getEntriesByType('resource').length") == 0
    assert preview_page.read_console() == []
    preview_page.open(path, preview_page.js("return location.hash"))
    assert preview_page.details()["Id"] == ATTACK
    preview_page.open(path, "#" + ATTACK)
    assert preview_page.js("return document.body.dataset.hacked") is None


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
    assert (drawn, read, written) == (5000, 5000, 5003)
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
    assert read_script_json(html, "summary")["note"] == f"3 of {total or 9:,} items are drawn."
    assert len(list(items)) == 9 - read  # with a total, the remaining items are not read


def test_page_of_many_large_items_has_bounded_size_and_note() -> None:
    ring = [[number / 100, 0.12345] for number in range(9000)]
    shape = {"type": "LineString", "coordinates": ring}
    assets = {
        f"B{number:03}": {
            "href": f"https://example.com/{number}/{'x' * 200}",
            "type": f"x/{number}",
        }
        for number in range(900)
    }
    bands = [{"eo:center_wavelength": number / 1000} for number in range(400, 2300)]
    items = [make_preview_item(f"i{n}", shape, assets=assets, bands=bands[n:]) for n in range(60)]
    drawn, html = render_page(items, newest=items, total=60)
    assert 30 < drawn < 60
    assert read_script_json(html, "summary")["note"] == f"{drawn} of 60 items are drawn."
    assert 5 < read_script_json(html, "summary")["listed"] < 60
    assert len(read_script_json(html, "band-sets")) < 60
    assert len(html) < 11 * 2**20


def test_page_of_40_000_items_has_less_than_eight_mebibytes() -> None:
    square = make_square(12.34567, 12.34567, 0.29999)
    name = "FF02_001096_20251227_L1C_20260116_"
    images = {"thumbnail": {"href": f"https://data.example/{name}00501100/{name}00501100.jpeg"}}
    item = make_preview_item(
        f"{name}00501100", square, assets=images, platform="FF02", gsd=5, **ORDERED
    )
    drawn, html = render_page((item for _ in range(40_000)), total=40_000)
    assert drawn == preview.MAX_FOOTPRINTS
    assert len(html) < 8 * 2**20


def test_export_lists_assets_of_newest_items(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(all_formats, "MAX_ASSET_LISTS", 2)
    items = [
        make_item("old", "2025-03-07"),
        make_item("newest", "2025-04-01", collection="l1c"),
        make_item("alone", "2025-03-09", collection=None),
    ]
    export(tmp_path, *items)
    html = (tmp_path / "preview.html").read_bytes()
    assert list(read_script_json(html, "asset-lists")) == [
        "./l1c/2025/04/newest.json",
        "./no-collection/2025/03/alone.json",
    ]
    export(tmp_path, make_item("later", "2026-01-01"))
    html = (tmp_path / "preview.html").read_bytes()
    assert list(read_script_json(html, "asset-lists")) == [
        "./l2a/2026/01/later.json",
        "./l1c/2025/04/newest.json",
    ]


def test_preview_of_all_items_has_no_note() -> None:
    assert preview.MAX_FOOTPRINTS == 20_000
    assert read_script_json(render_page(ITEMS[:3], total=3)[1], "summary")["note"] == ""
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
    assert "1 item has no geometry that can be drawn." in read_script_json(html, "summary")["note"]


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
    assert second[8][1] == "Infinity"
    assert len(second[8][0]) == 301  # a text of 999 characters


def test_coordinates_are_rounded_to_five_decimals_without_height() -> None:
    polygon = make_preview_item("p", make_square(0, 0, 1))  # the page closes rings itself
    assert read_script_json(render_page([polygon])[1], "rows")[0][1] == [
        [[[0, 0], [1, 0], [1, 1], [0, 1]]]
    ]
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
