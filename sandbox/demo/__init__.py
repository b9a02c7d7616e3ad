"""The demo: sandbox service and real Airflow on one machine, and what came of it on one page."""
