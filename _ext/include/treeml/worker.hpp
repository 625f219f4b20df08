// One thread of the search for an optimal tree: dynamic programming over row sets with branch and bound.
// The recursion and its depth-two leaves follow MurTree (Demirovic et al., JMLR 2022) and STreeD (van der
// Linden et al., NeurIPS 2023); the lookahead order and first incumbent are in the spirit of SPLIT (Babbar
// et al., ICML 2025). Kernel, bounds and cache: see their headers.
#pragma once

#include <algorithm>
#include <memory>
#include <numeric>
#include <vector>

#include "treeml/archive.hpp"
#include "treeml/pair_scorer.hpp"
#include "treeml/shared.hpp"

namespace treeml {

inline constexpr int kNoLimit = std::numeric_limits<int>::max();

struct TreeNode {
    int column;  // -1: a leaf
    int if_true, if_false;
};

struct Counters {
    std::int64_t pair_counts = 0;   // runs of the depth-two kernel
    std::int64_t subproblems = 0;   // nodes of depth three and more
    std::int64_t cache_hits = 0;
    std::int64_t bound_skips = 0;   // splits refuted without a search
    std::int64_t archive_hits = 0;  // children refuted by a node that is almost the same

    void add(const Counters& other) {
        pair_counts += other.pair_counts;
        subproblems += other.subproblems;
        cache_hits += other.cache_hits;
        bound_skips += other.bound_skips;
        archive_hits += other.archive_hits;
    }
};

// A split of a node, with the least costs of its children.
struct SplitCosts {
    int column;
    Cost cost1, cost0;
};

// What is known of one subproblem: lower <= optimum <= upper, and where upper was reached.
struct Known {
    Cost lower, upper;
    int column;
    int leaves_true;

    bool exact() const { return lower >= upper; }
};

template <class T>
class Worker {
  public:
    explicit Worker(Shared<T>& shared)
        : shared_(shared), frame_(shared.frame), projector_(frame_), scorer_(frame_) {}

    Counters counters;

    // lower <= optimum <= upper among the trees of size `asked`. Unless stopped: exact, or lower >= budget.
    // `lower` is known beforehand.
    Known solve(Node<T>& node, Size asked, Cost budget, Cost lower, int deep) {
        const Size size = useful(node, asked);
        const Cost leaf = leaf_cost(node), fixed = objective().leaf_cost;
        Known known{leaf, leaf, -1, 1};
        if (size.depth == 0) return known;
        int depth = size.depth;  // a tree below the budget is no deeper
        if (shared_.bounds.leaf_count && budget < leaf) depth = useful_depth(budget, fixed, depth);
        if (depth == 0) {
            known.lower = std::clamp(budget, lower, leaf);
            return known;
        }
        const Word key = node.hash ^ (Word(size.depth) << 32) ^ Word(size.leaves);
        if (shared_.several) shared_.busy.enter(key);
        if (depth == 1) {
            known = exact(scorer_.stump(node));
        } else if (depth == 2) {
            const int leaves = std::min(size.leaves, 4);
            known = exact(scorer_.score(node, level(deep).pairs, leaves < 4, false).best[leaves]);
            worked(1);
        } else if (depth == 3) {
            ++counters.subproblems;
            known = depth_three<false>(node, {3, size.leaves}, budget, level(deep));
        } else {
            ++counters.subproblems;
            known = split(node, asked, {depth, size.leaves}, budget, lower, deep);
        }
        if (depth < size.depth) known.lower = std::min(known.lower, budget);
        known.lower = std::max(known.lower, lower);
        store(node, size, known);
        if (uses_archive() && !(depth == 3 && asked.depth == 3))
            archive(asked.depth).add(node, node.total(frame_), asked, known.lower, depth > 3 ? &level(deep).value : nullptr,
                                     *shared_.control);
        if (shared_.several) shared_.busy.leave(key);
        return known;
    }

