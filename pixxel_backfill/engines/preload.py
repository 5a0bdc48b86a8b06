"""Import what runs a shard, so that a process that is forked from this one need not do it."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module

from pixxel_singer.process import freeze_gc

_MODULES = (
    "antimeridian",
    "tap_pixxel.stac",
    "tap_pixxel.stac.geometry.repair",
    "tap_pixxel.stac.geometry.wkt",
    "tap_pixxel.geojson",
    "pixxel_backfill.shard_run",
    "pixxel_backfill.outputs.geoparquet",
)
"""Modules that are imported only where they are used, because they take long to import."""

with freeze_gc():
    for _name in _MODULES:
        with suppress(ImportError):  # the shard will report it, if it needs the module
            import_module(_name)
