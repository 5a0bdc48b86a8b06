"""Opening what the run of downloads works with, as the settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_pixxel_store.downloads.asking import DownloadApi
from target_pixxel_store.downloads.bars import Bars
from target_pixxel_store.downloads.brake import Brake
from target_pixxel_store.downloads.destination import LocalFolder, RemoteFolder
from target_pixxel_store.downloads.downloader import Downloader
from target_pixxel_store.downloads.fetch import Fetcher
from target_pixxel_store.downloads.preparing import Preparer
from target_pixxel_store.downloads.run import Downloads
from target_pixxel_store.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixxel_api.client import Client
    from target_pixxel_store.api import Api
    from target_pixxel_store.books import Books
    from target_pixxel_store.downloads.destination import Destination
    from target_pixxel_store.journal import Journal
    from target_pixxel_store.settings import Settings


def opened(
    settings: Settings,
    to: str,
    *,
    client: Client,
    api: Api,
    journal: Journal,
    books: Books,
    user_agent: str,
    hide: Callable[[list[str]], None],
    check: Callable[[], None],
) -> Downloads:
    """Open the run of downloads.

    Args:
        settings: The settings; `download_to` is among them.
        to: That one.
        client: Asks for downloads.
        api: Asks for all else.
        journal: Remembers.
        books: Keep accounts of the records.
        user_agent: The `User-Agent` header.
        hide: Told of a password in `to`.
        check: Raises when the run is to stop.

    Raises:
        InputError: It cannot be opened, or made.
    """
    brake = Brake(check)
    fetcher = Fetcher(
        connections=settings.download_concurrency,
        read_timeout=settings.request_timeout,
        user_agent=user_agent,
        check=brake,
    )
    destination = _destination(settings, to, hide)
    preparer = Preparer(
        DownloadApi(client), api, journal, timeout=settings.download_timeout, check=brake
    )
    downloader = Downloader(preparer, fetcher, destination, journal)
    return Downloads(
        settings,
        api=api,
        selection=Selection(settings, api),
        downloader=downloader,
        root=destination.root,
        books=books,
        bars=Bars(),
        brake=brake,
    )


def _destination(settings: Settings, to: str, hide: Callable[[list[str]], None]) -> Destination:
    if "://" in to:
        parts = settings.journal_path.with_name(f"{settings.journal_path.name}.parts")
        return RemoteFolder(to, parts, hide)
    folder = LocalFolder(to)
    if not settings.dry_run:
        folder.make()
    return folder