    // First incumbent: split where the depth-three optimum would, and look again below. Its trees go to the
    // cache as upper bounds. Returns the cost.
    Cost greedy(Node<T>& node, Size asked, int deep) {
        const Size size = useful(node, asked);
        if (size.depth <= 2) return solve(node, asked, kInfinite, objective().leaf_cost, deep).upper;
        Level& at = level(deep);
        Known known = depth_three<false>(node, {3, size.leaves}, kInfinite, at);
        const Cost lower = size.depth == 3 ? known.lower : objective().leaf_cost;
        if (size.depth > 3 && known.column >= 0 && known.upper > 2 * objective().leaf_cost && !stop()) {
            const int f = known.column;
            Cost cost = 0;
            for (int value = 0; value < 2; ++value) {
                Node<T>& next = at.child;
                child(node, f, value, next);
                cost += greedy(next, below(asked, kNoLimit), deep + 1);
            }
            known.upper = std::min(known.upper, cost);
        }
        known.lower = lower;
        store(node, size, known);
        return known.upper;
    }

    // Writes the best tree known for the node, depth first and yes first, and returns its cost.
    Cost build(Node<T>& node, Size asked, int deep, std::vector<TreeNode>& out) {
        const Size size = useful(node, asked);
        const Cost leaf = leaf_cost(node);
        Known known{0, leaf, -1, 1};
        const int leaves = std::min(size.leaves, 4);
        if (size.depth == 1) {
            known = exact(scorer_.stump(node));
        } else if (size.depth == 2) {
            known = exact(scorer_.score(node, level(deep).pairs, leaves < 4, false).best[leaves]);
        } else if (size.depth >= 3) {
            CacheEntry entry;
            if (shared_.cache->find(node.row_set.data(), node.hash, size, entry))
                known = {entry.lower, entry.upper, entry.column, entry.leaves_true};
            if (!known.exact()) {  // after a stop this is the depth-two optimum
                const Known three = depth_three<false>(node, {3, size.leaves}, kInfinite, level(deep));
                if (three.upper < known.upper) known = three;
            }
        }
        const int f = known.column;
        const std::size_t here = out.size();
        out.push_back({-1, -1, -1});
        if (f < 0) return leaf;
        Cost cost = 0;
        const Size within = size.depth <= 2 ? size : asked;  // two leaves are no limit to a stump, but to its children
        for (const bool value : {true, false}) {
            Node<T>& next = value ? level(deep).child : level(deep).sibling;
            child(node, f, value, next);
            const int at = int(out.size());
            (value ? out[here].if_true : out[here].if_false) = at;
            const int most = size.leaves == kNoLimit ? kNoLimit
                             : value                 ? known.leaves_true
                                                     : size.leaves - known.leaves_true;
            cost += build(next, below(within, most), deep + 1, out);
        }
        if (cost >= leaf) {
            out.resize(here);
            out.push_back({-1, -1, -1});
            return leaf;
        }
        out[here].column = node.id[f];
        return cost;
    }

