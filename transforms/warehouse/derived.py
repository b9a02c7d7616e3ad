"""Checks that the layouts of the tables imply: keys, parents, counts, trees, times, scores.

None of them names a table or a result Type; a new one is checked as it is added.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from transforms.compile import DEPTH, PARENT, SIBLING
from transforms.contract import Contracts
from transforms.counting import TRIMMED
from transforms.layout import Table
from transforms.warehouse.check import Check
from transforms.warehouse.ddl import INDEXED, literal, quote
from transforms.warehouse.value_checks import check_inside, check_values


def derive_checks(contracts: Contracts) -> Iterator[Check]:
    """Yields the checks that the layouts of the tables imply."""
    roots = [contract.root for contract in contracts.distinct]
    yield from _check_parents(contracts.system["jobs"], _of_jobs(contracts))
    yield from _check_parents(contracts.system["results"], roots)
    yield _check_result_rows([t for root in roots for t in root.walk()])
    yield from check_inside(contracts.tables.values())
    for table in contracts.tables.values():
        if table.name not in INDEXED:
            yield _check_keys(table)
        yield from _check_parents(table, table.children)
        yield from (_COUNTED[c.kind](table, c) for c in table.children if c.kind in _COUNTED)
        yield from (_check_tree(child) for child in table.children if child.kind == "tree")
        yield from check_values(table)


def _of_jobs(contracts: Contracts) -> list[Table]:
    return [t for t in contracts.system.values() if t.name != "jobs" and t.keys[0].name == "job_id"]


def _check_keys(table: Table) -> Check:
    """Groups hashes first: on 10 million rows 1.5 s, where grouping the keys took 3.8 s."""
    keys = _names(table)
    sql = f"""
        SELECT {keys}, count(*) AS rows_count FROM {quote(table.name)}
        WHERE hash({keys}) IN (
            SELECT hash({keys}) FROM {quote(table.name)} GROUP BY 1 HAVING count(*) > 1
        )
        GROUP BY ALL HAVING count(*) > 1
    """  # noqa: S608 - names of the schemas, quoted
    return Check(f"key:{table.name}", "fail", f"Does each key of {table.name} occur once?", sql)


def _check_parents(parent: Table, children: Iterable[Table]) -> Iterator[Check]:
    for child in children:
        sql = f"""
            SELECT {_names(child, "c")} FROM {quote(child.name)} AS c
            ANTI JOIN {quote(parent.name)} AS p USING ({_names(parent)})
        """  # noqa: S608 - names of the schemas, quoted
        question = f"Has each row of {child.name} its row in {parent.name}?"
        yield Check(f"parent:{child.name}", "fail", question, sql)


def _check_count(parent: Table, child: Table) -> Check:
    count = _count_column(parent, child)
    sql = f"""
        SELECT job_id, result_index, sum(counted) AS in_source, sum(found) AS found
        FROM (
            SELECT job_id, result_index, {count} AS counted, 0 AS found
            FROM {quote(parent.name)} WHERE {count} > 0
            UNION ALL
            SELECT job_id, result_index, 0, count(*) FROM {quote(child.name)} GROUP BY ALL
            UNION ALL
            SELECT job_id, result_index, 0, count(*) FROM quarantine
            WHERE scope = 'row' AND table_name = {literal(child.name)} GROUP BY ALL
        )
        GROUP BY ALL HAVING sum(counted) <> sum(found)
    """  # noqa: S608 - names of the schemas, quoted
    question = (
        f"Is each of the {parent.name}.{_bare(count)} a row of {child.name} or in quarantine?"
    )
    return Check(f"count:{child.name}", "fail", question, sql)


def _check_nodes(parent: Table, child: Table) -> Check:
    """A node in quarantine has those below it with it, so how many are there is only bounded."""
    count, (above, _, _, nodes) = _count_column(parent, child), _tree_columns(child)
    sql = f"""
        SELECT
            job_id, result_index, sum(counted) AS in_source, sum(found) AS found,
            sum(aside) AS in_quarantine, sum(below) - sum(lower) AS below_missing
        FROM (
            SELECT
                job_id, result_index, {count} AS counted, 0 AS found, 0 AS aside, 0 AS below,
                0 AS lower
            FROM {quote(parent.name)} WHERE {count} > 0
            UNION ALL
            SELECT job_id, result_index, 0, count(*), 0, coalesce(sum({nodes}), 0), count({above})
            FROM {quote(child.name)} GROUP BY ALL
            UNION ALL
            SELECT job_id, result_index, 0, 0, count(*), 0, 0 FROM quarantine
            WHERE scope = 'row' AND table_name = {literal(child.name)} GROUP BY ALL
        )
        GROUP BY ALL
        HAVING in_source < found + in_quarantine
            OR in_source > found AND in_quarantine = 0
            OR below_missing NOT BETWEEN 0 AND in_quarantine
    """  # noqa: S608 - names of the schemas, quoted
    question = (
        f"Is each of the {parent.name}.{_bare(count)} a row of {child.name}, in quarantine, or "
        "below a node that is?"
    )
    return Check(f"count:{child.name}", "fail", question, sql)


def _check_parts(parent: Table, child: Table) -> Check:
    text = quote(next(c.name for c in parent.columns if c.path == child.path))
    sql = f"""
        SELECT job_id, result_index, sum(counted) AS in_source, sum(found) AS found
        FROM (
            SELECT job_id, result_index, count(*) AS counted, 0 AS found
            FROM (
                SELECT job_id, result_index,
                    unnest(string_split({text}, {literal(child.separator)})) AS part
                FROM {quote(parent.name)}
            )
            WHERE trim(part, {literal(TRIMMED)}) <> '' GROUP BY ALL
            UNION ALL
            SELECT job_id, result_index, 0, count(*) FROM {quote(child.name)} GROUP BY ALL
        )
        GROUP BY ALL HAVING sum(counted) <> sum(found)
    """  # noqa: S608 - names of the schemas, quoted
    question = f"Is each value in {parent.name}.{_bare(text)} a row of {child.name}?"
    return Check(f"count:{child.name}", "fail", question, sql)


_COUNTED = {"array": _check_count, "tree": _check_nodes, "split": _check_parts}
"""By what a table is made of; an object has no count to hold it to."""


def _check_tree(table: Table) -> Check:
    above, depth, sibling, nodes = _tree_columns(table)
    *outer, own = (quote(key.name) for key in table.keys)
    same = " AND ".join(f"n.{key} = p.{key}" for key in outer)
    name = quote(table.name)
    sql = f"""
        SELECT {_names(table, "n")}, n.{above}, n.{depth}, n.{sibling}
        FROM {name} AS n LEFT JOIN {name} AS p ON {same} AND n.{above} = p.{own}
        WHERE n.{depth} IS DISTINCT FROM coalesce(p.{depth} + 1, 0)
            OR n.{above} IS NOT NULL AND p.{own} IS NULL
            OR p.{own} >= n.{own}
            OR p.{own} IS NOT NULL AND n.{sibling} >= coalesce(p.{nodes}, 0)
    """  # noqa: S608 - names of the schemas, quoted
    question = f"Does each node of {table.name} lie one level below the node above it?"
    return Check(f"tree:{table.name}", "fail", question, sql)


def _count_column(parent: Table, child: Table) -> str:
    return quote(next(c.name for c in parent.columns if c.kind == "count" and c.path == child.path))


def _tree_columns(table: Table) -> tuple[str, str, str, str]:
    """Returns the columns of the node above, the level, the position and the nodes below."""
    by_path = {column.path: quote(column.name) for column in table.columns if column.kind == "tree"}
    above, depth, sibling = (by_path[(key,)] for key in (PARENT, DEPTH, SIBLING))
    return above, depth, sibling, by_path[(table.tree_key,)]


def _bare(quoted: str) -> str:
    return quoted.strip('"')


def _check_result_rows(tables: list[Table]) -> Check:
    found = " UNION ALL ".join(
        f"SELECT job_id, result_index, count(*) AS found FROM {quote(t.name)} GROUP BY ALL"  # noqa: S608 - quoted
        for t in tables
    )
    sql = f"""
        SELECT r.job_id, r.result_index, r.rows_count, coalesce(sum(f.found), 0) AS found
        FROM results AS r LEFT JOIN ({found}) AS f USING (job_id, result_index)
        GROUP BY ALL HAVING coalesce(r.rows_count, 0) <> coalesce(sum(f.found), 0)
    """  # noqa: S608 - names of the schemas, quoted
    return Check("result_rows", "fail", "Has each result the rows it was loaded with?", sql)


def _names(table: Table, alias: str | None = None) -> str:
    prefix = f"{alias}." if alias else ""
    return ", ".join(prefix + quote(key.name) for key in table.keys)
