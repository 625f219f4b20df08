"""Native core; the sources are in the top-level folder ``_ext``."""
