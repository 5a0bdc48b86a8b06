"""The books: what became of each record, failures that end the run, STATE that may follow."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from pixxel_singer.exit_codes import ExitCode
from target_pixxel_store.plan import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_pixxel_store.accounts import Accounts, Outcome
    from target_pixxel_store.ledger import Ledger, Taken
    from target_pixxel_store.settings import Settings

logger = logging.getLogger(__name__)


class Halt(Exception):
    """The run ends before its input does; the text says why.

    Attributes:
        status: The exit status.
    """

    def __init__(self, status: ExitCode, why: str) -> None:
        super().__init__(why)
        self.status = status


class Whereto(NamedTuple):
    """Where something goes, in the words of a dry run's table: the store, and the path there."""

    store: str = ""
    path: str = ""


NOWHERE = Whereto()


class Books:
    """Accounts for records, whatever was asked for with them.

    Args:
        schema_of: Gives the SCHEMA message of a stream, for the records that fail.

    Attributes:
        plan: In a dry run: stream, catalog, store, path, what would become of it, why.
        deliveries, downloads: How many this run has asked for, or in a dry run would.
    """

    def __init__(
        self,
        settings: Settings,
        accounts: Accounts,
        ledger: Ledger,
        schema_of: Callable[[str], dict[str, Any]],
    ) -> None:
        self._settings = settings
        self._accounts = accounts
        self._ledger = ledger
        self._schema_of = schema_of
        self.plan: list[tuple[str, ...]] = []
        self.deliveries = 0
        self.downloads = 0

    @property
    def passes_failures(self) -> bool:
        """Whether a failed record does not end the run."""
        return self._settings.goes_on or self._settings.dry_run

    def is_full(self, more: int = 0) -> bool:
        """Tell whether nothing may be asked for any more.

        Args:
            more: What is about to be asked for, and not counted yet.
        """
        return self.deliveries + self.downloads + more >= self._settings.max_deliveries

    def account(self, taken: Taken, outcome: Outcome, whereto: Whereto = NOWHERE) -> None:
        """Write what became of a record, or of one of the catalogs that it asks for."""
        self._accounts.outcome(taken, outcome)
        if self._settings.dry_run:
            subject = outcome.catalog or _words(taken)
            self.plan.append((taken.stream, subject, *whereto, outcome.kind.value, outcome.reason))

    def fail(self, taken: Taken, outcome: Outcome, whereto: Whereto = NOWHERE) -> None:
        """Account for a failure; a record of several catalogs fails once.

        Raises:
            Halt: It ends the run.
        """
        settings, first = self._settings, not taken.failed
        taken.failed = True
        self._accounts.failures += first
        halt: str | None = None
        if not self.passes_failures:
            halt = f"{called(taken)}: {outcome.reason}"
        elif not settings.dry_run and self._accounts.failures > settings.max_failures:
            halt = f"more than {settings.max_failures} records failed; see 'max_failures'"
        elif first and not settings.dry_run:
            self._accounts.reject(taken, self._schema_of(taken.stream))
            logger.warning("%s: %s", called(taken), outcome.reason)
        self.account(taken, outcome, whereto)
        if halt:
            self._ledger.block(taken)
            raise Halt(ExitCode.FAILED, halt)

    def close(self, taken: Taken) -> None:
        """Note that one of a record's catalogs has its outcome."""
        taken.jobs -= 1
        if taken.jobs == 0:
            self._ledger.settle(taken)

    def settle(self, taken: Taken, outcome: Outcome, whereto: Whereto = NOWHERE) -> None:
        """Account for one of a record's catalogs, and close it.

        Raises:
            Halt: It failed, and that ends the run.
        """
        if outcome.kind is Kind.FAILED:
            self.fail(taken, outcome, whereto)
        else:
            self.account(taken, outcome, whereto)
        self.close(taken)

    def settle_all(self, takens: list[Taken], outcome: Outcome, whereto: Whereto = NOWHERE) -> None:
        """Account for the records that have asked for one thing: the first has brought it about.

        Raises:
            Halt: It failed, and that ends the run; all of them are accounted for.
        """
        halt: Halt | None = None
        for at, taken in enumerate(takens):
            if at and outcome.kind is not Kind.FAILED:
                outcome = outcome._replace(kind=Kind.EXISTS, reason="asked for twice", attempts=0)
            try:
                self.settle(taken, outcome, whereto)
            except Halt as error:
                halt = halt or error
        if halt:
            raise halt


def called(taken: Taken) -> str:
    """Name a record by its stream and its key."""
    return f"{taken.stream} {_words(taken)}"


def _words(taken: Taken) -> str:
    return ", ".join(f"{name} {value}" for name, value in taken.key.items()) or "record"
