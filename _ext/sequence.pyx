# distutils: language = c++
"""Door to sequence_fit.hpp: tokens in; trees over sequences and their mixture out."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint64_t
from libc.string cimport memcpy
from libcpp.memory cimport make_shared, shared_ptr, unique_ptr

import numpy as np

include "control.pxi"

cdef extern from "<span>" namespace "std" nogil:
    cdef cppclass span[T]:
        span()
        span(T*, size_t)

ctypedef const int32_t const_int32
ctypedef const int64_t const_int64
ctypedef const double const_double
ctypedef const vector[uint16_t] const_tokens

cdef extern from "treeml/sequence_fit.hpp" namespace "treeml" nogil:
    cdef cppclass Team:
        Team(int) except +
    cdef cppclass Stream:
        Stream(const uint8_t*, int, int) except +
        vector[uint16_t] tokens
        vector[vector[uint16_t]] external
        void set_codes(const uint16_t*)
        void push_text(const uint16_t*, int64_t, vector[int32_t]*) except +
        void clear()
        int n_tokens()
    cdef cppclass SequenceColumn:
        int source, back, n_codes
        const uint16_t* ranks
        double charge
    cdef cppclass SequenceNode:
        int32_t parent, column, test, set, first, n_children, n_rows, example
        uint16_t token, common
    cdef cppclass SequenceTree:
        vector[SequenceNode] nodes
        vector[uint64_t] sets
        int words_a_set
    cdef cppclass SequenceCounts:
        vector[int64_t] start
        vector[uint16_t] token
        vector[float] count, part
        vector[double] total, parts, rest
    cdef cppclass CountOptions:
        double cut_exponent, equality_exponent
    cdef cppclass CutOptions:
        int min_rows, sweeps
        double charge_rate, cut_cost, move_cost
    cdef cppclass SequenceGrowth:
        int64_t rows_to_cut, max_leaves, rows_to_screen
        cbool suffixes
        int longest
        CutOptions cut
    cdef cppclass PathWeights:
        vector[double] discount, pull
    cdef cppclass PathStep:
        int32_t node, bucket
    cdef cppclass SequenceModel:
        SequenceTree tree
        SequenceCounts counts
        vector[vector[uint16_t]] orders
        vector[SequenceColumn] columns
        shared_ptr[const_tokens] train
        PathWeights weights
        void prepare()
    void complete(SequenceCounts&, const SequenceTree&, const CountOptions&) except +
    void grow_model(SequenceModel&, const Stream&, vector[int32_t]&, const SequenceGrowth&,
                    const CountOptions&, Team&, Control&, int64_t&) except +
    double fit_weights(SequenceModel&, const Stream&, span[const_int32], int, Team&,
                       Control&) except +
    void log_probabilities(const SequenceModel&, const Stream&, span[const_int32],
                           double*) except +
    cdef cppclass KneserNey:
        KneserNey(const Stream&, span[const_int32], int) except +
        int64_t n_grams()
        double probability(const Stream&, int32_t, uint16_t)
    cdef cppclass Recall:
        Recall(const Stream&, span[const_int32]) except +
    cdef cppclass Effect "treeml::Triggers::Effect":
        uint16_t token
        float log_ratio
    cdef cppclass RecalledText:
        int agree()
        vector[Effect] effects_on(uint16_t)
    cdef cppclass MixtureWeights:
        int n_experts
        vector[float] weight, boost
    cdef cppclass Experts:
        vector[const SequenceModel*] trees
        cbool document, mixed
        PathWeights document_weights
        const KneserNey* ngram
        const Recall* recall
        vector[float] frequency
        vector[uint16_t] ranks
        int size()
    cdef cppclass Context "treeml::DocumentCounts::Context":
        int32_t total, types, first
    cdef cppclass DocumentCounts:
        const Context& context(int32_t)
        int32_t count_of(int32_t, uint16_t)
        int bucket(int32_t, int)
    cdef cppclass SequenceReader:
        SequenceReader(
            const Experts&, const MixtureWeights&, const uint8_t*, int, int) except +
        Stream stream
        void begin() except +
        void push(uint16_t) except +
        void next(double*) except +
        double log_probability(uint16_t) except +
        double log_of_expert(int, uint16_t)
        double boost_of_use(uint16_t)
        double boost_of_place(uint16_t)
        double boost_of_triggers(uint16_t)
        double log_total()
        const vector[float]& expert_weights()
        const vector[PathStep]& path(int)
        const vector[int32_t]& repeats()
        const DocumentCounts& document()
        const RecalledText& recalled()
    cdef cppclass MixtureLearner:
        MixtureLearner(const Experts&) except +
        MixtureWeights weights
    cdef cppclass TextList:
        const uint16_t* tokens
        span[const_int64] lengths
        const uint16_t* codes
        Stream* reader
    PathWeights fit_document(const Experts&, SequenceReader&, const TextList&, span[const_int64],
                             int, Team&, Control&, double&) except +
    double learn_mixture(MixtureLearner&, SequenceReader&, const TextList&, span[const_int64],
                         Control&) except +
    int32_t descend(const SequenceTree&, const vector[SequenceColumn]&, const Stream&, int32_t)
    void sample_text(SequenceReader&, span[const_double], double, double, Control&,
                     vector[uint16_t]&) except +
    cbool score_texts(SequenceReader&, const TextList&, double*, Control&) except +

cdef extern from "treeml/sequence_prune.hpp" namespace "treeml" nogil:
    cdef cppclass SmallTree:
        SequenceTree tree
        vector[int64_t] start
        vector[uint16_t] token
        vector[uint8_t] level, rest
    cdef cppclass SequencePruner:
        SequencePruner(const SequenceModel&, double) except +
        SmallTree prune(double) except +

cdef extern from *:
    """
    namespace treeml {
    static int stop_of(const Control& control) { return static_cast<int>(control.reason()); }
    }
    """
    int control_stop "treeml::stop_of"(const Control&) nogil

NODE = np.dtype([
    (name, np.int32)
    for name in ("parent", "column", "test", "set", "first", "n_children", "n_rows", "example")
] + [("token", np.uint16), ("common", np.uint16)])


cdef class Limits:
    """When to stop: one for all steps of a fit. `stop` is 0 while none is reached."""

    cdef unique_ptr[Control] control
    cdef unique_ptr[Team] team
    cdef _Watch watch

    def __cinit__(self, double seconds=-1.0, int64_t stop_after=-1, int n_threads=1):
        self.watch = _Watch()
        self.watch.raised = []
        self.control.reset(new Control(seconds, -1, stop_after, _look, <void*>self.watch))
        self.watch.control = self.control.get()
        self.team.reset(new Team(n_threads))

    @property
    def stop(self):
        """0 none, 1 time, 2 memory, 3 interrupted; raises what a signal raised."""
        return control_stop(self.control.get()[0])

    @property
    def raised(self):
        return self.watch.raised

    def elapsed(self):
        return self.control.get().elapsed()


cdef class Texts:
    """Texts as one stream of tokens, each behind its own start; `traits`: flags and classes."""

    cdef unique_ptr[Stream] stream
    cdef shared_ptr[const_tokens] shared
    cdef vector[int32_t] rows
    cdef readonly int n_tokens
    cdef readonly int context

    def __cinit__(
        self, const uint8_t[:, ::1] traits, const uint16_t[::1] tokens, const int64_t[::1] lengths,
        int context, const uint16_t[:, ::1] codes=None,
    ):
        """`codes` of encoders: a row a position, a column an encoder."""
        cdef int64_t at = 0, i, e
        self.n_tokens = <int>traits.shape[1]
        self.context = context
        self.stream.reset(new Stream(&traits[0, 0], <int>traits.shape[1], context))
        for i in range(lengths.shape[0]):
            self.stream.get().push_text(&tokens[0] + at if tokens.shape[0] else NULL, lengths[i],
                                        &self.rows)
            at += lengths[i]
        if codes is not None:
            self.stream.get().external.resize(codes.shape[1])
            for e in range(codes.shape[1]):
                self.stream.get().external[e].resize(self.stream.get().tokens.size() + 1, 0)
                for i in range(codes.shape[0]):
                    self.stream.get().external[e][self.rows[i]] = codes[i, e]
        self.shared = make_shared[const_tokens](self.stream.get().tokens)

    @property
    def positions(self):
        cdef int32_t[::1] out = np.empty(self.rows.size(), dtype=np.int32)
        if self.rows.size():
            memcpy(&out[0], self.rows.data(), 4 * self.rows.size())
        return np.asarray(out)

    @property
    def tokens(self):
        """The stream, start symbols included, uint16."""
        cdef int64_t n = <int64_t>self.shared.get().size()
        cdef uint16_t[::1] out = np.empty(n, dtype=np.uint16)
        if n:
            memcpy(&out[0], self.shared.get().data(), 2 * n)
        return np.asarray(out)


cdef class Tree:
    """A tree over sequences with its counts and weights."""

    cdef SequenceModel model
    cdef CountOptions counting
    cdef readonly int64_t evaluations

    def __cinit__(self, columns, charges, orders, Texts train, double cut_exponent,
                  double equality_exponent):
        """`columns`: source, back, order (-1: none), number of codes of each."""
        cdef SequenceColumn column
        cdef vector[uint16_t] ranks
        cdef const uint16_t[:, ::1] given = np.ascontiguousarray(orders, dtype=np.uint16)
        cdef int i, order
        for i in range(given.shape[0]):
            ranks.assign(&given[i, 0], &given[i, 0] + given.shape[1])
            self.model.orders.push_back(ranks)
        for (source, back, number, n_codes), charge in zip(columns, charges):
            column.source, column.back, order, column.n_codes = source, back, number, n_codes
            column.ranks = self.model.orders[order].data() if order >= 0 else NULL
            column.charge = charge
            self.model.columns.push_back(column)
        self.model.train = train.shared
        self.counting.cut_exponent = cut_exponent
        self.counting.equality_exponent = equality_exponent

    def grow(
        self, Texts texts, const int32_t[::1] rows, Limits limits, *, int64_t rows_to_cut,
        int64_t max_leaves, bint suffixes, int longest, int min_rows, int sweeps,
        double charge_rate, double cut_cost, double move_cost, int64_t rows_to_screen,
    ):
        """Growth and counts on these positions, which ascend."""
        cdef SequenceGrowth growth
        cdef vector[int32_t] own
        growth.rows_to_cut, growth.max_leaves = rows_to_cut, max_leaves
        growth.suffixes, growth.longest = suffixes, longest
        growth.cut.min_rows, growth.cut.sweeps = min_rows, sweeps
        growth.cut.charge_rate, growth.cut.cut_cost = charge_rate, cut_cost
        growth.cut.move_cost = move_cost
        growth.rows_to_screen = rows_to_screen
        own.assign(&rows[0], &rows[0] + rows.shape[0])
        with nogil:
            grow_model(self.model, texts.stream.get()[0], own, growth, self.counting,
                       limits.team.get()[0], limits.control.get()[0], self.evaluations)

    def fit_weights(self, Texts texts, const int32_t[::1] rows, Limits limits, int steps):
        """Weights from positions that the tree was not grown on; mean bits of one."""
        cdef double bits = 0
        cdef span[const_int32] given = span[const_int32](&rows[0], rows.shape[0])
        with nogil:
            bits = fit_weights(self.model, texts.stream.get()[0], given, steps,
                               limits.team.get()[0], limits.control.get()[0])
        return bits

    def log_probabilities(self, Texts texts, const int32_t[::1] rows):
        cdef double[::1] out = np.empty(rows.shape[0])
        if rows.shape[0]:
            with nogil:
                log_probabilities(self.model, texts.stream.get()[0],
                                  span[const_int32](&rows[0], rows.shape[0]), &out[0])
        return np.asarray(out)

    def leaves(self, Texts texts, const int32_t[::1] rows):
        """The last node that each position reaches, int32."""
        cdef int32_t[::1] out = np.empty(rows.shape[0], dtype=np.int32)
        cdef int64_t i
        with nogil:
            for i in range(rows.shape[0]):
                out[i] = descend(self.model.tree, self.model.columns, texts.stream.get()[0],
                                 rows[i])
        return np.asarray(out)

    @property
    def weights(self):
        """Discount and pull of each bucket, float64, shape (2, n_buckets)."""
        return np.array([self.model.weights.discount, self.model.weights.pull])

    @weights.setter
    def weights(self, const double[:, ::1] given):
        self.model.weights = _weights(given)

    def arrays(self):
        """Nodes, sets and counts."""
        nodes = np.empty(self.model.tree.nodes.size(), dtype=NODE)
        cdef uint8_t[::1] bytes_ = nodes.view(np.uint8)
        memcpy(&bytes_[0], self.model.tree.nodes.data(), bytes_.shape[0])
        cdef SequenceCounts* counts = &self.model.counts
        cdef int64_t n = <int64_t>counts.token.size()
        cdef uint16_t[::1] token = np.empty(n, dtype=np.uint16)
        cdef float[::1] count = np.empty(n, dtype=np.float32)
        if n:
            memcpy(&token[0], counts.token.data(), 2 * n)
            memcpy(&count[0], counts.count.data(), 4 * n)
        return {
            "nodes": nodes,
            "sets": np.array(self.model.tree.sets, dtype=np.uint64).reshape(
                -1, max(self.model.tree.words_a_set, 1)
            ),
            "start": np.array(counts.start, dtype=np.int64),
            "token": np.asarray(token),
            "count": np.asarray(count),
        }

    def set_arrays(self, nodes, const uint64_t[:, ::1] sets, const int64_t[::1] start,
                   const uint16_t[::1] token, const float[::1] count, const double[::1] rest=None):
        """Inverse of `arrays`; with what a small tree leaves to parents."""
        cdef const uint8_t[::1] bytes_ = np.ascontiguousarray(nodes).view(np.uint8)
        cdef SequenceCounts* counts = &self.model.counts
        self.model.tree.nodes.resize(len(nodes))
        memcpy(self.model.tree.nodes.data(), &bytes_[0], bytes_.shape[0])
        self.model.tree.words_a_set = <int>sets.shape[1]
        if sets.shape[0]:
            self.model.tree.sets.assign(
                &sets[0, 0], &sets[0, 0] + sets.shape[0] * sets.shape[1])
        counts.start.assign(&start[0], &start[0] + start.shape[0])
        if token.shape[0]:
            counts.token.assign(&token[0], &token[0] + token.shape[0])
            counts.count.assign(&count[0], &count[0] + count.shape[0])
        if rest is not None:
            counts.rest.assign(&rest[0], &rest[0] + rest.shape[0])
        complete(counts[0], self.model.tree, self.counting)
        self.model.prepare()

    def node_counts(self, int node):
        """Tokens, counts and the parts that the parent gets, with their sums."""
        cdef SequenceCounts* counts = &self.model.counts
        cdef int64_t i
        entries = [
            (counts.token[i], counts.count[i], counts.part[i])
            for i in range(counts.start[node], counts.start[node + 1])
        ]
        return entries, counts.total[node], counts.parts[node]

    @property
    def n_nodes(self):
        return self.model.tree.nodes.size()

    @property
    def n_counts(self):
        return self.model.counts.token.size()


cdef class Pruner:
    """Small trees out of a large one, whose weights are fitted; see sequence_prune.hpp."""

    cdef unique_ptr[SequencePruner] pruner
    cdef readonly Tree tree

    def __cinit__(self, Tree tree, double novelty):
        self.tree = tree
        with nogil:
            self.pruner.reset(new SequencePruner(tree.model, novelty))

    def prune(self, double price):
        """At `price` nats a byte: nodes, where each one's tokens begin, tokens, levels, rests."""
        cdef SmallTree small
        with nogil:
            small = self.pruner.get().prune(price)
        nodes = np.empty(small.tree.nodes.size(), dtype=NODE)
        cdef uint8_t[::1] bytes_ = nodes.view(np.uint8)
        memcpy(&bytes_[0], small.tree.nodes.data(), bytes_.shape[0])
        return {
            "nodes": nodes,
            "start": np.array(small.start, dtype=np.int64),
            "token": np.array(small.token, dtype=np.uint16),
            "level": np.array(small.level, dtype=np.uint8),
            "rest": np.array(small.rest, dtype=np.uint8),
        }


