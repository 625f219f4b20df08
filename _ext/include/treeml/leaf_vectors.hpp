// The different probability vectors in the leaves that the members of a Rashomon set have, and which rows get each:
// what decides the Rashomon capacity of more than two classes.
#pragma once

#include <map>
#include <numeric>
#include <vector>

#include "treeml/leaf_counts.hpp"

namespace treeml {

struct LeafVectors {
    std::vector<Score> counts;  // of every vector, by class, without a common divisor
    std::vector<Word> rows;     // of every vector, packed traced rows
};

template <class T>
class VectorsOf {
  public:
    VectorsOf(RashomonGraph<T>& graph, const LeafShares& shares)
        : graph_(graph), n_classes_(graph.objective().n_classes), shares_(shares), sums_(graph) {}

    // Of the members in the slices that count; numbers[number][traced row]. False: a limit ended it.
    bool find(const std::vector<Score>& numbers, const std::vector<std::uint8_t>& slices, Control& control, LeafVectors& out) {
        n_words_ = words_for(graph_.n_traced());
        control_ = &control, out_ = &out;
        known_.clear();
        sums_.set_numbers(numbers, shares_.n_numbers());
        const bool complete = Reach<T>(graph_).find(
            slices, control, [&](const Node<T>& node) { open(node); }, [&](const LeafCell& cell) { add(cell); });
        control.allocated(-allocated_);
        return complete;
    }

  private:
    void open(const Node<T>& node) {
        node_ = &node;
        sums_.open(node);
        graph_.traced(node, ids_);
    }
    void add(const LeafCell& cell) {
        const auto number = numbers_of(sums_, cell);
        vector_.resize(n_classes_);
        Score divisor = 0;
        for (int k = 0; k < n_classes_; ++k) {
            vector_[k] = shares_.share(k, number).count;
            divisor = std::gcd(divisor, vector_[k]);
        }
        for (Score& count : vector_) count /= divisor;
        const auto [at, is_new] = known_.try_emplace(vector_, out_->rows.size());
        if (is_new) {
            out_->counts.insert(out_->counts.end(), vector_.begin(), vector_.end());
            out_->rows.resize(out_->rows.size() + n_words_, 0);
            const std::int64_t bytes = 64 + 16 * n_classes_ + 8 * n_words_;
            allocated_ += bytes;
            control_->allocated(bytes);
        }
        Word* rows = out_->rows.data() + at->second;
        for (int w = 0; w < words_for(std::int64_t(ids_.size())); ++w)
            for (Word set = rows_of(cell, w); set; set &= set - 1) {
                const int r = ids_[w * kWordBits + std::countr_zero(set)];
                rows[r / kWordBits] |= Word(1) << (r % kWordBits);
            }
    }
    Word rows_of(const LeafCell& cell, int w) const {
        Word out = valid_bits(std::int64_t(ids_.size()), w);
        const auto keep = [&](int column, bool answer) {
            if (column < 0) return;
            const Word bits = graph_.traced_bits(*node_, column)[w];
            out &= answer ? bits : ~bits;
        };
        keep(cell.f, cell.side);
        keep(cell.g, cell.on);
        keep(cell.j, cell.answer);
        return out;
    }

    RashomonGraph<T>& graph_;
    const int n_classes_;
    const LeafShares shares_;
    PairSums<T> sums_;
    int n_words_ = 0;
    Control* control_ = nullptr;
    LeafVectors* out_ = nullptr;
    std::map<std::vector<Score>, std::size_t> known_;  // where the rows of a vector are
    std::vector<Score> vector_;
    std::int64_t allocated_ = 0;

    // of the open node
    const Node<T>* node_ = nullptr;
    std::vector<int> ids_;
};

}  // namespace treeml
