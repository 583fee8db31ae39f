"""`python -m ttscale` is the `ttscale` command."""

from .cli import main

main()
