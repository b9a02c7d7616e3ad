"""OpenLineage events of the tables a task wrote; imported only where they are emitted.

The provider's public call attributes the datasets to the running task, so that no operator has to
be a subclass of ours and no extractor has to be configured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.providers.openlineage.api import emit_dataset_lineage
from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.facet_v2 import (
    column_lineage_dataset,
    documentation_dataset,
    output_statistics_output_dataset,
    schema_dataset,
)

from transforms import lake, lineage
from transforms.contract import load_contracts
from transforms.lineage import Dataset, Origin, Place
from transforms.settings import Settings


def emit_flattened(settings: Settings, rows: Mapping[str, int]) -> None:
    """Emits the lake's tables that got rows, made of replies and archived files.

    Args:
        settings: Where the lake lies.
        rows: Rows written, by table.
    """
    contracts, root = load_contracts(settings.schemas), settings.lake_root
    names = [table for table, count in rows.items() if count]
    made = lineage.lake_tables(contracts, root, names)
    _emit(lineage.lake_sources(contracts, root), made, rows)


def emit_published(settings: Settings, batches: Sequence[str], rows: Mapping[str, int]) -> None:
    """Emits the warehouse's tables that some batches have rows of, made of the lake's.

    Args:
        settings: Where lake and warehouse lie.
        batches: Batches that were loaded; none where an earlier run loaded them and could not
            publish: then all tables with rows are told of.
        rows: Rows in the warehouse, by table.
    """
    tables = {table for table, count in rows.items() if count}
    if batches:
        storage = lake.open_lake(settings.lake_root)
        commits = [lake.read_commit(storage, batch) for batch in batches]
        tables = {file.table for commit in commits if commit for file in commit.files}
        tables.add(lineage.MARKERS)
    contracts = load_contracts(settings.schemas)
    made = lineage.warehouse_tables(contracts, settings.lake_root, settings.warehouse_dir, tables)
    _emit([], made, rows)


def _emit(known: Sequence[Dataset], made: Sequence[Dataset], rows: Mapping[str, int]) -> None:
    """Emits tables and what they are made of; of this, the known datasets with their fields.

    An input without fields leaves those that a backend has of it as they are.
    """
    if made:
        facets = {each.place: _facets(each) for each in known}
        emit_dataset_lineage(
            inputs=[_input(place, facets.get(place, {})) for place in lineage.sources(made)],
            outputs=[_output(dataset, rows.get(dataset.table)) for dataset in made],
        )


def _input(place: Place, facets: dict[str, Any]) -> InputDataset:
    return InputDataset(namespace=place.namespace, name=place.name, facets=facets)


def _output(dataset: Dataset, rows: int | None) -> OutputDataset:
    columns = {
        field.name: column_lineage_dataset.Fields(inputFields=[_input_field(field.origin)])
        for field in dataset.fields
        if field.origin is not None
    }
    statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=rows)
    return OutputDataset(
        namespace=dataset.place.namespace,
        name=dataset.place.name,
        facets=_facets(dataset)
        | {"columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet(fields=columns)},
        outputFacets={} if rows is None else {"outputStatistics": statistics},
    )


def _input_field(origin: Origin) -> column_lineage_dataset.InputField:
    change = column_lineage_dataset.Transformation(
        type="DIRECT",
        subtype=origin.change,
        description=origin.how,
        masking=origin.masked,
    )
    place = origin.place
    return column_lineage_dataset.InputField(
        namespace=place.namespace, name=place.name, field=origin.field, transformations=[change]
    )


def _facets(dataset: Dataset) -> dict[str, Any]:
    fields = [
        schema_dataset.SchemaDatasetFacetFields(
            name=field.name, type=field.type or None, description=field.description or None
        )
        for field in dataset.fields
    ]
    text = dataset.description
    return {
        "schema": schema_dataset.SchemaDatasetFacet(fields=fields),
        "documentation": documentation_dataset.DocumentationDatasetFacet(description=text),
    }
