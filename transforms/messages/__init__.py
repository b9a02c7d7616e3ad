"""Completion messages become ledger entries: from a Message Service queue, or as HTTP callbacks.

`body` reads one message; `queue` says what a queue is, `mns` is the vendor's, `drain` empties one
into the ledger. `callback` checks signatures, `intake` makes ids durable together, `receiver` is
the HTTP side and `listen` all of it as one thing to start and stop.
"""
