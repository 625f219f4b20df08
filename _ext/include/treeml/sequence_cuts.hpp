// The best test of one node on one column: a threshold by gain of entropy, or a set of codes that grows out of it.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "treeml/sequence_stream.hpp"

namespace treeml {

// n log n of whole numbers, and its steps.
struct Entropies {
    explicit Entropies(std::int64_t n) : value(n + 2), step(n + 2) {
        for (std::int64_t i = 1; i < n + 2; ++i) value[i] = static_cast<double>(i) * std::log(static_cast<double>(i));
        for (std::int64_t i = 0; i < n + 1; ++i) step[i] = value[i + 1] - value[i];
    }
    std::vector<double> value, step;  // step[i] = value[i + 1] - value[i]
};

struct Cut {
    double gain = 0.0;  // nats, after all charges
    int column = -1;
    int code = 0;
    std::vector<std::uint64_t> set;  // empty: codes up to `code`
};

struct CutOptions {
    int min_rows = 1;        // of a side
    int sweeps = 0;          // over the codes that a set may move; 0: thresholds only
    double charge_rate = 0;  // of a column's charge
    double cut_cost = 0;     // nats off the gain of every cut
    double move_cost = 2;    // nats off the gain of a set for every code it moves
};

// Rows of a node with their next tokens, which all columns look at.
struct NodeRows {
    std::span<const std::int32_t> rows;
    const Token* next;          // of each row
    const std::int32_t* total;  // of each token
    double entropy;             // sum of total log total, minus n log n
};

// Scratch of one thread.
class CutFinder {
  public:
    CutFinder(const Entropies& entropies, int n_tokens, int most_codes, std::int64_t n_rows)
        : entropies_(entropies), codes_(n_rows), sorted_(n_rows), start_(most_codes + 2), at_(most_codes + 1),
          left_(n_tokens), moved_(n_tokens) {}

    // The best cut on a column; `index` is written into it.
    Cut find(const NodeRows& node, const SequenceColumn& column, int index, const Stream& stream,
             const CutOptions& options) {
        Cut best;
        best.gain = -1;
        sort(node, column, stream);
        const int n = static_cast<int>(node.rows.size());
        if (codes_seen_ < 2) return best;
        double gain;
        const int code = threshold(node, column.n_codes, options.min_rows, gain);
        if (code < 0) return best;
        if (options.sweeps && column.n_codes > 2 && n > kLeastForSets) {
            std::vector<std::uint64_t> set;
            const double wider = flip(node, column.n_codes, code, options, set);
            if (wider > gain) {
                gain = wider;
                best.set = std::move(set);
            }
        }
        best.gain = (gain - options.cut_cost) * std::exp(-options.charge_rate * column.charge);
        best.column = index;
        best.code = code;
        return best;
    }

  private:
    static constexpr int kLeastForSets = 200;
    static constexpr double kPrior = 20;  // rows of the node's own distribution added to either side

    // Next tokens in the order of codes.
    void sort(const NodeRows& node, const SequenceColumn& column, const Stream& stream) {
        const int n = static_cast<int>(node.rows.size());
        const ColumnView view(column, stream);
        std::fill(start_.begin(), start_.begin() + column.n_codes + 2, 0);
        for (int i = 0; i < n; ++i) {
            const int code = view[node.rows[i]];
            codes_[i] = static_cast<std::uint16_t>(code);
            ++start_[code + 1];
        }
        codes_seen_ = 0;
        for (int c = 0; c < column.n_codes; ++c) {
            codes_seen_ += start_[c + 1] > 0;
            start_[c + 1] += start_[c];
            at_[c] = start_[c];
        }
        if (codes_seen_ < 2) return;
        for (int i = 0; i < n; ++i) sorted_[at_[codes_[i]]++] = node.next[i];
        for (int i = 0; i < n; ++i) left_[node.next[i]] = 0;
    }

    int threshold(const NodeRows& node, int n_codes, int min_rows, double& best) {
        const int n = static_cast<int>(node.rows.size());
        const double* const value = entropies_.value.data();
        const double* const step = entropies_.step.data();
        double both = node.entropy + value[n];  // of the two sides
        best = 0;
        int code = -1;
        for (int c = 0; c < n_codes; ++c) {
            if (start_[c] == start_[c + 1]) continue;
            for (int i = start_[c]; i < start_[c + 1]; ++i) {
                const Token y = sorted_[i];
                const std::int32_t l = left_[y]++;
                both += step[l] - step[node.total[y] - l - 1];
            }
            const int n_left = start_[c + 1], n_right = n - n_left;
            if (n_left < min_rows || n_right < min_rows || n_right == 0) continue;
            const double gain = both - value[n_left] - value[n_right] - node.entropy;
            if (gain > best) {
                best = gain;
                code = c;
            }
        }
        return code;
    }

