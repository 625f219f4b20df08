// Greedy growth of a tree: the best split of every node, depth first or best first.
//
// Narrow and sparse columns keep a histogram per open node: that of the smaller child is counted, that of the
// larger one is what is left of the parent's. Wide columns, and all columns of a node with few rows, are counted
// over the codes that occur.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "treeml/code_columns.hpp"
#include "treeml/code_counter.hpp"
#include "treeml/control.hpp"
#include "treeml/row_partition.hpp"
#include "treeml/row_scan.hpp"
#include "treeml/split.hpp"
#include "treeml/team.hpp"

namespace treeml {

struct GrowthLimits {
    int max_depth = 1 << 30;
    std::int64_t max_leaves = 0;     // 0: no limit, and depth first; otherwise best first
    std::int64_t rows_to_split = 2;
    LeafLimits leaf;
    double least_gain = 0;           // of a split
    bool must_gain = false;          // whether a gain of least_gain is not enough
    bool middle = false;             // cut in the middle of the codes that do not occur, not after the last on the left
};

struct GrownNode {
    int column = -1;  // -1: leaf
    int code = -1, next = -1;
    bool missing_left = false;
    int left = -1, right = -1;
    bool yes_left = true;  // the question is answered yes on the left
    int depth = 0;
    double gain = 0;
    std::int64_t begin = 0, end = 0;  // of its rows
    std::vector<RowCode> levels;      // of a category: those on the left
    std::vector<std::int64_t> total;
    ValueBounds bounds;
};

class Grower {
  public:
    Grower(const CodeColumns& columns, Team& team, std::vector<char> allowed = {})
        : columns_(columns), team_(team), rows_(columns, team), allowed_(std::move(allowed)), scratch_(team.size()) {
        n_histograms_ = columns.width() + static_cast<int>(columns.sparse().size());
    }

    // The nodes of a tree over these rows, the root first, parents before children. The rows are reordered; those of
    // a node are rows[begin .. end).
    std::vector<GrownNode> grow(const Accumulator& accumulator, std::vector<Row>& rows, const GrowthLimits& limits,
                                Control& control) {
        accumulator_ = &accumulator;
        scan_ = nullptr;
        return grow(rows, limits, control);
    }
    std::vector<GrownNode> grow(RowScan& scan, std::vector<Row>& rows, const GrowthLimits& limits, Control& control) {
        accumulator_ = nullptr;
        scan_ = &scan;
        return grow(rows, limits, control);
    }

    // Whether `rows` are all rows in their order when a tree starts: its root is then read without them.
    void set_rows_ascend(bool ascend) { rows_ascend_ = ascend; }

    int code(const GrownNode& node, Row row) const { return columns_[node.column].code(row); }

    // Whether a row with this code goes left.
    bool goes_left(const GrownNode& node, int code) const {
        const CodeColumn& column = columns_[node.column];
        if (code == column.missing()) return node.missing_left;
        if (!column.category) return code <= node.code;
        return std::binary_search(node.levels.begin(), node.levels.end(), static_cast<RowCode>(code));
    }

  private:
    static constexpr int kNoHistogram = -1;
    static constexpr std::int64_t kParallelWork = 1 << 15;  // additions below which threads do not pay
    static constexpr std::int64_t kHistogramBytes = std::int64_t(1) << 28;

    struct Open {
        int node = 0;
        Split split;
        int histogram = kNoHistogram;
        std::vector<Range> sparse;  // of the entries of sparse columns
    };

    // What a member of the team computes with.
    struct Scratch {
        Buffer<std::int64_t> histograms;
        CodeCounter counter;
        std::unique_ptr<RowScanner> scanner;
        Split best[2];
    };

    std::vector<GrownNode> grow(std::vector<Row>& rows, const GrowthLimits& limits, Control& control) {
        limits_ = limits;
        nodes_.clear();
        open_.clear();
        free_.clear();
        used_histograms_ = 0;
        stride_ = accumulator_ ? accumulator_->stride() : 0;
        for (Scratch& scratch : scratch_)
            if (scan_) scratch.scanner = std::make_unique<RowScanner>(*scan_, limits.leaf);
        rows_.start(rows, !scan_);
        GrownNode root;
        root.end = static_cast<std::int64_t>(rows.size());
        root.total = total(0, root.end);
        nodes_.push_back(std::move(root));
        Open first;
        first.sparse = rows_.all_sparse();
        if (may_split(0)) {
            if (has_histogram(0)) {
                first.histogram = take_histogram();
                count(first);
                add_parts(first);
            }
            Open* children[2] = {&first, nullptr};
            scan(children, kNoHistogram);
            push(std::move(first));
        }
        std::int64_t leaves = 1;
        while (!open_.empty() && (!limits_.max_leaves || leaves < limits_.max_leaves)) {
            if (control.stop(true)) break;
            Open parent = pop();
            ++leaves;
            expand(parent);
        }
        return std::move(nodes_);
    }

