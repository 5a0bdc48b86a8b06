"""The streams, one module per domain of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_pixxel.streams import (
    aois,
    archive,
    catalogs,
    order_report,
    orders,
    satellites,
    workflows,
    workspace,
)

if TYPE_CHECKING:
    from tap_pixxel.stream_types.base import PixxelStream

_MODULES = (aois, archive, catalogs, order_report, orders, satellites, workflows, workspace)

STREAMS: tuple[type[PixxelStream], ...] = tuple(
    sorted(
        (stream for module in _MODULES for stream in module.STREAMS),
        key=lambda stream: stream.__dict__["name"],
    )
)
