"""An export: takes in what a run brings, and leaves all formats up to date."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from pixxel_singer.errors import InputError
from target_stac import existing
from target_stac.bodies import Bodies
from target_stac.collections import made_of
from target_stac.existing import LINES, OURS
from target_stac.facts import facts_of
from target_stac.index import NO_COLLECTION, Index
from target_stac.leftovers import UNFINISHED, Leftovers
from target_stac.links import Linker, bare, encode
from target_stac.output import OutputError
from target_stac.products import Products
from target_stac.publish import Publisher
from target_stac.records import COLLECTION, ITEM, NotStacError, check
from target_stac.settings import CATALOG, ITEM_COLLECTION
from target_stac.tree import STAC_VERSION, Layout, Writer

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable
    from pathlib import Path

    from target_stac.output import Output
    from target_stac.records import Json
    from target_stac.settings import Settings
    from target_stac.validation import Validator

MAX_COLLECTED = 10_000
"""Items in an ItemCollection, which is read as a whole."""
REJECTED = "rejected.ndjson"


class Export:
    """An export, from opening what is there to closing what is new.

    Nothing of it changes before `publish`: all that comes is kept in local files till then.

    Args:
        settings: The target's settings.
        output: The place.
        scratch: An empty local folder.
        validator: Checks what comes.
        logger: Told what is noteworthy.
        check: Raises when a stop was asked for.

    Attributes:
        rejected: How many objects were left out, by stream.
        incomplete: Why a collection has no GeoParquet, by its id.

    Raises:
        OutputError: The export that is there cannot be merged into.
        InputError: It was made with another `root_href`.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        output: Output,
        scratch: Path,
        validator: Validator,
        logger: logging.Logger,
        check: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._output = output
        self._scratch = scratch
        self._validator = validator
        self._logger = logger
        self._check = check
        self._index = Index(scratch)
        self._linker = Linker(settings.root_href, self._index.path_of)
        self._layout = Layout(self._index, self._linker)
        self._collections: dict[str, Json] = {}
        self._brought: set[str] = set()
        self._rejects = (scratch / REJECTED).open("wb")
        self._lines: dict[int, Path] = {}
        self._known: set[str] = set()
        self._changed: set[str] = set()
        self._catalogs_changed = False
        self._items = self._written = 0
        self.rejected: Counter[str] = Counter()
        self.incomplete: dict[str, str] = {}
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the local files."""
        self._rejects.close()
        self._index.close()

    # What is there

    def _open(self) -> None:
        root = existing.read_root(self._output)
        unfinished = self._output.read(UNFINISHED)
        mark = root[OURS] if root else {}
        if root and self._settings.updates and mark.get("root_href") != self._settings.root_href:
            raise InputError(
                "the export at 'output' was made with another 'root_href'; give that one, or set "
                "'mode' to overwrite"
            )
        self._root = root
        self._tree = existing.Tree(
            self._output,
            mark.get("root_href"),
            in_doubt=unfinished is not None and self._settings.updates,
        )
        self._leftovers = Leftovers(
            self._output,
            self._index,
            self._tree,
            self._layout,
            wants_tree=CATALOG in self._settings.formats,
        )
        # A run that was killed leaves files in doubt, and other formats have other files.
        self._afresh = unfinished is not None or mark.get("formats") != sorted(
            self._settings.formats
        )
        if root:
            self._read_tree(root)
        self._leftovers.recover(unfinished or b"", adopt=self._settings.updates)
        # After a run that was killed, the tree is ahead of the ndjson as soon as it has a root.
        ahead = root is not None and unfinished is not None and not existing.is_begun(root)
        if self._settings.updates and not ahead:
            self._read_lines()
        self._known = set(self._tree.collections) | existing.collection_ids(self._output)

    def _read_tree(self, root: Json) -> None:
        try:
            self._tree.index(root, self._index)
        except OutputError as error:
            if self._settings.updates:
                raise
            self._logger.warning("%s; files of it may remain", str(error).partition(";")[0])
        self._collections |= self._tree.collections

    def _read_lines(self) -> None:
        found = {source: self._output.local(name) for source, name in LINES.items()}
        self._lines = {source: path for source, path in found.items() if path is not None}
        existing.index_lines(self._lines, self._index)
        self._collections = existing.read_collections(self._output) | self._collections

    # What comes

    def take(self, stream: str, kind: str, stac: Json) -> None:
        """Take in an item or collection; one that cannot be exported is kept with its reason."""
        try:
            check(kind, stac)
            links = bare(stac.get("links", ()), self._settings.root_href)
            if kind == ITEM:
                self._take_item(stac, links)
            else:
                self._take_collection(stac, links)
        except NotStacError as error:
            self.reject(stream, f"{kind} {error}", stac)

    def reject(self, stream: str, reason: str, record: Json) -> None:
        """Leave a record out of the export, and keep it with the reason."""
        self.rejected[stream] += 1
        self._rejects.write(encode({"stream": stream, "reason": reason, "record": record}) + b"\n")

    def _take_item(self, item: Json, links: list[Json]) -> None:
        collection = item.get("collection") or NO_COLLECTION
        facts = facts_of(item, links)
        body = encode({**item, "links": links})
        if self._validator.wants(item):
            path = self._layout.collection(collection)
            line = self._linker.item(body, f"{path}/item", path, collection and path)
            self._validate(ITEM, msgspec.json.decode(line))
        self._index.bring(collection, item["id"], facts, body)
        self._items += 1

    def _take_collection(self, collection: Json, links: list[Json]) -> None:
        if self._validator.wants(collection):
            self._validate(COLLECTION, collection)
        self._collections[collection["id"]] = {**collection, "links": links}
        self._brought.add(collection["id"])

    def _validate(self, kind: str, stac: Json) -> None:
        mistake = self._validator.mistake(kind, stac)
        if mistake:
            raise NotStacError(f"is not valid: {mistake}")

    # What is left

    def publish(self, *, ended: bool = True) -> None:
        """Bring all formats up to date.

        Args:
            ended: Whether the input ended as a whole sync does; an overwriting run needs that.

        Raises:
            InputError: An ItemCollection was asked for and there are too many items, or an
                overwriting run has brought nothing, or not all.
            OutputError: A file could not be written.
            Stopped: A stop was asked for; every link of what is there resolves all the same.
        """
        if not self._settings.updates:
            self._forget_the_rest(ended=ended)
        elif self.is_idle and not (self.rejected or self._is_there()):
            self._logger.warning("no record brought an item or collection; nothing was written")
            return
        total = self._index.count()
        if ITEM_COLLECTION in self._settings.formats and total > MAX_COLLECTED:
            raise InputError(
                f"the export has {total:,} items, and an ItemCollection may have "
                f"{MAX_COLLECTED:,}; remove itemcollection from 'formats'"
            )
        self._complete_collections()
        wants_tree = CATALOG in self._settings.formats
        self._index.plan(everything=self._afresh or (wants_tree and self._root is None))
        self._changed = {collection for collection, _ in self._index.touched()}
        self._leftovers.announce(self._scratch)
        bodies = Bodies(self._index, self._output, self._lines, self._settings.root_href)
        try:
            catalogs = self._publish_tree(bodies) if wants_tree else set()
            self._publish_products(bodies)
        finally:
            bodies.close()
        self._leftovers.remove(catalogs)
        self._put_rejects()
        self._leftovers.forget()
        self._tell(total)

    @property
    def is_idle(self) -> bool:
        """Whether no record has brought an item or a collection."""
        return not self._items and not self._brought

    def _is_there(self) -> bool:
        return self._root is not None or bool(self._lines)

    def _forget_the_rest(self, *, ended: bool) -> None:
        if not ended:
            raise InputError(
                "the input does not end with a STATE, so the tap may have been cut off, and 'mode' "
                "overwrite would lose what is missing; the export is left as it is"
            )
        if self.is_idle:
            raise InputError(
                "no record brought an item or collection, so 'mode' overwrite would leave nothing; "
                "the export is left as it is"
            )
        gone = self._index.keep_only_incoming()
        if gone:
            self._logger.warning(
                "%s items that this run has not brought are removed, as 'mode' is overwrite",
                f"{gone:,}",
            )
        self._collections = {name: self._collections[name] for name in self._brought}

    def _complete_collections(self) -> None:
        """Make the collections that no record has brought, and those made so before."""
        for name in self._index.collections():
            known = self._collections.get(name)
            if known is None or (name not in self._brought and existing.is_synthesised(known)):
                self._collections[name] = made_of(name, self._index.rows(name))

    def _publish_tree(self, bodies: Bodies) -> set[str]:
        writer = Writer(self._output, self._linker)
        publisher = Publisher(
            output=self._output,
            index=self._index,
            bodies=bodies,
            linker=self._linker,
            layout=self._layout,
            writer=writer,
            trusting=self._settings.updates,
            check=self._check,
        )
        publisher.publish(self._root_document(), self._collections, self._tree.catalogs)
        self._catalogs_changed = publisher.changed
        self._written = publisher.written
        if not self._afresh:
            self._changed = publisher.collections
        return publisher.catalogs

    def _root_document(self) -> Json:
        settings = self._settings
        return {
            "type": "Catalog",
            "id": settings.catalog_id,
            "stac_version": STAC_VERSION,
            "title": settings.title,
            "description": settings.description,
            OURS: {
                "layout": existing.LAYOUT,
                "root_href": settings.root_href,
                "formats": sorted(settings.formats),
            },
        }

    def _publish_products(self, bodies: Bodies) -> None:
        products = Products(
            settings=self._settings,
            output=self._output,
            scratch=self._scratch,
            index=self._index,
            linker=self._linker,
            layout=self._layout,
            bodies=bodies,
            check=self._check,
        )
        if self._afresh or self._changed or self._catalogs_changed or products.lacking():
            products.make(self._collections, self._changed)
        products.drop({NO_COLLECTION, *self._collections, *self._known})
        self.incomplete = products.failed
        for name, reason in products.failed.items():
            self._logger.error("GeoParquet of '%s' was left out: %s", name, reason)

    def _put_rejects(self) -> None:
        self._rejects.close()
        if self.rejected:
            self._output.put(REJECTED, self._scratch / REJECTED)
        else:
            self._output.delete(REJECTED)

    def _tell(self, total: int) -> None:
        unlocated = self._index.count("west IS NULL")
        self._logger.info(
            "%s items in %s collections, %s of them without a geometry; this run brought %s, and "
            "%s files of items in the tree are new or changed",
            *(f"{n:,}" for n in (total, len(self._collections), unlocated, self._items)),
            f"{self._written:,}",
        )
        if self._validator.checked:
            self._logger.info("%s objects were validated", f"{self._validator.checked:,}")
        if self._validator.missing:
            self._logger.warning(
                "not validated against these, which 'schemas' does not have: %s",
                ", ".join(sorted(self._validator.missing)),
            )
        for stream, count in sorted(self.rejected.items()):
            self._logger.error("%s: %d were left out; see %s", stream, count, REJECTED)
