// The best tree of depth two or three with linear leaves over a grid of cuts, with a bound at any time.
//
// Depth three goes through the cuts of the root. Let L(k) and R(k) be the least losses of depth two, without limits on
// leaves, of the rows at or below cut k and of those above: L rises with k, R falls. An interval of cuts between two
// that are solved therefore costs at least L of its lower end plus R of its upper end. Intervals are opened in the
// order of that bound, at their middle; what is left when the bound meets the best tree needs no look.
#pragma once

#include <queue>
#include <vector>

#include "treeml/linear_depth_two.hpp"
#include "treeml/linear_tree.hpp"

namespace treeml {

struct ExactLinearTree {
    LinearTree tree;
    double cost = 0, bound = 0;
    std::int64_t solved = 0;     // cells whose cost was worked out
    std::int64_t subproblems = 0;  // of depth two
};

class LinearExactSearch {
  public:
    static constexpr double kTolerance = 1e-9;  // relative: costs closer than this count as equal

    LinearExactSearch(LeafMoments& moments, const LinearGrid& grid, LeafLimits limits, Control& control)
        : moments_(moments), grid_(grid), limits_(limits), control_(control),
          two_(moments, grid, limits, control) {}

    // Among trees of at most `depth` (1, 2 or 3) and `max_leaves`; the tree of one leaf is always allowed.
    ExactLinearTree run(int depth, int max_leaves) {
        std::vector<int> rows(grid_.n_rows);
        for (int i = 0; i < grid_.n_rows; ++i) rows[i] = i;
        ExactLinearTree out;
        out.cost = moments_.cost(rows);
        const int most = std::min(max_leaves, depth == 1 ? 2 : 4);
        const DepthTwoTrees top = two_.solve(rows);
        out.subproblems = 1;
        if (clearly_lower(top.best[most].cost, out.cost)) {
            out.cost = top.best[most].cost;
            out.tree = {};
            attach(out.tree, 0, top.best[most]);
        }
        out.bound = !top.complete ? 0 : depth < 3 ? out.cost : 0;
        if (depth == 3 && max_leaves > 1 && top.complete) three(rows, top, max_leaves, out);
        out.solved = two_.solved();
        return out;
    }

  private:
    struct Interval {  // of cuts of one feature, both ends included
        double bound;
        int feature, low, high;
        double left, right;  // what the rows on either side cost at least

        bool operator<(const Interval& other) const {
            if (bound != other.bound) return bound > other.bound;
            if (feature != other.feature) return feature > other.feature;
            return low > other.low;
        }
    };

    void three(const std::vector<int>& rows, const DepthTwoTrees& top, int max_leaves, ExactLinearTree& out) {
        std::priority_queue<Interval> open;
        const int first = top.best[4].root.feature;  // its cuts first: a good tree early
        for (int f = 0; f < grid_.n_features; ++f)
            if (grid_.n_codes(f) > 1) open.push({f == first ? -1.0 : 0.0, f, 0, grid_.n_codes(f) - 2, 0, 0});
        out.bound = out.cost;
        while (!open.empty()) {
            const Interval next = open.top();
            out.bound = std::min(out.cost, std::max(0.0, next.bound));
            if (next.bound >= out.cost * (1 - kTolerance)) return;
            open.pop();
            if (!middle(rows, next, max_leaves, open, out)) return;
        }
        out.bound = out.cost;
    }

    // Solves the cut in the middle of an interval. False where stopped.
    bool middle(const std::vector<int>& rows, const Interval& next, int max_leaves,
                std::priority_queue<Interval>& open, ExactLinearTree& out) {
        const int cut = (next.low + next.high) / 2;
        const std::uint16_t* code = grid_.codes(next.feature);
        std::vector<int> sides[2];
        for (const int i : rows) sides[code[i] > cut].push_back(i);
        double least[2] = {next.left, next.right};
        DepthTwoTrees trees[2];
        int done = 0;
        const int larger = sides[1].size() > sides[0].size();
        for (const int s : {larger, 1 - larger}) {
            if (control_.stop(true)) return false;
            trees[s] = two_.solve(sides[s]);
            ++out.subproblems;
            if (!trees[s].complete) return false;
            least[s] = std::max(least[s], trees[s].bound);
            ++done;
            if (least[0] + least[1] >= out.cost * (1 - kTolerance)) break;
        }
        if (done == 2) combine(next.feature, cut, trees, max_leaves, out);
        const auto push = [&](int low, int high, double left, double right) {
            if (low <= high) open.push({std::max(left + right, 0.0), next.feature, low, high, left, right});
        };
        push(next.low, cut - 1, next.left, least[1]);
        push(cut + 1, next.high, least[0], next.right);
        return true;
    }

    void combine(int feature, int cut, const DepthTwoTrees* trees, int max_leaves, ExactLinearTree& out) const {
        for (int yes = 1; yes < 5; ++yes) {
            const int no = std::min(4, max_leaves - yes);
            if (no < 1) break;
            const double cost = trees[0].best[yes].cost + trees[1].best[no].cost;
            if (!clearly_lower(cost, out.cost)) continue;
            out.cost = cost;
            out.tree = {};
            const int child = out.tree.split(0, feature, grid_.cuts[feature][cut]);
            attach(out.tree, child, trees[0].best[yes]);
            attach(out.tree, child + 1, trees[1].best[no]);
        }
    }

    void attach(LinearTree& tree, int v, const DepthTwoTrees::Tree& found) const {
        if (found.root.feature < 0) return;
        const auto ask = [&](int at, const GridCut& cut) {
            return tree.split(at, cut.feature, grid_.cuts[cut.feature][cut.cut]);
        };
        const int child = ask(v, found.root);
        if (found.yes.feature >= 0) ask(child, found.yes);
        if (found.no.feature >= 0) ask(child + 1, found.no);
    }

    LeafMoments& moments_;
    const LinearGrid& grid_;
    LeafLimits limits_;
    Control& control_;
    LinearDepthTwo two_;
};

}  // namespace treeml
