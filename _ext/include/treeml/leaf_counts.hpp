// Sums over the traced rows of a leaf of any numbers that rows have, such as their weight in each class.
#pragma once

#include <vector>

#include "treeml/pair_sums.hpp"
#include "treeml/reach.hpp"

namespace treeml {

// The share of a class in a leaf, exactly.
struct Share {
    Score count = 0, total = 1;
    double value() const { return double(count) / double(total); }
    bool operator<(const Share& other) const {
        return static_cast<__int128>(count) * other.total < static_cast<__int128>(other.count) * total;
    }
};

// Probabilities of the classes in a leaf: shares of their weight; where the leaf has only classes of weight 0, shares
// of the rows, which then follow the weights as further numbers.
class LeafShares {
  public:
    LeafShares(int n_classes, bool has_rows) : n_classes_(n_classes), has_rows_(has_rows) {}

    int n_numbers() const { return has_rows_ ? 2 * n_classes_ : n_classes_; }
    // number(k): of the leaf.
    template <class Number>
    Share share(int k, Number number) const {
        int first = 0;
        Score total = sum(0, number);
        if (!total && has_rows_) first = n_classes_, total = sum(first, number);
        return total ? Share{number(first + k), total} : Share{1, n_classes_};
    }

  private:
    template <class Number>
    Score sum(int first, Number number) const {
        Score out = 0;
        for (int k = 0; k < n_classes_; ++k) out += number(first + k);
        return out;
    }

    int n_classes_;
    bool has_rows_;
};

// The numbers of a cell of the node that the sums are open for: number(k).
template <class T>
auto numbers_of(PairSums<T>& sums, const LeafCell& cell) {
    const auto& of = cell.g < 0 ? sums.whole() : sums.half(cell.f, cell.side);
    const int g = cell.g < 0 ? cell.f : cell.g;
    const bool on = cell.g < 0 ? cell.side : cell.on;
    return [&of, g, on, cell](int k) {
        if (g < 0) return of.all(k + 1);
        return cell.j < 0 ? of.side(k + 1, g, on) : of.cell(k + 1, g, on, cell.j, cell.answer);
    };
}

}  // namespace treeml
