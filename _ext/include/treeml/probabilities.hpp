// The least and the greatest probability of each class that any member of a Rashomon set gives a row: the viable range
// of Watson-Daniels, Parkes and Ustun (AAAI 2023), over all leaves that members have (reach.hpp).
#pragma once

#include <bit>
#include <vector>

#include "treeml/leaf_counts.hpp"

namespace treeml {

struct ProbabilityRanges {
    std::vector<Share> low, high;  // by class, then by traced row
};

template <class T>
class Probabilities {
  public:
    Probabilities(RashomonGraph<T>& graph, const LeafShares& shares)
        : graph_(graph), n_classes_(graph.objective().n_classes), shares_(shares), sums_(graph) {}

    // Of the members in the slices that count; numbers[number][traced row]. False: a limit ended it.
    bool find(const std::vector<Score>& numbers, const std::vector<std::uint8_t>& slices, Control& control,
              ProbabilityRanges& out) {
        n_rows_ = graph_.n_traced();
        out_ = &out;
        out.low.assign(std::size_t(n_classes_) * n_rows_, {2, 1});
        out.high.assign(std::size_t(n_classes_) * n_rows_, {-1, 1});
        low_.assign(out.low.size(), 2);
        high_.assign(out.high.size(), -1);
        sums_.set_numbers(numbers, shares_.n_numbers());
        const bool complete = Reach<T>(graph_).find(
            slices, control, [&](const Node<T>& node) { open(node); }, [&](const LeafCell& cell) { widen(cell); });
        for (int r = 0; n_classes_ == 2 && r < n_rows_; ++r) {  // two classes: one decides
            out.low[r] = rest(out.high[r + n_rows_]);
            out.high[r] = rest(out.low[r + n_rows_]);
        }
        return complete;
    }

  private:
    static Share rest(const Share& share) { return {share.total - share.count, share.total}; }

    // Within the ranges of all rows of a part of the node.
    struct Narrow {
        double low, high;
        bool holds(double value) const { return low <= value && value <= high; }
    };

    void open(const Node<T>& node) {
        node_ = &node;
        sums_.open(node);
        graph_.traced(node, ids_);
        part_ = {};
        find_rows({}, rows_);
        narrow(rows_, of_node_);
        part_rows_ = rows_;
        of_part_ = of_node_;
        is_new_ = false;
    }

    // Widens the ranges of the rows of a leaf to its probabilities.
    void widen(const LeafCell& cell) {
        const auto number = numbers_of(sums_, cell);
        bool has_rows = false;
        for (int k = n_classes_ == 2; k < n_classes_; ++k) {
            const Share share = shares_.share(k, number);
            const double value = share.value();
            if (of_node_[k].holds(value)) continue;
            set_part(cell);
            if (of_part_[k].holds(value)) continue;
            if (!has_rows) find_rows(cell, rows_);
            has_rows = true;
            each_row(rows_, [&](int r) {
                const std::size_t at = std::size_t(k) * n_rows_ + r;
                if (value <= low_[at] && share < out_->low[at]) {
                    out_->low[at] = share, low_[at] = value;
                    is_new_ = true;
                }
                if (value >= high_[at] && out_->high[at] < share) {
                    out_->high[at] = share, high_[at] = value;
                    is_new_ = true;
                }
            });
        }
    }
    // What the last column of a cell cuts.
    void set_part(const LeafCell& cell) {
        LeafCell part = cell;
        part.j = -1;
        const bool same = part.f == part_.f && part.side == part_.side && part.g == part_.g && part.on == part_.on;
        if (same && !is_new_) return;
        if (!same) find_rows(part, part_rows_);
        part_ = part;
        narrow(part_rows_, of_part_);
        is_new_ = false;
    }
    void narrow(const std::vector<Word>& rows, std::vector<Narrow>& out) const {
        out.assign(n_classes_, {0, 1});
        for (int k = n_classes_ == 2; k < n_classes_; ++k)
            each_row(rows, [&](int r) {
                const std::size_t at = std::size_t(k) * n_rows_ + r;
                out[k].low = std::max(out[k].low, low_[at]);
                out[k].high = std::min(out[k].high, high_[at]);
            });
    }
    template <class Visit>
    void each_row(const std::vector<Word>& set, Visit visit) const {
        for (std::size_t w = 0; w < set.size(); ++w)
            for (Word rows = set[w]; rows; rows &= rows - 1) visit(ids_[w * kWordBits + std::countr_zero(rows)]);
    }
    void find_rows(const LeafCell& cell, std::vector<Word>& out) const {
        const int n = int(ids_.size());
        out.resize(words_for(n));
        for (std::size_t w = 0; w < out.size(); ++w) out[w] = valid_bits(n, int(w));
        keep(cell.f, cell.side, out);
        keep(cell.g, cell.on, out);
        keep(cell.j, cell.answer, out);
    }
    void keep(int column, bool answer, std::vector<Word>& out) const {
        if (column < 0) return;
        const Word* bits = graph_.traced_bits(*node_, column);
        for (std::size_t w = 0; w < out.size(); ++w) out[w] &= answer ? bits[w] : ~bits[w];
    }

    RashomonGraph<T>& graph_;
    const int n_classes_;
    const LeafShares shares_;
    PairSums<T> sums_;
    int n_rows_ = 0;
    ProbabilityRanges* out_ = nullptr;
    std::vector<double> low_, high_;  // the same, rounded

    // of the open node
    const Node<T>* node_ = nullptr;
    std::vector<int> ids_;
    std::vector<Word> rows_, part_rows_;
    std::vector<Narrow> of_node_, of_part_;
    LeafCell part_;
    bool is_new_ = false;  // a range of the part has become wider
};

}  // namespace treeml
