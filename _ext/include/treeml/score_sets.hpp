// All different scores of the trees of a node, with the least cost of each, and from them the member of a Rashomon set
// whose score is nearest to 0, with a proof: the members of a split of the root are all pairs of trees of its sides
// whose costs fit, so that the sides' sets in ascending and descending order are walked through together. A set of
// N members takes sets of about the square root of N (the two-list method of Horowitz and Sahni for subset sums, JACM
// 21, 1974).
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "treeml/members.hpp"
#include "treeml/pair_sums.hpp"

namespace treeml {

template <class T>
class ScoreSets {
  public:
    explicit ScoreSets(RashomonGraph<T>& graph)
        : graph_(graph), tables_(graph.tables()), membership_(graph.query().membership), sums_(graph) {}

    // The member whose score is nearest to 0, or one up to `goal`, of the slices that count. False: there are too many
    // trees below the root to look at, or a limit ended it. (Trivial splits must count: scores do not tell them.)
    bool find(const std::vector<Score>& scores, const std::vector<std::uint8_t>& slices, Score goal, Control& control,
              Score& score, MemberTree& tree) {
        control_ = &control;
        sums_.set_scores(scores);
        double most = 0;
        for (const Score one : scores) most += double(one < 0 ? -one : one);
        if (most >= double(Score(1) << (62 - kCostBits))) return false;
        if (graph_.root().budget - graph_.root().least >= Cost(1) << kCostBits) return false;
        stored_.resize(graph_.levels().size());
        bool complete = true;
        for (std::size_t d = 0; d + 1 < graph_.levels().size() && complete; ++d)
            for (const Stored& node : graph_.levels()[d]) {
                if (!(complete = list_node(node))) break;
                stored_[d].push_back(distinct(pending_));
            }
        if (complete) complete = pair_at_root(slices, goal, score, tree);
        control.allocated(-bytes_);
        return complete;
    }

  private:
    using Graph = RashomonGraph<T>;
    using Stored = typename Graph::Stored;
    using Edge = typename Graph::Edge;
    using Context = typename Graph::Context;
    using Sums = typename PairSums<T>::Sums;

    static constexpr int kCostBits = 20;
    static constexpr std::int64_t kMostListed = 30'000'000;  // trees
    static constexpr std::size_t kMostPending = 1 << 22;      // before equal ones are merged

    // A score and, in the lower bits, what it costs over the least of its node.
    using Key = std::int64_t;
    static Key key(Score score, Cost cost) { return Key(std::uint64_t(score) << kCostBits) | cost; }
    static Score score_of(Key key) { return key >> kCostBits; }
    static Cost cost_of(Key key) { return key & ((Key(1) << kCostBits) - 1); }
    using Set = std::vector<Key>;    // ascending, each score once
    using Sets = std::vector<Set>;   // by slice
    struct Pending {                 // a set under construction: so many keys are in order
        std::vector<Key> keys;
        std::size_t merged = 0;
    };

    // What a part of a tree has to be, to find one again.
    struct Wanted {
        Score score;
        Cost most;  // over the least
        int slice;
    };
    struct Pair {
        int mark;
        Wanted part[2];
    };

    bool list(std::vector<Pending>& to, int slice, Score score, Cost cost) {
        if (int(to.size()) <= slice) to.resize(slice + 1);
        Pending& pending = to[slice];
        pending.keys.push_back(key(score, cost));
        if (++listed_ > kMostListed) return false;
        if (pending.keys.size() >= kMostPending) merge(pending);
        return true;
    }
    void merge(Pending& pending) {
        std::vector<Key>& keys = pending.keys;
        std::sort(keys.begin() + pending.merged, keys.end());
        std::inplace_merge(keys.begin(), keys.begin() + pending.merged, keys.end());
        keys.erase(std::unique(keys.begin(), keys.end(), same_score), keys.end());
        pending.merged = keys.size();
        if (pending.merged >= kMostPending / 2) listed_ = kMostListed;  // sets this large do not fit
    }
    static bool same_score(Key a, Key b) { return score_of(a) == score_of(b); }
    Sets distinct(std::vector<Pending>& pending) {
        Sets out;
        for (Pending& slice : pending) {
            merge(slice);
            out.emplace_back(slice.keys.begin(), slice.keys.end());
            bytes_ += std::int64_t(out.back().capacity() * sizeof(Key));
            control_->allocated(std::int64_t(out.back().capacity() * sizeof(Key)));
        }
        pending.clear();
        return out;
    }

