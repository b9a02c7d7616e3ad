"""Reads `Data` as the reply holds it: JSON, JSON in a text, in a text once more, or a bare text."""

from __future__ import annotations

from typing import Any

import orjson

from transforms.contract import Contract
from transforms.json_text import write_json

TEXT = "text"
"""Form of Data that is no JSON but the value itself, such as a bare link."""


class NotJsonError(ValueError):
    """Data is no JSON; `form` is how it was sent."""

    def __init__(self, form: str, message: str) -> None:
        super().__init__(message)
        self.form = form


def decode_data(data: Any, contract: Contract) -> tuple[str, bytes, Any]:  # noqa: ANN401 - any JSON
    """Returns the form of `Data`, its JSON text, and what that holds.

    Raises:
        NotJsonError: It is no JSON, and its Type has no text that may stand alone.
    """
    form = "string" if isinstance(data, str | bytes) else "object"
    try:
        line = _as_bytes(data)
    except (ValueError, TypeError) as error:
        raise NotJsonError(form, str(error)) from None
    try:
        document = orjson.loads(line)
        if isinstance(document, str):
            form, line = "string in a string", document.encode()
            document = orjson.loads(line)
    except ValueError as error:
        if not contract.may_be_text:
            raise NotJsonError(form, str(error)) from None
        try:
            text = line.decode()
        except UnicodeDecodeError:
            raise NotJsonError(form, str(error)) from None
        return (TEXT if form == "string" else form), write_json(text), text
    return form, line, document


def _as_bytes(data: Any) -> bytes:  # noqa: ANN401 - any JSON
    if isinstance(data, bytes):
        return data
    return data.encode() if isinstance(data, str) else write_json(data)
