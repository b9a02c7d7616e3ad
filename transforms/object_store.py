"""Filesystems of lake URIs, as Arrow gives them, and what its URIs cannot say."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

import pyarrow as pa
import pyarrow.fs as pafs

VIRTUAL = "force_virtual_addressing"
"""Option of an `s3://` URI: the bucket's name goes into the host, as Alibaba Cloud OSS demands."""
_OPTIONS = frozenset({"region", "scheme", "endpoint_override"})
_TRUE, _FALSE = "true", "false"


def open_store(uri: str) -> tuple[pafs.FileSystem, str]:
    """Returns the filesystem of a URI, and the root in it.

    Args:
        uri: As `pyarrow.fs.FileSystem.from_uri` takes it; with `force_virtual_addressing=true` an
            `s3://` URI takes the options `region`, `scheme` and `endpoint_override` beside it.

    Raises:
        ArrowException: The URI names no filesystem, or an option is wrong.
        OSError: As above, said by the store's own client.
    """
    parts = urlsplit(uri)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    virtual = options.pop(VIRTUAL, _FALSE)
    if parts.scheme != "s3" or virtual == _FALSE:
        rest = "&".join(p for p in parts.query.split("&") if not p.startswith(f"{VIRTUAL}="))
        found: tuple[pafs.FileSystem, str] = pafs.FileSystem.from_uri(
            urlunsplit(parts._replace(query=rest)) if VIRTUAL in parts.query else uri
        )
        return found
    if virtual != _TRUE:
        raise pa.ArrowInvalid(f"{VIRTUAL} is true or false")
    if unknown := options.keys() - _OPTIONS:
        raise pa.ArrowInvalid(f"{VIRTUAL} does not go with {', '.join(sorted(unknown))}")
    keys = {"access_key": parts.username, "secret_key": parts.password}
    store = pafs.S3FileSystem(
        **{name: unquote(key) for name, key in keys.items() if key},
        **options,
        force_virtual_addressing=True,
    )
    return store, f"{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")
