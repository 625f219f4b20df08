"""Rashomon sets: all nearly optimal models of a table, held without listing them."""

from treeml.rashomon.set import RashomonSet

__all__ = ["RashomonSet"]
