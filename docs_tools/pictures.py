"""`make pictures`: make the pictures of the documentation from the real output of an export.

The terminal is what a pipeline printed. The map is a screenshot of the export's `preview.html`.
"""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.wait import WebDriverWait

from docs_tools.console_blocks import COLUMNS, Shell
from docs_tools.tables import DOCS

PICTURES = DOCS / "pictures"
MAX_BYTES = 150_000
_SIZE = (1280, 860)  # pixels
_PIPELINE = "tap-pixxel --config=ENV | target-stac --config=ENV > state.json"
_SELECTED = "firefly-l2a-owned"  # collection of the image that the map shows
_WEB_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
_FLAGS = ("--headless=new", "--no-sandbox", "--hide-scrollbars", "--force-device-scale-factor=1")


@click.command()
def main() -> None:
    """Make all pictures."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, Shell(Path(folder)) as shell:
        for command in ("pixxel-sandbox run -- bash", "export TARGET_STAC_OUTPUT=./stac"):
            shell.run(command)
        output, _ = shell.run(_PIPELINE)
        (PICTURES / "terminal.svg").write_text(draw_terminal(_PIPELINE, output))
        (PICTURES / "map.webp").write_bytes(photograph_map(Path(folder) / "stac"))
    for path in PICTURES.iterdir():
        size = path.stat().st_size
        click.echo(f"{path.name}: {size:,} bytes")
        if size > MAX_BYTES:
            raise click.ClickException(f"{path.name} has more than {MAX_BYTES:,} bytes")


def draw_terminal(command: str, output: str) -> str:
    """Return a picture of a terminal with a command and its output, as SVG without web fonts."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
    console.print(Text(re.sub(r"\n{2,}", "\n\n", output.strip("\n"))))
    svg = console.export_svg(title="A STAC catalog from a Pixxel workspace", unique_id="terminal")
    return _WEB_FONTS.sub("", svg)


def photograph_map(export: Path) -> bytes:
    """Return a screenshot of an export's map with a selected image, as WebP."""
    options = ChromeOptions()
    options.binary_location = _find_program("chromium")
    for flag in (*_FLAGS, f"--window-size={_SIZE[0]},{_SIZE[1]}"):
        options.add_argument(flag)
    browser = Chrome(options, Service(executable_path=_find_program("chromedriver")))
    try:
        browser.get(f"{(export / 'preview.html').as_uri()}#{_find_item(export)}")
        WebDriverWait(browser, 20).until(
            lambda driver: driver.execute_script("return document.body.dataset.ready")
        )
        shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "webp", "quality": 80})
    finally:
        browser.quit()
    return base64.b64decode(shot["data"])


def _find_item(export: Path) -> str:
    """Return the address within the map of an item with bands."""
    path = min((export / _SELECTED).rglob("*/*/*.json"))
    item = json.loads(path.read_text())
    return f"{item['collection']}/{item['id']}"


def _find_program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise click.ClickException(f"{name} is not installed")
    return path


if __name__ == "__main__":
    main()
