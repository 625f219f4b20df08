// The members of a Rashomon set one by one: the tree of a rank, and the rank of a tree. Members are in the order
// of their cost; those of equal cost are leaves by label, then splits by column of the node, by the column of the
// data among those that are equal or complementary there, by the cost of the side where the node's column is 1, by
// the rank of that side and by the rank of the other.
//
// Unranking a histogram DP is choosing, edge by edge, the block of trees that the rank falls into (Flajolet,
// Zimmermann and Van Cutsem, Theoretical Computer Science 132, 1994, section 3).
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "treeml/rashomon.hpp"

namespace treeml {

struct MemberNode {
    int column;             // of the data; -1: a leaf
    int if_true, if_false;  // nodes
    int label;
};
using MemberTree = std::vector<MemberNode>;  // depth first, the answer yes first

// A split on the first column of the data that a local one stands for; `label` is whether the answers turn.
template <class T>
MemberNode split_on(const RashomonGraph<T>& graph, const Node<T>& node, int f, int mark) {
    const int column = graph.member_column(node, f, mark, 0);
    return {column, 0, 0, graph.place(node, column).turned};
}
// A tree of such a split and of the trees where the local column is 0 and 1.
inline void put_together(MemberNode root, const MemberTree parts[2], MemberTree& out) {
    const bool turned = root.label;
    root.label = -1;
    out.push_back(root);
    for (const bool answer : {true, false}) {
        const int base = int(out.size());
        (answer ? out[0].if_true : out[0].if_false) = base;
        for (MemberNode node : parts[answer != turned]) {
            if (node.column >= 0) node.if_true += base, node.if_false += base;
            out.push_back(node);
        }
    }
}

// Arithmetic of ranks, in one limb where all trees of a node are.
inline Limb to_rank(const HistogramView& h, int slice, int cost, Limb) { return *h.at(slice, cost); }
inline Number to_rank(const HistogramView& h, int slice, int cost, const Number&) { return h.number(slice, cost); }
inline bool is_zero(Limb x) { return !x; }
inline bool is_zero(const Number& x) { return x.is_zero(); }
inline Limb divide(Limb& x, Limb by) {
    const Limb out = x / by;
    x %= by;
    return out;
}
inline Number divide(Number& x, const Number& by) { return x.divide(by); }
inline Limb to_limb(Limb x) { return x; }
inline Limb to_limb(const Number& x) { return x.is_zero() ? 0 : x.limbs()[0]; }

template <class T>
class Members {
  public:
    explicit Members(RashomonGraph<T>& graph) : graph_(graph), tables_(graph.tables()), membership_(graph.query().membership) {}

    // The member of a rank among those of one cost in one slice.
    MemberTree select(Cost cost, int slice, const Number& rank) {
        MemberTree out;
        const typename RashomonGraph<T>::Stored& root = graph_.root();
        cost -= graph_.certain();
        if (root.counts.view().limbs == 1) select_stored(root, cost, slice, to_limb(rank), out);
        else select_stored(root, cost, slice, rank, out);
        return out;
    }

    // The rank of a tree among those of its cost in its slice; nothing where it is not a member.
    std::optional<Number> rank(const MemberTree& tree, Cost& cost, int& slice) {
        tree_ = &tree;
        cost_.assign(tree.size(), 0);
        slice_.assign(tree.size(), 0);
        if (graph_.is_empty() || !measure(0, graph_.all_rows())) return std::nullopt;
        const Stored& root = graph_.root();
        cost = cost_[0] + graph_.certain();
        slice = slice_[0];
        if (cost_[0] > root.budget || slice >= graph_.n_slices()) return std::nullopt;
        if (root.counts.view().limbs > 1) return rank_stored<Number>(root, 0);
        const std::optional<Limb> found = rank_stored<Limb>(root, 0);
        return found ? std::optional<Number>(Number(*found)) : std::nullopt;
    }

  private:
    using Graph = RashomonGraph<T>;
    using Stored = typename Graph::Stored;
    using Edge = typename Graph::Edge;
    using Child = typename Graph::Child;

