"""The streams, one module per domain of the API."""

from tap_pixxel.base import PixxelStream
from tap_pixxel.streams.archives import ArchiveItems, Collections
from tap_pixxel.streams.catalogs import Catalogs, Deliveries
from tap_pixxel.streams.orders import OrderItems, Orders, OrderTasks
from tap_pixxel.streams.workspace import Bandsets, Projects, Stores

STREAMS: tuple[type[PixxelStream], ...] = (
    ArchiveItems,
    Bandsets,
    Catalogs,
    Collections,
    Deliveries,
    OrderItems,
    OrderTasks,
    Orders,
    Projects,
    Stores,
)
