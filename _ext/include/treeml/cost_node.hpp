// The rows of a search node where every row has a cost for each action: what node.hpp is for classes.
#pragma once

#include <algorithm>
#include <vector>

#include "treeml/bounds.hpp"
#include "treeml/cost_kernels.hpp"
#include "treeml/cost_rows.hpp"
#include "treeml/node.hpp"

namespace treeml {

// Names a search over sums of per-row costs, held in values of type V: whole numbers, in doubles below 2^53.
template <class V>
struct CostSums {};

template <class V>
struct Frame<CostSums<V>> {
    Misclassification objective;      // n_classes: the number of actions
    Kernels<std::uint64_t> kernels;
    CostKernels<V> costs;
    CostRows rows;
    int lanes = 0, step = 0;          // of a record, and which kernel takes them
    int values = 0;                   // lanes that say something
    std::vector<V> records;           // of each row
    std::vector<Word> mark;           // of each row, random: a set of rows is known by their sum

    int n_differences() const { return objective.n_classes - 1; }
    bool can_cap() const { return objective.leaf_cost > 0 && !objective.limits_leaves(); }

    // Weight of A \ S; any number above `enough` where it is more. The heaviest rows come first.
    std::int64_t distance(const Word* a, const Word* s, int n_words, std::int64_t enough) const {
        std::int64_t sum = 0;
        for (int w = 0; w < n_words && sum <= enough; ++w)
            for (Word left = a[w] & ~s[w]; left; left &= left - 1) sum += rows.weight[64 * w + std::countr_zero(left)];
        return sum;
    }
};

template <class V>
struct Node<CostSums<V>> {
    int n_columns = 0;
    long width = 0;
    std::vector<std::int32_t> rows;          // of the root
    std::vector<std::uint32_t> start;        // first entry of each row, and one past the last
    std::vector<std::uint16_t> entries;      // its deepest columns
    std::vector<CostItem> items;             // by family
    std::vector<std::uint32_t> first_item;
    std::vector<int> family, parent;         // first column of each family; column around each column
    std::vector<V> records;
    std::vector<int> id, place;              // as of any node
    std::vector<Word> row_set;
    Word hash = 0;
    std::vector<V> ones, whole;              // of each column, [lane * width + column]; of all rows, [lane]
    std::vector<std::int64_t> first_ones, weight_ones, count_ones;  // of each column: regret of action 0, weight, rows
    std::vector<std::int64_t> stored_ones;                          // and stored rows
    std::int64_t first_total = 0, weight_total = 0, count_total = 0;
    int column = -1;                         // of a half: where it is `value` in its node
    bool value = false;

    using Frame_ = Frame<CostSums<V>>;

    std::int64_t total(const Frame_&) const { return weight_total; }
    std::int64_t n_rows(const Frame_&) const { return count_total; }
    std::int64_t leaf_errors(const Frame_& frame) const {
        V least = 0;
        for (int a = 0; a < frame.n_differences(); ++a) least = std::min(least, whole[a]);
        return first_total + std::int64_t(least);
    }
    NodeSide side(const Frame_& frame, int f, bool value) const {
        V least = 0;
        for (int a = 0; a < frame.n_differences(); ++a) {
            const V one = ones[a * width + f];
            least = std::min(least, value ? one : V(whole[a] - one));
        }
        const auto of = [&](const std::vector<std::int64_t>& in, std::int64_t all) { return value ? in[f] : all - in[f]; };
        return {of(first_ones, first_total) + std::int64_t(least), of(weight_ones, weight_total), of(count_ones, count_total)};
    }
    void weights(const Frame_&, std::vector<std::int64_t>& out) const { out.assign(weight_ones.begin(), weight_ones.end()); }
    // Whether fewer rows are in column f than outside.
    bool mostly_no(const Frame_&, int f) const { return 2 * stored_ones[f] <= std::int64_t(rows.size()); }

