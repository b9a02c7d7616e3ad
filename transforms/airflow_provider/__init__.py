"""What Airflow needs of us: a connection type, its hook, and the terms both DAGs share.

This is the one sub-package that may import airflow; nothing outside it and `dags/` imports it.
"""