    std::int64_t n_rows(int node) const { return nodes_[node].end - nodes_[node].begin; }
    RowRange range(int node) const {
        const bool as_they_are = node == 0 && n_rows(0) == columns_.n_rows() && rows_ascend_;
        return {as_they_are ? nullptr : rows_.rows(), nodes_[node].begin, nodes_[node].end};
    }
    bool allowed(int column) const { return allowed_.empty() || allowed_[column]; }
    // Whether the narrow columns of a node are counted in histograms.
    bool has_histogram(int node) const { return stride_ && n_histograms_ && n_rows(node) * kCodesPerRow >= kNarrow; }

    bool may_split(int node) const {
        const std::int64_t rows = n_rows(node);
        if (nodes_[node].depth >= limits_.max_depth) return false;
        if (rows < limits_.rows_to_split || rows < 2 * limits_.leaf.rows) return false;
        if (limits_.must_gain) return true;  // alike rows gain nothing
        return !(scan_ ? scan_->pure(range(node)) : accumulator_->pure(range(node), nodes_[node].total.data()));
    }

    std::vector<std::int64_t> total(std::int64_t begin, std::int64_t end) const {
        std::vector<std::int64_t> sum(stride_, 0);
        if (stride_) accumulator_->sum({rows_.rows(), begin, end}, sum.data());
        return sum;
    }

    // Open nodes: a stack, or a heap by gain.

    static bool later(const Open& a, const Open& b) {
        return a.split.gain != b.split.gain ? a.split.gain < b.split.gain : a.node > b.node;
    }
    void push(Open&& open) {
        const double gain = open.split.gain;
        const bool enough = limits_.must_gain ? gain > limits_.least_gain : gain >= limits_.least_gain;
        if (!open.split.exists() || !enough) return release(open.histogram);
        open_.push_back(std::move(open));
        if (limits_.max_leaves) std::push_heap(open_.begin(), open_.end(), later);
    }
    Open pop() {
        if (limits_.max_leaves) std::pop_heap(open_.begin(), open_.end(), later);
        Open open = std::move(open_.back());
        open_.pop_back();
        return open;
    }

    // Histograms: slots that are used again. Where there would be too many, a node does without.

    std::size_t histogram_size() const { return std::size_t(n_histograms_) * kNarrow * stride_; }
    int take_histogram() {
        if (!free_.empty()) {
            const int slot = free_.back();
            free_.pop_back();
            return slot;
        }
        const std::int64_t bytes = static_cast<std::int64_t>(histogram_size() * sizeof(std::int64_t));
        if (used_histograms_ > 64 && used_histograms_ * bytes > kHistogramBytes) return kNoHistogram;
        if (used_histograms_ == static_cast<int>(slots_.size())) slots_.emplace_back();
        slots_[used_histograms_].reserve(histogram_size());
        return used_histograms_++;
    }
    void release(int slot) {
        if (slot != kNoHistogram) free_.push_back(slot);
    }
    std::int64_t* cells_of(int slot, int place) {
        return slots_[slot].data() + std::size_t(place) * kNarrow * stride_;
    }