    void set_row_set(const std::vector<Word>& set) {
        row_set = set;
        hash = hash_rows(row_set);
    }
    void make_chunks(const Frame_&) {}
};

// Makes children of nodes; owns the scratch space for it.
template <class V>
class Projector<CostSums<V>> {
  public:
    using NodeT = Node<CostSums<V>>;

    explicit Projector(const Frame<CostSums<V>>& frame) : frame_(frame) {}

    // The node of all rows and columns.
    void root(NodeT& out) {
        const CostRows& all = frame_.rows;
        NodeT node;
        node.n_columns = all.n_columns();
        node.parent = all.parent;
        node.id.resize(node.n_columns);
        std::iota(node.id.begin(), node.id.end(), 0);
        node.place = node.id;
        constexpr std::uint16_t kNone = 0xffff;
        const std::size_t n_families = node.n_columns ? all.family.back() + 1 : 0;
        std::vector<std::uint16_t> deepest(all.n_rows * n_families, kNone);
        for (int j = 0; j < node.n_columns; ++j)  // the inner ones come later
            for (int w = 0; w < all.stride; ++w)
                for (Word left = all.column(j)[w]; left; left &= left - 1)
                    deepest[(64 * std::size_t(w) + std::countr_zero(left)) * n_families + all.family[j]] = std::uint16_t(j);
        node.entries.resize(deepest.size() + 1);
        std::uint32_t at = 0;
        for (std::size_t r = 0; r < std::size_t(all.n_rows); ++r) {
            node.rows.push_back(std::int32_t(r));
            node.start.push_back(at);
            for (std::size_t g = 0; g < n_families; ++g) {
                node.entries[at] = deepest[r * n_families + g];
                at += node.entries[at] != kNone;
            }
        }
        node.entries.resize(at);
        node.start.push_back(std::uint32_t(node.entries.size()));
        std::vector<Word> set(all.stride);
        for (int w = 0; w < all.stride; ++w) set[w] = valid_bits(all.n_rows, w);
        node.set_row_set(set);
        kept_.resize(all.n_rows);
        std::iota(kept_.begin(), kept_.end(), 0);
        keep(node, out);
        out.set_row_set(set);
    }

    // The child of `node` where column f is `value`, with its distinct columns.
    void child(const NodeT& node, int f, bool value, NodeT& out) {
        const Word* column = frame_.rows.column(node.id[f]);
        out.row_set.resize(frame_.rows.stride);
        for (int w = 0; w < frame_.rows.stride; ++w) out.row_set[w] = node.row_set[w] & (value ? column[w] : ~column[w]);
        kept_.resize(node.rows.size());
        std::size_t n = 0;
        for (std::size_t r = 0; r < node.rows.size(); ++r) {
            kept_[n] = std::int32_t(r);
            n += has(column, node.rows[r]) == value;
        }
        kept_.resize(n);
        keep(node, out);
    }

    // The same as items only: the sums are those of pairs with f.
    void chunks(const NodeT& node, int f, bool value, NodeT& out) {
        const Word* column = frame_.rows.column(node.id[f]);
        const std::size_t n = node.rows.size();
        inside_.resize(n);
        for (std::size_t r = 0; r < n; ++r) inside_[r] = has(column, node.rows[r]) == value;
        out.column = f;
        out.value = value;
        out.items.resize(node.items.size() + 1);
        out.first_item.assign(1, 0);
        std::uint32_t at = 0;
        for (std::size_t g = 0; g + 1 < node.first_item.size(); ++g) {
            for (std::uint32_t k = node.first_item[g]; k < node.first_item[g + 1]; ++k) {
                out.items[at] = node.items[k];
                at += inside_[node.items[k].row];
            }
            out.first_item.push_back(at);
        }
    }

    static CostPairs<V> pairs(const Frame<CostSums<V>>& frame, const NodeT& node, const NodeT& half) {
        CostPairs<V> in{};
        in.n_columns = node.n_columns;
        in.n_families = int(node.family.size()) - 1;
        in.width = node.width;
        in.family = node.family.data();
        in.parent = node.parent.data();
        in.items = half.items.data();
        in.first_item = half.first_item.data();
        in.start = node.start.data();
        in.entries = node.entries.data();
        in.records = node.records.data();
        in.lanes = frame.lanes;
        in.n_values = frame.values;
        in.n_differences = frame.n_differences();
        return in;
    }

