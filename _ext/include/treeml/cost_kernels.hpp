// The depth-two kernel for per-row costs: for every root column, the best second column on either side, from sums
// of cost vectors over pairs of columns.
//
// Columns come in families: two of one family are disjoint or one lies within the other, as the thresholds of a
// number and the levels of a category do. A row has one deepest column in a family at most, so it is added to one
// cell for each pair of families instead of each pair of columns, and sums along the families make pairs of
// columns of them: s^2 / 2 additions of a cost vector a row, s the number of families that the row is in, where
// the pair sums of a depth-two solver (Demirovic et al., JMLR 2022, section 4.3) take one for each pair of columns
// that are true in the row.
#pragma once

#include <cstdint>

#include "treeml/bitset.hpp"

namespace treeml {

// A row of a node and its place among the entries of the family at hand.
struct CostItem {
    std::uint32_t row, entry;
};

// One of two siblings: sums of its columns, and the result.
template <class V>
struct CostSide {
    const V* ones;   // [lane * width + column]
    const V* total;  // [lane]
    V* best1;        // least sum of two leaves where the column is 1, each less what action 0 costs there
    V* best0;
    V* capped1;      // the same with action 0 and capped cells (see CostPairs)
    V* capped0;
};

// The rows of a node. A record has `lanes` values: the costs of all actions but the first less that of the first,
// then a weight or a number of rows, with capped cells the cost of the first action, then zeros.
template <class V>
struct CostPairs {
    int n_columns, n_families;
    long width;                      // of a row of pairs
    const int* family;               // first column of each family, and one past the last
    const int* parent;               // of each column, the smallest one around it; -1: none
    const CostItem* items;           // by family
    const std::uint32_t* first_item; // of each family, and one past the last
    const std::uint32_t* start;      // first entry of each row, and one past the last
    const std::uint16_t* entries;    // the deepest columns of each row, ascending
    const V* records;
    int lanes, n_values, n_differences;
    V* pairs;                        // [lane * pair_stride + i * width + j]
    long pair_stride;
    V* cells;                        // scratch
    V* planes;                       // scratch
    V least_rows, infeasible;
    // A cell that costs e, divided further at will, costs at least min(e, leaf_cost / unit) and a leaf. `infeasible`
    // stands for a cell without weight, which no optimal tree has a leaf for.
    V cap;
};

// What a run of the kernel has to know of a node, beside its pairs.
enum CostMode { kPlainCosts, kLimitedLeaves, kCappedCosts };

template <class V>
struct CostKernels {
    using Score = void (*)(const CostPairs<V>&, const CostSide<V>&, const CostSide<V>&);
    Score score[3][2][3];  // [2, 4, 8 lanes at a time][sibling][mode]
    void (*add_columns[3])(const CostPairs<V>&, V*);
};

namespace portable {
#define TREEML_TARGET
#define TREEML_LEVEL 0
#include "treeml/cost_kernels.inl"
#undef TREEML_TARGET
#undef TREEML_LEVEL
}  // namespace portable

#if defined(__x86_64__)
namespace avx2 {
#define TREEML_TARGET __attribute__((target("avx2,bmi2,popcnt")))
#define TREEML_LEVEL 1
#include "treeml/cost_kernels.inl"
#undef TREEML_TARGET
#undef TREEML_LEVEL
}  // namespace avx2

namespace avx512 {
#define TREEML_TARGET __attribute__((target("avx2,bmi2,popcnt,avx512bw,avx512vl,avx512bitalg")))
#define TREEML_LEVEL 2
#include "treeml/cost_kernels.inl"
#undef TREEML_TARGET
#undef TREEML_LEVEL
}  // namespace avx512
#endif

template <class V>
CostKernels<V> cost_kernels_for(Isa isa) {
#if defined(__x86_64__)
    if (isa == Isa::avx512) return avx512::cost_kernels<V>();
    if (isa == Isa::avx2) return avx2::cost_kernels<V>();
#else
    (void)isa;
#endif
    return portable::cost_kernels<V>();
}

}  // namespace treeml
