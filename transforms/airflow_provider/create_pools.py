"""Makes the pools of the DAGs: `python -m transforms.airflow_provider.create_pools`.

To be run once per deployment, where `airflow db migrate` is run; again, it changes nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from transforms.airflow_provider.pools import POOLS, Pool
from transforms.errors import ConfigurationError


def create_pools(pools: Iterable[Pool] = POOLS) -> list[str]:
    """Makes missing pools, corrects the slots of fixed ones, and returns what it did, by line.

    Slots of a pool that is not fixed are the operator's, and stay.

    Raises:
        ConfigurationError: Airflow's database cannot be read; nothing was changed.
    """
    from airflow.models.pool import Pool as AirflowPool  # noqa: PLC0415 - configures Airflow
    from airflow.utils.session import create_session  # noqa: PLC0415 - configures the database
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - comes with Airflow

    try:
        with create_session() as session:
            there = {str(pool.pool): pool for pool in AirflowPool.get_pools(session=session)}
            told = []
            for pool in pools:
                found = there.get(pool.name)
                if found is None:
                    session.add(
                        AirflowPool(
                            pool=pool.name,
                            slots=pool.slots,
                            description=pool.description,
                            include_deferred=False,
                        )
                    )
                told.append(_told(pool, None if found is None else found.slots))
                if found is not None and pool.fixed:
                    found.slots = pool.slots
            return told
    except SQLAlchemyError as error:
        # Its own text may quote the address with the password in it.
        raise ConfigurationError(
            f"Airflow's database cannot be read ({type(error).__name__}): run `airflow db migrate` "
            "first, or correct AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
        ) from None


def main() -> int:
    """Makes the pools and tells what was done; returns the exit code."""
    try:
        told = create_pools()
    except ConfigurationError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    sys.stdout.writelines(f"{line}\n" for line in told)
    return 0


def _told(pool: Pool, slots: int | None) -> str:
    """Returns what is done about a pool that has so many slots, or None where it is missing."""
    if slots is None:
        return f"{pool.name}: made with {_slots(pool.slots)}"
    if slots == pool.slots:
        return f"{pool.name}: {_slots(slots)}, as it should be"
    if pool.fixed:
        return f"{pool.name}: corrected from {slots} to {_slots(pool.slots)}"
    return f"{pool.name}: left at {_slots(slots)}; the default is {pool.slots}"


def _slots(count: int) -> str:
    return "1 slot" if count == 1 else f"{count} slots"


if __name__ == "__main__":
    raise SystemExit(main())
