# distutils: language = c++
"""Door to rashomon_search.hpp: spans in, numbers of trees out."""

from threading import Lock

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t, uint8_t
from libcpp cimport bool as cbool
from libcpp.vector cimport vector

cdef extern from "<span>" namespace "std" nogil:
    cdef cppclass word_span "std::span<const std::uint64_t>":
        pass
    cdef cppclass int64_span "std::span<const std::int64_t>":
        pass
    cdef cppclass byte_span "std::span<const std::uint8_t>":
        byte_span()
        byte_span(const uint8_t*, size_t)

cdef extern from "treeml/control.hpp" namespace "treeml" nogil:
    cdef cppclass Control:
        ctypedef cbool (*Interrupted)(void*) noexcept nogil
        Control(double, int64_t, int64_t, Interrupted, void*)
        int64_t polls()

cdef extern from "treeml/rashomon_search.hpp" namespace "treeml" nogil:
    cdef cppclass BinaryDataset:
        pass
    cdef cppclass Misclassification:
        int n_classes
        vector[int64_t] class_weight
        int64_t unit, leaf_cost
        int min_samples_leaf
    cdef cppclass TreeNode:
        int column, if_true, if_false
    cdef cppclass OptimalTreeResult:
        int64_t cost, lower
        vector[TreeNode] nodes
    cdef cppclass Membership:
        cbool any_label, drop_trivial, by_leaves
        int max_leaves, n_marks
    cdef cppclass RashomonQuery:
        int max_depth
        int64_t budget
        Membership membership
        vector[uint8_t] excluded
        vector[uint32_t] marks
    cdef cppclass RashomonCounters:
        int64_t stored, edges, twos, shared_twos, pair_counts, bytes
    cdef cppclass HistogramView:
        const uint64_t* data
        int length, limbs
    cdef cppclass MemberNode:
        int column, if_true, if_false, label
    cdef cppclass ScoreRanges:
        cbool find(const vector[int64_t]&, Control&) except +
        int64_t greatest(int64_t, int) except +
        vector[MemberNode] attaining(int64_t, int) except +
    int64_t kNoScore
    cdef cppclass Share:
        int64_t count, total
    cdef cppclass LeafShares:
        LeafShares(int, cbool)
    cdef cppclass Departure:
        LeafShares shares
        int chosen
        vector[Share] of_group
        int64_t delta, unit
    cdef cppclass ProbabilityRanges:
        vector[Share] low, high
    cdef cppclass LeafVectors:
        vector[int64_t] counts
        vector[uint64_t] rows
    cdef cppclass NearestMember:
        int64_t score, bound
        vector[MemberNode] tree
    cdef cppclass NativeSet "treeml::RashomonSet":
        cbool count(Control&) except +
        RashomonCounters counters()
        cbool is_empty()
        int64_t least()
        HistogramView histogram()
        int n_slices()
        vector[MemberNode] select(int64_t, int, const vector[uint64_t]&) except +
        cbool votes(
            const vector[uint8_t]&, uint64_t, Control&, vector[uint64_t]&) except +
        cbool uses(
            const vector[int32_t]&, int, uint64_t, Control&, vector[uint64_t]&) except +
        cbool rank(const vector[MemberNode]&, int64_t&, int&, vector[uint64_t]&) except +
        cbool probabilities(
            const vector[int64_t]&, cbool, const vector[uint8_t]&, Control&,
            ProbabilityRanges&) except +
        cbool vectors(
            const vector[int64_t]&, cbool, const vector[uint8_t]&, Control&,
            LeafVectors&) except +
        cbool nearest(
            const vector[int64_t]&, const vector[uint8_t]&, int64_t, int64_t, Control&,
            NearestMember&) except +
    cdef cppclass NativeSearch "treeml::RashomonSearch":
        OptimalTreeResult optimum(int, Control&) except +

