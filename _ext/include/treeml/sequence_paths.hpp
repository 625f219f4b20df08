// The probability of a token: counts along a path, each node's mixed with what its parent says. From the root down, from
// p = 1 / V,
//     p(w) <- (c(w) - d part(w) + (d parts + a types) p(w)) / (total + a types),
// which is absolute discounting of the parts plus the pull of Witten & Bell (1991), with d and a of the node's bucket.
// The weights of a path are shares of 1, so that each node's share of a probability is exact.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include "treeml/control.hpp"
#include "treeml/sequence_counts.hpp"
#include "treeml/team.hpp"

namespace treeml {

inline constexpr int kSizes = 16, kRatios = 8, kAgreements = 4, kTreeBuckets = kSizes * kRatios * kAgreements;
// The text so far has buckets of its own behind those of a tree (see sequence_document.hpp).
inline constexpr int kDocumentBuckets = 64, kBuckets = kTreeBuckets + kDocumentBuckets;

// What bucket a node falls into: its size, its rows a type, and how the context agrees with what its rows share.
inline int size_and_ratio(std::int32_t n_rows, double total, int types) {
    const int size = std::min(kSizes - 1, static_cast<int>(std::bit_width(static_cast<std::uint32_t>(std::max(n_rows, 1)))) - 1);
    const int ratio = std::min(kRatios - 1, static_cast<int>(2 * std::log2(std::max(1.0, total / std::max(types, 1)))));
    return size * kRatios + ratio;
}

inline int agreement_state(int agree, int common) {
    if (agree < common) return agree == 0 ? 0 : 1;
    return common < 3 ? 2 : 3;
}

struct PathWeights {
    std::vector<double> discount, pull;  // of each bucket
};

// A tree with all that a probability needs.
struct SequenceModel {
    SequenceTree tree;
    SequenceCounts counts;
    std::vector<std::vector<std::uint16_t>> orders;  // what `columns` look into
    std::vector<SequenceColumn> columns;
    std::shared_ptr<const std::vector<Token>> train;  // the stream that examples lie in
    PathWeights weights;
    std::vector<std::int16_t> bucket;  // size and ratio of each node

    void prepare() {
        bucket.resize(tree.nodes.size());
        for (std::size_t at = 0; at < bucket.size(); ++at)
            bucket[at] = static_cast<std::int16_t>(
                size_and_ratio(tree.nodes[at].n_rows, counts.total[at], counts.types(static_cast<std::int32_t>(at))));
    }
};

// A node of a path with its bucket.
struct PathStep {
    std::int32_t node;
    std::int32_t bucket;
};

// Nodes from the root to the last one that a position reaches.
inline void find_path(const SequenceModel& model, const Stream& stream, std::int32_t position,
                      std::vector<PathStep>& path) {
    path.clear();
    const Token* const x = stream.tokens.data();
    for (std::int32_t at = 0; at >= 0; at = child_of(model.tree, at, model.columns, stream, position)) {
        const SequenceNode& node = model.tree.nodes[at];
        int state = 2;
        if (node.common) {
            const int agree = agreement(x, position, model.train->data(), node.example, 0, node.common);
            state = agreement_state(agree, node.common);
        }
        path.push_back({at, model.bucket[at] * kAgreements + state});
    }
}

inline double step_down(double p, double count, double part, double total, double parts, double types, double d,
                        double a) {
    return (count - d * part + (d * parts + a * types) * p) / (total + a * types);
}

inline double probability(const SequenceModel& model, const PathWeights& weights, const std::vector<PathStep>& path,
                          Token token, double p) {
    const SequenceCounts& counts = model.counts;
    for (const PathStep& step : path) {
        const std::int64_t i = counts.find(step.node, token);
        p = step_down(p, i < 0 ? 0 : counts.count[i], i < 0 ? 0 : counts.part[i], counts.total[step.node],
                      counts.parts[step.node], counts.types(step.node), weights.discount[step.bucket],
                      weights.pull[step.bucket]);
    }
    return p;
}

// All tokens at once, from the last node up: adds what the nodes give each token to `out` and returns the share that is
// left for the distribution before the root.
template <class Real>
double add_distribution(const SequenceModel& model, const PathWeights& weights, const std::vector<PathStep>& path,
                        Real* out) {
    const SequenceCounts& counts = model.counts;
    double left = 1;
    for (auto step = path.rbegin(); step != path.rend(); ++step) {
        const double d = weights.discount[step->bucket], pull = weights.pull[step->bucket] * counts.types(step->node);
        const double here = left / (counts.total[step->node] + pull);
        const Real f = static_cast<Real>(here), fd = static_cast<Real>(here * d);
        for (std::int64_t i = counts.start[step->node]; i < counts.start[step->node + 1]; ++i)
            out[counts.token[i]] += f * static_cast<Real>(counts.count[i]) - fd * static_cast<Real>(counts.part[i]);
        left = here * (d * counts.parts[step->node] + pull);
    }
    return left;
}

// One factor of a probability, with what the fit of the weights needs.
struct PathTerm {
    float count, part, total, parts, types;
    std::int32_t bucket;
};

struct PathTerms {
    std::vector<PathTerm> terms;
    std::vector<std::int64_t> start{0};
    std::vector<double> before;  // of each row, the probability that the first term mixes with

