"""Studies: an optimal tree of the size that the data support, compared, with a report."""

from treeml.study.study import Study

__all__ = ["Study"]