    // Splits a node, and finds the splits of its children.
    void expand(Open& parent) {
        const int at = parent.node;
        const Split& split = parent.split;
        const CodeColumn& column = columns_[split.column];
        std::vector<std::int64_t> left_total;
        if (stride_ && parent.histogram != kNoHistogram && place(column) >= 0)
            left_total = left_sum(parent, column);
        const std::int64_t middle = rows_.split(nodes_[at].begin, nodes_[at].end, split);
        int child[2] = {static_cast<int>(nodes_.size()), static_cast<int>(nodes_.size()) + 1};
        {
            GrownNode& node = nodes_[at];
            node.column = split.column;
            node.code = split.code;
            node.next = split.next;
            node.missing_left = split.saw_missing && split.missing_left;
            node.gain = split.gain;
            node.levels = split.left;
            node.left = child[0];
            node.right = child[1];
            if (split.next == column.missing() && column.has_missing) take_all_known(node, column);
            else if (limits_.middle && !column.category) {
                node.code = (split.code + split.next - 1) / 2;
                node.next = node.code + 1;
            }
            set_question(node, split, column, middle);
        }
        for (int c = 0; c < 2; ++c) {
            GrownNode node;
            node.depth = nodes_[at].depth + 1;
            node.begin = c ? middle : nodes_[at].begin;
            node.end = c ? nodes_[at].end : middle;
            nodes_.push_back(std::move(node));
        }
        if (stride_) {
            if (left_total.empty()) left_total = total(nodes_[at].begin, middle);
            std::vector<std::int64_t> right_total = nodes_[at].total;
            for (int s = 0; s < stride_; ++s) right_total[s] -= left_total[s];
            nodes_[child[0]].total = std::move(left_total);
            nodes_[child[1]].total = std::move(right_total);
        }
        set_bounds(at, column);
        Open children[2];
        Open* wanted[2] = {nullptr, nullptr};
        for (std::size_t s = 0; s < parent.sparse.size(); ++s) {
            const std::int64_t cut = rows_.split_sparse(static_cast<int>(s), parent.sparse[s]);
            children[0].sparse.emplace_back(parent.sparse[s].first, cut);
            children[1].sparse.emplace_back(cut, parent.sparse[s].second);
        }
        for (int c = 0; c < 2; ++c) {
            children[c].node = child[c];
            if (may_split(child[c])) wanted[c] = &children[c];
        }
        const int inherited = give_histograms(parent, child, children, wanted);
        scan(wanted, inherited);
        for (int c = 1; c >= 0; --c)
            if (wanted[c]) push(std::move(children[c]));
    }

    // Known values that the node does not have go left too where it splits off the missing ones.
    static void take_all_known(GrownNode& node, const CodeColumn& column) {
        node.code = column.n_codes - 2;
        if (!column.category) return;
        node.code = -1;
        node.levels.resize(column.n_codes - 1);
        for (std::size_t code = 0; code < node.levels.size(); ++code) node.levels[code] = static_cast<RowCode>(code);
    }

    // A missing value answers no to all questions but "is missing", so where it goes decides which side is asked for.
    // Where training had none in this node, it goes where more rows went.
    static void set_question(GrownNode& node, const Split& split, const CodeColumn& column, std::int64_t middle) {
        if (split.saw_missing) node.yes_left = !split.missing_left && split.next != column.missing();
        else if (column.has_missing) node.yes_left = middle - node.begin <= node.end - middle;
        else if (column.category) node.yes_left = 2 * static_cast<int>(split.left.size()) <= column.n_codes;
        else node.yes_left = !column.asks_above;
        if (!split.saw_missing) node.missing_left = !node.yes_left;
    }

    int place(const CodeColumn& column) const {
        return column.sparse >= 0 ? columns_.width() + column.sparse : column.place;
    }

    std::vector<std::int64_t> left_sum(const Open& parent, const CodeColumn& column) {
        const std::int64_t* cells = cells_of(parent.histogram, place(column));
        std::vector<std::int64_t> sum(stride_, 0);
        const auto add = [&](int code) {
            for (int s = 0; s < stride_; ++s) sum[s] += cells[std::size_t(code) * stride_ + s];
        };
        const int known = column.n_codes - column.has_missing;
        if (column.category) {
            for (const RowCode code : parent.split.left) add(code);
        } else {
            for (int code = 0; code <= parent.split.code && code < known; ++code) add(code);
        }
        if (parent.split.saw_missing && parent.split.missing_left) add(column.missing());
        return sum;
    }

    void set_bounds(int at, const CodeColumn& column) {
        GrownNode &node = nodes_[at], &left = nodes_[node.left], &right = nodes_[node.right];
        left.bounds = right.bounds = node.bounds;
        if (!column.monotone) return;
        const double a = node.bounds.clip(value(node.left)), b = node.bounds.clip(value(node.right));
        const double middle = a + (b - a) / 2;
        (column.monotone > 0 ? left : right).bounds.high = middle;
        (column.monotone > 0 ? right : left).bounds.low = middle;
    }