  private:
    static bool has(const Word* column, std::int32_t row) { return (column[row >> 6] >> (row & 63)) & 1; }
    std::int64_t first_regret(std::int32_t row) const { return frame_.rows.regret[std::size_t(row) * frame_.rows.n_actions]; }

    void add_columns(NodeT& node) {
        node.ones.assign(std::size_t(frame_.values) * node.width, 0);
        CostPairs<V> in = pairs(frame_, node, node);
        in.cells = cells_.reserve(std::size_t(node.n_columns + 1) * frame_.lanes);
        frame_.costs.add_columns[frame_.step](in, node.ones.data());
    }

    // The rows kept_ of `node`, with the columns that differ there: constant columns and those equal or
    // complementary to an earlier one go; a row that was deepest in one of them is then in the next one around it.
    void keep(const NodeT& node, NodeT& out) {
        const int p = node.n_columns;
        const std::int64_t all = std::int64_t(kept_.size());
        sums_.assign(std::size_t(p) + 1, {});
        Sums total{};
        for (std::int32_t r : kept_) {
            const std::int32_t row = node.rows[r];
            const Sums own{frame_.mark[row], 1, first_regret(row), frame_.rows.weight[row], frame_.rows.count[row]};
            total.add(own);
            for (std::uint32_t k = node.start[r]; k < node.start[r + 1]; ++k) sums_[node.entries[k]].add(own);
        }
        for (int j = p - 1; j >= 0; --j)
            if (node.parent[j] >= 0) sums_[node.parent[j]].add(sums_[j]);
        stands_for_.assign(p, -1);
        deepest_.assign(p, -1);
        std::vector<int> id;
        out.parent.clear();
        out.family.clear();
        out.first_ones.clear(), out.weight_ones.clear(), out.count_ones.clear(), out.stored_ones.clear();
        int slots = 64, last_family = -1;
        while (slots < 2 * p + 2) slots *= 2;
        table_.assign(slots, -1);
        for (int j = 0; j < p; ++j) {
            const Sums& sum = sums_[j];
            const int up = node.parent[j] < 0 ? -1 : deepest_[node.parent[j]];
            deepest_[j] = up;
            if (sum.rows == 0 || sum.rows == all) continue;
            const Word* column = frame_.rows.column(node.id[j]);
            const bool first = has(column, node.rows[kept_[0]]);
            const Word known_by = first ? sum.mark : total.mark - sum.mark;
            int slot = int((known_by * 0x9E3779B97F4A7C15ull) >> 40) & (slots - 1);
            while (table_[slot] >= 0 && !(marks_[table_[slot]] == known_by && same(id[table_[slot]], node.id[j], out.row_set, node)))
                slot = (slot + 1) & (slots - 1);
            if (table_[slot] >= 0) {
                stands_for_[j] = table_[slot];
                continue;
            }
            const int here = int(id.size());
            if (marks_.size() <= std::size_t(here)) marks_.resize(here + 64);
            marks_[here] = known_by;
            table_[slot] = stands_for_[j] = deepest_[j] = here;
            if (frame_.rows.family[node.id[j]] != last_family) out.family.push_back(here);
            last_family = frame_.rows.family[node.id[j]];
            id.push_back(node.id[j]);
            out.parent.push_back(up);
            out.first_ones.push_back(sum.first), out.weight_ones.push_back(sum.weight);
            out.count_ones.push_back(sum.count), out.stored_ones.push_back(sum.rows);
        }
        out.n_columns = int(id.size());
        out.width = padded_width(out.n_columns);
        out.family.push_back(out.n_columns);
        out.first_total = total.first, out.weight_total = total.weight, out.count_total = total.count;
        out.place.resize(node.place.size());
        for (std::size_t g = 0; g < node.place.size(); ++g)
            out.place[g] = node.place[g] < 0 ? -1 : stands_for_[node.place[g]];
        out.id = std::move(id);
        take_rows(node, out);
    }

