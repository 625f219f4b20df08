// A tree over sequences from rows to probabilities: growth, counts, weights; and what it says about other rows.
#pragma once

#include <span>

#include "treeml/sequence_grow.hpp"
#include "treeml/sequence_mixture.hpp"
#include "treeml/sequence_sample.hpp"

namespace treeml {

// Grows on `rows`, which come back node by node; weights are the ones to start a fit from.
inline void grow_model(SequenceModel& model, const Stream& stream, std::vector<std::int32_t>& rows,
                       const SequenceGrowth& growth, const CountOptions& counting, Team& team, Control& control,
                       std::int64_t& evaluations) {
    SequenceGrower grower(stream, model.columns, team, growth);
    model.tree = grower.grow(rows, control);
    evaluations = grower.evaluations();
    std::vector<std::int32_t> begin(model.tree.nodes.size(), 0);
    for (std::size_t at = 0; at < begin.size(); ++at) {
        const SequenceNode& node = model.tree.nodes[at];
        std::int32_t offset = begin[at];
        for (std::int32_t child = node.first; child < node.first + node.n_children; ++child) {
            begin[child] = offset;
            offset += model.tree.nodes[child].n_rows;
        }
    }
    model.counts = count_tokens(model.tree, stream, rows, begin, counting);
    model.weights = WeightFitter::start();
    model.prepare();
}

// Fits the weights to rows that the tree was not grown on; mean bits of a row.
inline double fit_weights(SequenceModel& model, const Stream& stream, std::span<const std::int32_t> rows, int steps,
                          Team& team, Control& control) {
    PathTerms terms;
    std::vector<PathStep> path;
    for (const std::int32_t row : rows) {
        find_path(model, stream, row, path);
        add_terms(model, path, stream.tokens[row], terms);
        terms.end_row(1.0 / stream.n_tokens());
    }
    double bits = 0;
    model.weights = WeightFitter(terms).fit(steps, team, control, bits);
    return bits;
}

// Natural logarithms of the probabilities of the tokens at rows.
inline void log_probabilities(const SequenceModel& model, const Stream& stream, std::span<const std::int32_t> rows,
                              double* out) {
    std::vector<PathStep> path;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        find_path(model, stream, rows[i], path);
        out[i] = std::log(probability(model, model.weights, path, stream.tokens[rows[i]], 1.0 / stream.n_tokens()));
    }
}

// Tokens of texts one after another; the end symbols are not among them.
struct TextList {
    const Token* tokens;
    std::span<const std::int64_t> lengths;
    const std::uint16_t* codes = nullptr;  // of encoders, all of a position side by side
    Stream* reader = nullptr;              // that gets them

    // visit(text, place in it, token) for each token and, with kEnd, after the last.
    template <class Begin, class Visit>
    void walk(const Begin& begin, const Visit& visit) const {
        const Token* at = tokens;
        const std::uint16_t* code = codes;
        for (std::size_t text = 0; text < lengths.size(); ++text) {
            begin(text);
            for (std::int64_t i = 0; i <= lengths[text]; ++i) {
                if (code) {
                    reader->set_codes(code);
                    code += reader->external.size();
                }
                if (!visit(text, i, i < lengths[text] ? at[i] : kEnd)) return;
            }
            at += lengths[text];
        }
    }
};

// Weights of the contexts of the text so far, fitted on what follows `from` of each text; the trees' stay.
inline PathWeights fit_document(const Experts& experts, SequenceReader& reader, const TextList& texts,
                                std::span<const std::int64_t> from, int steps, Team& team, Control& control,
                                double& bits) {
    PathTerms terms;
    const SequenceModel& tree = *experts.trees[0];
    std::vector<PathStep> path;
    std::vector<std::int32_t> found;
    DocumentCounts document;
    texts.walk(
        [&](std::size_t) {
            reader.stream.clear();
            reader.stream.begin();
            document.begin();
        },
        [&](std::size_t text, std::int64_t i, Token token) {
            Stream& stream = reader.stream;
            const Token* const end = stream.tokens.data() + stream.tokens.size();
            if (i >= from[text]) {
                find_path(tree, stream, stream.position(), path);
                document.match(end, found);
                document.add_terms(found, token, terms);
                terms.end_row(probability(tree, tree.weights, path, token, 1.0 / stream.n_tokens()));
            }
            document.push(end, token);
            stream.push(token);
            return true;
        });
    return WeightFitter(terms).fit(steps, team, control, bits);
}

// One pass over what follows `from` of each text; sum of log p on the way.
inline double learn_mixture(MixtureLearner& learner, SequenceReader& reader, const TextList& texts,
                            std::span<const std::int64_t> from, Control& control) {
    double total = 0, sum = 0, done = 0;
    for (std::size_t text = 0; text < texts.lengths.size(); ++text)
        total += static_cast<double>(std::max<std::int64_t>(texts.lengths[text] + 1 - from[text], 0));
    texts.walk(
        [&](std::size_t) {
            reader.stream.clear();
            reader.begin();
        },
        [&](std::size_t text, std::int64_t i, Token token) {
            if (i >= from[text]) {
                if (control.stop(true)) return false;
                sum += learner.learn(reader, token, done / total);
                done += 1;
            }
            reader.push(token);
            return true;
        });
    return sum;
}

// log p of every token and end symbol; false where a limit ended it.
inline bool score_texts(SequenceReader& reader, const TextList& texts, double* out, Control& control) {
    std::int64_t n = 0;
    texts.walk(
        [&](std::size_t) {
            reader.stream.clear();
            reader.begin();
        },
        [&](std::size_t, std::int64_t, Token token) {
            if ((n & 63) == 0 && control.stop(true)) return false;
            out[n++] = reader.log_probability(token);
            reader.push(token);
            return true;
        });
    return control.reason() == Stop::none;
}

}  // namespace treeml
