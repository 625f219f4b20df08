// What a search minimises, as integers: cost = unit x errors + leaf_cost x leaves.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace treeml {

using Cost = std::int64_t;
inline constexpr Cost kInfinite = std::numeric_limits<Cost>::max() / 4;

// How large a tree may be.
struct Size {
    int depth;
    int leaves;
};

// Weighted misclassification of K >= 1 classes. A row of class c and weight w that is misclassified
// costs class_weight[c] * w errors; a leaf predicts the class of largest weighted count.
//
// Row weights are cut into bit planes, so that every count is a popcount: a stored row stands in the
// group (class c, plane b) where bit b of its weight in class c is set, and a row of that group counts
// class_weight[c] << b. Unit weights are the case of one plane a class. With a limit on the rows of a
// leaf, the number of rows is one more quantity cut into planes, the "rows" class after the others.
struct Group {
    int of;               // class, or n_classes for the number of rows
    std::int64_t weight;  // what one row of this group counts
};

struct Misclassification {
    int n_classes;
    std::vector<std::int64_t> class_weight;
    Cost unit = 1;  // a power of two
    Cost leaf_cost = 0;
    int min_samples_leaf = 1;
    bool counts_rows = false;  // the statistic after the classes is counted, though no leaf is limited

    bool limits_leaves() const { return min_samples_leaf > 1; }
    int n_counts() const { return n_classes + (limits_leaves() || counts_rows ? 1 : 0); }
};

}  // namespace treeml
