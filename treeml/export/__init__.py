"""Models written in other languages: IR in, text or object out."""

from treeml.export.c import c
from treeml.export.json import json
from treeml.export.python import python
from treeml.export.rules import rules
from treeml.export.sql import sql
from treeml.export.text import sentences, text
from treeml.export.timbertrek import timbertrek

__all__ = ["c", "json", "python", "rules", "sentences", "sql", "text", "timbertrek"]