cdef extern from *:
    """
    #include <memory>
    #include "treeml/rashomon_search.hpp"
    namespace treeml {
    static BinaryDataset make_dataset(
        int n_rows, int n_columns, int n_words, const std::uint64_t* columns,
        const std::int64_t* statistics, int n_statistics) {
        return {n_rows, n_columns, n_words, {columns, std::size_t(n_columns) * n_words},
                {statistics, std::size_t(n_statistics) * n_rows}};
    }
    static RashomonSearch* new_search(const BinaryDataset& data, const Misclassification& of,
                                      std::span<const std::uint8_t> traced) {
        return make_rashomon_search(data, of, traced).release();
    }
    static RashomonSet* new_set(RashomonSearch& search, const RashomonQuery& query, Cost optimum) {
        return search.make(query, optimum).release();
    }
    static ScoreRanges* new_ranges(RashomonSet& set) { return set.ranges().release(); }
    static ScoreRanges* new_departures(RashomonSet& set, const Departure& departure) {
        return set.departures(departure).release();
    }
    static int stop_code(const Control& control) { return static_cast<int>(control.reason()); }
    }
    """
    BinaryDataset make_dataset "treeml::make_dataset"(
        int, int, int, const uint64_t*, const int64_t*, int) nogil
    NativeSearch* new_search "treeml::new_search"(
        const BinaryDataset&, const Misclassification&, byte_span) except + nogil
    NativeSet* new_set "treeml::new_set"(
        NativeSearch&, const RashomonQuery&, int64_t) except + nogil
    ScoreRanges* new_ranges "treeml::new_ranges"(NativeSet&) except + nogil
    ScoreRanges* new_departures "treeml::new_departures"(
        NativeSet&, const Departure&) except + nogil
    int stop_code "treeml::stop_code"(const Control&) nogil


cdef cbool _look(void* raised) noexcept nogil:
    with gil:
        try:
            PyErr_CheckSignals()
        except BaseException as error:  # whatever is raised, the search must end first
            (<list>raised).append(error)
            return True
        return False


cdef class _Run:
    """Limits of one call, and why it ended."""

    cdef Control* control
    cdef readonly list raised

    def __cinit__(self, double time_limit, int64_t memory_limit, int64_t stop_after):
        self.raised = []
        self.control = new Control(
            time_limit, memory_limit, stop_after, _look, <void*>self.raised)

    def __dealloc__(self):
        del self.control

    def stop(self):
        return stop_code(self.control[0])


cdef vector[int64_t] _numbers(const int64_t[::1] numbers):
    cdef vector[int64_t] out
    for number in numbers:
        out.push_back(number)
    return out


cdef list _shares(vector[Share] shares):
    return [(share.count, share.total) for share in shares]


cdef list _rows(vector[MemberNode] nodes):
    return [(node.column, node.if_true, node.if_false, node.label) for node in nodes]


cdef class RashomonSearch:
    """Optima and sets of the trees over packed columns; see treeml.search.rashomon."""

    cdef NativeSearch* search
    cdef readonly object lock  # a search and its sets are used by one thread at a time

    def __cinit__(
        self,
        const uint64_t[:, ::1] columns,
        int n_rows,
        const int64_t[:, ::1] statistics,
        const int64_t[::1] class_weight,
        *,
        int64_t leaf_cost,
        int min_samples_leaf,
        const uint8_t[::1] traced=None,
    ):
        cdef int n_columns = <int>columns.shape[0]
        cdef int n_words = <int>columns.shape[1]
        cdef const uint64_t* first = &columns[0, 0] if n_columns and n_words else NULL
        cdef BinaryDataset data = make_dataset(
            n_rows, n_columns, n_words, first, &statistics[0, 0], <int>statistics.shape[0])
        cdef Misclassification objective
        objective.n_classes = <int>class_weight.shape[0]
        for k in range(class_weight.shape[0]):
            objective.class_weight.push_back(class_weight[k])
        objective.unit = 1
        objective.leaf_cost = leaf_cost
        objective.min_samples_leaf = min_samples_leaf
        self.lock = Lock()
        cdef byte_span rows
        if traced is not None and traced.shape[0]:
            rows = byte_span(&traced[0], traced.shape[0])
        with nogil:
            self.search = new_search(data, objective, rows)

    def __dealloc__(self):
        del self.search

    def optimum(
        self, int max_depth, *, double time_limit, int64_t memory_limit, int64_t stop_after=-1
    ):
        """(cost, bound, nodes, stop code, raised)."""
        cdef _Run run = _Run(time_limit, memory_limit, stop_after)
        cdef OptimalTreeResult result
        with self.lock, nogil:
            result = self.search.optimum(max_depth, run.control[0])
        nodes = [(node.column, node.if_true, node.if_false) for node in result.nodes]
        return result.cost, result.lower, nodes, run.stop(), run.raised