    double value(int node) const {
        if (!scan_) return accumulator_->value(nodes_[node].total.data());
        scan_->enter(range(node));
        return scan_->value(range(node));
    }

    // Counts what the wanted children need. Returns the slot that holds the parent's counts where the larger child's
    // are still to be made from it.
    int give_histograms(Open& parent, const int* child, Open* children, Open** wanted) {
        int inherited = kNoHistogram;
        const bool left_is_smaller = n_rows(child[0]) <= n_rows(child[1]);
        Open &small = children[left_is_smaller ? 0 : 1], &large = children[left_is_smaller ? 1 : 0];
        const bool want_small = wanted[left_is_smaller ? 0 : 1] && has_histogram(small.node);
        const bool want_large = wanted[left_is_smaller ? 1 : 0] && has_histogram(large.node);
        if (want_large && parent.histogram != kNoHistogram) {
            small.histogram = take_histogram();
            if (small.histogram != kNoHistogram) {
                count(small);
                large.histogram = inherited = parent.histogram;
                parent.histogram = kNoHistogram;
                small_slot_ = small.histogram;
                small_stays_ = want_small;
                return inherited;
            }
        }
        release(parent.histogram);
        parent.histogram = kNoHistogram;
        for (Open* open : {want_small ? &small : nullptr, want_large ? &large : nullptr}) {
            if (!open) continue;
            open->histogram = take_histogram();
            if (open->histogram == kNoHistogram) continue;
            count(*open);
            add_parts(*open);
        }
        return kNoHistogram;
    }

    // The histograms of a node from its rows, in as many parts as threads counted; those of sparse columns from the
    // rows of other codes.
    void count(const Open& open) {
        const RowRange rows = range(open.node);
        const std::int64_t n = rows.end - rows.begin;
        const std::size_t matrix = std::size_t(columns_.width()) * kNarrow * stride_;
        std::int64_t* cells = slots_[open.histogram].data();
        partials_ = columns_.width() && n * columns_.width() >= kParallelWork ? team_.size() : 1;
        if (partials_ == 1) {
            std::memset(cells, 0, matrix * sizeof *cells);
            if (columns_.width()) accumulator_->count_matrix(columns_, rows, cells);
        } else {
            std::atomic<int> next{0};
            const int parts = partials_ * Team::kPartsEach;
            team_.run([&](int member) {
                std::int64_t* to = member ? scratch_[member].histograms.reserve(matrix) : cells;
                std::memset(to, 0, matrix * sizeof *to);
                for (int part; (part = next.fetch_add(1, std::memory_order_relaxed)) < parts;) {
                    const std::int64_t begin = rows.begin + n * part / parts;
                    accumulator_->count_matrix(columns_, {rows.rows, begin, rows.begin + n * (part + 1) / parts}, to);
                }
            });
        }
        for (std::size_t s = 0; s < open.sparse.size(); ++s) {
            const auto [begin, end] = open.sparse[s];
            std::int64_t* column = cells_of(open.histogram, columns_.width() + static_cast<int>(s));
            std::memset(column, 0, std::size_t(kNarrow) * stride_ * sizeof *column);
            accumulator_->count_codes(rows_.sparse_codes(static_cast<int>(s)) + begin,
                                      rows_.sparse_rows(static_cast<int>(s)) + begin, end - begin, column);
            std::int64_t* usual = column + std::size_t(columns_.sparse()[s].usual) * stride_;
            std::vector<std::int64_t> others(stride_, 0);
            for (int code = 0; code < kNarrow; ++code)
                for (int k = 0; k < stride_; ++k) others[k] += column[std::size_t(code) * stride_ + k];
            for (int k = 0; k < stride_; ++k) usual[k] = nodes_[open.node].total[k] - others[k];
        }
    }

    void add_parts(const Open& open) {
        if (partials_ == 1) return;
        team_.each(columns_.width(), [&](int at, int) { add_parts(open.histogram, at); });
        partials_ = 1;
    }
    void add_parts(int slot, int at) {
        const std::size_t size = std::size_t(kNarrow) * stride_;
        std::int64_t* cells = cells_of(slot, at);
        for (int member = 1; member < partials_; ++member) {
            const std::int64_t* part = scratch_[member].histograms.data() + std::size_t(at) * size;
            for (std::size_t i = 0; i < size; ++i) cells[i] += part[i];
        }
    }