    // Moves codes to the side that predicts their tokens better, a code's own tokens left out of either side
    // (Chou, Optimal partitioning for classification and regression trees, 1991, by leave-one-out). Gain in nats,
    // less what the moves cost.
    double flip(const NodeRows& node, int n_codes, int code, const CutOptions& options,
                std::vector<std::uint64_t>& set) {
        const int n = static_cast<int>(node.rows.size());
        int n_left = start_[code + 1];
        for (int i = 0; i < n; ++i) left_[node.next[i]] = 0;
        for (int i = 0; i < n_left; ++i) ++left_[sorted_[i]];
        in_left_.assign(n_codes, 0);
        std::fill(in_left_.begin(), in_left_.begin() + code + 1, 1);
        for (int sweep = 0; sweep < options.sweeps; ++sweep) {
            bool any = false;
            for (int c = 0; c < n_codes; ++c) {
                const int begin = start_[c], end = start_[c + 1];
                if (begin == end) continue;
                const bool wanted = prefers_left(node, begin, end, in_left_[c], n_left, options.min_rows);
                if (wanted == static_cast<bool>(in_left_[c])) continue;
                any = true;
                in_left_[c] = wanted;
                n_left += wanted ? end - begin : begin - end;
                for (int i = begin; i < end; ++i) left_[sorted_[i]] += wanted ? 1 : -1;
            }
            if (!any) break;
        }
        if (n_left < options.min_rows || n - n_left < options.min_rows) return -1;
        return gain_of_set(node, n_codes, code, n_left, options.move_cost, set);
    }

    bool prefers_left(const NodeRows& node, int begin, int end, bool in_left, int n_left, int min_rows) {
        const int n = static_cast<int>(node.rows.size()), here = end - begin;
        const int others_left = n_left - (in_left ? here : 0), others_right = n - n_left - (in_left ? 0 : here);
        if (others_left < min_rows || others_right < min_rows) return in_left;
        distinct_.clear();
        for (int i = begin; i < end; ++i)
            if (moved_[sorted_[i]]++ == 0) distinct_.push_back(sorted_[i]);
        double score = here * std::log((others_right + kPrior) / (others_left + kPrior));
        for (const Token y : distinct_) {
            const std::int32_t own = moved_[y];
            const double prior = kPrior * node.total[y] / n;
            const double l = left_[y] - (in_left ? own : 0), r = node.total[y] - left_[y] - (in_left ? 0 : own);
            score += own * std::log((l + prior) / (r + prior));
            moved_[y] = 0;
        }
        return score > 0;
    }

    double gain_of_set(const NodeRows& node, int n_codes, int code, int n_left, double move_cost,
                       std::vector<std::uint64_t>& set) {
        const int n = static_cast<int>(node.rows.size());
        const double* const value = entropies_.value.data();
        double gain = -node.entropy - value[n_left] - value[n - n_left];
        for (int i = 0; i < n; ++i) {  // each token once: its count is 0 afterwards
            const Token y = node.next[i];
            if (left_[y] < 0) continue;
            gain += value[left_[y]] + value[node.total[y] - left_[y]];
            left_[y] = -1;
        }
        set.assign((start_.size() + 63) / 64, 0);
        int moves = 0;
        for (int c = 0; c < n_codes; ++c) {
            if (in_left_[c]) set[c >> 6] |= std::uint64_t{1} << (c & 63);
            moves += start_[c] < start_[c + 1] && static_cast<bool>(in_left_[c]) != (c <= code);
        }
        return moves ? gain - move_cost * moves : -1;
    }

    const Entropies& entropies_;
    std::vector<std::uint16_t> codes_;
    std::vector<Token> sorted_, distinct_;
    std::vector<std::int32_t> start_, at_;
    std::vector<std::int32_t> left_, moved_;  // of each token
    std::vector<char> in_left_;
    int codes_seen_ = 0;
};

}  // namespace treeml
