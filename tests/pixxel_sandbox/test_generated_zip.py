"""Generated zips: any range of bytes, without holding them in memory."""

from __future__ import annotations

import time
import tracemalloc
from itertools import pairwise

from pixxel_sandbox.generated_zip import BLOCK_BYTES, GeneratedZip, compute_digest, iter_chunks


def test_generated_zip_blocks_all_differ() -> None:
    bulk = GeneratedZip("key", 40 * BLOCK_BYTES)
    blocks = list(iter_chunks(bulk, range(bulk.size)))
    assert b"".join(blocks) == b"".join(iter_chunks(bulk, range(bulk.size), 99_991))
    inner = blocks[1:-2]
    assert len(inner) >= 38
    assert len(set(inner)) == len(inner)
    assert all(before[:64] not in after[:4096] for before, after in pairwise(inner))


def test_generated_zip_of_200_mb_is_fast_and_uses_little_memory() -> None:
    size = 200_000_000
    began = time.monotonic()
    tracemalloc.start()
    try:
        assert compute_digest(GeneratedZip("large", size)).size == size
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert time.monotonic() - began < 5
    assert peak < 10 * BLOCK_BYTES
