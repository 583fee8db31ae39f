"""A store's table in MLflow: a run for every row, in a folder that needs no server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ...core import UsageError, install_command
from ..report.files import flat
from ..report.summary import rows
from ..store.store import Store

_NAMES = ("method", "model", "task")
_ALLOW = "MLFLOW_ALLOW_FILE_STORE"  # newer versions would rather have a database


def write_mlflow(store: Store, folder: Path) -> int:
    """Add the rows to a file store of MLflow (`mlflow ui --backend-store-uri FOLDER`), in an experiment
    named after the store; returns how many runs there are of it.

    Every figure that is known is a metric; method, model, task and the setting that scales compute are
    parameters.

    Raises:
        UsageError: without mlflow.
    """
    try:
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param, RunTag
    except ModuleNotFoundError:
        raise UsageError("runs of MLflow need its package", fix=install_command("mlflow")) from None
    os.environ.setdefault(_ALLOW, "true")
    client = MlflowClient(tracking_uri=folder.resolve().as_uri())
    name = store.path.stem
    known = client.get_experiment_by_name(name)
    experiment = known.experiment_id if known else client.create_experiment(name)
    found = rows(store)
    for row in found:
        run = client.create_run(experiment, run_name=row.method)
        values: dict[str, Any] = flat(row)
        metrics = [
            Metric(key, float(value), 0, 0)
            for key, value in values.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        ]
        parameters = [Param(key, str(values[key])) for key in _NAMES]
        parameters += [Param(key, str(value)) for key, value in row.knobs.items()]
        client.log_batch(
            run.info.run_id, metrics, parameters, [RunTag("ttscale.store", str(store.path.resolve()))]
        )
        client.set_terminated(run.info.run_id)
    return len(found)
