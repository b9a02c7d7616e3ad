"""The command line `cognition`: it parses, calls `transforms.pipeline`, and shows what came back.

`cognition --help` imports neither the SDK nor DuckDB, Arrow or the schemas: every command imports
what it needs when it runs.
"""

from transforms.cli.app import main

__all__ = ["main"]
