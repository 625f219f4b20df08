"""Parameter constraints: the one place that touches scikit-learn's private validation.

An estimator lists its parameters in ``_parameter_constraints`` with the names exported here.
"""

from __future__ import annotations

from sklearn.utils._param_validation import (
    HasMethods,
    Hidden,
    Interval,
    InvalidParameterError,
    Options,
    StrOptions,
)

__all__ = ["HasMethods", "Hidden", "Interval", "InvalidParameterError", "Options", "StrOptions"]