    // The best splits of one or two nodes; `inherited` is the slot of the larger one that still holds the parent's
    // counts, from which those of the smaller one are taken off here.
    void scan(Open** wanted, int inherited) {
        for (Scratch& scratch : scratch_)
            for (Split& best : scratch.best) best = Split{};
        std::int64_t work = 0;
        for (int c = 0; c < 2; ++c)
            if (wanted[c]) work += std::min<std::int64_t>(n_rows(wanted[c]->node) * 8, 1 << 10) * columns_.size();
        if (scan_) return scan_rows(wanted);
        const auto job = [&](int column, int member) {
            if (inherited != kNoHistogram) inherit(column, inherited);
            if (!allowed(column)) return;
            for (int c = 0; c < 2; ++c)
                if (wanted[c]) scan_column(*wanted[c], column, scratch_[member].counter, scratch_[member].best[c]);
        };
        if (team_.size() > 1 && work >= kParallelWork / 4) team_.each(columns_.size(), job);
        else
            for (int column = 0; column < columns_.size(); ++column) job(column, 0);
        if (inherited != kNoHistogram && !small_stays_) {
            release(small_slot_);
            for (int c = 0; c < 2; ++c)
                if (wanted[c] && wanted[c]->histogram == small_slot_) wanted[c]->histogram = kNoHistogram;
        }
        collect(wanted);
    }

    void collect(Open** wanted) {
        for (int c = 0; c < 2; ++c)
            for (Scratch& scratch : scratch_)
                if (wanted[c] && scratch.best[c].exists() && scratch.best[c].better_than(wanted[c]->split))
                    wanted[c]->split = std::move(scratch.best[c]);
    }

    // The larger child's counts of a column: the parent's without those of the smaller child.
    void inherit(int column, int inherited) {
        const int at = place(columns_[column]);
        if (at < 0) return;
        if (at < columns_.width()) add_parts(small_slot_, at);
        const std::int64_t* small = cells_of(small_slot_, at);
        std::int64_t* large = cells_of(inherited, at);
        const std::size_t size = std::size_t(columns_[column].n_codes) * stride_;
        for (std::size_t i = 0; i < size; ++i) large[i] -= small[i];
    }

    void scan_column(const Open& open, int index, CodeCounter& counter, Split& best) {
        const CodeColumn& column = columns_[index];
        const GrownNode& node = nodes_[open.node];
        ColumnCounts counts{&column, index, nullptr, nullptr, 0, node.total.data(), node.bounds};
        if (open.histogram != kNoHistogram && place(column) >= 0) {
            counts.cells = cells_of(open.histogram, place(column));
            counts.n = column.n_codes;
        } else {
            counter.count(*accumulator_, range(open.node), counts);
        }
        accumulator_->scan(counts, best);
    }

    // Row by row, for what cells cannot hold.

    void scan_rows(Open** wanted) {
        for (int c = 0; c < 2; ++c) {
            if (!wanted[c]) continue;
            const int at = wanted[c]->node;
            const RowRange rows = range(at);
            scan_->enter(rows);
            const double whole = scratch_[0].scanner->cost(rows);
            const auto job = [&](int column, int member) {
                Scratch& scratch = scratch_[member];
                if (!allowed(column)) return;
                const OrderedRows ordered = scratch.counter.order(columns_[column], column, rows, nodes_[at].bounds);
                scratch.scanner->run(ordered, whole, scratch.best[c]);
            };
            if (team_.size() > 1 && (rows.end - rows.begin) * columns_.size() * 8 >= kParallelWork)
                team_.each(columns_.size(), job);
            else
                for (int column = 0; column < columns_.size(); ++column) job(column, 0);
        }
        collect(wanted);
    }

    const CodeColumns& columns_;
    Team& team_;
    RowPartition rows_;
    std::vector<char> allowed_;
    std::vector<Scratch> scratch_;
    const Accumulator* accumulator_ = nullptr;
    RowScan* scan_ = nullptr;
    GrowthLimits limits_;
    int stride_ = 0, n_histograms_ = 0, partials_ = 1;
    bool rows_ascend_ = false;
    std::vector<GrownNode> nodes_;
    std::vector<Open> open_;
    std::vector<Buffer<std::int64_t>> slots_;
    std::vector<int> free_;
    int used_histograms_ = 0, small_slot_ = kNoHistogram;
    bool small_stays_ = false;
};

}  // namespace treeml
