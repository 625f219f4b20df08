// Counts of the next token at every node, kept only where they are not 0: raw at leaves, above them a power of the
// children's, which lies between counting tokens (exponent 1) and counting children that have one (exponent 0), as
// continuation counts do (Kneser & Ney, Improved backing-off for m-gram language modeling, 1995).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "treeml/control.hpp"
#include "treeml/sequence_tree.hpp"

namespace treeml {

struct SequenceCounts {
    std::vector<std::int64_t> start;  // of each node, one more than nodes
    std::vector<Token> token;         // ascending within a node
    std::vector<float> count, part;   // part: what the parent gets
    // Sums over a node's entries.
    std::vector<double> total, parts;
    // Of a small tree: what each node leaves to its parent, beside its counts; else empty.
    std::vector<double> rest;

    int types(std::int32_t node) const { return static_cast<int>(start[node + 1] - start[node]); }
    // Entry of a token at a node, -1 where it has none.
    std::int64_t find(std::int32_t node, Token wanted) const {
        const Token* const low = token.data() + start[node];
        const Token* const high = token.data() + start[node + 1];
        const Token* const found = std::lower_bound(low, high, wanted);
        return found == high || *found != wanted ? -1 : found - token.data();
    }
};

// count^exponent, with a table of whole counts.
class Power {
  public:
    explicit Power(double exponent) : exponent_(static_cast<float>(exponent)), table_(kTable) {
        for (int i = 0; i < kTable; ++i) table_[i] = std::pow(static_cast<float>(i), exponent_);
    }
    float operator()(float count) const {
        const int whole = count < kTable ? static_cast<int>(count) : -1;
        return whole >= 0 && static_cast<float>(whole) == count ? table_[whole] : std::pow(count, exponent_);
    }

  private:
    static constexpr int kTable = 1024;
    float exponent_;
    std::vector<float> table_;
};

struct CountOptions {
    double cut_exponent = .85;      // of nodes under a cut
    double equality_exponent = .5;  // of nodes under an equality node
};

// Parts and sums from counts.
inline void complete(SequenceCounts& counts, const SequenceTree& tree, const CountOptions& options) {
    const Power cut(options.cut_exponent), equality(options.equality_exponent);
    const std::size_t n = tree.nodes.size();
    counts.part.resize(counts.count.size());
    counts.total.assign(n, 0);
    counts.parts.assign(n, 0);
    for (std::size_t at = 0; at < n; ++at) {
        const std::int32_t parent = tree.nodes[at].parent;
        const Power& power = parent >= 0 && tree.nodes[parent].column == kEquality ? equality : cut;
        double total = 0, parts = 0;
        for (std::int64_t i = counts.start[at]; i < counts.start[at + 1]; ++i) {
            total += counts.count[i];
            parts += counts.part[i] = power(counts.count[i]);
        }
        counts.total[at] = total;
        counts.parts[at] = parts;
    }
    if (counts.rest.empty()) return;
    // With discount 1 and pull 0 the parent gets just the rest.
    std::fill(counts.part.begin(), counts.part.end(), 0.0f);
    counts.parts = counts.rest;
    for (std::size_t at = 0; at < n; ++at) counts.total[at] += counts.rest[at];
}

// `rows` lie leaf by leaf in the order of a walk that takes children in order; `begin` of each node into them.
inline SequenceCounts count_tokens(const SequenceTree& tree, const Stream& stream, std::span<const std::int32_t> rows,
                                   std::span<const std::int32_t> begin, const CountOptions& options) {
    const Power cut(options.cut_exponent), equality(options.equality_exponent);
    const std::int32_t n = static_cast<std::int32_t>(tree.nodes.size());
    // Bottom-up into one arena that lies backwards; turned round at the end.
    std::vector<Token> token;
    std::vector<float> count, part, sum(stream.n_tokens(), 0);
    std::vector<Token> touched;
    std::vector<std::int64_t> from(n), to(n);
    for (std::int32_t at = n - 1; at >= 0; --at) {
        const SequenceNode& node = tree.nodes[at];
        touched.clear();
        if (node.column == kLeaf) {
            for (std::int32_t i = 0; i < node.n_rows; ++i) {
                const Token y = stream.tokens[rows[begin[at] + i]];
                if (sum[y] == 0) touched.push_back(y);
                sum[y] += 1;
            }
        } else {
            for (std::int32_t child = node.first; child < node.first + node.n_children; ++child)
                for (std::int64_t i = from[child]; i < to[child]; ++i) {
                    const Token y = token[i];
                    if (sum[y] == 0) touched.push_back(y);
                    sum[y] += part[i];
                }
        }
        std::sort(touched.begin(), touched.end());
        const Power& power = node.parent >= 0 && tree.nodes[node.parent].column == kEquality ? equality : cut;
        from[at] = static_cast<std::int64_t>(token.size());
        for (const Token y : touched) {
            token.push_back(y);
            count.push_back(sum[y]);
            part.push_back(power(sum[y]));
            sum[y] = 0;
        }
        to[at] = static_cast<std::int64_t>(token.size());
    }
    SequenceCounts out;
    out.start.push_back(0);
    out.token.reserve(token.size());
    out.count.reserve(token.size());
    for (std::int32_t at = 0; at < n; ++at) {
        out.token.insert(out.token.end(), token.begin() + from[at], token.begin() + to[at]);
        out.count.insert(out.count.end(), count.begin() + from[at], count.begin() + to[at]);
        out.start.push_back(static_cast<std::int64_t>(out.token.size()));
    }
    complete(out, tree, options);
    return out;
}

}  // namespace treeml
