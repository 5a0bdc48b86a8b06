"""The workshop: the parts that a run is made of, each made when it is first wanted."""

from __future__ import annotations

import uuid
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pixxel_api.client import Client
from pixxel_singer import distribution_version
from pixxel_singer.target_base import PixxelTarget
from target_pixxel_store.accounts import Accounts
from target_pixxel_store.api import Api
from target_pixxel_store.area_keeper import AreaKeeper
from target_pixxel_store.books import Books
from target_pixxel_store.deliverer import Deliverer
from target_pixxel_store.guard import inspector
from target_pixxel_store.journal import Journal
from target_pixxel_store.ledger import Ledger
from target_pixxel_store.look import Looks
from target_pixxel_store.run import Run
from target_pixxel_store.settings import Settings, read_settings
from target_pixxel_store.stores import StoreKeeper
from target_pixxel_store.watch import Watch

if TYPE_CHECKING:
    from target_pixxel_store.downloads.run import Downloads

PAGES = 4  # in flight
USER_AGENT = f"target-pixxel-store/{distribution_version()}"


class Workshop(PixxelTarget):
    """What the target works with, and how its parts are put together."""

    def __init__(self, **kwargs: Any) -> None:
        self._schemas: dict[str, dict[str, Any]] = {}
        super().__init__(**kwargs)
        self.run_id = uuid.uuid4().hex
        self.ledger = Ledger()

    @cached_property
    def settings(self) -> Settings:
        """The settings, read and checked."""
        return read_settings(self.config)

    @cached_property
    def accounts(self) -> Accounts:
        """What became of each record."""
        settings = self.settings
        wet = not settings.dry_run
        return self._resources.enter_context(
            Accounts(
                self.run_id,
                outcomes=settings.outcomes_path if wet else None,
                rejected=settings.rejected_path if wet and settings.goes_on else None,
                summary=settings.summary_path if wet else None,
            )
        )

    @cached_property
    def books(self) -> Books:
        """The accounts for records, and which STATE may follow."""
        return Books(self.settings, self.accounts, self.ledger, self._schemas.__getitem__)

    @cached_property
    def journal(self) -> Journal:
        """What was asked for."""
        settings = self.settings
        journal = Journal(
            settings.journal_path, settings.settle_seconds, read_only=settings.dry_run
        )
        return self._resources.enter_context(journal)

    @cached_property
    def client(self) -> Client:
        """The connections to the API."""
        settings = self.settings
        client = Client(
            settings.token,
            url=settings.url,
            user_agent=settings.user_agent or USER_AGENT,
            connections=max(PAGES, settings.concurrency, settings.download_concurrency),
            read_timeout=settings.request_timeout,
            requests_per_second=settings.requests_per_second,
            check=self.stop.check,
            check_headers=inspector(settings.environment),
        )
        self._resources.callback(client.close)
        return client

    @cached_property
    def api(self) -> Api:
        """The requests."""
        return Api(self.client, PAGES, self.stop.check)

    @cached_property
    def looks(self) -> Looks:
        """What stands where."""
        return Looks(self.api, self.journal, self.settings.settle_seconds, PAGES)

    @cached_property
    def keeper(self) -> StoreKeeper:
        """The stores."""
        return StoreKeeper(
            self.settings,
            self.api,
            self.looks,
            self.journal,
            logger=self.logger,
            hide=self.register_secrets,
            check=self.stop.check,
        )

    @cached_property
    def area_keeper(self) -> AreaKeeper:
        """The areas of interest."""
        return AreaKeeper(self.settings, self.api, self.journal, check=self.stop.check)

    @cached_property
    def work(self) -> Run:
        """The run."""
        settings = self.settings
        deliverer = Deliverer(
            self.api,
            self.looks,
            self.journal,
            batch_size=settings.batch_size,
            concurrency=settings.concurrency,
            settle_seconds=settings.settle_seconds,
            check=self.stop.check,
        )
        return Run(
            settings,
            api=self.api,
            looks=self.looks,
            journal=self.journal,
            deliverer=deliverer,
            books=self.books,
            check=self.stop.check,
        )

    @cached_property
    def downloads(self) -> Downloads | None:
        """The run of downloads, where there may be any."""
        settings = self.settings
        if settings.download_to is None:
            return None
        from target_pixxel_store.downloads.opening import opened  # noqa: PLC0415 - where wanted

        return opened(
            settings,
            settings.download_to,
            client=self.client,
            api=self.api,
            journal=self.journal,
            books=self.books,
            user_agent=settings.user_agent or USER_AGENT,
            hide=self.register_secrets,
            check=self.stop.check,
        )

    @property
    def for_the_tap(self) -> Run | Downloads:
        """What the tap's catalogs are for: deliveries, if it is said where to."""
        wanted = self.settings.deliver_to is None
        return self.downloads if wanted and self.downloads else self.work

    @cached_property
    def watch(self) -> Watch:
        """The deliveries of earlier runs, and of this one."""
        settings, verifier = self.settings, None
        if settings.verify_delivery:
            from target_pixxel_store.delivered import Verifier  # noqa: PLC0415 - only where wanted

            verifier = Verifier(self.looks, self.keeper, settings.endpoints)
        return Watch(
            self.api,
            self.journal,
            self.looks,
            verify=verifier,
            stuck_after=settings.stuck_after,
            check=self.stop.check,
        )
