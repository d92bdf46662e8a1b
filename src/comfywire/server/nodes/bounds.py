"""How much one node may make: a server that tests are run against must not take the machine with it."""

from __future__ import annotations

from math import prod

__all__ = ["MAX_BYTES", "bounded"]

MAX_BYTES = 1024**3
"""The largest array that a node makes: 16 pictures of 2048x2048, or an hour and a half of stereo sound."""

FLOAT_BYTES = 4


def bounded(*shape: int) -> tuple[int, ...]:
    """Return the shape of an array of float32 that is about to be made.

    Raises:
        MemoryError: It would be larger than MAX_BYTES. (ComfyUI would try.)

    """
    size = prod(shape) * FLOAT_BYTES
    if size > MAX_BYTES:
        shown = "x".join(map(str, shape))
        raise MemoryError(
            f"an array of {shown} needs {size / 1024**3:,.1f} GiB, and a node of the test server makes "
            f"at most {MAX_BYTES // 1024**3} GiB: ask for fewer or smaller pictures, or a shorter sound"
        )
    return shape
