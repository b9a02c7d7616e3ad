"""A result made again from its rows is the result that was sent, whatever was sent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from contract_kit import TYPES, raw_table, success
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import mutated, with_unknown_keys, written_forms

from transforms.batch import flatten_raw
from transforms.contract import load_contracts
from transforms.unflatten import unflatten_batch

Json = Any
LIMIT = 1 << 20
SIZES = (1, 2, 12)
"""Results a batch: one, two, many."""


def normal(value: Json) -> Json:
    """Returns JSON in which null and absent are one, and numbers compare as numbers."""
    if isinstance(value, dict):
        return {key: normal(inner) for key, inner in value.items() if inner is not None}
    return [normal(inner) for inner in value] if isinstance(value, list) else value


def text_of(document: Json) -> str:
    """Returns Data as the service sends it; a bare text is sent as it is."""
    return document if isinstance(document, str) else json.dumps(document, ensure_ascii=False)


def made_again(kind: str, documents: Sequence[Json]) -> dict[str, Json]:
    """Returns, by job, what came back of one result each, flattened as one batch."""
    contracts = load_contracts()
    bodies = [success({"Type": kind, "Data": text_of(document)}) for document in documents]
    batch = flatten_raw(raw_table(*bodies), contracts, "batch-1", max_blob_bytes=LIMIT)
    return {each.job_id: each.document for each in unflatten_batch(batch.tables, contracts)}


def check(kind: str, documents: Sequence[Json]) -> int:
    """Asserts that results come back as sent; returns how many were set aside whole."""
    back = made_again(kind, documents)
    for job_id, document in back.items():
        sent = documents[int(job_id.removeprefix("job-"))]
        if isinstance(sent, str) and sent.strip() == "null":
            sent = None  # sent as it is, this text is JSON's null
        assert normal(document) == normal(sent)
    return len(documents) - len(back)


@st.composite
def batches(draw: st.DrawFn, kind: str) -> list[Json]:
    """Returns the results of a batch: sound and spoiled, in any form, with unknown keys or not."""
    plain = written_forms(kind)
    result = st.one_of(plain, with_unknown_keys(kind, plain), mutated(plain))
    size = draw(st.sampled_from(SIZES))
    return draw(st.lists(result, min_size=size, max_size=size))


@pytest.mark.parametrize("kind", TYPES)
@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_results_come_back_from_their_rows(kind: str, data: st.DataObject) -> None:
    """Whatever a result holds and however it is written, its rows give it back."""
    check(kind, data.draw(batches(kind)))


@pytest.mark.slow
@pytest.mark.proof
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", TYPES)
@given(data=st.data())
@settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
def test_two_thousand_batches_come_back_from_their_rows(kind: str, data: st.DataObject) -> None:
    """Two thousand batches a Type, of one, two and many results, come back from their rows."""
    check(kind, data.draw(batches(kind)))


@pytest.mark.parametrize("kind", TYPES)
def test_sound_results_are_never_set_aside_whole(kind: str) -> None:
    """Results that keep the contract come back, so that the tests above do not prove nothing."""
    aside = 0

    @given(documents=st.lists(with_unknown_keys(kind, written_forms(kind)), min_size=1, max_size=3))
    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    def count(documents: list[Json]) -> None:
        nonlocal aside
        aside += check(kind, documents)

    count()
    assert aside == 0
