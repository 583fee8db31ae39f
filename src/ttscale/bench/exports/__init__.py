"""A store for other programs: tables, inspect-ai's logs, MLflow's runs."""

from .tables import export

__all__ = ["export"]
