"""Jobs: runs of a workflow, which cost tokens, and which nothing marks as those of a request."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pixxel_api.errors import UnexpectedResponse
from target_pixxel_store.api.client import WORKFLOWS
from target_pixxel_store.purchases.kind import TOKENS, PurchaseKind
from target_pixxel_store.purchases.models import (
    PROJECT_ID,
    REQUEST_ID,
    KindWords,
    ListedPurchase,
    Price,
    PurchaseRequest,
    Quote,
    digest_json,
    read_request_id,
    to_number,
)
from target_pixxel_store.records import required_text

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from target_pixxel_store.api.models import Fields
    from target_pixxel_store.purchases.kind import KindServices
    from target_pixxel_store.purchases.models import Purchase

JOB = "job"
"""The name of the kind."""
WORKFLOW_ID = "workflow_id"
JOB_FIELDS = frozenset({REQUEST_ID, WORKFLOW_ID, PROJECT_ID})
"""Fields of a request."""


@dataclass(frozen=True, eq=False, kw_only=True)
class JobRequest(PurchaseRequest):
    """A request for a job, as a record states it.

    Attributes:
        workflow_id: Id of the workflow.
    """

    kind = JOB
    place_field = WORKFLOW_ID
    words = KindWords(
        noun="job",
        placed="run",
        flag="estimate",
        quote="estimate",
        object_name="job",
        permissions="the token lacks the role or the project; check its ",
        same="workflow",
        where="a job of the workflow",
        unlisted="no list shows which request a job is of",
    )
    workflow_id: str

    @property
    def place(self) -> str:
        """Id of the workflow."""
        return self.workflow_id

    @cached_property
    def content_digest(self) -> str:
        """The SHA-256 of what is requested, in hexadecimal digits."""
        return digest_json([self.workflow_id.lower(), self.project_id.lower()])


def read_job_request(record: Mapping[str, Any]) -> JobRequest:
    """Read a record of the stream `job_requests`.

    Raises:
        RecordError: A field is missing or invalid.
    """
    request_id = read_request_id(record)
    return JobRequest(
        request_id=request_id,
        project_id=required_text(record, PROJECT_ID),
        name=request_id,
        workflow_id=required_text(record, WORKFLOW_ID),
    )


@dataclass(eq=False, repr=False)
class Jobs(PurchaseKind):
    """Jobs: only the journal decides what exists, as a job has no name and no metadata.

    Attributes:
        services: What is needed of the run.
        requests: The requests.
        places: Ids of workflows, whose lists are not read.
    """

    name = JOB
    unit = TOKENS
    words = JobRequest.words
    fields = JOB_FIELDS
    place_field = JobRequest.place_field
    prices_by_post = False
    is_listed = False
    states_cost_in_list = False

    services: KindServices
    requests: Sequence[JobRequest]
    places: frozenset[str] = frozenset()

    def find_faults(self) -> dict[str, str]:
        """Return why requests are invalid, by their ids."""
        api = self.services.api
        projects = {each.lower() for each in api.find_project_ids()}
        wanted = {(each.workflow_id, each.project_id) for each in self.requests}
        readable = {
            (workflow_id, project_id)
            for workflow_id, project_id in sorted(wanted)
            if project_id.lower() in projects and api.find_workflow(workflow_id, project_id)
        }
        faults = {}
        for request in self.requests:
            if request.project_id.lower() not in projects:
                fault = f"'{PROJECT_ID}' names no project that the token can read"
            elif (request.workflow_id, request.project_id) not in readable:
                fault = f"'{WORKFLOW_ID}' names no workflow of the project that the token can read"
            else:
                continue
            faults[request.request_id] = fault
        return faults

    def find_owned(self) -> Collection[str]:
        """Return nothing: no images are bought."""
        return ()

    def make_item(self, request: PurchaseRequest, name: str) -> Fields:
        """Return the workflow and the project of a request; the API takes no name."""
        del name
        return {WORKFLOW_ID: request.place, PROJECT_ID: request.project_id}

    def refresh(self, max_age: float | None = None, place: str | None = None) -> None:
        """Read nothing, as no list may decide."""

    def is_settled(self, request: PurchaseRequest) -> bool:
        """Return True, as no list is waited for."""
        del request
        return True

    def find_marked(self, request_id: str) -> tuple[ListedPurchase, ...]:
        """Return nothing, as jobs have no marker."""
        del request_id
        return ()

    def find_by_id(self, request: PurchaseRequest, purchase_id: str) -> ListedPurchase | None:
        """Return None, as no list is read."""
        del request, purchase_id
        return None

    def find_same(self, request: PurchaseRequest) -> ListedPurchase | None:
        """Return None: each request is a run of its own."""
        del request
        return None

    def find_doubted(self, request: PurchaseRequest) -> str:
        """Return nothing: each request is a run of its own."""
        del request
        return ""

    def add(self, request: PurchaseRequest, listed: ListedPurchase) -> None:
        """Add nothing: the journal has what was placed."""

    def request_price(self, purchase: Purchase) -> Quote:
        """Request the estimate of the workflow, which creates nothing."""
        response = self.services.api.estimate_workflow(_path_id(purchase))
        cost = to_number(response.get("estimated_cost"))
        return Quote(None if cost is None or cost < 0 else Price(None, cost, cost, [], ""))

    def place(self, purchase: Purchase) -> ListedPurchase:
        """Run the workflow."""
        workflow_id = _path_id(purchase)
        response = self.services.api.run_workflow(workflow_id, purchase.item[PROJECT_ID])
        found = response.get("id")
        if not isinstance(found, str) or not found:
            path, reason = f"{WORKFLOWS}/{workflow_id}/jobs", "the response is not a job"
            raise UnexpectedResponse("POST", path, reason=reason)
        return ListedPurchase(found, amount=to_number(response.get("cost")))


def _path_id(purchase: Purchase) -> str:
    return str(purchase.item[WORKFLOW_ID])
