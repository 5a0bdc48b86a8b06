"""Objects are made as they are read, at any place, and are not held."""

import time
import tracemalloc
from itertools import pairwise

from pixxel_sandbox.generated_zip import BLOCK_BYTES, GeneratedZip, compute_digest, iter_chunks


def test_no_two_blocks_of_an_object_are_alike() -> None:
    bulk = GeneratedZip("key", 40 * BLOCK_BYTES)
    blocks = list(iter_chunks(bulk, range(bulk.size)))
    assert b"".join(blocks) == b"".join(iter_chunks(bulk, range(bulk.size), 99_991))
    inner = blocks[1:-2]
    assert len(inner) >= 38
    assert len(set(inner)) == len(inner)
    assert all(before[:64] not in after[:4096] for before, after in pairwise(inner))


def test_a_large_object_is_made_fast_and_never_held() -> None:
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