cdef PathWeights _weights(const double[:, ::1] given):
    cdef PathWeights out
    out.discount.assign(&given[0, 0], &given[0, 0] + given.shape[1])
    out.pull.assign(&given[1, 0], &given[1, 0] + given.shape[1])
    return out


cdef class NGram:
    """Interpolated modified Kneser-Ney."""

    cdef unique_ptr[KneserNey] ngram

    def __cinit__(self, Texts texts, const int32_t[::1] rows, int order):
        cdef span[const_int32] given = span[const_int32](&rows[0], rows.shape[0])
        with nogil:
            self.ngram.reset(new KneserNey(texts.stream.get()[0], given, order))

    @property
    def n_grams(self):
        return self.ngram.get().n_grams()

    def probabilities(self, Texts texts, const int32_t[::1] rows):
        """Of the tokens at these positions."""
        cdef double[::1] out = np.empty(rows.shape[0])
        cdef int64_t i
        with nogil:
            for i in range(rows.shape[0]):
                out[i] = self.ngram.get().probability(
                    texts.stream.get()[0], rows[i], texts.stream.get().tokens[rows[i]])
        return np.asarray(out)


cdef class Recollection:
    """Where training went on like a text, and which tokens go with others."""

    cdef unique_ptr[Recall] recall
    cdef Texts texts  # it looks into them

    def __cinit__(self, Texts texts, const int32_t[::1] rows):
        cdef span[const_int32] given = span[const_int32](&rows[0], rows.shape[0])
        self.texts = texts
        with nogil:
            self.recall.reset(new Recall(texts.stream.get()[0], given))