    void end_row(double p) {
        before.push_back(p);
        start.push_back(static_cast<std::int64_t>(terms.size()));
    }
};

inline void add_terms(const SequenceModel& model, const std::vector<PathStep>& path, Token token, PathTerms& out) {
    const SequenceCounts& counts = model.counts;
    for (const PathStep& step : path) {
        const std::int64_t i = counts.find(step.node, token);
        out.terms.push_back({i < 0 ? 0 : counts.count[i], i < 0 ? 0 : counts.part[i],
                             static_cast<float>(counts.total[step.node]), static_cast<float>(counts.parts[step.node]),
                             static_cast<float>(counts.types(step.node)), step.bucket});
    }
}

// Fits the weights to rows that the tree has not seen: Adam (Kingma & Ba, Adam: a method for stochastic optimization,
// 2015) over all of them at once, on the logit of d and the logarithm of a, with a normal prior around their start.
class WeightFitter {
  public:
    explicit WeightFitter(const PathTerms& terms) : terms_(terms) {}

    static PathWeights start() {
        PathWeights out;
        out.discount.assign(kBuckets, 1 / (1 + std::exp(-kStartDiscount)));
        out.pull.assign(kBuckets, std::exp(kStartPull));
        return out;
    }

    // Mean bits of a row under the weights returned are written into `bits`.
    PathWeights fit(int steps, Team& team, Control& control, double& bits) {
        std::vector<double> x(kParameters), m(kParameters, 0), v(kParameters, 0), g(kParameters);
        std::fill_n(x.begin(), kBuckets, kStartDiscount);
        std::fill_n(x.begin() + kBuckets, kBuckets, kStartPull);
        const std::int64_t n = static_cast<std::int64_t>(terms_.start.size()) - 1;
        PathWeights best = start();
        bits = 0;
        double least = INFINITY;  // nats
        for (int step = 0; n > 0 && step <= steps; ++step) {
            const PathWeights weights = of(x);
            const double loss = gradient(weights, team, g);
            double penalty = 0;
            for (int b = 0; b < kParameters; ++b) penalty += squared(x[b] - (b < kBuckets ? kStartDiscount : kStartPull));
            const double penalised = loss * kLog2 + .5 * kPrior * penalty;
            if (penalised < least) {
                least = penalised;
                bits = loss / static_cast<double>(n);
                best = weights;
            }
            if (step == steps || control.stop(true)) break;
            const double rate = kRate * (step < .6 * steps ? 1 : .3);
            for (int b = 0; b < kParameters; ++b) {
                const double start = b < kBuckets ? kStartDiscount : kStartPull;
                const double slope = (g[b] + kPrior * (x[b] - start)) / static_cast<double>(n);
                m[b] = .9 * m[b] + .1 * slope;
                v[b] = .99 * v[b] + .01 * slope * slope;
                x[b] -= rate * (m[b] / (1 - std::pow(.9, step + 1))) /
                        (std::sqrt(v[b] / (1 - std::pow(.99, step + 1))) + 1e-8);
            }
        }
        return best;
    }

  private:
    static constexpr int kParameters = 2 * kBuckets, kParts = 16;
    static constexpr double kLog2 = .693147180559945309;
    static constexpr double kStartDiscount = -1, kStartPull = 0, kRate = .3;
    static constexpr double kPrior = 1;  // rows that rarely use a bucket move it little: normal around its start

    static double squared(double x) { return x * x; }

    static PathWeights of(const std::vector<double>& x) {
        PathWeights out;
        out.discount.resize(kBuckets);
        out.pull.resize(kBuckets);
        for (int b = 0; b < kBuckets; ++b) {
            out.discount[b] = 1 / (1 + std::exp(-x[b]));
            out.pull[b] = std::exp(std::clamp(x[kBuckets + b], -20.0, 20.0));
        }
        return out;
    }

    // In parts whose number does not depend on the threads, so that sums do not either.
    double gradient(const PathWeights& weights, Team& team, std::vector<double>& g) {
        const std::int64_t n = static_cast<std::int64_t>(terms_.start.size()) - 1;
        std::vector<std::vector<double>> part(kParts);
        std::vector<double> loss(kParts, 0);
        team.each(kParts, [&](int i, int) {
            part[i].assign(kParameters, 0);
            loss[i] = rows(weights, n * i / kParts, n * (i + 1) / kParts, part[i]);
        });
        std::fill(g.begin(), g.end(), 0);
        double sum = 0;
        for (int i = 0; i < kParts; ++i) {
            sum += loss[i];
            for (int b = 0; b < kParameters; ++b) g[b] += part[i][b];
        }
        return sum;
    }

    double rows(const PathWeights& weights, std::int64_t begin, std::int64_t end, std::vector<double>& g) const {
        double bits = 0;
        std::vector<double> p, share;
        for (std::int64_t row = begin; row < end; ++row) {
            const PathTerm* const term = terms_.terms.data() + terms_.start[row];
            const int n = static_cast<int>(terms_.start[row + 1] - terms_.start[row]);
            if (static_cast<int>(p.size()) <= n) {
                p.resize(n + 1);
                share.resize(n + 1);
            }
            p[0] = terms_.before[row];
            for (int i = 0; i < n; ++i) {
                const PathTerm& t = term[i];
                const double d = weights.discount[t.bucket], a = weights.pull[t.bucket] * t.types;
                const double scale = 1 / (t.total + a), up = d * t.parts + a;
                p[i + 1] = (t.count - d * t.part + up * p[i]) * scale;
                share[i] = up * scale;
            }
            bits -= std::log2(p[n]);
            double slope = 1 / p[n];
            for (int i = n - 1; i >= 0; --i) {
                const PathTerm& t = term[i];
                const double d = weights.discount[t.bucket], a = weights.pull[t.bucket] * t.types;
                const double scale = slope / (t.total + a);
                g[t.bucket] -= scale * (t.parts * p[i] - t.part) * d * (1 - d);
                g[kBuckets + t.bucket] -= scale * (p[i] - p[i + 1]) * a;
                slope *= share[i];
            }
        }
        return bits;
    }

    const PathTerms& terms_;
};

}  // namespace treeml
