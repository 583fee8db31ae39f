"""The gateway: any method in front of any model, behind the OpenAI API."""

from .app import application
from .config import Config, load, parse
from .gateway import Gateway
from .server import serve

__all__ = ["Config", "Gateway", "application", "load", "parse", "serve"]