    // Which trees of a split have been chosen.
    template <class N>
    struct Block {
        int mark, a, b, i;  // slices of the sides, cost of the yes side over its least
        N member, rank1, rank0;
    };

    // Trees of a split with one of the columns that it stands for, with costs `total` over the least, in a slice.
    struct Split {
        const Variants& variants;
        int f;
        HistogramView yes, no;
        int yes_slices, no_slices;
        Cost least1, least0;
    };
    template <class N>
    N count_split(const Split& split, int total, int mark, int slice) {
        N all{};
        blocks<N>(split, total, mark, slice, [&](int a, int b, int i, const N& n1, const N& n0) {
            all += n1 * n0;
            find_trivial(a, b, split.least1 + i, split.least0 + total - i, n0);
            all -= N(Limb(trivial_.size()));
            return true;
        });
        return all;
    }

    // The block that a rank falls into. Without one, the rank is less by the number of trees of the split.
    template <class N>
    std::optional<Block<N>> find_block(const Split& split, int total, int slice, N& rank) {
        for (int v = split.variants.first[split.f]; v < split.variants.first[split.f + 1]; ++v) {
            const int mark = int(split.variants.mark[v]);
            const N all = count_split<N>(split, total, mark, slice), times = all * N(Limb(split.variants.times[v]));
            if (!(rank < times)) {
                rank -= times;
                continue;
            }
            Block<N> out{mark, 0, 0, 0, divide(rank, all), {}, {}};
            blocks<N>(split, total, mark, slice, [&](int a, int b, int i, const N& n1, const N& n0) {
                find_trivial(a, b, split.least1 + i, split.least0 + total - i, n0);
                N here = n1 * n0;
                here -= N(Limb(trivial_.size()));
                if (!(rank < here)) {
                    rank -= here;
                    return true;
                }
                for (const Limb skipped : trivial_)
                    if (!(rank < N(skipped))) rank += N(Limb(1));
                out.a = a, out.b = b, out.i = i;
                out.rank1 = divide(rank, n0);
                out.rank0 = rank;
                return false;
            });
            return out;
        }
        return std::nullopt;
    }

    // The other way round: how many trees of the split come before those of a block and ranks in it. Nothing
    // where they are a trivial split.
    template <class N>
    std::optional<N> rank_block(const Split& split, int total, int slice, const Block<N>& block) {
        N out{};
        for (int v = split.variants.first[split.f]; v < split.variants.first[split.f + 1]; ++v) {
            const int mark = int(split.variants.mark[v]);
            const N all = count_split<N>(split, total, mark, slice);
            if (mark != block.mark) {
                out += all * N(Limb(split.variants.times[v]));
                continue;
            }
            out += all * block.member;
            bool counts = false;
            blocks<N>(split, total, mark, slice, [&](int a, int b, int i, const N& n1, const N& n0) {
                find_trivial(a, b, split.least1 + i, split.least0 + total - i, n0);
                if (a != block.a || b != block.b || i != block.i) {
                    out += n1 * n0;
                    out -= N(Limb(trivial_.size()));
                    return true;
                }
                N at = block.rank1 * n0;
                at += block.rank0;
                counts = true;
                int before = 0;
                for (const Limb skipped : trivial_) {
                    if (N(skipped) < at) ++before;
                    else if (!(at < N(skipped))) counts = false;
                }
                out += at;
                out -= N(Limb(before));
                return false;
            });
            return counts ? std::optional<N>(out) : std::nullopt;
        }
        return std::nullopt;
    }
    template <class N>
    N count_variants(const Split& split, int total, int slice) {
        N out{};
        for (int v = split.variants.first[split.f]; v < split.variants.first[split.f + 1]; ++v)
            out += count_split<N>(split, total, int(split.variants.mark[v]), slice) * N(Limb(split.variants.times[v]));
        return out;
    }