    bool list_node(const Stored& node) {
        const Context at = open(node);
        bool fits = true;
        tables_.visit_leaves(at.node->counts.total.data(), node.budget, [&](int label, Cost cost) {
            fits = fits && list(pending_, 0, sums_.whole().all(label), cost - node.least);
        });
        for (const Edge* edge = graph_.edges(node); edge < graph_.edges(node) + node.n_edges && fits; ++edge) {
            if (control_->stop(true)) return false;
            const int n = sides(node, at, *edge), from = int(edge->cost1 + edge->cost0 - node.least);
            fits = list_pairs(*at.variants, at.node->place[edge->column], n, from, pending_);
        }
        return fits;
    }
    // All pairs of the trees of the sides of a split on column f.
    bool list_pairs(const Variants& variants, int f, int n, int from, std::vector<Pending>& to) {
        return each_join(variants, f, [&](const Set& all1, const Set& all0, int, int slice, int, int) {
            for (const Key yes : all1)
                for (const Key no : all0) {
                    const Cost cost = cost_of(yes) + cost_of(no);
                    if (cost < n && !list(to, slice, score_of(yes) + score_of(no), from + cost)) return false;
                }
            return true;
        });
    }
    // Which slices of the sides make which: visit(yes, no, mark, slice, slice of yes, of no) until it is false.
    template <class Visit>
    bool each_join(const Variants& variants, int f, Visit visit) const {
        for (int v = variants.first[f]; v < variants.first[f + 1]; ++v)
            for (int a = 0; a < int(side_[1].size()); ++a)
                for (int b = 0; b < int(side_[0].size()); ++b) {
                    const int mark = int(variants.mark[v]), slice = membership_.join(a, b, mark);
                    if (slice >= 0 && !visit(side_[1][a], side_[0][b], mark, slice, a, b)) return false;
                }
        return true;
    }

    // The sets of the sides of an edge of the open node, into side_; how many costs they have.
    int sides(const Stored& node, const Context& at, const Edge& edge) {
        const int f = at.node->place[edge.column], n = int(node.budget - edge.cost1 - edge.cost0) + 1;
        for (const bool side : {true, false}) {
            side_[side].clear();
            const Cost least = edge.cost(side);
            const int depth = graph_.effective(node.depth - 1, node.budget - edge.cost(!side));
            if (depth >= 3) {
                const Stored& child = graph_.levels()[depth][edge.child(side)];
                cut(stored_[depth][edge.child(side)], least - child.least, n, side_[side]);
            } else if (depth == 2) {
                const auto& two = graph_.two(edge, side);
                if (twos_.size() <= edge.child(side)) twos_.resize(edge.child(side) + 1);
                Sets& known = twos_[edge.child(side)];
                if (known.empty()) known = of_two(*at.variants, f, side, two.least, two.budget);
                cut(known, least - two.least, n, side_[side]);
            } else if (tables_.read_sides(f)) {
                of_one(sums_.whole(), *at.variants, f, side, depth, least, n, side_[side]);
            }
        }
        return n;
    }
    static void cut(const Sets& from, Cost shift, int n, Sets& out) {
        out.resize(from.size());
        for (std::size_t slice = 0; slice < from.size(); ++slice)
            for (const Key key : from[slice]) {
                const Cost cost = cost_of(key) - shift;
                if (cost < n) out[slice].push_back(ScoreSets::key(score_of(key), cost));
            }
    }

    Sets of_two(const Variants& variants, int f, bool side, Cost least, Cost most) {
        const Sets outer[2] = {std::move(side_[0]), std::move(side_[1])};
        std::vector<Pending> pending;
        visit_two(
            variants, f, side, most,
            [&](int g, Cost a1, Cost a0, int n) { return list_pairs(variants, g, n, int(a1 + a0 - least), pending); },
            [&](int label, Cost cost) { list(pending, 0, sums_.whole().side(label, f, side), cost - least); });
        side_[0] = outer[0], side_[1] = outer[1];
        return distinct(pending);
    }
    // Makes the sets of the sides of all splits of a tree of depth two: split(column, a1, a0, n) until it is false.
    template <class Split, class Leaf>
    void visit_two(const Variants& variants, int f, bool side, Cost most, Split split, Leaf leaf) {
        tables_.open(f);
        const Sums& sums = sums_.half(f, side);
        using Counts = const std::uint32_t*;
        tables_.visit_two(variants, side, most, leaf, [&](int g, Cost a1, Cost a0, Counts, Counts, int n) {
            for (const bool v : {true, false}) of_one(sums, variants, g, v, 1, v ? a1 : a0, n, side_[v]);
            return split(g, a1, a0, n);
        });
    }
    // Trees of depth one and less on a side of the column that the tables read last.
    void of_one(const Sums& sums, const Variants& variants, int g, bool side, int depth, Cost least, int n, Sets& out) const {
        out.resize(membership_.n_slices(depth));
        for (Set& set : out) set.clear();
        const auto leaf = [&](int label, Cost cost) { out[0].push_back(key(sums.side(label, g, side), cost - least)); };
        if (!depth) {
            tables_.visit_side_leaves(side, least + n - 1, leaf);
        } else {
            tables_.visit_one(variants, side, least + n - 1, leaf, [&](int j, int label1, int label0, Cost cost) {
                const Key found = key(sums.cell(label1, g, side, j, true) + sums.cell(label0, g, side, j, false), cost - least);
                for (int v = variants.first[j]; v < variants.first[j + 1]; ++v) {
                    const int slice = membership_.join_leaves(int(variants.mark[v]));
                    if (slice >= 0) out[slice].push_back(found);
                }
            });
        }
        for (Set& set : out) {
            std::sort(set.begin(), set.end());
            set.erase(std::unique(set.begin(), set.end(), same_score), set.end());
        }
    }

