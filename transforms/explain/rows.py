"""Explains a row: of a result table here, of a system table in `system`."""

from __future__ import annotations

from collections.abc import Sequence

from transforms.contract import Contract, Contracts
from transforms.errors import ConfigurationError
from transforms.explain import system
from transforms.explain.case import Case, open_case, to_set_aside, with_reply
from transforms.explain.fragments import in_data, in_result
from transforms.explain.keys import NoSuchRowError, find_table, read_keys
from transforms.explain.place import find_row
from transforms.json_text import to_pointer
from transforms.reports import Explanation, SetAside
from transforms.storage import Storage
from transforms.validate import gc_paused


def explain(
    storage: Storage,
    contracts: Contracts,
    table: str,
    given: Sequence[str],
    *,
    max_blob_bytes: int,
) -> Explanation:
    """Returns where a row comes from, loaded or not.

    Args:
        storage: The lake.
        contracts: The schemas that say what rows are made of.
        table: Name of the table.
        given: Values of its key columns in order, or as `name=value`.
        max_blob_bytes: A longer Data is set aside, as in flattening.

    Raises:
        ConfigurationError: There is no such table, job or row, or the keys do not fit.
        LakeFormatError: A file of the lake cannot be read, or does not hold what was landed.
    """
    layout = find_table(contracts, table)
    keys = read_keys(layout, given)
    if layout.name == system.BATCHES:
        return system.explain_batch(storage, keys)
    if layout.family == "system" and layout.name not in system.TABLES:
        raise ConfigurationError(
            f"a row of {layout.name} is made of many replies: explain one of another table"
        )
    with gc_paused():
        return explain_case(open_case(storage, contracts, layout, keys, max_blob_bytes))


def explain_case(case: Case) -> Explanation:
    """Returns where a row comes from whose reply is open.

    Raises:
        ConfigurationError: There is no such row.
        LakeFormatError: A file of the lake cannot be read, or does not hold what was landed.
    """
    how = system.TABLES.get(case.table.name, _explain_row)
    return with_reply(how(case), case)


def _explain_row(case: Case) -> Explanation:
    contract = case.contracts.types[case.table.family]
    _require_type(case, contract)
    data, whole = case.data_of(case.result_index), case.whole_set_aside(case.result_index)
    is_root = case.table.name == contract.root.name
    if is_root and (data is None or not data.is_json) and whole is not None:
        return in_result(case, case.result_index, whole)
    if data is None or not (data.is_json or is_root):
        raise _without_row(case, whole, f"result {case.result_index} has no Data that is JSON")
    try:
        place = find_row(contract, case.table, case.keys, data)
    except NoSuchRowError as error:
        raise _without_row(case, whole, str(error)) from None
    source = data.to_source(place.path)
    set_aside = None
    if not case.is_loaded:
        set_aside = _row_set_aside(case, to_pointer(source)) or whole
        if set_aside is None:
            raise case.lost()
    notes = (*data.notes(place.path), *([place.note] if place.note else ()))
    return in_data(case, data, source, set_aside, notes)


def _require_type(case: Case, contract: Contract) -> None:
    """Checks that the result is of the Type that the table is made of."""
    system.require_result(case)
    types = [case.type_of(index) for index in range(len(case.reply.items))]
    fits = [kind is not None and case.contracts.types.get(kind) is contract for kind in types]
    if not fits[case.result_index]:
        others = " or ".join(str(index) for index, fit in enumerate(fits) if fit)
        where = f"result {case.result_index} of job {case.job}"
        remedy = f"result_index may be {others}" if others else "the job has none"
        raise case.error(
            f"{where} is no {contract.type}, which {case.table.name} is made of: {remedy}"
        )


def _without_row(case: Case, whole: SetAside | None, message: str) -> ConfigurationError:
    """Returns the error on a row that cannot be found; a result set aside whole has none."""
    if whole is None:
        return case.error(message)
    remedy = f"see `cognition explain quarantine {case.job} {whole.quarantine_index}`"
    what = "the reply" if whole.scope == "reply" else "the result"
    return case.error(f"{message}; {what} is in quarantine as a whole ({whole.reason}): {remedy}")


def _row_set_aside(case: Case, pointer: str) -> SetAside | None:
    """Returns why the row at a pointer into Data, or one around it, was set aside."""
    for row in case.rows("quarantine"):
        if (row["result_index"], row["scope"]) != (case.result_index, "row"):
            continue
        around = row["row_pointer"]
        if around is not None and (pointer == around or pointer.startswith(f"{around}/")):
            return to_set_aside(row)
    return None