    // Blocks of trees of a split, in order: visit(a, b, i, trees of the yes side, trees of the no side).
    template <class N, class Visit>
    void blocks(const Split& split, int total, int mark, int slice, Visit visit) const {
        for (int a = 0; a < split.yes_slices; ++a)
            for (int b = 0; b < split.no_slices; ++b) {
                if (membership_.join(a, b, mark) != slice) continue;
                for (int i = 0; i <= total; ++i) {
                    const N n1 = to_rank(split.yes, a, i, N{});
                    if (is_zero(n1)) continue;
                    const N n0 = to_rank(split.no, b, total - i, N{});
                    if (!is_zero(n0) && !visit(a, b, i, n1, n0)) return;
                }
            }
    }

    // Where in a block the trivial splits are that do not count: pairs of leaves, which come first on their sides.
    template <class N>
    void find_trivial(int a, int b, Cost cost1, Cost cost0, const N& n0) {
        trivial_.clear();
        if (!membership_.drop_trivial || a || b) return;
        const Limb width = to_limb(n0);  // a pair of leaves is among the first classes x n0
        Limb at1 = 0;
        tables_.visit_side_leaves(1, cost1, [&](int label1, Cost leaf1) {
            if (leaf1 != cost1) return;
            Limb at0 = 0;
            tables_.visit_side_leaves(0, cost0, [&](int label0, Cost leaf0) {
                if (leaf0 != cost0) return;
                if (label1 == label0) trivial_.push_back(at1 * width + at0);
                ++at0;
            });
            ++at1;
        });
    }

    template <class N>
    int select_stored(const Stored& node, Cost cost, int slice, N rank, MemberTree& out) {
        const auto at = graph_.context(node);
        tables_.open(*at.node);
        const int here = int(out.size());
        if (find_leaf(at.node->counts.total.data(), cost, slice, rank, out)) return here;
        for (const Edge* edge = graph_.edges(node); edge < graph_.edges(node) + node.n_edges; ++edge) {
            const Cost total = cost - edge->cost1 - edge->cost0;
            if (total < 0) continue;
            const int f = at.node->place[edge->column];
            const Child yes = graph_.child(node, at, *edge, true), no = graph_.child(node, at, *edge, false);
            if (membership_.drop_trivial) tables_.read_sides(f);
            const auto block = find_block<N>(split_of(at, f, *edge, yes, no), int(total), slice, rank);
            if (!block) continue;
            start_split(*at.node, f, *block, out);
            const Cost cost1 = edge->cost1 + block->i, cost0 = cost - cost1;
            MemberTree parts[2];
            for (const bool side : {true, false}) {  // what needs this context comes before other nodes
                const Child& child = side ? yes : no;
                if (child.stored) continue;
                const Limb r = to_limb(side ? block->rank1 : block->rank0);
                const int part = side ? block->a : block->b;
                const Cost c = side ? cost1 : cost0;
                if (child.depth == 2) select_two(*at.node, *at.variants, f, side, c, part, r, parts[side]);
                else if (tables_.read_sides(f)) select_one(*at.node, *at.variants, side, child.depth, c, part, r, parts[side]);
            }
            if (yes.stored) select_stored(*yes.stored, cost1, block->a, N(block->rank1), parts[1]);
            if (no.stored) select_stored(*no.stored, cost0, block->b, N(block->rank0), parts[0]);
            finish_split(here, parts, out);
            return here;
        }
        throw std::out_of_range("there are not so many trees of this cost");
    }

    // The leaf of a rank; or the rank less their number.
    template <class N>
    bool find_leaf(const T* total, Cost cost, int slice, N& rank, MemberTree& out) {
        if (slice) return false;
        int label = -1;
        tables_.visit_leaves(total, cost, [&](int at, Cost leaf) {
            if (leaf != cost || label >= 0) return;
            if (is_zero(rank)) label = at;
            else rank -= N(Limb(1));
        });
        if (label < 0) return false;
        out.push_back({-1, -1, -1, label});
        return true;
    }

