"""The notebook runs from the sync to the plot, and plots the spectrum that an image has."""

from __future__ import annotations

import json
import os
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import numpy as np
import pytest
import rasterio
import uvicorn
from nbclient import NotebookClient
from rasterio.transform import Affine
from rasterio.warp import transform
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from pixxel_sandbox import Sandbox
from tests.server_process import find_free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

NOTEBOOK = Path(__file__).parents[2] / "examples" / "notebooks" / "spectrum.ipynb"
SCALE = 0.00002
NODATA = 0
PIXELS = {0.8: 21_000, 0.45: 2_500, 0.66: 4_000, 0.94: NODATA, 0.55: 6_100}
"""The stored value by wavelength in µm, in the order of the bands."""


def make_cog(path: Path, lon: float, lat: float) -> None:
    """Write a COG in UTM whose pixel at a point has the known values, and others elsewhere."""
    zone = int((lon + 180) // 6) + 1
    crs = f"EPSG:{32600 + zone if lat >= 0 else 32700 + zone}"
    [x], [y] = transform("EPSG:4326", crs, [lon], [lat])
    pixels = np.full((len(PIXELS), 64, 64), 50_000, dtype=np.uint16)
    pixels[:, 32, 32] = list(PIXELS.values())
    profile = {
        "driver": "COG",
        "dtype": "uint16",
        "count": len(PIXELS),
        "width": 64,
        "height": 64,
        "crs": crs,
        "transform": Affine(30, 0, x - 32.5 * 30, 0, -30, y + 32.5 * 30),
        "nodata": NODATA,
    }
    with rasterio.open(path, "w", **profile) as image:
        image.write(pixels)


def make_assets(href: str) -> dict[str, Any]:
    """Return assets as the API has them: an image with several bands, and its mask."""
    bands = [{"name": f"B{n}", "center_wavelength": um} for n, um in enumerate(PIXELS)]
    raster = [{"nodata": NODATA, "scale": SCALE, "offset": 0} for _ in PIXELS]
    image = {"href": href, "roles": ["data"], "eo:bands": bands, "raster:bands": raster}
    return {"image": image, "mask": {"href": href + ".mask.tif", "roles": ["data-mask"]}}


@contextmanager
def serve_folder(folder: Path) -> Iterator[str]:
    """Serve the files of a folder, also parts of them; yield the URL."""
    port = find_free_port()
    app = Starlette(routes=[Mount("/", StaticFiles(directory=folder))])
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.mark.timeout(300)
def test_notebook_plots_spectrum_of_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    notebook.cells.append(nbformat.v4.new_code_cell("print(axes.lines[0].get_xydata().tolist())"))
    with Sandbox(items=12) as sandbox, serve_folder(tmp_path) as url:
        workspace = sandbox.workspace
        key = next(
            key
            for key in workspace.ids("archive_items")
            if (workspace.get("archive_items", key)["geometry"] or {}).get("type") == "Polygon"
        )
        row = workspace.get("archive_items", key)
        west, south, east, north = map(float, row["bbox"])
        make_cog(tmp_path / "image.tif", (west + east) / 2, (south + north) / 2)
        workspace.update("archive_items", key, assets=make_assets(f"{url}/image.tif"))
        variables = {
            "TAP_PIXXEL_API_URL": sandbox.url,
            "TAP_PIXXEL_API_TOKEN": sandbox.token,
            "PIXXEL_ITEM": key,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "MPLBACKEND": "agg",
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        NotebookClient(
            notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}
        ).execute()
    plotted = np.array(json.loads(notebook.cells[-1].outputs[0].text))
    known = sorted((1000 * um, value * SCALE) for um, value in PIXELS.items() if value != NODATA)
    assert plotted == pytest.approx(np.array(known))
