"""The border of the package: parameters, tables, limits. Nothing here knows a model."""
