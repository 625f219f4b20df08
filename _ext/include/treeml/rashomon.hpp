// Rashomon sets: all trees whose cost is within a budget, counted by cost without listing them. An AND/OR graph
// whose nodes are (row set, effective depth) and keep a dense histogram of costs; the bottom two levels are
// counted from pair tables and not stored. Sets of near-optimal trees: TreeFARMS (Xin et al., NeurIPS 2022); one
// node per row set and depth with the largest budget that is asked of it, exact budgets from the children's
// optima, and the reduction by equivalent points are ours.
//
// T is a tree of row set S, depth d and cost c <= b exactly if it is a leaf, or a split whose children cost c1 and
// c0 with c1 + c0 = c: so a child may cost b less the other's optimum, and no split is opened whose children's
// optima do not fit. k leaves cost at least k * leaf_cost, so within b a depth over b / leaf_cost - 1 adds nothing:
// this is the effective depth. It falls with every edge, so budgets are final before any histogram is made.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <unordered_map>
#include <vector>

#include "treeml/optimal_tree.hpp"
#include "treeml/tables.hpp"

namespace treeml {

// Which trees a set has.
struct RashomonQuery {
    int max_depth = 0;
    Cost budget = 0;                         // of the cost
    Membership membership;
    std::vector<std::uint8_t> excluded;      // of every column of the data: no tree uses it; empty: none
    std::vector<std::uint32_t> marks;        // of every column: set of the kinds that it is of; empty: none
};

struct RashomonCounters {
    std::int64_t stored = 0, edges = 0, twos = 0, shared_twos = 0, pair_counts = 0, bytes = 0;
};

// 128 bits of a row set: two sets of a search share them with a probability below 2^-80.
struct RowKey {
    Word a = 0, b = 0;
    bool operator==(const RowKey&) const = default;
};
struct RowKeyHash {
    std::size_t operator()(const RowKey& key) const { return key.a; }
};

class RowHasher {
  public:
    explicit RowHasher(int n_words) : factor_(4 * n_words) {
        Word state = 0x9E3779B97F4A7C15ull;
        for (Word& x : factor_) {
            state += 0x9E3779B97F4A7C15ull;
            Word z = state;
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
            x = z ^ (z >> 31);
        }
    }
    RowKey operator()(const std::vector<Word>& rows) const {
        DoubleLimb low = 1, high = 2;  // multilinear: a random factor for every half word
        const Word* f = factor_.data();
        for (const Word w : rows) {
            const Word upper = w >> 32, lower = std::uint32_t(w);
            low += DoubleLimb(f[0]) * upper + DoubleLimb(f[1]) * lower;
            high += DoubleLimb(f[2]) * upper + DoubleLimb(f[3]) * lower;
            f += 4;
        }
        return {mix(Word(low >> 64), Word(low)), mix(Word(high >> 64), Word(high))};
    }

  private:
    std::vector<Word> factor_;
};

// The graph of one set. It borrows the search, whose cache it fills further.
template <class T>
class RashomonGraph {
  public:
    struct Edge {
        std::int32_t column;           // of the root
        std::uint32_t child1, child0;  // which stored or depth-two node, where there is one
        Cost cost1, cost0;             // least costs of the children
        Cost cost(bool side) const { return side ? cost1 : cost0; }
        std::uint32_t child(bool side) const { return side ? child1 : child0; }
    };
    struct Stored {
        int depth;
        Cost least, budget;
        std::uint32_t path = 0, path_length = 0;  // literals from the root
        std::uint32_t first_edge = 0, n_edges = 0;
        Histogram counts;
    };
    struct Two {
        Cost optimum = 0;  // of all trees of depth two
        Cost least = 0, budget = 0;
        std::uint32_t uses = 0;
        std::int64_t at = -1;      // of its counts, once there
        std::int64_t outside = 0;  // place for a pass from the root down
    };

    RashomonGraph(OptimalTreeSearch<T>& search, RashomonQuery query, Cost optimum)
        : search_(search), shared_(search.shared()), query_(std::move(query)),
          tables_(shared_.frame, query_.membership), hasher_(shared_.stride) {
        weigh_columns();
        budget_ = query_.budget - shared_.certain;
        optimum_ = optimum - shared_.certain;
    }
    RashomonGraph(const RashomonGraph&) = delete;

