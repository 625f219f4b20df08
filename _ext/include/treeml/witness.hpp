// Witness trees: ensembles of any odd number of trees, grown one cut at a time.
//
// Every leaf has a witness, an example that the sought tree gives the leaf's class; a tree without a leaf is undecided.
// The invariant: each tree is the sought tree restricted to its witnesses. An example that the majority gets wrong is
// either given up, if errors are allowed, or some tree that is wrong on it now is right in the end. Then the example
// leaves the path to its present leaf at one place, which takes one cut that parts it from all witnesses below: every
// such cut, one for each set of examples that it moves, is tried. Earlier trees of the same example are pinned as wrong
// in the end, so that no ensemble is met twice. Komusiewicz et al., "On Computing Optimal Tree Ensembles", ICML 2023,
// have witness trees for ensembles. The bound on improvements is that of Staus et al., "Witty: An Efficient Solver for
// Computing Minimum-Size Decision Trees", AAAI 2025, here for the votes that are missing in all trees.
#pragma once

#include <algorithm>
#include <limits>
#include <set>
#include <vector>

#include "treeml/cut_rows.hpp"

namespace treeml {

template <int W>
class WitnessSearch {
  public:
    using Rows = CutRows<W>;
    using Bits = RowBits<W>;

    WitnessSearch(const Rows& rows, int n_trees, Control& control)
        : rows_(rows), n_trees_(n_trees), majority_(n_trees / 2 + 1), control_(control), given_up_(rows.n_words) {
        for (std::size_t f = 0; f < rows.chains.size(); ++f)
            for (std::size_t c = 0; c < rows.chains[f].right.size(); ++c) {
                const Bits& right = rows.chains[f].right[c];
                cuts_.push_back({{rows.all - right, right}, static_cast<int>(f), rows.chains[f].column[c]});
            }
    }

    // Whether ensembles of `total` cuts, each tree of at most `each`, err by at most `budget`.
    bool solve(int total, int each, std::int64_t budget, std::vector<CutTree>& out) {
        trees_.assign(n_trees_, Tree(rows_.n_words));
        each_ = each, given_up_ = Bits(rows_.n_words);
        if (!grow(total, budget)) return false;
        out.clear();
        for (const Tree& tree : trees_) out.push_back(tree.nodes.empty() ? leaf_tree(0) : written(tree, tree.root));
        return true;
    }

    // Cuts that every ensemble needs which is right on all: pairs of examples whose parting cuts differ. Two examples
    // of different classes are right in one common tree, which parts them.
    int pairs_apart() const {
        std::vector<std::pair<int, std::pair<int, int>>> pairs;
        for (int e = 0; e < rows_.n; ++e)
            for (int f = e + 1; f < rows_.n; ++f)
                if (rows_.label[e] != rows_.label[f]) pairs.push_back({parting(e, f, nullptr), {e, f}});
        std::sort(pairs.begin(), pairs.end());
        std::vector<char> used(cuts_.size(), 0);
        int found = 0;
        for (const auto& [size, pair] : pairs) {
            if (size == 0) continue;
            if (parting(pair.first, pair.second, &used) < 0) continue;
            for (std::size_t c = 0; c < cuts_.size(); ++c)
                if (parts(c, pair.first, pair.second)) used[c] = 1;
            ++found;
        }
        return found;
    }

  private:
    struct Cut {
        Bits side[2];
        int chain, column;
    };
    struct Node {
        int cut = -1, child[2] = {-1, -1}, parent = -1, label = -1;
        Bits rows, witnesses;
    };
    struct Tree {
        explicit Tree(int words) : right(words), pinned(words) {}
        std::vector<Node> nodes;
        int root = -1, cuts = 0;
        Bits right, pinned;  // right now; wrong in the end

        bool same(const Tree& other) const {
            if (nodes.size() != other.nodes.size() || root != other.root || !(pinned == other.pinned)) return false;
            for (std::size_t i = 0; i < nodes.size(); ++i) {
                const Node &a = nodes[i], &b = other.nodes[i];
                if (a.cut != b.cut || a.child[0] != b.child[0] || a.child[1] != b.child[1] || a.label != b.label ||
                    !(a.witnesses == b.witnesses))
                    return false;
            }
            return true;
        }
    };
    struct Place {  // a new cut just above a node; node -1: the first leaf of an undecided tree
        int node, cut;
    };
    struct Branch {
        int tree;
        std::vector<Place> places;
    };

    bool parts(std::size_t c, int e, int f) const { return cuts_[c].side[1].test(e) != cuts_[c].side[1].test(f); }
    // Number of cuts that part two examples; -1 where one of them is used.
    int parting(int e, int f, const std::vector<char>* used) const {
        int count = 0;
        for (std::size_t c = 0; c < cuts_.size(); ++c) {
            if (!parts(c, e, f)) continue;
            if (used && (*used)[c]) return -1;
            ++count;
        }
        return count;
    }

