// From a target to the accumulator that its rows need, and the tree grown with it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "treeml/class_counts.hpp"
#include "treeml/grow.hpp"
#include "treeml/row_scan.hpp"
#include "treeml/sums.hpp"

namespace treeml {

enum Criterion : int { kQuadratic, kPoisson, kEntropy, kCost };

// What a tree is to tell apart: sums a and b of numbers or two classes, classes y, or a target taken row by row.
struct Target {
    int criterion = kQuadratic;                     // of classes y: kQuadratic is gini
    const std::int64_t *a = nullptr, *b = nullptr;  // b null: every row counts 1
    double unit_a = 1, unit_b = 1, tilt = 0;
    const std::int32_t* y = nullptr;
    std::vector<double> class_unit;
    const double *target = nullptr, *weights = nullptr;
    bool by_row = false;
};

template <class Cells>
std::vector<GrownNode> grow_sums(Grower& grower, Cells cells, const Target& t, std::vector<Row>& rows,
                                 const GrowthLimits& limits, Control& control) {
    const auto grow = [&](auto score) {
        const Units units{t.unit_a, t.unit_b, t.tilt};
        return grower.grow(SumAccumulator(cells, score, units, limits.leaf, false), rows, limits, control);
    };
    switch (t.criterion) {
        case kPoisson: return grow(PoissonScore{});
        case kEntropy: return grow(EntropyScore{});
        case kCost: return grow(CostScore{});
        default: return grow(QuadraticScore{});
    }
}

inline std::vector<GrownNode> grow_tree(Grower& grower, const Target& t, std::vector<Row>& rows,
                                        const GrowthLimits& limits, Control& control) {
    const Impurity impurity = t.criterion == kEntropy ? Impurity::entropy : Impurity::gini;
    if (t.by_row && t.y) {
        ManyClasses scan(t.y, t.b, t.class_unit, impurity);
        return grower.grow(scan, rows, limits, control);
    }
    if (t.by_row) {
        const Row last = *std::max_element(rows.begin(), rows.end());
        AbsoluteError scan(t.target, t.weights, std::int64_t(last) + 1);
        return grower.grow(scan, rows, limits, control);
    }
    if (t.y) {
        ClassAccumulator classes(t.y, t.b, t.class_unit, impurity, limits.leaf);
        return grower.grow(classes, rows, limits, control);
    }
    if (t.b) return grow_sums(grower, WeightedCells{t.a, t.b}, t, rows, limits, control);
    return grow_sums(grower, CountedCells{t.a}, t, rows, limits, control);
}

}  // namespace treeml
