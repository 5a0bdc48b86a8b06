"""Analytics: the rows of satellites, areas, workflows and reports."""

from collections.abc import Sequence

from pixxel_sandbox.bookings import Places
from pixxel_sandbox.chance import stream
from pixxel_sandbox.externals import externals
from pixxel_sandbox.findings import findings
from pixxel_sandbox.footprints import Json
from pixxel_sandbox.imagery import Scene
from pixxel_sandbox.pipelines import works
from pixxel_sandbox.remarks import remarks
from pixxel_sandbox.sensors import indices, satellites


def analytics(
    seed: int, archive: Sequence[Scene], places: Places, order_items: Sequence[Json]
) -> dict[str, list[Json]]:
    """Makes the rows of all these resources, sized from the archive and what was ordered."""
    rng = stream(seed, "sensors")
    seen = satellites(rng)
    known = indices(rng, seen)
    found = findings(stream(seed, "findings"), archive, places, seen, known)
    made = works(stream(seed, "pipelines"), len(archive), places)
    return {
        "satellites": seen,
        "indices": known,
        **vars(found),
        **vars(made),
        "satellite_images": externals(stream(seed, "externals"), len(archive)),
        "order_report": remarks(stream(seed, "remarks"), order_items),
    }