    bool grow(int left, std::int64_t budget) {
        if ((++nodes_ & 63) == 0 && control_.stop(true)) throw SearchStopped{};
        std::vector<int> votes(rows_.n, 0);
        for (const Tree& tree : trees_) tree.right.each([&](int e) { ++votes[e]; });
        Bits wrong(rows_.n_words);
        for (int e = 0; e < rows_.n; ++e)
            if (votes[e] < majority_ && !given_up_.test(e)) wrong.set(e);
        if (rows_.weigh(wrong) <= budget) return true;
        if (left == 0 && !undecided()) return false;  // only giving up is left, and that is too dear
        if (!can_improve(wrong, votes, left, budget)) return false;
        std::vector<Branch> branches;
        const int example = choose(wrong, budget, branches);
        if (example < 0) return false;
        return try_branches(example, branches, left, budget);
    }
    bool undecided() const {
        return std::any_of(trees_.begin(), trees_.end(), [](const Tree& tree) { return tree.nodes.empty(); });
    }

    bool try_branches(int example, const std::vector<Branch>& branches, int left, std::int64_t budget) {
        const std::vector<Tree> before = trees_;
        for (std::size_t b = 0; b < branches.size(); ++b) {
            const int j = branches[b].tree;
            bool tried = false;
            for (std::size_t a = 0; a < b && !tried; ++a) tried = before[branches[a].tree].same(before[j]);
            for (const Place place : branches[b].places) {
                if (tried || (place.node >= 0 && left == 0)) break;
                insert(trees_[j], place, example, rows_.label[example]);
                if (grow(left - (place.node >= 0), budget)) return true;
                trees_[j] = before[j];
            }
            trees_[j].pinned.set(example);
            if (trees_[j].nodes.empty() && rows_.n_classes == 2)  // wrong in the end: of the other class
                insert(trees_[j], {-1, -1}, example, 1 - rows_.label[example]);
        }
        trees_ = before;
        if (rows_.weight[example] > budget) return false;
        given_up_.set(example);
        if (grow(left, budget - rows_.weight[example])) return true;
        given_up_.reset(example);
        return false;
    }

    // The wrong example with the fewest branches, and these; -1 where one has none left and cannot be given up.
    int choose(const Bits& wrong, std::int64_t budget, std::vector<Branch>& best) {
        std::size_t fewest = std::numeric_limits<std::size_t>::max();
        int chosen = -1, tried = 0;
        bool dead = false;
        wrong.each([&](int e) {
            if (dead || tried >= kTried) return;
            ++tried;
            int pins = 0;
            for (const Tree& tree : trees_) pins += tree.pinned.test(e);
            const bool lost = pins > n_trees_ - majority_;
            if (lost && rows_.weight[e] > budget) {
                dead = true;
                return;
            }
            std::vector<Branch> branches;
            std::size_t size = rows_.weight[e] <= budget;
            for (int j = 0; j < n_trees_ && !lost && pins <= n_trees_ - majority_; ++j) {
                const Tree& tree = trees_[j];
                if (tree.right.test(e) || tree.pinned.test(e)) continue;
                branches.push_back({j, places(tree, e)});
                size += branches.back().places.size();
                ++pins;
            }
            if (size < fewest) fewest = size, chosen = e, best = std::move(branches);
        });
        return dead ? -1 : chosen;
    }
    std::vector<Place> places(const Tree& tree, int example) const {
        if (tree.nodes.empty()) return {{-1, -1}};
        std::vector<Place> out;
        if (tree.cuts >= each_) return out;
        std::set<std::pair<int, Bits>> seen;
        for (int v = tree.root;;) {
            const Node& node = tree.nodes[v];
            for (std::size_t c = 0; c < cuts_.size(); ++c) {
                const Bits& side = cuts_[c].side[cuts_[c].side[1].test(example)];
                if (node.witnesses.meets(side)) continue;
                if (seen.insert({v, node.rows & side}).second) out.push_back({v, static_cast<int>(c)});
            }
            if (node.cut < 0) return out;
            v = node.child[cuts_[node.cut].side[1].test(example)];
        }
    }
    void insert(Tree& tree, Place place, int example, int label) {
        Node leaf;
        leaf.rows = leaf.witnesses = Bits(rows_.n_words);
        leaf.witnesses.set(example);
        leaf.label = label;
        if (place.node < 0) {
            tree.nodes = {leaf};
            tree.root = 0;
        } else {
            Node inner;
            inner.cut = place.cut;
            inner.rows = inner.witnesses = Bits(rows_.n_words);
            const int at = static_cast<int>(tree.nodes.size());
            inner.parent = tree.nodes[place.node].parent;
            const bool side = cuts_[place.cut].side[1].test(example);
            inner.child[side] = at + 1, inner.child[!side] = place.node;
            if (inner.parent < 0) {
                tree.root = at;
            } else {
                Node& parent = tree.nodes[inner.parent];
                parent.child[parent.child[1] == place.node] = at;
            }
            leaf.parent = tree.nodes[place.node].parent = at;
            inner.witnesses = tree.nodes[place.node].witnesses;
            tree.nodes.push_back(inner), tree.nodes.push_back(leaf);
            ++tree.cuts;
            for (int v = at; v >= 0; v = tree.nodes[v].parent) tree.nodes[v].witnesses.set(example);
        }
        tree.right = Bits(rows_.n_words);
        fill(tree, tree.root, rows_.all);
    }
    void fill(Tree& tree, int v, const Bits& rows) {
        Node& node = tree.nodes[v];
        node.rows = rows;
        if (node.cut < 0) {
            tree.right |= rows & rows_.of_class[node.label];
            return;
        }
        for (int side = 0; side < 2; ++side) fill(tree, node.child[side], rows & cuts_[node.cut].side[side]);
    }
    CutTree written(const Tree& tree, int v) const {
        const Node& node = tree.nodes[v];
        if (node.cut < 0) return leaf_tree(node.label);
        return join_trees(cuts_[node.cut].column, written(tree, node.child[1]), written(tree, node.child[0]));
    }

