"""Import what runs a shard, so that a process that is forked from this one need not do it."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module

from pixxel_singer.process import freeze_gc

_MODULES = (
    "antimeridian",
    "tap_pixxel.geojson",
    "tap_pixxel.stac",
    "tap_pixxel.stac.geometry.repair",
    "tap_pixxel.stac.geometry.wkt",
    "pixxel_backfill.shard_run",
    "pyarrow.compute",
    "pixxel_backfill.outputs.geoparquet",
)
"""Modules that are imported only where they are used, because they take long to import."""

with freeze_gc():
    for _name in _MODULES:
        with suppress(ImportError):  # the shard will report it, if it needs the module
            import_module(_name)
    with suppress(ImportError):
        import numpy as np
        import pyarrow as pa

        pa.array(np.zeros(1))  # imports pandas where it is installed
