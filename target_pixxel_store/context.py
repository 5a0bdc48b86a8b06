"""The run context: creates each part of a run on first use, and connects the parts.

What only some inputs need is imported where it is created, as importing takes time.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from pixxel_api.client import Client
from pixxel_singer import distribution_version
from pixxel_singer.progress import DownloadProgress
from target_pixxel_store.api.client import StoreApi
from target_pixxel_store.catalog_selection import CatalogSelection
from target_pixxel_store.deliveries.deliverer import Deliverer
from target_pixxel_store.deliveries.monitor import DeliveryMonitor
from target_pixxel_store.deliveries.pipeline import DeliveryPipeline
from target_pixxel_store.deliveries.planner import DeliveryPlanner
from target_pixxel_store.journal.journal import Journal
from target_pixxel_store.outcomes.checkpoints import CheckpointTracker
from target_pixxel_store.outcomes.files import OutcomeFiles
from target_pixxel_store.outcomes.recorder import OutcomeRecorder
from target_pixxel_store.remote_state import RemoteState
from target_pixxel_store.settings import Settings, read_settings
from target_pixxel_store.stores.reconciler import StoreReconciler
from target_pixxel_store.workspace_check import check_environment

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import ExitStack

    from target_pixxel_store.downloads.pipeline import DownloadPipeline
    from target_pixxel_store.objects.reconciler import ObjectReconciler
    from target_pixxel_store.outcomes.checkpoints import InflightRecord
    from target_pixxel_store.purchases.pipeline import PurchasePipeline

PAGE_CONCURRENCY = 4
"""Pages of a list that are requested at the same time."""
USER_AGENT = f"target-pixxel-store/{distribution_version()}"
IGNORED_HINTS = {
    "deliveries": "it is the API's history; send delivery_requests to request deliveries",
    "orders": "it is the API's list; send order_requests to order imagery",
    "insights": "it is the API's list; send insight_requests to request insights",
    "jobs": "it is the API's list; send job_requests to run workflows",
    "aois": "it is the API's list; send aoi_requests to create areas of interest",
    "indices": "it is the API's list; send index_requests to create indices",
    "visualizations": "it is the API's list; send visualization_requests to create visualizations",
    "catalogs": "set 'deliver_to' to deliver them, or 'download_to' to download them",
    "order_items": "set 'deliver_to' to deliver their catalogs, or 'download_to' to download them",
}
DEFAULT_HINT = (
    "send stores, delivery_requests, download_requests, aoi_requests, index_requests, "
    "visualization_requests, order_requests, insight_requests or job_requests, renamed by a stream "
    "map (__alias__) if needed"
)


@dataclass(eq=False, repr=False)
class RunContext:
    """The parts of one run.

    Attributes:
        config: The settings, as the schema allows them.
        resources: Closes the parts at the end of the run.
        logger: The plugin's logger.
        register_secrets: Called with secrets before they are used, so that no log contains them.
        check: Called while waiting and between steps; raises to stop.
        run_id: Id of the run, in outcomes and journal.
        checkpoints: The records without an outcome, and the STATE that waits for them.
        schemas: The SCHEMA message of each stream.
        message: The RECORD message that is being processed.
        workspace_ids: Ids of the workspaces that the token can read, once the run has started.
        will_deliver: Whether a stream of the input requests deliveries.
    """

    config: Mapping[str, Any]
    resources: ExitStack
    logger: logging.Logger
    register_secrets: Callable[[Iterable[str]], None]
    check: Callable[[], None]
    run_id: str = field(init=False, default_factory=lambda: uuid.uuid4().hex)
    checkpoints: CheckpointTracker = field(init=False, default_factory=CheckpointTracker)
    schemas: dict[str, dict[str, Any]] = field(init=False, default_factory=dict)
    message: dict[str, Any] = field(init=False, default_factory=dict)
    workspace_ids: set[str] = field(init=False, default_factory=set)
    will_deliver: bool = field(init=False, default=False)

    def add_record(self, key: dict[str, str | int]) -> InflightRecord:
        """Add the record that is being processed to the checkpoints.

        Args:
            key: The fields that identify the record in outcomes and messages.
        """
        stream = str(self.message["stream"])
        return self.checkpoints.add_record(stream, key, self.message["record"])

    def ignore_record(self, stream: str) -> None:
        """Count a record of a stream without a sink; log once what to send instead."""
        if not self.outcome_files.ignored_counts[stream]:
            hint = IGNORED_HINTS.get(stream, DEFAULT_HINT)
            self.logger.warning("ignoring stream %s; %s", stream, hint)
        self.outcome_files.ignored_counts[stream] += 1

    @cached_property
    def settings(self) -> Settings:
        """The settings, parsed."""
        return read_settings(self.config)

    @cached_property
    def outcome_files(self) -> OutcomeFiles:
        """The files of outcomes, rejected records and the summary."""
        settings = self.settings
        writes = not settings.dry_run
        return self.resources.enter_context(
            OutcomeFiles(
                self.run_id,
                settings.outcomes_path if writes else None,
                settings.rejected_path if writes and settings.continue_on_error else None,
                settings.summary_path if writes else None,
            )
        )

    @cached_property
    def recorder(self) -> OutcomeRecorder:
        """Records the outcome of each record."""
        return OutcomeRecorder(
            self.settings, self.outcome_files, self.checkpoints, self.schemas.__getitem__
        )

    @cached_property
    def journal(self) -> Journal:
        """The journal, locked."""
        settings = self.settings
        journal = Journal(
            settings.journal_path,
            settings.request_timeout + settings.settle_seconds,
            read_only=settings.dry_run,
        )
        self.resources.enter_context(journal)
        path = settings.journal_path
        self.logger.info("journal: %s", path)
        is_default = self.config.get("journal_path") is None
        if is_default and not settings.dry_run and not path.stat().st_size:
            self.logger.warning(
                "creating a new journal at the default path %s, as none exists there; if earlier "
                "runs have one elsewhere, set 'journal_path' to it",
                path,
            )
        return journal

    @cached_property
    def api(self) -> StoreApi:
        """The API's requests."""
        settings = self.settings
        client = Client(
            settings.token,
            url=settings.url,
            user_agent=settings.user_agent or USER_AGENT,
            connections=max(PAGE_CONCURRENCY, settings.concurrency, settings.download_concurrency),
            request_timeout=settings.request_timeout,
            requests_per_second=settings.requests_per_second,
            check=self.check,
            check_headers=partial(check_environment, settings.environment),
        )
        self.resources.callback(client.close)
        return StoreApi(client, PAGE_CONCURRENCY, self.check)

    @cached_property
    def remote(self) -> RemoteState:
        """The stores and deliveries that the API lists."""
        return RemoteState(self.api, self.journal, will_deliver=self.will_deliver)

    @cached_property
    def stores(self) -> StoreReconciler:
        """Creates and deletes stores."""
        return StoreReconciler(
            self.settings,
            self.api,
            self.remote,
            self.journal,
            logger=self.logger,
            register_secrets=self.register_secrets,
            check=self.check,
        )

    @cached_property
    def objects(self) -> ObjectReconciler:
        """Creates areas of interest, indices and visualizations."""
        from target_pixxel_store.objects.reconciler import ObjectReconciler  # noqa: PLC0415

        return ObjectReconciler(self.settings, self.api, self.journal, check=self.check)

    @cached_property
    def purchases(self) -> PurchasePipeline:
        """Plans and places purchases.

        Raises:
            InputError: The plan is not the approved one, or its file cannot be written.
        """
        from target_pixxel_store.purchases.pipeline import (  # noqa: PLC0415
            MAX_REQUESTS,
            PurchasePipeline,
        )
        from target_pixxel_store.purchases.plan_file import open_plan_file  # noqa: PLC0415

        settings = self.settings
        return PurchasePipeline(
            settings,
            self.api,
            self.journal,
            self.remote,
            self.recorder,
            self.workspace_ids,
            open_plan_file(
                settings.plan_path,
                settings.approve_plan,
                MAX_REQUESTS,
                self.journal.state.plan_digests,
            ),
            self.check,
        )

    @cached_property
    def selection(self) -> CatalogSelection:
        """Selects the catalogs that records request."""
        return CatalogSelection(self.settings, self.api)

    @cached_property
    def deliveries(self) -> DeliveryPipeline:
        """Delivers catalogs to stores."""
        settings = self.settings
        return DeliveryPipeline(
            settings,
            self.api,
            self.remote,
            self.selection,
            DeliveryPlanner(settings, self.selection, self.remote, self.journal, self.check),
            Deliverer(settings, self.api, self.remote, self.journal, self.check),
            self.recorder,
        )

    @cached_property
    def downloads(self) -> DownloadPipeline | None:
        """Downloads files; None without the setting `download_to`."""
        settings = self.settings
        if settings.download_to is None:
            return None
        from target_pixxel_store.api.downloads import DownloadApi  # noqa: PLC0415
        from target_pixxel_store.downloads.destination import open_destination  # noqa: PLC0415
        from target_pixxel_store.downloads.downloader import Downloader  # noqa: PLC0415
        from target_pixxel_store.downloads.pipeline import (  # noqa: PLC0415
            CancellationToken,
            DownloadPipeline,
        )
        from target_pixxel_store.downloads.transfer import Fetcher  # noqa: PLC0415

        cancellation = CancellationToken(self.check)
        fetcher = Fetcher(
            connections=settings.download_concurrency,
            request_timeout=settings.request_timeout,
            user_agent=settings.user_agent or USER_AGENT,
            check=cancellation,
        )
        destination = open_destination(settings, settings.download_to, self.register_secrets)
        api = DownloadApi(self.api)
        downloader = Downloader(
            api,
            fetcher,
            destination,
            self.journal,
            timeout=settings.download_timeout,
            check=cancellation,
        )
        return DownloadPipeline(
            settings,
            api=api,
            selection=self.selection,
            downloader=downloader,
            root=destination.root,
            recorder=self.recorder,
            progress=DownloadProgress(),
            cancellation=cancellation,
        )

    @cached_property
    def monitor(self) -> DeliveryMonitor:
        """Checks deliveries after they were requested."""
        settings = self.settings
        return DeliveryMonitor(
            self.api,
            self.journal,
            self.remote,
            verify=self.stores.has_object if settings.verify_delivery else None,
            stuck_after=settings.stuck_after,
            check=self.check,
        )