    // The splits that trees of a depth of three or more start with which cost at most `budget`, and the exact
    // least costs of their children. False: stopped, and some may be missing. Least costs of children of depth two
    // are first looked up by recall(split), and given to remember(split).
    template <class Recall, class Remember>
    bool splits_below(Node<T>& node, int depth, Cost budget, int deep, std::vector<SplitCosts>& out, Recall recall, Remember remember) {
        Level& at = level(deep);
        const Size asked{depth, kNoLimit};
        out.clear();
        if (depth == 3) {
            start_level(at, node);
            scorer_.score(node, at.pairs, false, false);
            worked(1);
            sort_columns(at, node);
            scorer_.make_overlap(node, at.pairs, false);
        } else if (shared_.bounds.lookahead && scorer_.can_cap()) {
            start_level(at, node);
            if (uses_archive() && shared_.bounds.splits) archive(depth).bound_splits(node, node.total(frame_), asked, at.split);
            recall_splits(node, asked, budget, at, out);
            depth_three<true>(node, {3, kNoLimit}, budget + 1, at, true);
            raise_siblings(at, node);
        } else {
            depth_three<false>(node, {3, kNoLimit}, kInfinite, at);
            at.key = at.value;
            start_level(at, node);
            if (uses_archive() && shared_.bounds.splits) archive(depth).bound_splits(node, node.total(frame_), asked, at.split);
        }
        if (depth > 3) std::stable_sort(at.order.begin(), at.order.end(), [&](int a, int b) { return at.key[a] < at.key[b]; });
        for (const int f : at.order) {
            if (bound(at, f) > budget) continue;
            if (stop()) return false;
            SplitCosts split{f, 0, 0};
            if (depth == 3) {
                if (!recall(split)) {
                    const bool small = node.mostly_no(frame_, f);
                    projector_.chunks(node, f, small, at.half);
                    const auto [half, rest] = scorer_.score_children(node, at.half, at.pairs, false, false);
                    worked(2);
                    split.cost1 = (small ? half : rest).best[4].cost;
                    split.cost0 = (small ? rest : half).best[4].cost;
                    remember(split);
                }
            } else {
                Cost lows[2];
                const Known got = try_split(node, f, asked, asked, kNoLimit, budget + 1, true, deep, lows);
                split.cost1 = lows[1], split.cost0 = lows[0];
                if (got.upper > budget) at.value[f] = budget + 1;
            }
            learn(at, node, f, split.cost1, split.cost0);
            if (bound(at, f) <= budget && split.cost1 + split.cost0 <= budget) out.push_back(split);
        }
        return !stop();
    }

    // The size that is worth searching below a node: depth 0 where its leaf is optimal.
    Size useful(const Node<T>& node, Size asked) const {
        if (!node.n_columns) return {0, kNoLimit};
        return useful(leaf_cost(node), objective().limits_leaves() ? node.n_rows(frame_) : 0, asked);
    }

    Cost leaf_cost(const Node<T>& node) const {
        return objective().unit * node.leaf_errors(frame_) + objective().leaf_cost;
    }

    // The child where column f is `value`, and which rows of the root it has.
    void child(const Node<T>& node, int f, bool value, Node<T>& out) {
        projector_.child(node, f, value, out);
        std::vector<Word>& rows = scratch_;
        rows.resize(shared_.stride);
        cut(node, f, value, rows);
        out.set_row_set(rows);
    }
    void cut(const Node<T>& node, int f, bool value, std::vector<Word>& rows) const {
        const Word* column = shared_.columns.data() + std::size_t(node.id[f]) * shared_.stride;
        for (int w = 0; w < shared_.stride; ++w) rows[w] = node.row_set[w] & (value ? column[w] : ~column[w]);
    }
    bool stopped() { return stop(); }

  private:
    struct Level {
        Node<T> child, sibling, half;
        PairCounts<T> pairs;
        SiblingBounds siblings;
        std::vector<Cost> value;         // lower bound of the split on every column
        std::vector<Cost> split;         // the same, from the archive
        std::vector<Cost> key;           // order of the columns
        std::vector<Cost> low1, low0;    // bounds of the children from capped cells
        std::vector<std::int64_t> ones;  // weight of every column
        std::vector<int> order;
        std::vector<double> promise;     // least first
    };
    struct Child {
        Cost lower, leaf;
        Size asked, size;
        std::int64_t weight;
        bool exact;
        std::vector<Word> rows;
        Word hash;
    };