cdef class Mixture:
    """Trees and what stands beside them; without other experts, one tree is itself."""

    cdef Experts experts
    cdef MixtureWeights weights
    cdef list kept
    cdef const uint8_t[:, ::1] traits
    cdef int context, n_encoders

    def __cinit__(self, list trees, const uint8_t[:, ::1] traits, int context, *, bint document,
                  NGram ngram, Recollection recall, const float[::1] frequency,
                  const uint16_t[::1] ranks, int n_encoders=0):
        cdef Tree tree
        for tree in trees:
            self.experts.trees.push_back(&tree.model)
        self.kept = [*trees, ngram, recall]
        self.experts.document = document
        self.experts.mixed = document or ngram is not None or len(trees) > 1
        if ngram is not None:
            self.experts.ngram = ngram.ngram.get()
        if recall is not None:
            self.experts.recall = recall.recall.get()
        self.experts.frequency.assign(&frequency[0], &frequency[0] + frequency.shape[0])
        self.experts.ranks.assign(&ranks[0], &ranks[0] + ranks.shape[0])
        self.experts.document_weights = (<Tree>trees[0]).model.weights
        cdef unique_ptr[MixtureLearner] learner
        learner.reset(new MixtureLearner(self.experts))
        self.weights = learner.get().weights
        self.traits = traits
        self.context = context
        self.n_encoders = n_encoders

    cdef SequenceReader* reader_of(self, const MixtureWeights* weights) except NULL:
        cdef SequenceReader* reader = new SequenceReader(
            self.experts, weights[0], &self.traits[0, 0], <int>self.traits.shape[1], self.context)
        reader.stream.external.resize(self.n_encoders)
        return reader

    cdef SequenceReader* reader(self) except NULL:
        return self.reader_of(&self.weights)

    def learn(self, const uint16_t[::1] tokens, const int64_t[::1] lengths,
              const int64_t[::1] first, Limits limits, int steps,
              const uint16_t[:, ::1] codes=None):
        """All weights from the tokens of each text from its `first` on; mean bits on the way."""
        cdef TextList texts
        cdef unique_ptr[SequenceReader] reader
        cdef unique_ptr[MixtureLearner] learner
        cdef double bits = 0, total = 0
        cdef span[const_int64] start = span[const_int64](&first[0], first.shape[0])
        texts.tokens = &tokens[0]
        texts.lengths = span[const_int64](&lengths[0], lengths.shape[0])
        texts.codes = &codes[0, 0] if self.n_encoders else NULL
        reader.reset(self.reader())
        texts.reader = &reader.get().stream
        with nogil:
            if self.experts.document:
                self.experts.document_weights = fit_document(
                    self.experts, reader.get()[0], texts, start, steps, limits.team.get()[0],
                    limits.control.get()[0], bits)
            if self.experts.mixed:
                learner.reset(new MixtureLearner(self.experts))
                # the reader looks at this object's weights: they are replaced as they are learnt
                with gil:
                    reader.reset(self.reader_of(&learner.get().weights))
                texts.reader = &reader.get().stream
                total = learn_mixture(learner.get()[0], reader.get()[0], texts, start,
                                      limits.control.get()[0])
                self.weights = learner.get().weights
        return bits, total

    def score(self, const uint16_t[::1] tokens, const int64_t[::1] lengths, Limits limits,
              const uint16_t[:, ::1] codes=None):
        """log p of every token and end symbol, float64."""
        cdef TextList texts
        cdef unique_ptr[SequenceReader] reader
        cdef double[::1] out = np.empty(tokens.shape[0] + lengths.shape[0])
        if not lengths.shape[0]:
            return np.asarray(out)
        texts.tokens = &tokens[0] if tokens.shape[0] else NULL
        texts.lengths = span[const_int64](&lengths[0], lengths.shape[0])
        texts.codes = &codes[0, 0] if self.n_encoders else NULL
        reader.reset(self.reader())
        texts.reader = &reader.get().stream
        with nogil:
            score_texts(reader.get()[0], texts, &out[0], limits.control.get()[0])
        return np.asarray(out)

    @property
    def mixed(self):
        return self.experts.mixed

    @property
    def parameters(self):
        """Weights of the gates, boosts, and of the text so far."""
        return {
            "weight": np.array(self.weights.weight, dtype=np.float32),
            "boost": np.array(self.weights.boost, dtype=np.float32),
            "document": np.array([self.experts.document_weights.discount,
                                  self.experts.document_weights.pull]),
        }

    @parameters.setter
    def parameters(self, given):
        cdef const float[::1] weight = given["weight"]
        cdef const float[::1] boost = given["boost"]
        self.weights.n_experts = self.experts.size()
        self.weights.weight.assign(&weight[0], &weight[0] + weight.shape[0])
        self.weights.boost.assign(&boost[0], &boost[0] + boost.shape[0])
        self.experts.document_weights = _weights(given["document"])


