"""A small cache of reply bodies, bounded by bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable


class ReplyCache:
    """Keeps the bodies used last, up to `max_bytes` together; thread-safe."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bodies: OrderedDict[Hashable, bytes] = OrderedDict()
        self._lock = threading.Lock()
        self.total_bytes = 0

    def get(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        """Returns the body of `key`, from `make` when it is not kept."""
        with self._lock:
            if key in self._bodies:
                self._bodies.move_to_end(key)
                return self._bodies[key]
        body = make()
        with self._lock:
            if key not in self._bodies and len(body) <= self._max_bytes:
                self._bodies[key] = body
                self.total_bytes += len(body)
            while self.total_bytes > self._max_bytes:
                _, oldest = self._bodies.popitem(last=False)
                self.total_bytes -= len(oldest)
        return body