    void take_rows(const NodeT& node, NodeT& out) {
        const int lanes = frame_.lanes, n_families = int(out.family.size()) - 1;
        const std::size_t n = kept_.size();
        family_of_.resize(out.n_columns + 1);
        for (int g = 0; g < n_families; ++g) std::fill(family_of_.begin() + out.family[g], family_of_.begin() + out.family[g + 1], g);
        out.rows.resize(n);
        out.start.resize(n + 1);
        out.entries.resize(node.entries.size() + 1);
        out.records.resize(n * lanes);
        out.whole.assign(lanes, 0);
        out.first_item.assign(n_families + 1, 0);
        std::uint32_t at = 0;
        for (std::size_t r = 0; r < n; ++r) {
            const std::int32_t from = kept_[r], row = node.rows[from];
            out.rows[r] = row;
            out.start[r] = at;
            for (std::uint32_t k = node.start[from]; k < node.start[from + 1]; ++k) {
                const int j = deepest_[node.entries[k]];
                if (j < 0) continue;
                out.entries[at++] = std::uint16_t(j);
                ++out.first_item[family_of_[j] + 1];
            }
            const V* record = frame_.records.data() + std::size_t(row) * lanes;
            for (int l = 0; l < lanes; ++l) out.whole[l] += out.records[r * lanes + l] = record[l];
        }
        out.start[n] = at;
        std::partial_sum(out.first_item.begin(), out.first_item.end(), out.first_item.begin());
        out.items.resize(at);
        // Items of a family by how many entries follow in their row, so that loops over those do not vary.
        const auto size = [&](std::size_t r) { return out.start[r + 1] - out.start[r]; };
        by_size_.assign(n_families + 2, 0);
        for (std::size_t r = 0; r < n; ++r) ++by_size_[n_families - size(r) + 1];
        std::partial_sum(by_size_.begin(), by_size_.end(), by_size_.begin());
        order_.resize(n);
        for (std::size_t r = 0; r < n; ++r) order_[by_size_[n_families - size(r)]++] = std::uint32_t(r);
        to_.assign(out.first_item.begin(), out.first_item.end());
        for (std::uint32_t length = 1; length <= std::uint32_t(n_families); ++length)
            for (std::size_t k = 0; k < n && size(order_[k]) >= length; ++k) {
                const std::uint32_t entry = out.start[order_[k] + 1] - length;
                out.items[to_[family_of_[out.entries[entry]]]++] = {order_[k], entry};
            }
        add_columns(out);
    }

    // Whether two columns of the root are equal or complementary on a set of rows.
    bool same(int a, int b, const std::vector<Word>& set, const NodeT& node) const {
        const Word *x = frame_.rows.column(a), *y = frame_.rows.column(b);
        const Word* rows = set.empty() ? node.row_set.data() : set.data();
        const std::int32_t first = node.rows[kept_[0]];
        const Word turn = has(x, first) != has(y, first) ? ~Word(0) : 0;
        for (int w = 0; w < frame_.rows.stride; ++w)
            if ((x[w] ^ y[w] ^ turn) & rows[w]) return false;
        return true;
    }

    struct Sums {
        Word mark;
        std::int64_t rows, first, weight, count;
        void add(const Sums& other) {
            mark += other.mark, rows += other.rows, first += other.first;
            weight += other.weight, count += other.count;
        }
    };

    const Frame<CostSums<V>>& frame_;
    Buffer<V> cells_;
    std::vector<std::int32_t> kept_;  // rows of the node that the child has
    std::vector<std::uint8_t> inside_;
    std::vector<Sums> sums_;
    std::vector<int> stands_for_, deepest_, table_, family_of_;
    std::vector<std::uint32_t> by_size_, order_, to_;
    std::vector<Word> marks_;
};

}  // namespace treeml
