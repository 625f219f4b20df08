# What doors to searches include: limits, and the calling thread's look at signals and progress.

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t
from libcpp cimport bool as cbool
from libcpp.vector cimport vector

cdef extern from "treeml/control.hpp" namespace "treeml" nogil:
    cdef cppclass Progress:
        double seconds
        int64_t upper, lower
    cdef cppclass Control:
        ctypedef cbool (*Interrupted)(void*) noexcept nogil
        Control(double, int64_t, int64_t, Interrupted, void*)
        int64_t polls()
        double elapsed()
        vector[Progress] progress()


cdef class _Watch:
    """What the calling thread does while a search runs: signals, and progress to a callable."""

    cdef Control* control
    cdef object callback
    cdef list raised

    cdef bint look(self):
        cdef vector[Progress] progress
        try:
            PyErr_CheckSignals()
            if self.callback is not None:
                progress = self.control.progress()
                if progress.size():
                    self.callback(
                        self.control.elapsed(), progress.back().upper, progress.back().lower
                    )
        except BaseException as error:  # whatever is raised, the search must end first
            self.raised.append(error)
            return True
        return False


cdef cbool _look(void* watch) noexcept nogil:
    with gil:
        return (<_Watch>watch).look()