cdef class RashomonSet:
    """All trees of a search within a budget."""

    cdef NativeSet* native
    cdef RashomonSearch search
    cdef RashomonQuery query

    def __cinit__(
        self,
        RashomonSearch search,
        *,
        int max_depth,
        int64_t budget,
        int64_t optimum,
        cbool any_label,
        cbool drop_trivial,
        int max_leaves=0,
        excluded=(),
        marks=(),
        int n_marks=0,
    ):
        self.search = search
        self.query.max_depth = max_depth
        self.query.budget = budget
        self.query.membership.any_label = any_label
        self.query.membership.drop_trivial = drop_trivial
        self.query.membership.n_marks = n_marks
        self.query.membership.by_leaves = max_leaves > 0
        if max_leaves > 0:
            self.query.membership.max_leaves = max_leaves
        for flag in excluded:
            self.query.excluded.push_back(flag)
        for mark in marks:
            self.query.marks.push_back(mark)
        with search.lock, nogil:
            self.native = new_set(search.search[0], self.query, optimum)

    def __dealloc__(self):
        del self.native

    def count(self, *, double time_limit, int64_t memory_limit, int64_t stop_after=-1):
        """(complete, stop code, raised)."""
        cdef _Run run = _Run(time_limit, memory_limit, stop_after)
        cdef cbool complete
        with self.search.lock, nogil:
            complete = self.native.count(run.control[0])
        return complete, run.stop(), run.raised

    def histogram(self):
        """(least cost, one list of numbers of trees, by cost, for every slice)."""
        cdef HistogramView view
        if self.native.is_empty():
            return self.native.least(), []
        view = self.native.histogram()
        out = []
        for s in range(self.native.n_slices()):
            row = []
            for i in range(view.length):
                number = 0
                for k in reversed(range(view.limbs)):
                    number = number << 64 | view.data[(s * view.length + i) * view.limbs + k]
                row.append(number)
            out.append(row)
        return self.native.least(), out

    def select(self, int64_t cost, int part, rank):
        """Nodes (column, if_true, if_false, label) of a member, depth first, yes first."""
        cdef vector[uint64_t] limbs
        while rank:
            limbs.push_back(rank & 0xFFFFFFFFFFFFFFFF)
            rank >>= 64
        cdef vector[MemberNode] nodes
        with self.search.lock, nogil:
            nodes = self.native.select(cost, part, limbs)
        return _rows(nodes)

    def rank(self, nodes):
        """(cost, part, rank) of a tree as select() gives it; None where it is not a member."""
        cdef vector[MemberNode] tree
        cdef MemberNode node
        for node.column, node.if_true, node.if_false, node.label in nodes:
            tree.push_back(node)
        cdef int64_t cost = 0
        cdef int part = 0
        cdef cbool found
        cdef vector[uint64_t] limbs
        with self.search.lock, nogil:
            found = self.native.rank(tree, cost, part, limbs)
        if not found:
            return None
        rank = 0
        for limb in reversed(limbs):
            rank = rank << 64 | limb
        return cost, part, rank

    def votes(
        self, counted, *, uint64_t modulus, double time_limit, int64_t memory_limit,
        int64_t stop_after=-1,
    ):
        """(complete, votes of every label but the first and traced row, stop code, raised).

        Votes of the members in the parts that count, modulo 2^64 (0) or `modulus`.
        """
        cdef _Run run = _Run(time_limit, memory_limit, stop_after)
        cdef vector[uint8_t] parts
        for flag in counted:
            parts.push_back(flag)
        cdef vector[uint64_t] out
        cdef cbool complete
        with self.search.lock, nogil:
            complete = self.native.votes(parts, modulus, run.control[0], out)
        return complete, list(out), run.stop(), run.raised

    def uses(
        self, const int32_t[::1] features, *, int n_features, uint64_t modulus,
        double time_limit, int64_t memory_limit, int64_t stop_after=-1,
    ):
        """(complete, members that use each feature, stop code, raised).

        Every column of the data has a feature. Numbers are modulo 2^64 (0) or `modulus`.
        """
        cdef _Run run = _Run(time_limit, memory_limit, stop_after)
        cdef vector[int32_t] given
        for feature in features:
            given.push_back(feature)
        cdef vector[uint64_t] out
        cdef cbool complete
        with self.search.lock, nogil:
            complete = self.native.uses(given, n_features, modulus, run.control[0], out)
        return complete, list(out), run.stop(), run.raised

    def nearest(
        self, const int64_t[::1] scores, counted, *, int64_t goal, int64_t steps,
        double time_limit, int64_t memory_limit, int64_t stop_after=-1,
    ):
        """(complete, score, bound, nodes, stop code, raised).

        The member of the parts that count whose score is nearest to 0, or not farther than
        `goal`; scores by label, then by traced row.
        """
        cdef _Run run = _Run(time_limit, memory_limit, stop_after)
        cdef vector[uint8_t] parts
        for flag in counted:
            parts.push_back(flag)
        cdef vector[int64_t] given = _numbers(scores)
        cdef NearestMember out
        cdef cbool complete
        with self.search.lock, nogil:
            complete = self.native.nearest(given, parts, goal, steps, run.control[0], out)
        return complete, out.score, out.bound, _rows(out.tree), run.stop(), run.raised

    def probabilities(
        self, const int64_t[::1] numbers, counted, *, cbool has_rows, double time_limit,
        int64_t memory_limit, int64_t stop_after=-1,
    ):
        """(complete, low, high, stop code, raised).

        Least and greatest shares (count, total) of every class, then traced row, in the leaves of
        the members of the parts that count. Numbers by class, then row: weights, then rows if
        `has_rows`.
        """
        cdef _Run run = _Run(time_limit, memory_limit, stop_after)
        cdef vector[uint8_t] parts
        for flag in counted:
            parts.push_back(flag)
        cdef vector[int64_t] given = _numbers(numbers)
        cdef ProbabilityRanges out
        cdef cbool complete
        with self.search.lock, nogil:
            complete = self.native.probabilities(given, has_rows, parts, run.control[0], out)
        return complete, _shares(out.low), _shares(out.high), run.stop(), run.raised

    def vectors(
        self, const int64_t[::1] numbers, counted, *, cbool has_rows, double time_limit,
        int64_t memory_limit, int64_t stop_after=-1,
    ):
        """(complete, counts by vector and class, packed traced rows by vector, stop code, raised).

        The different probability vectors in the leaves of the members; as `probabilities`.
        """
        cdef _Run run = _Run(time_limit, memory_limit, stop_after)
        cdef vector[uint8_t] parts
        for flag in counted:
            parts.push_back(flag)
        cdef vector[int64_t] given = _numbers(numbers)
        cdef LeafVectors out
        cdef cbool complete
        with self.search.lock, nogil:
            complete = self.native.vectors(given, has_rows, parts, run.control[0], out)
        return complete, list(out.counts), list(out.rows), run.stop(), run.raised

    def counters(self):
        """Sizes of the graph."""
        cdef RashomonCounters counters = self.native.counters()
        return {
            "stored": counters.stored,
            "edges": counters.edges,
            "depth_two": counters.twos,
            "shared_bytes": counters.shared_twos,
            "pair_counts": counters.pair_counts,
            "bytes": counters.bytes,
        }