    static Score distance(Score x) { return x < 0 ? -x : x; }

    bool pair_at_root(const std::vector<std::uint8_t>& slices, Score goal, Score& found, MemberTree& tree) {
        Score best = std::numeric_limits<Score>::max();
        const Stored& root = graph_.root();
        const Context at = open(root);
        const Edge* of = nullptr;
        Pair wanted{};
        tables_.visit_leaves(at.node->counts.total.data(), root.budget, [&](int label, Cost) {
            const Score score = sums_.whole().all(label) + sums_.base();
            if (!slices[0] || distance(score) >= distance(best)) return;
            best = found = score;
            tree = {{-1, -1, -1, label}};
        });
        for (const Edge* edge = graph_.edges(root); edge < graph_.edges(root) + root.n_edges; ++edge) {
            const int n = sides(root, at, *edge);
            const bool go_on = each_join(*at.variants, at.node->place[edge->column], [&](const Set& yes, const Set& no, int mark, int slice, int a, int b) {
                if (distance(best) <= goal || control_->stop(true)) return false;
                if (slices[slice] && pair(yes, no, n, goal, best, wanted)) {
                    of = edge;
                    wanted.mark = mark, wanted.part[1].slice = a, wanted.part[0].slice = b;
                }
                return true;
            });
            if (!go_on && distance(best) > goal) return false;
        }
        if (of) {
            found = best;
            tree.clear();
            build_split(root, *of, wanted, tree);
        }
        return true;
    }
    // The pair of trees nearest to 0 whose costs fit; whether it is nearer than the best so far.
    bool pair(const Set& yes, const Set& no, int n, Score goal, Score& best, Pair& wanted) {
        bool nearer = false;
        const bool few = yes.size() > no.size();  // the side that is walked through for every cost of the other
        Sets by_cost(n);
        for (const Key key : few ? yes : no) by_cost[cost_of(key)].push_back(key);
        Set fitting;
        for (int cost = 0; cost < n && distance(best) > goal; ++cost) {
            if (by_cost[cost].empty()) continue;
            fitting.clear();
            for (const Key key : few ? no : yes)
                if (cost_of(key) + cost < n) fitting.push_back(key);
            std::size_t up = 0, down = fitting.size();
            const Set& here = by_cost[cost];
            while (up < here.size() && down && distance(best) > goal) {
                const Score one = score_of(here[up]), other = score_of(fitting[down - 1]), score = one + other + sums_.base();
                if (distance(score) < distance(best)) {
                    best = score, nearer = true;
                    wanted.part[few] = {one, cost, 0}, wanted.part[!few] = {other, cost_of(fitting[down - 1]), 0};
                }
                if (score < 0) ++up;
                else --down;
            }
        }
        return nearer;
    }

