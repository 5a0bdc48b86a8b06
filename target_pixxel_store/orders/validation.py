"""Checks of requests against what the API lists, before anything is priced or placed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_pixxel_store.orders.models import BANDSET_ID, ITEM_IDS, PROJECT_ID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_pixxel_store.api.client import StoreApi
    from target_pixxel_store.orders.models import OrderRequest
    from target_pixxel_store.remote_state import RemoteState


@dataclass(eq=False, repr=False)
class RequestValidator:
    """Finds what requests name and the API does not list, and times that have passed.

    Attributes:
        api: Lists projects, bandsets and the items of the archive.
        remote: The stores.
    """

    api: StoreApi
    remote: RemoteState

    def find_faults(self, requests: Sequence[OrderRequest]) -> dict[str, str]:
        """Return why requests are invalid, by their ids."""
        projects = {each.lower() for each in self.api.find_project_ids()}
        bandsets: set[str] = set()
        now = None
        if any(each.is_tasking for each in requests):
            bandsets, now = self.api.find_bandset_ids()
        wanted = sorted({item_id for each in requests for item_id in each.item_ids})
        items = self.api.find_archive_items(wanted) if wanted else set()
        faults = {}
        for request in requests:
            missing = [each for each in request.item_ids if each not in items]
            if request.project_id.lower() not in projects:
                fault = f"'{PROJECT_ID}' names no project that the token can read"
            elif request.is_tasking and request.tasking["bandset"][BANDSET_ID] not in bandsets:
                fault = f"'{BANDSET_ID}' names no bandset; the stream bandsets has their ids"
            elif now is not None and (name := request.find_past_field(now)):
                fault = f"'{name}' is in the past, so nothing can be captured"
            elif missing:
                fault = f"'{ITEM_IDS}' names images that the archive lacks: {', '.join(missing)}"
            elif request.store and self.find_store_id(request) is None:
                fault = self.remote.view.missing_store_reason(request.store)
            else:
                continue
            faults[request.request_id] = fault
        return faults

    def find_store_id(self, request: OrderRequest) -> str | None:
        """Return the id of the store of a request; None where it names none that exists."""
        store = self.remote.refresh().find_store(request.store) if request.store else None
        return store.id if store else None