    const Misclassification& objective() const { return frame_.objective; }
    static Known exact(const BestSplit& best) { return {best.cost, best.cost, best.column, best.leaves_true}; }
    Level& level(int at) {
        while (int(levels_.size()) <= at) levels_.push_back(std::make_unique<Level>());
        return *levels_[at];
    }
    bool stop() {
        return shared_.done.load(std::memory_order_relaxed) ||
               shared_.work.load(std::memory_order_relaxed) >= shared_.pause.load(std::memory_order_relaxed) ||
               shared_.control->stop(!shared_.several);
    }
    void worked(int runs) {
        counters.pair_counts += runs;
        shared_.work.fetch_add(runs, std::memory_order_relaxed);
    }
    bool uses_archive() const { return shared_.bounds.archive && !objective().limits_leaves(); }
    Archive<T>& archive(int depth) {
        const std::size_t at = depth == kNoLimit ? 0 : depth;
        if (archives_.size() <= at) archives_.resize(at + 1);
        if (!archives_[at])
            archives_[at] = std::make_unique<Archive<T>>(frame_, shared_.stride, int(shared_.columns.size() / std::max(shared_.stride, 1)));
        return *archives_[at];
    }
    void store(const Node<T>& node, Size size, const Known& known) {
        shared_.cache->store(node.row_set.data(), node.hash, {known.lower, known.upper, known.column, known.leaves_true, size});
    }

    // What a child may have.
    static Size below(Size asked, int leaves) {
        return {asked.depth == kNoLimit ? kNoLimit : asked.depth - 1, leaves};
    }
    Size useful(Cost leaf, std::int64_t rows, Size asked) const {
        const Cost fixed = objective().leaf_cost;
        if (leaf <= 2 * fixed || leaf == fixed) return {0, kNoLimit};
        int depth = std::min(asked.depth, asked.leaves - 1);
        if (objective().limits_leaves())
            depth = int(std::min<std::int64_t>(depth, std::max<std::int64_t>(rows / objective().min_samples_leaf, 1) - 1));
        if (shared_.bounds.leaf_count) depth = useful_depth(leaf, fixed, depth);
        const bool all = depth < 30 && asked.leaves >= 1 << depth;
        return {depth, all ? kNoLimit : asked.leaves};
    }

    // Columns by what the scorer expects of them, then by number.
    void sort_columns(Level& at, const Node<T>& node) {
        scorer_.promise(node, at.ones, at.promise);
        at.order.resize(node.n_columns);
        std::iota(at.order.begin(), at.order.end(), 0);
        std::sort(at.order.begin(), at.order.end(),
                  [&](int a, int b) { return at.promise[a] != at.promise[b] ? at.promise[a] < at.promise[b] : a < b; });
    }

    void start_level(Level& at, const Node<T>& node) {
        node.weights(frame_, at.ones);
        at.siblings.start(node.n_columns, objective());
        at.value.assign(node.n_columns, 2 * objective().leaf_cost);
        at.split.assign(node.n_columns, 0);
    }
    void learn(Level& at, const Node<T>& node, int f, Cost cost1, Cost cost0) {
        if (shared_.bounds.siblings)
            at.siblings.learn(frame_.kernels, f, cost1, cost0, at.pairs.overlap.data() + f * node.width, at.ones.data(), node.total(frame_));
    }
    // What is known of the split on a column without solving its children.
    Cost bound(const Level& at, int f) const {
        return std::max({at.value[f], at.siblings.lower1[f] + at.siblings.lower0[f], at.split[f]});
    }