    void select_two(const Node<T>& node, const Variants& variants, int f, bool side, Cost cost, int slice, Limb rank, MemberTree& out) {
        tables_.open(f);
        bool found = false;
        tables_.visit_two(
            variants, side, cost,
            [&](int label, Cost leaf) {
                if (found || slice || leaf != cost) return;
                if (rank--) return;
                out.push_back({-1, -1, -1, label});
                found = true;
            },
            [&](int g, Cost a1, Cost a0, const std::uint32_t* yes, const std::uint32_t* no, int n) {
                if (found) return false;
                const int n_slices = membership_.n_slices(1), total = n - 1;
                const Split split{variants, g, widen(yes, n_slices, n, 1), widen(no, n_slices, n, 0), n_slices, n_slices, a1, a0};
                const auto block = find_block<Limb>(split, total, slice, rank);
                if (!block) return true;
                const int here = int(out.size());
                start_split(node, g, *block, out);
                MemberTree parts[2];
                select_one(node, variants, true, 1, a1 + block->i, block->a, block->rank1, parts[1]);
                select_one(node, variants, false, 1, cost - a1 - block->i, block->b, block->rank0, parts[0]);
                finish_split(here, parts, out);
                found = true;
                return false;
            });
        if (!found) throw std::out_of_range("there are not so many trees of depth two");
    }

    // On a side of the column that the tables read last.
    void select_one(const Node<T>& node, const Variants& variants, bool side, int depth, Cost cost, int slice, Limb rank, MemberTree& out) {
        bool found = false;
        const auto leaf = [&](int label, Cost here) {
            if (found || slice || here != cost) return;
            if (rank--) return;
            out.push_back({-1, -1, -1, label});
            found = true;
        };
        if (!depth) {
            tables_.visit_side_leaves(side, cost, leaf);
        } else {
            tables_.visit_one(variants, side, cost, leaf, [&](int j, int label1, int label0, Cost here) {
                if (found || here != cost) return;
                for (int v = variants.first[j]; v < variants.first[j + 1] && !found; ++v) {
                    if (membership_.join_leaves(int(variants.mark[v])) != slice) continue;
                    if (rank >= variants.times[v]) {
                        rank -= variants.times[v];
                        continue;
                    }
                    start_split(node, j, Block<Limb>{int(variants.mark[v]), 0, 0, 0, rank, 0, 0}, out);
                    MemberTree parts[2] = {{{-1, -1, -1, label0}}, {{-1, -1, -1, label1}}};
                    finish_split(0, parts, out);
                    found = true;
                }
            });
        }
        if (!found) throw std::out_of_range("there are not so many trees of depth one");
    }

    Split split_of(const typename Graph::Context& at, int f, const Edge& edge, const Child& yes, const Child& no) const {
        return {*at.variants, f, yes.counts, no.counts, membership_.n_slices(yes.depth), membership_.n_slices(no.depth), edge.cost1, edge.cost0};
    }

    // Costs and slices of all parts of tree_; false where it could be no member.
    bool measure(int k, const std::vector<Word>& rows) {
        const MemberNode& node = (*tree_)[k];
        if (node.column < 0) {
            cost_[k] = graph_.errors(rows, node.label) + graph_.objective().leaf_cost;
            return true;
        }
        if (!measure(node.if_true, graph_.part(rows, node.column, true))) return false;
        if (!measure(node.if_false, graph_.part(rows, node.column, false))) return false;
        cost_[k] = cost_[node.if_true] + cost_[node.if_false];
        slice_[k] = membership_.join(slice_[node.if_true], slice_[node.if_false], graph_.mark(node.column));
        return slice_[k] >= 0 && !graph_.is_excluded(node.column);
    }

    // Where tree_ splits a node: a local column, and which part of the tree is on either side of it.
    struct Position {
        int f;
        int side[2];
        Limb member;
    };
    std::optional<Position> find_split(const Node<T>& node, int k) const {
        const MemberNode& at = (*tree_)[k];
        const Place place = graph_.place(node, at.column);
        if (place.column < 0) return std::nullopt;
        Position out{place.column, {at.if_false, at.if_true}, Limb(graph_.member_index(node, place.column, at.column))};
        if (place.turned) std::swap(out.side[0], out.side[1]);
        return out;
    }