    // Counts all trees: false if a limit ended it.
    bool count(Control& control) {
        if (is_empty()) return true;
        control_ = &control;
        const bool complete = expand_all() && fill_all();
        control_ = nullptr;
        return complete;
    }

    bool is_empty() const { return budget_ < optimum_; }
    Cost least() const { return optimum_ + shared_.certain; }  // cost of the histogram's first number
    HistogramView histogram() const { return by_depth_.back()[0].counts.view(); }
    int n_slices() const { return query_.membership.n_slices(root().depth); }
    const RashomonQuery& query() const { return query_; }
    RashomonCounters counters() const {
        RashomonCounters out;
        for (const auto& level : by_depth_) out.stored += std::int64_t(level.size());
        out.edges = std::int64_t(edges_.size());
        for (const Two& two : twos_) out.twos += two.uses > 0;
        out.shared_twos = std::int64_t(arena_.size());
        out.pair_counts = tables_.pair_counts + search_.worker().counters.pair_counts;
        out.bytes = bytes_;
        return out;
    }

    // What walks over the graph read --------------------------------------------------------------------

    // A node with its columns, and what a split on each counts. Valid until the next one.
    struct Context {
        Node<T>* node;
        const Variants* variants;
    };

    const Stored& root() const { return by_depth_.back()[0]; }
    Tables<T>& tables() { return tables_; }
    const Edge* edges(const Stored& node) const { return edges_.data() + node.first_edge; }
    Cost certain() const { return shared_.certain; }
    const Misclassification& objective() const { return shared_.frame.objective; }
    const std::vector<std::vector<Stored>>& levels() const { return by_depth_; }

    Context context(const Stored& node) {
        Node<T>* at = &search_.root();
        const std::uint32_t* path = paths_.data() + node.path;
        std::size_t same = 0;
        while (same < node.path_length && same < chain_path_.size() && chain_path_[same] == path[same]) ++same;
        chain_path_.resize(same);
        for (std::size_t k = 0; k < node.path_length; ++k) {
            if (k >= chain_.size()) chain_.push_back(std::make_unique<Node<T>>());
            if (k >= same) {
                search_.worker().child(*at, at->place[path[k] >> 1], path[k] & 1, *chain_[k]);
                chain_path_.push_back(path[k]);
            }
            at = chain_[k].get();
        }
        gather(*at);
        return {at, &variants_};
    }

    bool is_excluded(int column) const { return !query_.excluded.empty() && query_.excluded[column]; }
    int mark(int column) const { return query_.marks.empty() ? 0 : int(query_.marks[column]); }

    // The local column that a column of the data is at a node.
    Place place(const Node<T>& node, int column) const {
        const Place at = search_.places()[column];
        if (at.column < 0) return at;
        const int f = node.place[at.column];
        return {f, f >= 0 && at.turned != differs(node, at.column, node.id[f])};
    }
    // The same without its direction; -1: none.
    int local_column(const Node<T>& node, int column) const {
        const Place at = search_.places()[column];
        return at.column < 0 ? -1 : node.place[at.column];
    }
    // The k-th column of the data with a mark that a local column stands for.
    int member_column(const Node<T>& node, int f, int mark_, int k) const {
        const std::vector<Place>& places = search_.places();
        for (int j = 0; j < int(places.size()); ++j)
            if (places[j].column >= 0 && node.place[places[j].column] == f && !is_excluded(j) && mark(j) == mark_ && !k--) return j;
        throw std::logic_error("a column stands for fewer than were counted");
    }

    // The other way round.
    int member_index(const Node<T>& node, int f, int column) const {
        const std::vector<Place>& places = search_.places();
        int out = 0;
        for (int j = 0; j < column; ++j)
            out += places[j].column >= 0 && node.place[places[j].column] == f && !is_excluded(j) && mark(j) == mark(column);
        return out;
    }

    // Places for the numbers of all nodes of depth two, from `first` on; returns the end.
    std::size_t number_twos(std::size_t first) {
        for (Two& two : twos_) {
            if (!two.uses) continue;
            two.outside = std::int64_t(first);
            first += std::size_t(two.budget - two.least + 1) * query_.membership.n_slices(2);
        }
        return first;
    }
    const Two& two(const Edge& edge, bool side) const { return twos_[edge.child(side)]; }