cdef class Ranges:
    """The greatest scores of the members of a counted set, by cost and part."""

    cdef ScoreRanges* native
    cdef RashomonSet trees

    def __cinit__(
        self, RashomonSet trees, *, of_group=None, int n_classes=0, int chosen=0, delta=(0, 1),
        cbool has_rows=False,
    ):
        """Of scores of rows and labels, or of departures from probabilities of groups of rows."""
        self.trees = trees
        cdef Departure departure
        cdef Share share
        if of_group is None:
            with trees.search.lock, nogil:
                self.native = new_ranges(trees.native[0])
            return
        departure.shares = LeafShares(n_classes, has_rows)
        departure.chosen = chosen
        departure.delta, departure.unit = delta
        for share.count, share.total in of_group:
            departure.of_group.push_back(share)
        with trees.search.lock, nogil:
            self.native = new_departures(trees.native[0], departure)

    def __dealloc__(self):
        del self.native

    def find(
        self, const int64_t[::1] scores, *, double time_limit, int64_t memory_limit,
        int64_t stop_after=-1,
    ):
        """(complete, stop code, raised); scores by label, then by traced row."""
        cdef _Run run = _Run(time_limit, memory_limit, stop_after)
        cdef vector[int64_t] given = _numbers(scores)
        cdef cbool complete
        with self.trees.search.lock, nogil:
            complete = self.native.find(given, run.control[0])
        return complete, run.stop(), run.raised

    def greatest(self, int64_t cost, int part):
        """The greatest score of a member of a cost in a part; None without one."""
        cdef int64_t score
        with self.trees.search.lock, nogil:
            score = self.native.greatest(cost, part)
        return None if score == kNoScore else score

    def attaining(self, int64_t cost, int part):
        """A member with that score, as select() gives it."""
        cdef vector[MemberNode] nodes
        with self.trees.search.lock, nogil:
            nodes = self.native.attaining(cost, part)
        return _rows(nodes)
