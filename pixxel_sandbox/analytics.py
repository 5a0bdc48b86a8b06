"""Analytics: the rows of satellites, areas and workflows, apart from imagery and orders."""

from collections.abc import Sequence

from pixxel_sandbox.bookings import Places
from pixxel_sandbox.chance import stream
from pixxel_sandbox.findings import findings
from pixxel_sandbox.footprints import Json
from pixxel_sandbox.imagery import Scene
from pixxel_sandbox.pipelines import works
from pixxel_sandbox.sensors import indices, satellites


def analytics(seed: int, archive: Sequence[Scene], places: Places) -> dict[str, list[Json]]:
    """Makes the rows of all these resources, sized from the archive."""
    rng = stream(seed, "sensors")
    seen = satellites(rng)
    known = indices(rng, seen)
    found = findings(stream(seed, "findings"), archive, places, seen, known)
    made = works(stream(seed, "pipelines"), len(archive), places)
    return {"satellites": seen, "indices": known, **vars(found), **vars(made)}