    // The traced rows: the last group. Of a node: which they are, and the answers of a column, packed.
    int n_traced() const { return int(search_.root().rows.back()); }
    void traced(const Node<T>& node, std::vector<int>& ids) const {
        ids.clear();
        const int first = shared_.frame.first_word[shared_.frame.n_groups() - 1];
        for (int w = first; w < shared_.stride; ++w)
            for (Word rows = node.row_set[w]; rows; rows &= rows - 1) ids.push_back((w - first) * kWordBits + std::countr_zero(rows));
    }
    const Word* traced_bits(const Node<T>& node, int f) const { return node.column(f) + node.offset[shared_.frame.n_groups() - 1]; }

    // All rows of the root, those of a set where a column of the data is `answer`, and the errors of a leaf.
    const std::vector<Word>& all_rows() const { return search_.root().row_set; }
    std::vector<Word> part(const std::vector<Word>& rows, int column, bool answer) const {
        const Place at = search_.places()[column];
        std::vector<Word> out(rows.size(), 0);
        if (at.column < 0) return out;
        const Word* bits = shared_.columns.data() + std::size_t(at.column) * shared_.stride;
        for (std::size_t w = 0; w < rows.size(); ++w) out[w] = rows[w] & (answer != at.turned ? bits[w] : ~bits[w]);
        return out;
    }
    std::int64_t errors(const std::vector<Word>& rows, int label) const {
        std::int64_t out = 0;
        for (int g = 0; g < shared_.frame.n_groups(); ++g) {
            if (shared_.frame.count_of[g] == label || shared_.frame.count_of[g] >= objective().n_classes) continue;
            std::int64_t ones = 0;
            for (int w = shared_.frame.first_word[g]; w < shared_.frame.first_word[g + 1]; ++w) ones += std::popcount(rows[w]);
            out += ones * shared_.frame.weight[g];
        }
        return out;
    }

    int effective(int depth, Cost budget) const {
        const Membership& membership = query_.membership;
        if (membership.by_leaves) depth = std::min(depth, membership.max_leaves - 1);
        return int(std::max<Cost>(0, std::min<Cost>(depth, budget / shared_.frame.objective.leaf_cost - 1)));
    }

    // The child of the node in context on an edge: how deep, and its histogram from the edge's least cost of it
    // on. The tables must be open for the node. Two slots, so that both children can be looked at.
    struct Child {
        int depth;              // effective
        const Stored* stored;   // depth three and more
        HistogramView counts;
    };
    Child child(const Stored& node, const Context& at, const Edge& edge, bool side) {
        const Cost least = edge.cost(side), most = node.budget - edge.cost(!side);
        const int f = at.node->place[edge.column], depth = effective(node.depth - 1, most);
        const int n = int(most - least) + 1;
        if (depth >= 3) {
            const Stored& stored = by_depth_[depth][edge.child(side)];
            HistogramView view = stored.counts.view();
            view.start = int(least - stored.least);
            return {depth, &stored, view};
        }
        const int n_slices = query_.membership.n_slices(depth);
        Buffer<Limb>& wide = wide_[side];
        wide.reserve(std::size_t(n_slices) * n + 1);
        if (depth == 2) {
            copy_two(twos_[edge.child(side)], f, side, least, most, n, wide.data());
        } else if (depth == 1) {
            const std::uint32_t* from = tables_.count_one(variants_, f, side, least, most, side);
            std::copy_n(from, std::size_t(n_slices) * n, wide.data());
        } else {
            std::fill_n(wide.data(), std::size_t(n_slices) * n, Limb(0));
            tables_.read_sides(f);
            tables_.visit_side_leaves(side, most, [&](int, Cost cost) { wide[cost - least] += 1; });
        }
        return {depth, nullptr, {wide.data(), n, 1, narrow_twos_ || depth < 2, 0}};
    }

  private:
    static constexpr std::int64_t kArena = 32 << 20;  // bytes of shared depth-two histograms

    void weigh_columns() {
        const std::vector<Place>& places = search_.places();
        const int n_marks = query_.membership.n_marks;
        root_weight_.assign(search_.root().n_columns, std::vector<std::uint32_t>(std::size_t(1) << n_marks, 0));
        double m = 0;
        for (std::size_t j = 0; j < places.size(); ++j) {
            if (places[j].column < 0 || is_excluded(int(j))) continue;
            ++root_weight_[places[j].column][mark(int(j))];
            ++m;
        }
        // a depth-two histogram of m columns and K labels has numbers up to m (K + K^2 m)^2
        const double k = objective().n_classes, most = m * (k + k * k * m) * (k + k * k * m);
        if (most >= 0x1p63) throw std::overflow_error("too many columns and classes to count trees of depth two in 63 bits");
        narrow_twos_ = most < 0x1p32;
    }

