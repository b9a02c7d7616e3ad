# One image for all: each process of Airflow, the tasks it runs, and `cognition`.
# Every Python package installed has its hash in requirements.lock; tools for development stay out.
#   docker build -t cognition-warehouse .
#   docker run --init cognition-warehouse airflow scheduler

FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements.lock ./
# Every file of the lock is compared with its hash; from here on pip takes nothing but these. What
# comes as source alone (alibabacloud-tea) is built here, by a build backend that pip fetches by
# name: that one has no hash. The locked backends of others are among the wheels.
RUN python -m pip wheel --quiet --no-deps --require-hashes -r requirements.lock -w /wheels
COPY pyproject.toml README.md LICENSE ./
COPY transforms/ transforms/
COPY schemas/ schemas/
COPY sql/ sql/
COPY dags/ dags/
RUN python -m venv /tools \
 && /tools/bin/python -m pip install --quiet --no-index --find-links /wheels hatchling \
 && /tools/bin/python -m pip wheel --quiet --no-index --no-deps --no-build-isolation -w /wheels .
# Compiled here: without bytecode each process of Airflow starts three seconds later.
RUN python -m venv /opt/cognition \
 && /opt/cognition/bin/python -m pip install --quiet --no-index --find-links /wheels --compile \
    "cognition-warehouse[airflow,deploy,mns,openlineage,metrics]" \
 && ln -s "$(/opt/cognition/bin/python -I -c 'from transforms.paths import data_dir; print(data_dir("dags"))')" \
    /opt/cognition/dags

FROM python:3.11-slim
RUN useradd --uid 50000 --gid 0 --create-home cognition \
 && mkdir -p /data /opt/airflow \
 && chown 50000:0 /data /opt/airflow \
 && chmod 775 /data /opt/airflow
# For DAGs from a git bundle.
RUN apt-get update \
 && apt-get install -y --no-install-recommends git \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/cognition /opt/cognition
ENV PATH=/opt/cognition/bin:$PATH \
    AIRFLOW_HOME=/opt/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/cognition/dags \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    COGNITION_HOME=/data
USER 50000
WORKDIR /data
EXPOSE 8080 8098
# Of the process that runs here. Those that answer are asked; others say in the database, or by the
# broker, that they live. Of a command that ends by itself only that it can be started.
HEALTHCHECK --interval=60s --timeout=30s --start-period=90s CMD \
    case "$(tr '\0' ' ' < /proc/1/cmdline)" in \
    *api?server*) python -c 'import urllib.request as u; u.urlopen("http://127.0.0.1:8080/api/v2/monitor/health", timeout=20)' ;; \
    *dag?processor*) airflow jobs check --job-type DagProcessorJob --local ;; \
    *triggerer*) airflow jobs check --job-type TriggererJob --local ;; \
    *scheduler*) airflow jobs check --job-type SchedulerJob --local ;; \
    *celery*) celery --app airflow.providers.celery.executors.celery_executor.app inspect ping -d "celery@$(hostname)" ;; \
    *cognition?listen*) python -c 'import urllib.request as u; u.urlopen("http://127.0.0.1:8098/healthz", timeout=20)' ;; \
    *) cognition --version ;; \
    esac
CMD ["cognition", "--help"]
