"""Tables of rows in DuckDB and SQLite, to run exported SQL on."""

from __future__ import annotations

import datetime
import math

TYPES = {"number": "DOUBLE", "zero_one": "DOUBLE", "boolean": "BOOLEAN", "date": "DATE"}


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def cell(value, column, *, nan):
    """A value as a database stores it; every other missing number as NaN where ``nan``."""
    if value is None:
        return math.nan if nan and column.numeric else None
    if column.kind == "date":
        return datetime.date(1970, 1, 1) + datetime.timedelta(days=value)
    return value


def store(connection, columns, predicates, rows, *, duck):
    """Rows as table ``data``, with the row number as its first column."""
    fields = ['"#" INTEGER']
    for i, column in enumerate(columns):
        kind = TYPES.get(column.kind, "VARCHAR")
        asked = [v for p in predicates if p.term.index == i and p.value for v in [p.value]]
        if column.kind == "category" and (
            isinstance((column.levels or (None,))[0], int)
            or any(isinstance(v, tuple) and isinstance(v[0], int) for v in asked)
        ):
            kind = "BIGINT"
        fields.append(f"{quoted(column.name)} {kind if duck else ''}")
    connection.execute("DROP TABLE IF EXISTS data")
    connection.execute(f"CREATE TABLE data ({', '.join(fields)})")
    stored = []
    for i, row in enumerate(rows):
        values = [
            cell(v, c, nan=duck and i % 2 == 0) for v, c in zip(row.values(), columns, strict=True)
        ]
        if not duck:
            values = [v.isoformat() if isinstance(v, datetime.date) else v for v in values]
        stored.append([i, *values])
    marks = ", ".join("(" + ", ".join("?" * len(fields)) + ")" for _ in stored)
    connection.execute(f"INSERT INTO data VALUES {marks}", [v for row in stored for v in row])


def results(connection, query):
    """The added columns, in the order of the rows."""
    return connection.execute(f'SELECT * FROM ({query}) ORDER BY "#"').fetchall()