    // How many leaves of a cost come before one with this label, or all; nothing where there is none with it.
    std::optional<Limb> rank_leaf(const T* total, Cost cost, int label) const {
        Limb before = 0;
        bool found = label < 0;
        tables_.visit_leaves(total, cost, [&](int at, Cost leaf) {
            found |= at == label;
            before += leaf == cost && (label < 0 || at < label);
        });
        return found ? std::optional<Limb>(before) : std::nullopt;
    }

    template <class N>
    std::optional<N> rank_stored(const Stored& node, int k) {
        auto at = graph_.context(node);
        const Cost cost = cost_[k];
        const int slice = slice_[k];
        if (cost > node.budget) return std::nullopt;
        const MemberNode& tree = (*tree_)[k];
        const std::optional<Limb> leaves = slice ? 0 : rank_leaf(at.node->counts.total.data(), cost, tree.column < 0 ? tree.label : -1);
        if (!leaves) return std::nullopt;
        N out(*leaves);
        if (tree.column < 0) return out;
        const auto here = find_split(*at.node, k);
        if (!here) return std::nullopt;
        tables_.open(*at.node);
        for (const Edge* edge = graph_.edges(node); edge < graph_.edges(node) + node.n_edges; ++edge) {
            const Cost total = cost - edge->cost1 - edge->cost0;
            const int f = at.node->place[edge->column];
            if (f > here->f) break;
            if (total < 0) continue;
            Child yes = graph_.child(node, at, *edge, true), no = graph_.child(node, at, *edge, false);
            if (membership_.drop_trivial) tables_.read_sides(f);
            if (f < here->f) {
                out += count_variants<N>(split_of(at, f, *edge, yes, no), int(total), slice);
                continue;
            }
            std::optional<N> ranks[2];
            for (const bool side : {true, false}) {
                const Child& child = side ? yes : no;
                const int part = here->side[side];
                if (child.stored) continue;
                std::optional<Limb> r;
                if (child.depth == 2) r = rank_two(*at.node, *at.variants, f, side, part);
                else if (tables_.read_sides(f)) r = rank_one(*at.node, *at.variants, side, child.depth, part);
                if (r) ranks[side] = N(*r);
            }
            for (const bool side : {true, false})
                if (const Stored* stored = (side ? yes : no).stored) ranks[side] = rank_stored<N>(*stored, here->side[side]);
            if (!ranks[1] || !ranks[0]) return std::nullopt;
            at = graph_.context(node);
            tables_.open(*at.node);
            yes = graph_.child(node, at, *edge, true), no = graph_.child(node, at, *edge, false);
            if (membership_.drop_trivial) tables_.read_sides(f);
            const Block<N> block{graph_.mark(tree.column), slice_[here->side[1]], slice_[here->side[0]],
                                 int(cost_[here->side[1]] - edge->cost1), N(here->member), *ranks[1], *ranks[0]};
            const auto in_split = rank_block<N>(split_of(at, f, *edge, yes, no), int(total), slice, block);
            if (!in_split) return std::nullopt;
            out += *in_split;
            return out;
        }
        return std::nullopt;
    }

