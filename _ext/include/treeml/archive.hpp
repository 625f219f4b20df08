// Solved nodes of one depth, kept to bound other nodes whose rows are almost the same.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "treeml/control.hpp"
#include "treeml/node.hpp"

namespace treeml {

// optimum(S) >= optimum(A) - unit * weight(A \ S): see SiblingBounds, of which this is the general case.
// STreeD (van der Linden et al., NeurIPS 2023) keeps two nodes of each depth; here are thousands, the newest
// ones, and for the latest of them the bound of every single split too: the split of S on a column costs at
// least what the same split of A does, less unit * weight(A \ S).
template <class T>
class Archive {
  public:
    // n_columns: of the root.
    Archive(const Frame<T>& frame, int stride, int n_columns)
        : frame_(frame), stride_(stride), n_columns_(n_columns) {
        const std::size_t bytes = std::size_t(stride) * sizeof(Word);
        n_nodes_ = int(std::clamp<std::size_t>(kBytes / std::max<std::size_t>(bytes, 1), 64, 4096));
        n_splits_ = int(std::clamp<std::size_t>(kBytes / (sizeof(Cost) * std::max(n_columns, 1)), 64, 512));
    }

    void add(const Node<T>& node, std::int64_t weight, Size size, Cost lower, const std::vector<Cost>* splits,
             Control& control) {
        const int at = int(next_++ % n_nodes_);
        if (at == int(lower_.size())) {
            lower_.push_back(0);
            slack_.push_back(0);
            entries_.push_back({});
            rows_.resize(lower_.size() * stride_);
            control.allocated(std::int64_t(2 * sizeof(Cost) + sizeof(Entry) + stride_ * sizeof(Word)));
        }
        lower_[at] = lower;
        slack_[at] = lower - unit() * weight;
        entries_[at] = {weight, size, splits ? next_split_ : -1};
        std::memcpy(rows_.data() + std::size_t(at) * stride_, node.row_set.data(), stride_ * sizeof(Word));
        if (!splits) return;
        const int slot = int(next_split_++ % n_splits_);
        if (std::size_t(slot + 1) * n_columns_ > splits_.size()) {
            splits_.resize(std::size_t(slot + 1) * n_columns_);
            control.allocated(std::int64_t(n_columns_ * sizeof(Cost)));
        }
        Cost* to = splits_.data() + std::size_t(slot) * n_columns_;
        for (int g = 0; g < n_columns_; ++g) to[g] = node.place[g] < 0 ? lower : std::max(lower, (*splits)[node.place[g]]);
    }

    // A lower bound of a row set that reaches `enough`, or 0.
    Cost bound(const Word* rows, std::int64_t weight, Size size, Cost enough) const {
        candidates_.resize(lower_.size() + 16);
        const int n = frame_.kernels.reaching(lower_.data(), slack_.data(), int(lower_.size()), enough,
                                              enough - unit() * weight, candidates_.data());
        for (int k = 0; k < n; ++k) {
            const int at = candidates_[k];
            const Cost room = lower_[at] - enough;
            if (entries_[at].size.leaves < size.leaves) continue;
            const Cost loss = unit() * distance(row_set(at), rows, room / unit());
            if (loss <= room) return lower_[at] - loss;
        }
        return 0;
    }

    // lower[h] becomes a bound of the split of `node` on its column h.
    void bound_splits(const Node<T>& node, std::int64_t weight, Size size, std::vector<Cost>& lower) const {
        constexpr int kBest = 4;
        struct Found {
            Cost bound, loss;
            std::int64_t splits;
        } found[kBest + 1];
        int n = 0;
        Cost least = 0;
        const std::size_t scan = std::min<std::size_t>(lower_.size(), n_splits_);
        for (std::size_t k = 0; k < scan; ++k) {
            const int at = newest(k);
            const Entry& entry = entries_[at];
            const Cost bound = lower_[at];
            if (entry.splits < 0 || entry.splits + n_splits_ < next_split_ || entry.size.leaves < size.leaves) continue;
            const Cost room = bound - least - 1;
            if (room < 0 || unit() * (entry.weight - weight) > room) continue;
            const Cost loss = unit() * distance(row_set(at), node.row_set.data(), room / unit());
            if (loss > room) continue;
            int place = n < kBest ? n++ : kBest - 1;
            found[place] = {bound - loss, loss, entry.splits};
            for (; place > 0 && found[place - 1].bound < found[place].bound; --place)
                std::swap(found[place - 1], found[place]);
            if (n == kBest) least = found[kBest - 1].bound;
        }
        for (int k = 0; k < n; ++k) {
            const Cost* from = splits_.data() + std::size_t(found[k].splits % n_splits_) * n_columns_;
            for (int h = 0; h < node.n_columns; ++h) lower[h] = std::max(lower[h], from[node.id[h]] - found[k].loss);
        }
    }

  private:
    static constexpr std::size_t kBytes = 1 << 20;  // of row sets, and of split bounds

    struct Entry {
        std::int64_t weight;
        Size size;
        std::int64_t splits;  // running number of its split bounds; -1: none
    };

    Cost unit() const { return frame_.objective.unit; }
    int newest(std::size_t k) const { return int((next_ - 1 - std::int64_t(k)) % n_nodes_); }
    const Word* row_set(int at) const { return rows_.data() + std::size_t(at) * stride_; }

    std::int64_t distance(const Word* a, const Word* b, std::int64_t enough) const { return frame_.distance(a, b, stride_, enough); }

    const Frame<T>& frame_;
    int stride_, n_columns_, n_nodes_, n_splits_;
    std::int64_t next_ = 0, next_split_ = 0;
    std::vector<Cost> lower_, slack_;  // of each node: its bound, and that less its weight
    std::vector<Entry> entries_;
    mutable std::vector<int> candidates_;
    std::vector<Word> rows_;
    std::vector<Cost> splits_;
};

}  // namespace treeml
