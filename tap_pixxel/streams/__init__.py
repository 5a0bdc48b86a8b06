"""The streams, one module per domain of the API; each names its own."""

from tap_pixxel.base import PixxelStream
from tap_pixxel.streams import (
    archives,
    areas,
    catalogs,
    orders,
    reports,
    satellites,
    workflows,
    workspace,
)

_MODULES = (archives, areas, catalogs, orders, reports, satellites, workflows, workspace)

STREAMS: tuple[type[PixxelStream], ...] = tuple(
    sorted(
        (stream for module in _MODULES for stream in module.STREAMS),
        key=lambda stream: stream.__dict__["name"],
    )
)
