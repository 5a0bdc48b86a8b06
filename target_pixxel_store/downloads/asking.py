"""Asking the API for downloads: one catalog each, so that each is one file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from pixxel_api.errors import ApiError, NotFound, UnexpectedResponse
from pixxel_api.json_decoding import row_to_python

if TYPE_CHECKING:
    from pixxel_api.client import Client
    from pixxel_api.response import JsonResponse

DOWNLOADS = "/v0/catalogs/download"


@dataclass(frozen=True, slots=True)
class Download:
    """A download as the API shows it.

    Attributes:
        status: In lower case; created, in_progress, success, failed.
        url: Signed, so as good as a password; None while there is none.
    """

    id: str
    status: str
    url: str | None = field(repr=False)

    @property
    def failed(self) -> bool:
        """Whether nothing will come of it."""
        return self.status == "failed"

    @property
    def ready(self) -> bool:
        """Whether it can be fetched."""
        return self.status == "success" and self.url is not None


class DownloadApi:
    """The requests about downloads."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def ask(self, catalog: str) -> Download:
        """Ask for a catalog's download; it may have happened even when it fails.

        The contract wants both lists of ids, and one of them empty.
        """
        body = {"catalog_ids": [catalog], "order_item_ids": []}
        return _download(self._client.send_once("POST", DOWNLOADS, body=body))

    def show(self, key: str) -> Download | None:
        """Show a download, None when there is none (any more)."""
        try:
            answer = self._client.send_with_retries("GET", f"{DOWNLOADS}/{quote(key, safe='')}")
        except NotFound:
            return None
        except ApiError as error:
            # Without the id in the path, equal failures of several downloads have equal texts.
            raise type(error)("GET", DOWNLOADS, error.status, code=error.code) from None
        return _download(answer)


def _download(answer: JsonResponse) -> Download:
    """Read a download.

    Raises:
        WrongShape: The answer is none.
    """
    row = row_to_python(answer.fields)
    key, url = row.get("id"), row.get("signed_url")
    if not isinstance(key, str) or not key:
        reason = "the answer is no download"
        raise UnexpectedResponse(answer.method, DOWNLOADS, answer.status, reason=reason)
    usable = isinstance(url, str) and url != ""
    return Download(key, str(row.get("status") or "").lower(), url if usable else None)
