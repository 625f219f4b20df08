# Constraints on scorecards as the native searches read them.

from libcpp.pair cimport pair
from libcpp.vector cimport vector

cdef extern from "treeml/card_constraints.hpp" namespace "treeml" nogil:
    cdef cppclass Limit "treeml::CardConstraints::Limit":
        vector[vector[int]] items
        int most
    cdef cppclass CardConstraints:
        vector[int] low, high
        vector[vector[int]] required
        vector[Limit] limits
        vector[pair[vector[int], vector[int]]] implications
        vector[pair[int, int]] order
        int max_features


cdef CardConstraints _constraints(object given, int max_features):
    cdef CardConstraints out
    cdef Limit limit
    out.max_features = max_features
    out.low = [int(x) for x in given.low]
    out.high = [int(x) for x in given.high]
    out.required = [list(terms) for terms in given.required]
    for items, most in given.limits:
        limit.items = [list(terms) for terms in items]
        limit.most = most
        out.limits.push_back(limit)
    out.implications = [(list(a), list(b)) for a, b in given.implications]
    out.order = list(given.order)
    return out