cdef class Reader:
    """A text that grows token by token."""

    cdef unique_ptr[SequenceReader] reader
    cdef Mixture mixture
    cdef readonly int n_tokens

    def __cinit__(self, Mixture mixture):
        self.mixture = mixture
        self.n_tokens = <int>mixture.traits.shape[1]
        self.reader.reset(mixture.reader())
        self.reader.get().begin()

    def push(self, const uint16_t[::1] tokens):
        cdef int64_t i
        with nogil:
            for i in range(tokens.shape[0]):
                self.reader.get().push(tokens[i])

    def set_codes(self, const uint16_t[::1] codes):
        """Of each encoder, for the next token; `push` forgets them."""
        if codes.shape[0]:
            self.reader.get().stream.set_codes(&codes[0])

    def next(self):
        """Probabilities of all tokens, float64."""
        cdef double[::1] out = np.empty(self.n_tokens)
        with nogil:
            self.reader.get().next(&out[0])
        return np.asarray(out)

    def generate(self, const double[::1] uniforms, double temperature, double top_p,
                 Limits limits):
        """Goes on with the text, one token a uniform number, up to its end; tokens, uint16."""
        cdef vector[uint16_t] drawn
        cdef uint16_t[::1] out
        if uniforms.shape[0]:
            with nogil:
                sample_text(self.reader.get()[0],
                            span[const_double](&uniforms[0], uniforms.shape[0]), temperature,
                            top_p, limits.control.get()[0], drawn)
        out = np.empty(drawn.size(), dtype=np.uint16)
        if drawn.size():
            memcpy(&out[0], drawn.data(), 2 * drawn.size())
        return np.asarray(out)

    def log_probability(self, uint16_t token):
        return self.reader.get().log_probability(token)

    def experts(self, uint16_t token):
        """Weight and log p of each expert, and the log of the sum over tokens; after `next`."""
        cdef SequenceReader* reader = self.reader.get()
        cdef int e
        pairs = [(reader.expert_weights()[e], reader.log_of_expert(e, token))
                 for e in range(self.mixture.experts.size())]
        return pairs, reader.log_total()

    def boosts(self, uint16_t token):
        """Logs of what a token gains as one used before, as the one that training has next, and
        by others in the text; how many tokens agree with training; and the others with their log
        ratios; after `next`."""
        cdef SequenceReader* reader = self.reader.get()
        cdef double triggered = reader.boost_of_triggers(token)
        cdef Effect effect
        others = []
        if triggered != 0:
            others = [(effect.token, effect.log_ratio)
                      for effect in reader.recalled().effects_on(token)]
        gains = (reader.boost_of_use(token), reader.boost_of_place(token), triggered)
        return gains, reader.recalled().agree(), others

    def path(self, int tree):
        """Node and bucket from the root down; after `next`."""
        cdef size_t i
        cdef const vector[PathStep]* path = &self.reader.get().path(tree)
        return [(path[0][i].node, path[0][i].bucket) for i in range(path.size())]

    def repeats(self, uint16_t token):
        """Contexts of the text so far that end it, shortest first: times, tokens that followed,
        times of `token`, discount and pull; after `next`."""
        cdef SequenceReader* reader = self.reader.get()
        cdef size_t i
        cdef int32_t at
        cdef int b
        out = []
        for i in range(reader.repeats().size()):
            at = reader.repeats()[i]
            b = reader.document().bucket(at, <int>i + 1)
            out.append((reader.document().context(at).total, reader.document().context(at).types,
                        reader.document().count_of(at, token),
                        self.mixture.experts.document_weights.discount[b],
                        self.mixture.experts.document_weights.pull[b]))
        return out