    // A tree of a split of a stored node whose sides have certain scores and costs.
    void build_split(const Stored& node, const Edge& edge, const Pair& wanted, MemberTree& out) {
        const Context at = open(node);
        const int f = at.node->place[edge.column];
        const MemberNode here = split_on(graph_, *at.node, f, wanted.mark);
        MemberTree parts[2];
        const Stored* below[2] = {nullptr, nullptr};
        for (const bool side : {true, false}) {  // what needs this context comes before other nodes
            const Cost least = edge.cost(side);
            const int depth = graph_.effective(node.depth - 1, node.budget - edge.cost(!side));
            const Wanted& part = wanted.part[side];
            if (depth >= 3) below[side] = &graph_.levels()[depth][edge.child(side)];
            else if (depth == 2) build_two(at, f, side, least, part, parts[side]);
            else if (tables_.read_sides(f)) build_one(sums_.whole(), at, f, side, depth, least, part, parts[side]);
        }
        for (const bool side : {true, false})
            if (below[side]) {
                const Wanted& part = wanted.part[side];
                build_stored(*below[side], {part.score, part.most + edge.cost(side) - below[side]->least, part.slice}, parts[side]);
            }
        put_together(here, parts, out);
    }
    void build_stored(const Stored& node, Wanted wanted, MemberTree& out) {
        const Context at = open(node);
        if (!wanted.slice)
            tables_.visit_leaves(at.node->counts.total.data(), node.least + wanted.most, [&](int label, Cost) {
                if (out.empty() && sums_.whole().all(label) == wanted.score) out.push_back({-1, -1, -1, label});
            });
        for (const Edge* edge = graph_.edges(node); edge < graph_.edges(node) + node.n_edges && out.empty(); ++edge) {
            sides(node, at, *edge);
            const Wanted rest{wanted.score, wanted.most - (edge->cost1 + edge->cost0 - node.least), wanted.slice};
            Pair pair;
            if (find_pair(*at.variants, at.node->place[edge->column], rest, pair)) build_split(node, *edge, pair, out);
        }
        if (out.empty()) throw std::logic_error("no tree has the score that was found");
    }
    void build_two(const Context& at, int f, bool side, Cost least, Wanted wanted, MemberTree& out) {
        visit_two(
            *at.variants, f, side, least + wanted.most,
            [&](int g, Cost a1, Cost a0, int) {
                Pair pair;
                const Wanted rest{wanted.score, wanted.most - (a1 + a0 - least), wanted.slice};
                if (!out.empty() || !find_pair(*at.variants, g, rest, pair)) return out.empty();
                MemberTree below[2];
                for (const bool v : {true, false})
                    build_one(sums_.half(f, side), at, g, v, 1, v ? a1 : a0, pair.part[v], below[v]);
                put_together(split_on(graph_, *at.node, g, pair.mark), below, out);
                return false;
            },
            [&](int label, Cost) {
                const bool is_it = !wanted.slice && sums_.whole().side(label, f, side) == wanted.score;
                if (out.empty() && is_it) out.push_back({-1, -1, -1, label});
            });
    }
    void build_one(const Sums& sums, const Context& at, int g, bool side, int depth, Cost least, Wanted wanted, MemberTree& out) {
        const auto leaf = [&](int label, Cost) {
            if (out.empty() && !wanted.slice && sums.side(label, g, side) == wanted.score) out.push_back({-1, -1, -1, label});
        };
        if (!depth) return tables_.visit_side_leaves(side, least + wanted.most, leaf);
        const Variants& variants = *at.variants;
        tables_.visit_one(variants, side, least + wanted.most, leaf, [&](int j, int label1, int label0, Cost) {
            if (!out.empty()) return;
            if (sums.cell(label1, g, side, j, true) + sums.cell(label0, g, side, j, false) != wanted.score) return;
            for (int v = variants.first[j]; v < variants.first[j + 1] && out.empty(); ++v) {
                if (membership_.join_leaves(int(variants.mark[v])) != wanted.slice) continue;
                MemberTree parts[2] = {{{-1, -1, -1, label0}}, {{-1, -1, -1, label1}}};
                put_together(split_on(graph_, *at.node, j, int(variants.mark[v])), parts, out);
            }
        });
    }
    // Trees of the sides whose scores add up and whose costs fit.
    bool find_pair(const Variants& variants, int f, Wanted wanted, Pair& out) const {
        return !each_join(variants, f, [&](const Set& all1, const Set& all0, int mark, int slice, int a, int b) {
            if (slice != wanted.slice) return true;
            for (const Key yes : all1) {
                const Score rest = wanted.score - score_of(yes);
                const auto no = std::lower_bound(all0.begin(), all0.end(), key(rest, 0));
                if (no == all0.end() || score_of(*no) != rest || cost_of(yes) + cost_of(*no) > wanted.most) continue;
                out = {mark, {{rest, cost_of(*no), b}, {score_of(yes), cost_of(yes), a}}};
                return false;
            }
            return true;
        });
    }

    Context open(const Stored& node) {
        const Context at = graph_.context(node);
        tables_.open(*at.node);
        sums_.open(*at.node);
        return at;
    }

    Graph& graph_;
    Tables<T>& tables_;
    const Membership& membership_;
    PairSums<T> sums_;
    Control* control_ = nullptr;
    std::int64_t listed_ = 0, bytes_ = 0;
    std::vector<Pending> pending_;
    std::vector<std::vector<Sets>> stored_;  // by depth, of all nodes but the root
    std::vector<Sets> twos_;
    Sets side_[2];
};

}  // namespace treeml