    // Optimum of depth three if below the budget, else a bound. at.value[f] becomes a lower bound of the
    // split on f with children of depth two, exact where it was evaluated.
    //
    // CAPPED: the lower bounds are those of trees of any depth, and at.low1, at.low0 those of the children;
    // `at` was started and at.split given; at.key[f] becomes the cost with children of depth two.
    // With `every` all splits below the budget are looked at, those that are not better than others too.
    template <bool CAPPED>
    Known depth_three(Node<T>& node, Size asked, Cost budget, Level& at, bool every = false) {
        const int leaves = std::min(asked.leaves, 8), two_leaves = std::min(leaves, 4);
        if constexpr (!CAPPED) {
            start_level(at, node);
            if (uses_archive() && shared_.bounds.splits)
                archive(3).bound_splits(node, node.total(frame_), asked, at.split);
        }
        std::vector<Cost>* splits = shared_.bounds.lookahead ? &at.split : nullptr;
        Known known = exact(scorer_.score(node, at.pairs, leaves < 8, CAPPED, splits).best[two_leaves]);
        worked(1);
        const Cost floor = 2 * objective().leaf_cost, leaf = leaf_cost(node);
        known.lower = 0;
        if constexpr (CAPPED) {
            at.key.assign(node.n_columns, kInfinite);
            at.low1.assign(node.n_columns, objective().leaf_cost);
            at.low0 = at.low1;
        }
        sort_columns(at, node);
        scorer_.make_overlap(node, at.pairs, CAPPED);
        const std::int64_t total = node.total(frame_);
        Cost lower = kInfinite;
        for (std::size_t k = 0; k < at.order.size(); ++k) {
            if (known.upper <= floor && !every) break;
            const int f = at.order[k];
            at.value[f] = bound(at, f);
            if (at.value[f] >= (every ? budget : std::min(known.upper, budget))) {
                ++counters.bound_skips;
            } else if (stop()) {
                for (; k < at.order.size(); ++k) lower = std::min(lower, bound(at, at.order[k]));
                break;
            } else {
                const bool small = node.mostly_no(frame_, f);
                projector_.chunks(node, f, small, at.half);
                const auto [half, rest] = scorer_.score_children(node, at.half, at.pairs, leaves < 8, CAPPED);
                worked(2);
                const DepthTwo &yes = small ? half : rest, &no = small ? rest : half;
                const Known both = combine(yes, no, leaves, f);
                if (both.upper < known.upper) known = both;
                if constexpr (CAPPED) {
                    at.key[f] = both.upper;
                    at.low1[f] = std::max(yes.lower, at.siblings.lower1[f]);
                    at.low0[f] = std::max(no.lower, at.siblings.lower0[f]);
                    at.value[f] = std::max(at.value[f], at.low1[f] + at.low0[f]);
                    learn(at, node, f, at.low1[f], at.low0[f]);
                } else {
                    at.value[f] = std::max(at.value[f], both.upper);
                    learn(at, node, f, yes.best[two_leaves].cost, no.best[two_leaves].cost);
                }
            }
            lower = std::min(lower, at.value[f]);
        }
        known.lower = known.upper <= floor ? known.upper : std::min({leaf, known.upper, lower});
        if constexpr (!CAPPED)
            if (uses_archive())
                archive(3).add(node, total, asked, known.lower, &at.value, *shared_.control);
        return known;
    }

    // What the cache knows of the splits: those with exact children are done, and get an infinite bound.
    void recall_splits(const Node<T>& node, Size asked, Cost budget, Level& at, std::vector<SplitCosts>& out) {
        for (int f = 0; f < node.n_columns; ++f) {
            Child yes, no;
            look(node, f, true, below(asked, kNoLimit), at.siblings.lower1[f], yes);
            look(node, f, false, below(asked, kNoLimit), at.siblings.lower0[f], no);
            at.split[f] = std::max(at.split[f], yes.lower + no.lower);
            if (!yes.exact || !no.exact) continue;
            at.split[f] = kInfinite;
            if (yes.lower + no.lower <= budget) out.push_back({f, yes.lower, no.lower});
        }
    }
    // Bounds of the children from a capped run.
    static void raise_siblings(Level& at, const Node<T>& node) {
        for (int f = 0; f < node.n_columns; ++f) {
            at.siblings.lower1[f] = std::max(at.siblings.lower1[f], at.low1[f]);
            at.siblings.lower0[f] = std::max(at.siblings.lower0[f], at.low0[f]);
        }
    }

    // The best division of the leaves between two children of depth two.
    static Known combine(const DepthTwo& yes, const DepthTwo& no, int leaves, int f) {
        if (leaves == 8) return {0, yes.best[4].cost + no.best[4].cost, f, 4};
        Known out{0, kInfinite, f, 1};
        for (int l = std::max(1, leaves - 4); l <= std::min(4, leaves - 1); ++l) {
            const Cost cost = yes.best[std::min(l, 4)].cost + no.best[std::min(leaves - l, 4)].cost;
            if (cost < out.upper) out = {0, cost, f, l};
        }
        return out;
    }