    // Votes are missing; a new leaf has one class and lies in one half-space of one node, so that it mends no more
    // than the largest such set of wrong rows. Undecided trees mend whole classes for no cut.
    bool can_improve(const Bits& wrong, const std::vector<int>& votes, int left, std::int64_t budget) const {
        std::int64_t missing = 0;
        std::vector<std::pair<std::int64_t, int>> dear;  // weight and votes that giving it up saves
        wrong.each([&](int e) {
            missing += majority_ - votes[e];
            if (rows_.weight[e] <= budget) dear.push_back({rows_.weight[e], majority_ - votes[e]});
        });
        missing -= saved(dear, budget);
        std::vector<std::int64_t> gains;
        for (const Tree& tree : trees_) {
            if (missing <= 0) return true;
            const Bits open = wrong - tree.right;
            if (tree.nodes.empty()) {
                missing -= open.count();  // decided at no cost, and mended by its cuts
                continue;
            }
            for (const Node& node : tree.nodes) node_gains(node, open, gains);
        }
        std::sort(gains.rbegin(), gains.rend());
        for (int i = 0; i < left && i < static_cast<int>(gains.size()); ++i) missing -= gains[i];
        return missing <= 0;
    }
    void node_gains(const Node& node, const Bits& open, std::vector<std::int64_t>& gains) const {
        const Bits here = node.rows & open;
        if (!here.any()) return;
        std::vector<int> best(2 * rows_.n_classes);
        for (std::size_t c = 0; c < cuts_.size(); ++c) {
            if (c == 0 || cuts_[c].chain != cuts_[c - 1].chain) {
                keep(best, gains);
                std::fill(best.begin(), best.end(), 0);
            }
            for (int side = 0; side < 2; ++side) {
                const Bits& half = cuts_[c].side[side];
                if (node.witnesses.meets(half)) continue;
                const Bits moved = here & half;
                if (!moved.any()) continue;
                for (int k = 0; k < rows_.n_classes; ++k) {
                    int& most = best[2 * k + side];
                    most = std::max(most, (moved & rows_.of_class[k]).count());
                }
            }
        }
        keep(best, gains);
    }
    static void keep(const std::vector<int>& best, std::vector<std::int64_t>& gains) {
        for (const int gain : best)
            if (gain) gains.push_back(gain);
    }
    // The most votes that giving up rows within a budget can save, fractions allowed.
    static std::int64_t saved(std::vector<std::pair<std::int64_t, int>>& dear, std::int64_t budget) {
        std::sort(dear.begin(), dear.end(), [](const auto& a, const auto& b) {
            return __int128(a.second) * b.first > __int128(b.second) * a.first;
        });
        std::int64_t out = 0;
        for (const auto& [weight, votes] : dear) {
            if (budget <= 0) break;
            out += weight <= budget ? votes : votes * budget / weight + 1;
            budget -= weight;
        }
        return out;
    }

    static constexpr int kTried = 24;

    const Rows& rows_;
    int n_trees_, majority_, each_ = 0;
    Control& control_;
    std::int64_t nodes_ = 0;
    Bits given_up_;
    std::vector<Cut> cuts_;
    std::vector<Tree> trees_;
};

}  // namespace treeml
