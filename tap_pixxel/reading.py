"""A reading of many lists: what it met on the way, and what it had to leave out."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pixxel_api.errors import Forbidden, NotFound

if TYPE_CHECKING:
    import logging
    from collections.abc import Collection
    from datetime import datetime

    from pixxel_api.pagination.list_scan import ListScan

Keys = dict[str, str]
"""What fills the path of a list: the ids of the rows that it hangs on, by their places there."""

_TOLD = 10  # parents that are named when they cannot be read; the others are counted


class Reading:
    """One reading of the lists that hang on the rows of others.

    Attributes:
        began: The server's clock at the first answer.
        settled: False when a list kept shifting and a row may be missing.
        refusal: The first 403.
        barred: What answered 403 or 404, named by its keys with slashes.
        nameless: How many rows have no id that could stand in the path of their list.
    """

    def __init__(self, name: str, logger: logging.Logger) -> None:
        self._name = name
        self._logger = logger
        self._left_out: Counter[type[Forbidden | NotFound]] = Counter()
        self.began: datetime | None = None
        self.settled = True
        self.refusal: Forbidden | None = None
        self.barred: list[str] = []
        self.nameless = 0

    def take(self, sweep: ListScan) -> None:
        """Note a list that was read."""
        self.settled = self.settled and sweep.complete

    def leave_out(self, keys: Keys, error: Forbidden | NotFound) -> None:
        """Note rows whose lists cannot be read."""
        self._left_out[type(error)] += 1
        self.barred.append("/".join(keys.values()))
        if isinstance(error, Forbidden):
            self.refusal = self.refusal or error
        if self._left_out.total() <= _TOLD:
            self._logger.warning("%s: left out: %s", self._name, error)

    def remark(self) -> None:
        """Say how many were left out."""
        if self._left_out:
            self._logger.warning(
                "%s: %d lists were left out, %d that the token may not read (403) and %d that are "
                "gone (404)",
                self._name,
                self._left_out.total(),
                self._left_out[Forbidden],
                self._left_out[NotFound],
            )
        if self.nameless:
            self._logger.warning(
                "%s: %d lists were not asked for, since what they hang on has no usable id",
                self._name,
                self.nameless,
            )

    @staticmethod
    def is_among(names: Collection[str], keys: Keys) -> bool:
        """Tell whether rows, or rows that those hang on, are among some that were `barred`."""
        parts = list(keys.values())
        return any("/".join(parts[:end]) in names for end in range(1, len(parts) + 1))