    // What is known of a child before any search: its leaf, the bounds, the cache.
    void look(const Node<T>& node, int f, bool value, Size asked, Cost bound, Child& child) {
        const NodeSide side = node.side(frame_, f, value);
        const std::int64_t rows = side.rows;
        const Cost fixed = objective().leaf_cost;
        child.leaf = objective().unit * side.errors + fixed;
        child.weight = side.weight;
        child.asked = asked;
        child.exact = true;
        if (objective().limits_leaves() && rows < objective().min_samples_leaf) {
            child.lower = child.leaf = kInfinite;
            return;
        }
        child.size = useful(child.leaf, rows, asked);
        child.lower = child.leaf;
        if (child.size.depth == 0) return;
        child.exact = false;
        child.lower = std::max(bound, std::min(child.leaf, 2 * fixed));
        child.rows.resize(shared_.stride);
        cut(node, f, value, child.rows);
        child.hash = hash_rows(child.rows);
        CacheEntry entry;
        if (!shared_.cache->find(child.rows.data(), child.hash, child.size, entry)) return;
        ++counters.cache_hits;
        child.exact = entry.exact();
        child.lower = child.exact ? entry.upper : std::max(child.lower, entry.lower);
    }
    bool is_busy(const Child& child) const {
        return shared_.several && !child.exact &&
               shared_.busy.holds(child.hash ^ (Word(child.size.depth) << 32) ^ Word(child.size.leaves));
    }

    // Cost of the split on f where the yes side may have `leaves` of them: {lower bound, children exact}.
    // With `wait` false a child that another thread is at is left alone: column -2.
    Known try_split(Node<T>& node, int f, Size asked, Size size, int leaves, Cost limit, bool wait, int deep, Cost lows[2]) {
        Level& at = level(deep);
        Child children[2];
        const int other_leaves = size.leaves == kNoLimit ? kNoLimit : size.leaves - leaves;
        look(node, f, false, below(asked, other_leaves), at.siblings.lower0[f], children[0]);
        look(node, f, true, below(asked, leaves), at.siblings.lower1[f], children[1]);
        const auto sum = [&] { return children[0].lower + children[1].lower; };
        if (uses_archive())
            for (const int value : {0, 1}) {
                Child& child = children[value];
                if (child.exact || sum() >= limit) continue;
                const Cost found = archive(child.asked.depth).bound(child.rows.data(), child.weight, child.asked,
                                                                    limit - children[!value].lower);
                if (found) ++counters.archive_hits;
                child.lower = std::max(child.lower, found);
            }
        if (!wait && sum() < limit && (is_busy(children[0]) || is_busy(children[1]))) return {0, 0, -2, 0};
        // The one with more errors has more to refute; without a depth limit the smaller one is far cheaper.
        const bool first = asked.depth == kNoLimit ? children[1].weight <= children[0].weight
                                                   : children[1].leaf >= children[0].leaf;
        for (const bool value : {first, !first}) {
            Child& child = children[value];
            if (child.exact || sum() >= limit || stop()) continue;
            Node<T>& next = at.child;
            projector_.child(node, f, value, next);
            next.row_set = child.rows;
            next.hash = child.hash;
            const Known got = solve(next, child.asked, limit - children[!value].lower, child.lower, deep + 1);
            child.exact = got.exact();
            child.lower = child.exact ? got.upper : std::max(child.lower, got.lower);
        }
        lows[0] = children[0].lower, lows[1] = children[1].lower;
        return {sum(), children[0].exact && children[1].exact ? sum() : kInfinite, f, leaves};
    }