    std::optional<Limb> rank_two(const Node<T>& node, const Variants& variants, int f, bool side, int k) {
        const MemberNode& tree = (*tree_)[k];
        const Cost cost = cost_[k];
        const int slice = slice_[k];
        tables_.open(f);
        const std::optional<Limb> leaves = slice ? 0 : rank_leaf(tables_.child_total(side), cost, tree.column < 0 ? tree.label : -1);
        if (!leaves || tree.column < 0) return leaves;
        const auto here = find_split(node, k);
        if (!here) return std::nullopt;
        Limb out = *leaves;
        std::optional<Limb> in_split;
        tables_.visit_two(variants, side, cost, [](int, Cost) {},
            [&](int g, Cost a1, Cost a0, const std::uint32_t* yes, const std::uint32_t* no, int n) {
                const int n_slices = membership_.n_slices(1), total = n - 1;
                if (g > here->f) return false;
                const Split split{variants, g, widen(yes, n_slices, n, 1), widen(no, n_slices, n, 0), n_slices, n_slices, a1, a0};
                if (g < here->f) {
                    out += count_variants<Limb>(split, total, slice);
                    return true;
                }
                const std::optional<Limb> rank1 = rank_one(node, variants, true, 1, here->side[1]);
                const std::optional<Limb> rank0 = rank_one(node, variants, false, 1, here->side[0]);
                if (rank1 && rank0)
                    in_split = rank_block<Limb>(split, total, slice,
                                                {graph_.mark(tree.column), slice_[here->side[1]], slice_[here->side[0]],
                                                 int(cost_[here->side[1]] - a1), here->member, *rank1, *rank0});
                return false;
            });
        return in_split ? std::optional<Limb>(out + *in_split) : std::nullopt;
    }

    std::optional<Limb> rank_one(const Node<T>& node, const Variants& variants, bool side, int depth, int k) {
        const MemberNode& tree = (*tree_)[k];
        const Cost cost = cost_[k];
        const int slice = slice_[k];
        const bool is_leaf = tree.column < 0;
        const std::optional<Limb> leaves = slice ? 0 : rank_leaf(tables_.side_total(side), cost, is_leaf ? tree.label : -1);
        if (!leaves || is_leaf) return leaves;
        const auto here = find_split(node, k);
        if (!here || !depth) return std::nullopt;
        const MemberNode &yes = (*tree_)[here->side[1]], &no = (*tree_)[here->side[0]];
        if (yes.column >= 0 || no.column >= 0) return std::nullopt;
        Limb out = *leaves;
        bool found = false;
        tables_.visit_one(variants, side, cost, [](int, Cost) {}, [&](int j, int label1, int label0, Cost at) {
            if (found || at != cost) return;
            for (int v = variants.first[j]; v < variants.first[j + 1] && !found; ++v) {
                if (membership_.join_leaves(int(variants.mark[v])) != slice) continue;
                found = j == here->f && label1 == yes.label && label0 == no.label && int(variants.mark[v]) == graph_.mark(tree.column);
                out += found ? here->member : variants.times[v];
            }
        });
        return found ? std::optional<Limb>(out) : std::nullopt;
    }

    template <class N>
    void start_split(const Node<T>& node, int f, const Block<N>& block, MemberTree& out) const {
        const int column = graph_.member_column(node, f, block.mark, int(to_limb(block.member)));
        out.push_back({column, 0, graph_.place(node, column).turned, -1});  // finish_split() reads the turn
    }
    // Puts the sides below a split: the answer yes of the column that was taken first.
    static void finish_split(int here, MemberTree parts[2], MemberTree& out) {
        const bool turned = out[here].if_false;
        for (const bool answer : {true, false}) {
            const MemberTree& part = parts[answer != turned];
            const int base = int(out.size());
            (answer ? out[here].if_true : out[here].if_false) = base;
            for (MemberNode node : part) {
                if (node.column >= 0) node.if_true += base, node.if_false += base;
                out.push_back(node);
            }
        }
    }

    HistogramView widen(const std::uint32_t* from, int n_slices, int n, int slot) {
        wide_[slot].assign(from, from + std::size_t(n_slices) * n);
        return {wide_[slot].data(), n, 1, true, 0};
    }

    Graph& graph_;
    Tables<T>& tables_;
    const Membership& membership_;
    std::vector<Limb> trivial_, wide_[2];
    const MemberTree* tree_ = nullptr;  // whose rank is asked for
    std::vector<Cost> cost_;            // of its parts
    std::vector<int> slice_;
};

}  // namespace treeml