    // Whether two columns of the root, equal or complementary on a node, are the latter.
    bool differs(const Node<T>& node, int a, int b) const {
        for (int w = 0; w < shared_.stride; ++w)
            if (const Word rows = node.row_set[w]) {
                const Word* columns = shared_.columns.data();
                const Word bits = columns[std::size_t(a) * shared_.stride + w] ^ columns[std::size_t(b) * shared_.stride + w];
                return bits >> std::countr_zero(rows) & 1;
            }
        return false;
    }

    // What splits on the columns of a node count.
    void gather(const Node<T>& node) {
        const int n_kinds = 1 << query_.membership.n_marks;
        gathered_.assign(std::size_t(node.n_columns) * n_kinds, 0);
        for (std::size_t g = 0; g < node.place.size(); ++g)
            if (node.place[g] >= 0)
                for (int k = 0; k < n_kinds; ++k) gathered_[std::size_t(node.place[g]) * n_kinds + k] += root_weight_[g][k];
        variants_.first.assign(1, 0);
        variants_.mark.clear();
        variants_.times.clear();
        variants_.weight.assign(node.n_columns, 0);
        for (int j = 0; j < node.n_columns; ++j) {
            for (int k = 0; k < n_kinds; ++k) {
                const std::uint32_t times = gathered_[std::size_t(j) * n_kinds + k];
                if (!times) continue;
                variants_.mark.push_back(k);
                variants_.times.push_back(times);
                variants_.weight[j] += times;
            }
            variants_.first.push_back(int(variants_.times.size()));
        }
    }

    RowKey key(const Node<T>& node, int f, bool side) {
        rows_.resize(shared_.stride);
        search_.worker().cut(node, f, side, rows_);
        return hasher_(rows_);
    }

    std::uint32_t add_stored(const RowKey& key, int depth, Cost least, Cost budget, const std::vector<std::uint32_t>& path) {
        const auto [at, is_new] = index_[depth].try_emplace(key, std::uint32_t(by_depth_[depth].size()));
        if (!is_new) {
            Stored& known = by_depth_[depth][at->second];
            known.budget = std::max(known.budget, budget);
            known.least = std::min(known.least, least);
            return at->second;
        }
        Stored node;
        node.depth = depth;
        node.least = least;
        node.budget = budget;
        node.path = std::uint32_t(paths_.size());
        node.path_length = std::uint32_t(path.size());
        paths_.insert(paths_.end(), path.begin(), path.end());
        by_depth_[depth].push_back(std::move(node));
        allocated(sizeof(Stored) + 64 + path.size() * sizeof(std::uint32_t));
        return at->second;
    }
    std::uint32_t add_two(const RowKey& key, Cost optimum) {
        const auto [at, is_new] = two_index_.try_emplace(key, std::uint32_t(twos_.size()));
        if (is_new) {
            twos_.push_back({});
            twos_.back().optimum = optimum;
            allocated(sizeof(Two) + sizeof(RowKey) + 32);
        }
        return at->second;
    }

    // From the root down: the edges, and the largest budget that is asked of every node.
    bool expand_all() {
        const int depth = effective(query_.max_depth, budget_);
        by_depth_.clear();
        by_depth_.resize(depth + 1);
        index_.resize(depth + 1);
        add_stored({}, depth, optimum_, budget_, {});
        for (int d = depth; d >= 0; --d)
            for (std::size_t i = 0; i < by_depth_[d].size(); ++i)
                if (!expand(d, i)) return false;
        return true;
    }
    // From the leaves up: the histograms.
    bool fill_all() {
        std::int64_t shared_size = 0;
        for (const Two& two : twos_)
            if (two.uses > 1) shared_size += size_of(two);
        arena_limit_ = std::min<std::int64_t>(shared_size, kArena);
        for (auto& level : by_depth_)
            for (Stored& node : level)
                if (!fill(node)) return false;
        return true;
    }