    // Depth four and more.
    Known split(Node<T>& node, Size asked, Size size, Cost budget, Cost lower, int deep) {
        Level& at = level(deep);
        const bool capped = shared_.bounds.lookahead && scorer_.can_cap();
        const Cost floor = 2 * objective().leaf_cost, leaf = leaf_cost(node);
        Known known;
        if (capped) {
            start_level(at, node);
            if (uses_archive() && shared_.bounds.splits) archive(asked.depth).bound_splits(node, node.total(frame_), asked, at.split);
            known = depth_three<true>(node, {3, size.leaves}, budget, at);
            known.lower = std::max(known.lower, lower);
            if (known.exact() || known.lower >= budget) return known;
            raise_siblings(at, node);
        } else {
            known = depth_three<false>(node, {3, size.leaves}, budget, at);  // an upper bound, and an order
            at.key = at.value;
            start_level(at, node);
            if (known.upper <= floor || known.upper <= lower) {
                std::fill(at.value.begin(), at.value.end(), std::min(known.upper, floor));
                return {known.upper, known.upper, known.column, known.leaves_true};
            }
            if (uses_archive() && shared_.bounds.splits) archive(asked.depth).bound_splits(node, node.total(frame_), asked, at.split);
        }
        std::stable_sort(at.order.begin(), at.order.end(), [&](int a, int b) { return at.key[a] < at.key[b]; });
        std::vector<int> todo = at.order, later;
        for (bool wait = !shared_.several;; wait = true) {
            for (const int f : todo) {
                const Cost limit = std::min(known.upper, budget);
                if (known.upper <= floor || known.upper <= lower || bound(at, f) >= limit) {
                    ++counters.bound_skips;
                    continue;
                }
                if (stop()) break;
                const Known got = divide(node, f, asked, size, limit, wait, deep);
                if (got.column == -2) {
                    later.push_back(f);
                    continue;
                }
                at.value[f] = std::max(at.value[f], got.lower);
                if (got.upper < known.upper) known = got;
                if (deep == 0) report(at, node, known, leaf);
            }
            if (wait || later.empty()) break;
            todo = std::move(later);
            later.clear();
        }
        known.lower = std::max(lower, lowest(at, node, known, leaf));
        return known;
    }

    // The split on f, over all divisions of the leaves.
    Known divide(Node<T>& node, int f, Size asked, Size size, Cost limit, bool wait, int deep) {
        Cost lows[2];
        if (size.leaves == kNoLimit) {
            const Known got = try_split(node, f, asked, size, kNoLimit, limit, wait, deep, lows);
            if (got.column != -2) learn(level(deep), node, f, lows[1], lows[0]);
            return got;
        }
        const int most = size.depth - 1 < 30 ? 1 << (size.depth - 1) : kNoLimit;
        Known best{kInfinite, kInfinite, f, 1};
        Cost least[2] = {kInfinite, kInfinite};
        for (int l = std::max(1, size.leaves - most); l <= std::min(most, size.leaves - 1); ++l) {
            const Known got = try_split(node, f, asked, size, l, std::min(limit, best.upper), true, deep, lows);
            best.lower = std::min(best.lower, got.lower);
            if (got.upper < best.upper) best.upper = got.upper, best.leaves_true = l;
            least[0] = std::min(least[0], lows[0]), least[1] = std::min(least[1], lows[1]);
        }
        learn(level(deep), node, f, least[1], least[0]);
        return best;
    }

    Cost lowest(const Level& at, const Node<T>& node, const Known& known, Cost leaf) const {
        if (known.upper <= 2 * objective().leaf_cost) return known.upper;
        Cost lower = std::min(known.upper, leaf);
        for (int f = 0; f < node.n_columns; ++f) lower = std::min(lower, bound(at, f));
        return lower;
    }
    void report(const Level& at, const Node<T>& node, const Known& known, Cost leaf) {
        shared_.control->report(known.upper + shared_.certain, lowest(at, node, known, leaf) + shared_.certain);
    }

    Shared<T>& shared_;
    const Frame<T>& frame_;
    Projector<T> projector_;
    PairScorer<T> scorer_;
    std::vector<std::unique_ptr<Archive<T>>> archives_;
    std::vector<std::unique_ptr<Level>> levels_;
    std::vector<Word> scratch_;
};

}  // namespace treeml
