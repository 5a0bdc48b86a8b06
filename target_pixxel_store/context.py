"""The workshop: the parts that a run is made of, each made when it is first wanted."""

from __future__ import annotations

import uuid
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pixxel_api.client import Client
from pixxel_singer import distribution_version
from pixxel_singer.progress import DownloadProgress
from pixxel_singer.target_base import PixxelTarget
from target_pixxel_store.aois.reconciler import AoiReconciler
from target_pixxel_store.api.client import StoreApi
from target_pixxel_store.catalog_selection import CatalogSelection
from target_pixxel_store.deliveries.deliverer import Deliverer
from target_pixxel_store.deliveries.monitor import DeliveryMonitor
from target_pixxel_store.deliveries.pipeline import DeliveryPipeline
from target_pixxel_store.journal.journal import Journal
from target_pixxel_store.outcomes.checkpoints import CheckpointTracker
from target_pixxel_store.outcomes.files import OutcomeFiles
from target_pixxel_store.outcomes.recorder import OutcomeRecorder
from target_pixxel_store.remote_state import RemoteState
from target_pixxel_store.settings import Settings, read_settings
from target_pixxel_store.stores.reconciler import StoreReconciler
from target_pixxel_store.workspace_check import make_environment_check

if TYPE_CHECKING:
    from target_pixxel_store.downloads.pipeline import DownloadPipeline

PAGE_CONCURRENCY = 4  # in flight
USER_AGENT = f"target-pixxel-store/{distribution_version()}"


class RunContext(PixxelTarget):
    """What the target works with, and how its parts are put together."""

    def __init__(self, **kwargs: Any) -> None:
        self._schemas: dict[str, dict[str, Any]] = {}
        super().__init__(**kwargs)
        self.run_id = uuid.uuid4().hex
        self.checkpoints = CheckpointTracker()

    @cached_property
    def settings(self) -> Settings:
        """The settings, read and checked."""
        return read_settings(self.config)

    @cached_property
    def outcome_files(self) -> OutcomeFiles:
        """What became of each record."""
        settings = self.settings
        wet = not settings.dry_run
        return self._resources.enter_context(
            OutcomeFiles(
                self.run_id,
                outcomes=settings.outcomes_path if wet else None,
                rejected=settings.rejected_path if wet and settings.continue_on_error else None,
                summary=settings.summary_path if wet else None,
            )
        )

    @cached_property
    def recorder(self) -> OutcomeRecorder:
        """The accounts for records, and which STATE may follow."""
        return OutcomeRecorder(
            self.settings, self.outcome_files, self.checkpoints, self._schemas.__getitem__
        )

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
            connections=max(PAGE_CONCURRENCY, settings.concurrency, settings.download_concurrency),
            read_timeout=settings.request_timeout,
            requests_per_second=settings.requests_per_second,
            check=self.stop.check,
            check_headers=make_environment_check(settings.environment),
        )
        self._resources.callback(client.close)
        return client

    @cached_property
    def api(self) -> StoreApi:
        """The requests."""
        return StoreApi(self.client, PAGE_CONCURRENCY, self.stop.check)

    @cached_property
    def remote(self) -> RemoteState:
        """What stands where."""
        return RemoteState(self.api, self.journal, self.settings.settle_seconds, PAGE_CONCURRENCY)

    @cached_property
    def stores(self) -> StoreReconciler:
        """The stores."""
        return StoreReconciler(
            self.settings,
            self.api,
            self.remote,
            self.journal,
            logger=self.logger,
            register_secrets=self.register_secrets,
            check=self.stop.check,
        )

    @cached_property
    def aois(self) -> AoiReconciler:
        """The areas of interest."""
        return AoiReconciler(self.settings, self.api, self.journal, check=self.stop.check)

    @cached_property
    def deliveries(self) -> DeliveryPipeline:
        """The run."""
        settings = self.settings
        deliverer = Deliverer(
            self.api,
            self.remote,
            self.journal,
            batch_size=settings.batch_size,
            concurrency=settings.concurrency,
            settle_seconds=settings.settle_seconds,
            check=self.stop.check,
        )
        return DeliveryPipeline(
            settings,
            api=self.api,
            remote=self.remote,
            journal=self.journal,
            deliverer=deliverer,
            recorder=self.recorder,
            check=self.stop.check,
        )

    @cached_property
    def downloads(self) -> DownloadPipeline | None:
        """The run of downloads, where there may be any."""
        settings = self.settings
        if settings.download_to is None:
            return None
        # requests and urllib3 take long to import
        from target_pixxel_store.downloads.cancellation import CancellationToken  # noqa: PLC0415
        from target_pixxel_store.downloads.destination import open_destination  # noqa: PLC0415
        from target_pixxel_store.downloads.downloader import Downloader  # noqa: PLC0415
        from target_pixxel_store.downloads.pipeline import DownloadPipeline  # noqa: PLC0415
        from target_pixxel_store.downloads.preparation import Preparer  # noqa: PLC0415
        from target_pixxel_store.downloads.transfer import Fetcher  # noqa: PLC0415

        cancellation = CancellationToken(self.stop.check)
        fetcher = Fetcher(
            connections=settings.download_concurrency,
            read_timeout=settings.request_timeout,
            user_agent=settings.user_agent or USER_AGENT,
            check=cancellation,
        )
        destination = open_destination(settings, settings.download_to, self.register_secrets)
        preparer = Preparer(
            self.api, self.journal, timeout=settings.download_timeout, check=cancellation
        )
        return DownloadPipeline(
            settings,
            api=self.api,
            selection=CatalogSelection(settings, self.api),
            downloader=Downloader(preparer, fetcher, destination, self.journal),
            root=destination.root,
            recorder=self.recorder,
            progress=DownloadProgress(),
            cancellation=cancellation,
        )

    @property
    def tap_pipeline(self) -> DeliveryPipeline | DownloadPipeline:
        """What the tap's catalogs are for: deliveries, if it is said where to."""
        wanted = self.settings.deliver_to is None
        return self.downloads if wanted and self.downloads else self.deliveries

    @cached_property
    def monitor(self) -> DeliveryMonitor:
        """The deliveries of earlier runs, and of this one."""
        settings, verifier = self.settings, None
        if settings.verify_delivery:
            from target_pixxel_store.deliveries.verification import DeliveryVerifier  # noqa: PLC0415 - only where wanted

            verifier = DeliveryVerifier(self.remote, self.stores, settings.endpoints)
        return DeliveryMonitor(
            self.api,
            self.journal,
            self.remote,
            verify=verifier,
            stuck_after=settings.stuck_after,
            check=self.stop.check,
        )