    // Finds the edges of a node, and what they ask of its children.
    bool expand(int depth, std::size_t i) {
        const Context at = context(by_depth_[depth][i]);
        const Cost budget = by_depth_[depth][i].budget;
        if (!find_splits(at, depth, budget)) return false;
        Stored& node = by_depth_[depth][i];
        node.first_edge = std::uint32_t(edges_.size());
        std::vector<std::uint32_t> path(paths_.begin() + node.path, paths_.begin() + node.path + node.path_length);
        path.push_back(0);
        for (const SplitCosts& split : splits_) {
            if (!at.variants->any(split.column)) continue;
            Edge edge{at.node->id[split.column], 0, 0, split.cost1, split.cost0};
            for (const bool side : {true, false}) {
                const Cost most = budget - edge.cost(!side);
                const int deep = effective(depth - 1, most);
                if (deep < 2) continue;
                std::uint32_t& place = side ? edge.child1 : edge.child0;
                const RowKey child = key(*at.node, split.column, side);
                if (deep == 2) {
                    place = add_two(child, edge.cost(side));
                    Two& two = twos_[place];
                    two.least = two.uses++ ? std::min(two.least, edge.cost(side)) : edge.cost(side);
                    two.budget = std::max(two.budget, most);
                } else {
                    path.back() = std::uint32_t(edge.column) << 1 | std::uint32_t(side);
                    place = add_stored(child, deep, edge.cost(side), most, path);
                }
            }
            edges_.push_back(edge);
        }
        Stored& again = by_depth_[depth][i];  // the level may have grown
        again.n_edges = std::uint32_t(edges_.size()) - again.first_edge;
        allocated(again.n_edges * sizeof(Edge));
        return !search_.worker().stopped();
    }

    // The splits of a node with trees within the budget, columns in order.
    bool find_splits(const Context& at, int depth, Cost budget) {
        splits_.clear();
        if (depth >= 3) {
            const auto recall = [&](SplitCosts& split) {
                for (const bool side : {true, false}) {
                    const auto known = two_index_.find(key(*at.node, split.column, side));
                    if (known == two_index_.end()) return false;
                    (side ? split.cost1 : split.cost0) = twos_[known->second].optimum;
                }
                return true;
            };
            const auto remember = [&](const SplitCosts& split) {
                for (const bool side : {true, false}) add_two(key(*at.node, split.column, side), side ? split.cost1 : split.cost0);
            };
            if (!search_.worker().splits_below(*at.node, depth, budget, depth, splits_, recall, remember)) return false;
            std::sort(splits_.begin(), splits_.end(), [](const SplitCosts& a, const SplitCosts& b) { return a.column < b.column; });
            std::erase_if(splits_, [&](const SplitCosts& split) { return !tables_.divides(*at.node, split.column); });
            return true;
        }
        if (!depth) return true;
        tables_.open(*at.node);
        for (int f = 0; f < at.node->n_columns; ++f) {
            if (!tables_.read_sides(f)) continue;
            const SplitCosts split{f, tables_.least_of_side(1, depth - 1), tables_.least_of_side(0, depth - 1)};
            if (split.cost1 + split.cost0 <= budget) splits_.push_back(split);
        }
        return true;
    }

    // The histogram of a node, from those of its children.
    bool fill(Stored& node) {
        const Context at = context(node);
        tables_.open(*at.node);
        const int n_slices = query_.membership.n_slices(node.depth);
        const Cost least = node.least;
        node.counts.start(n_slices, int(node.budget - least) + 1);
        tables_.visit_leaves(at.node->counts.total.data(), node.budget, [&](int, Cost cost) { node.counts.add(0, int(cost - least), 1); });
        for (const Edge* edge = edges(node); edge < edges(node) + node.n_edges; ++edge) {
            if (search_.worker().stopped()) return false;
            add_split(node, at, *edge);
        }
        node.counts.finish();
        allocated(std::int64_t(node.counts.bytes()));
        return true;
    }

