// Sums of scores over the traced rows of a node where two columns are 1, for trees of two splits and less: what pair
// tables are to errors (tables.hpp), with a number for every row and label in place of a weight. Scores are relative
// to label 0, whose sum over all rows is the base.
#pragma once

#include <vector>

#include "treeml/rashomon.hpp"

namespace treeml {

using Score = std::int64_t;

template <class T>
class PairSums {
  public:
    // Of some rows, by label from 1 on: of all, and of those where two columns are 1.
    struct Sums {
        std::vector<Score> total, pairs;
        int width = 0;

        void start(int n_labels, int columns) {
            width = columns;
            total.assign(n_labels, 0);
            pairs.assign(std::size_t(n_labels) * width * width, 0);
        }
        Score all(int label) const { return label ? total[label - 1] : 0; }
        Score pair(int label, int g, int j) const { return pairs[(std::size_t(label - 1) * width + g) * width + j]; }
        Score side(int label, int g, bool answer) const {
            if (!label) return 0;
            return answer ? pair(label, g, g) : all(label) - pair(label, g, g);
        }
        // Where column g is `on` and column j is `answer`.
        Score cell(int label, int g, bool on, int j, bool answer) const {
            if (!label) return 0;
            const Score both = pair(label, g, j);
            if (on) return answer ? both : pair(label, g, g) - both;
            return answer ? pair(label, j, j) - both : all(label) - pair(label, g, g) - pair(label, j, j) + both;
        }
    };

    explicit PairSums(RashomonGraph<T>& graph) : graph_(graph), n_labels_(graph.objective().n_classes - 1) {}

    // scores[label][traced row]
    void set_scores(const std::vector<Score>& scores) {
        n_rows_ = graph_.n_traced();
        base_ = 0;
        scores_.resize(std::size_t(n_labels_) * n_rows_);
        for (int r = 0; r < n_rows_; ++r) {
            base_ += scores[r];
            for (int l = 0; l < n_labels_; ++l) {
                const std::size_t at = std::size_t(l) * n_rows_ + r;
                scores_[at] = scores[at + n_rows_] - scores[r];
            }
        }
    }
    // The same where label 0 has none: numbers[label - 1][traced row], of so many labels beside it.
    void set_numbers(const std::vector<Score>& numbers, int n_labels) {
        n_labels_ = n_labels;
        n_rows_ = graph_.n_traced();
        base_ = 0;
        scores_ = numbers;
    }
    Score base() const { return base_; }

    // The sums of a node; those of the sides of a column are made when they are asked for.
    void open(const Node<T>& node) {
        graph_.traced(node, ids_);
        const int n = int(ids_.size()), width = node.n_columns;
        column_ = -1;
        masks_.resize(std::size_t(width) * n);
        for (int j = 0; j < width; ++j) {
            const Word* bits = graph_.traced_bits(node, j);
            for (int r = 0; r < n; ++r) masks_[std::size_t(r) * width + j] = Limb(0) - (bits[r >> 6] >> (r & 63) & 1);
        }
        rows_.resize(n);
        for (int r = 0; r < n; ++r) rows_[r] = r;
        add_up(width, whole_);
    }
    const Sums& whole() const { return whole_; }
    const Sums& half(int f, bool side) {
        if (column_ == f) return half_[side];
        column_ = f;
        const int width = whole_.width, n = int(ids_.size());
        const auto answer = [&](int r) { return bool(masks_[std::size_t(r) * width + f]); };
        int ones = 0;
        for (int r = 0; r < n; ++r) ones += answer(r);
        const bool small = 2 * ones <= n;
        rows_.clear();
        for (int r = 0; r < n; ++r)
            if (answer(r) == small) rows_.push_back(r);
        add_up(width, half_[small]);
        Sums& rest = half_[!small];
        rest.start(n_labels_, width);
        for (std::size_t k = 0; k < rest.total.size(); ++k) rest.total[k] = whole_.total[k] - half_[small].total[k];
        for (std::size_t k = 0; k < rest.pairs.size(); ++k) rest.pairs[k] = whole_.pairs[k] - half_[small].pairs[k];
        return half_[side];
    }

  private:
    void add_up(int width, Sums& out) {
        const auto& kernels = graph_.tables().kernels();
        out.start(n_labels_, width);
        for (int l = 0; l < n_labels_; ++l) {
            Score* pairs = out.pairs.data() + std::size_t(l) * width * width;
            bool any = false;
            for (const int r : rows_) {
                const Score score = scores_[std::size_t(l) * n_rows_ + ids_[r]];
                if (!score) continue;
                any = true;
                out.total[l] += score;
                const Limb* where = masks_.data() + std::size_t(r) * width;
                Score* to = pairs;
                for (int g = 0; g < width; ++g, to += width)  // from the diagonal on
                    if (where[g]) kernels.add_masked(where + g, Limb(score), width - g, reinterpret_cast<Limb*>(to + g));
            }
            for (int g = 0; any && g < width; ++g)
                for (int j = 0; j < g; ++j) pairs[std::size_t(g) * width + j] = pairs[std::size_t(j) * width + g];
        }
    }

    RashomonGraph<T>& graph_;
    int n_labels_;  // all but the first
    int n_rows_ = 0;
    Score base_ = 0;
    std::vector<Score> scores_;  // by label and row, over those of label 0

    // of the open node
    std::vector<int> ids_, rows_;
    std::vector<Limb> masks_;  // by row: all ones where a column is 1
    Sums whole_, half_[2];
    int column_ = -1;  // of the halves
};

}  // namespace treeml