    void add_split(Stored& node, const Context& at, const Edge& edge) {
        const int f = at.node->place[edge.column];
        const Child yes = child(node, at, edge, true), no = child(node, at, edge, false);
        const int n = int(node.budget - edge.cost1 - edge.cost0) + 1, from = int(edge.cost1 + edge.cost0 - node.least);
        const Membership& membership = query_.membership;
        for (int a = 0; a < membership.n_slices(yes.depth); ++a)
            for (int b = 0; b < membership.n_slices(no.depth); ++b)
                for (int v = variants_.first[f]; v < variants_.first[f + 1]; ++v) {
                    const int slice = membership.join(a, b, int(variants_.mark[v]));
                    if (slice >= 0)
                        node.counts.add_product(slice, from, yes.counts, a, no.counts, b, n, variants_.times[v], sums_,
                                                tables_.kernels().convolve_wide);
                }
        if (!membership.drop_trivial) return;
        tables_.read_sides(f);
        tables_.trivial(node.budget, [&](int, Cost cost) {
            for (int v = variants_.first[f]; v < variants_.first[f + 1]; ++v) {
                const int slice = membership.join_leaves(int(variants_.mark[v]));
                if (slice >= 0) node.counts.subtract(slice, int(cost - node.least), variants_.times[v]);
            }
        });
    }

    int size_of(const Two& two) const {
        return int(two.budget - two.least + 1) * query_.membership.n_slices(2) * (narrow_twos_ ? 4 : 8);
    }

    // Depth-two counts of a child, as far as asked: from the shared ones, or made now.
    void copy_two(Two& two, int f, bool side, Cost least, Cost most, int n, Limb* out) {
        const int n_slices = query_.membership.n_slices(2);
        if (control_ && two.at < 0 && two.uses > 1 && std::int64_t(arena_.size()) + size_of(two) <= arena_limit_) {
            if (arena_.capacity() < std::size_t(arena_limit_)) {
                arena_.reserve(arena_limit_);
                allocated(arena_limit_);
            }
            two.at = std::int64_t(arena_.size());
            arena_.resize(arena_.size() + size_of(two));
            count_two(f, side, two.least, two.budget, arena_.data() + two.at);
        }
        const std::uint8_t* from = two.at < 0 ? nullptr : arena_.data() + two.at;
        const int length = from ? int(two.budget - two.least) + 1 : n, start = from ? int(least - two.least) : 0;
        if (!from) {
            std::uint8_t* now = now_.reserve(std::size_t(n_slices) * n * 8 + 64);
            count_two(f, side, least, most, now);
            from = now;
        }
        for (int s = 0; s < n_slices; ++s) {
            if (narrow_twos_) std::copy_n(reinterpret_cast<const std::uint32_t*>(from) + std::size_t(s) * length + start, n, out + std::size_t(s) * n);
            else std::copy_n(reinterpret_cast<const std::uint64_t*>(from) + std::size_t(s) * length + start, n, out + std::size_t(s) * n);
        }
    }
    void count_two(int f, bool side, Cost least, Cost most, std::uint8_t* out) {
        tables_.open(f);
        if (narrow_twos_) tables_.count_two(variants_, side, least, most, reinterpret_cast<std::uint32_t*>(out));
        else tables_.count_two(variants_, side, least, most, reinterpret_cast<std::uint64_t*>(out));
    }

    void allocated(std::int64_t bytes) {
        bytes_ += bytes;
        control_->allocated(bytes);
    }

    OptimalTreeSearch<T>& search_;
    Shared<T>& shared_;
    const RashomonQuery query_;
    Tables<T> tables_;
    const RowHasher hasher_;
    Control* control_ = nullptr;
    Cost budget_, optimum_;  // less the certain errors
    bool narrow_twos_;
    std::vector<std::vector<std::uint32_t>> root_weight_;  // of every column of the root, by kind

    std::vector<std::vector<Stored>> by_depth_;
    std::vector<std::unordered_map<RowKey, std::uint32_t, RowKeyHash>> index_;
    std::vector<Edge> edges_;
    std::vector<std::uint32_t> paths_;
    std::vector<Two> twos_;
    std::unordered_map<RowKey, std::uint32_t, RowKeyHash> two_index_;
    std::vector<std::uint8_t> arena_;
    std::int64_t arena_limit_ = 0, bytes_ = 0;

    std::vector<std::unique_ptr<Node<T>>> chain_;  // the context and what is above it
    std::vector<std::uint32_t> chain_path_;
    Variants variants_;
    std::vector<std::uint32_t> gathered_;
    std::vector<SplitCosts> splits_;
    std::vector<Word> rows_;
    std::vector<double> sums_;
    Buffer<Limb> wide_[2];
    Buffer<std::uint8_t> now_;
};

}  // namespace treeml
