// All trees of depth two and less for the children of a node, counted by cost from tables of column pairs:
// nothing is stored below depth two. Counting pairs instead of building trees is due to MurTree (Demirovic et
// al., JMLR 2022, section 4.3); histograms of all trees from them, for both siblings at once, are ours.
#pragma once

#include <algorithm>
#include <limits>
#include <vector>

#include "treeml/histogram.hpp"
#include "treeml/node.hpp"

namespace treeml {

// Which cells of a pair table may be leaves. The rows of a cell are its last count, to which the classes are
// added where that one only has the rows that no class has.
template <class T>
struct CellRule {
    int n_classes, n_counts;
    bool adds_classes;
    T least_rows;
    T infeasible;
};

template <class T>
struct TableKernels {
    void (*count_pairs)(const Chunks&, int, T* const*);
    T (*cell_errors[2])(const CellRule<T>&, int, const T* const*, const T*, T*);  // [two classes]
    void (*subtract)(const T*, const T*, long, T*);
    int (*at_most)(const T*, int, T, int*);
    template <class C>
    struct Convolve {
        void (*run)(const std::uint32_t*, const std::uint32_t*, int, C, C*);
    };
    Convolve<std::uint32_t> convolve32;
    Convolve<std::uint64_t> convolve64;
    void (*convolve_wide)(const std::uint64_t*, const std::uint64_t*, int, std::uint64_t, bool, std::uint64_t*);
    void (*multiply_add)(const std::uint64_t*, std::uint64_t, int, std::uint64_t*);
    void (*add_masked)(const std::uint64_t*, std::uint64_t, int, std::uint64_t*);
};

namespace portable {
#define TREEML_TARGET
#define TREEML_LEVEL 0
#include "treeml/tables.inl"
#undef TREEML_TARGET
#undef TREEML_LEVEL
}  // namespace portable

#if defined(__x86_64__)
namespace avx2 {
#define TREEML_TARGET __attribute__((target("avx2,bmi2,popcnt")))
#define TREEML_LEVEL 1
#include "treeml/tables.inl"
#undef TREEML_TARGET
#undef TREEML_LEVEL
}  // namespace avx2

namespace avx512 {
#define TREEML_TARGET __attribute__((target("avx2,bmi2,popcnt,avx512bw,avx512vl,avx512bitalg")))
#define TREEML_LEVEL 2
#include "treeml/tables.inl"
#undef TREEML_TARGET
#undef TREEML_LEVEL
}  // namespace avx512
#endif

template <class T>
TableKernels<T> table_kernels_for(Isa isa) {
#if defined(__x86_64__)
    if (isa == Isa::avx512) return avx512::table_kernels<T>();
    if (isa == Isa::avx2) return avx2::table_kernels<T>();
#else
    (void)isa;
#endif
    return portable::table_kernels<T>();
}

// Which trees count as members.
struct Membership {
    bool any_label = true;      // a leaf may have any class; else the one of largest weight, the first of equals
    bool drop_trivial = false;  // without splits into two leaves of one class
    bool by_leaves = false;     // slices by number of leaves
    int max_leaves = std::numeric_limits<int>::max();  // with by_leaves
    int n_marks = 0;            // slices by which of so many kinds of columns a tree uses

    int leaf_slices(int depth) const { return by_leaves ? std::min(depth < 30 ? 1 << depth : max_leaves, max_leaves) : 1; }
    int n_slices(int depth) const { return leaf_slices(depth) << n_marks; }
    int leaves(int slice) const { return (slice >> n_marks) + 1; }  // with by_leaves
    int marks(int slice) const { return slice & ((1 << n_marks) - 1); }
    // The slice of a tree whose children are in slices a and b; -1: too many leaves.
    int join(int a, int b, int mark) const {
        const int marked = marks(a) | marks(b) | mark;
        if (!by_leaves) return marked;
        const int sum = leaves(a) + leaves(b);
        return sum > max_leaves ? -1 : (sum - 1) << n_marks | marked;
    }
    int join_leaves(int mark) const { return join(0, 0, mark); }
};

// The columns of the data that a column of a node stands for, by mark: what a split on it counts.
struct Variants {
    std::vector<int> first;           // of every column of the node, and one past the last
    std::vector<std::uint32_t> mark;  // set of kinds
    std::vector<std::uint32_t> times;
    std::vector<std::uint32_t> weight;  // of every column: how many of the data's it stands for

    bool any(int column) const { return first[column] < first[column + 1]; }
};

// Counts of column pairs of a node, both ways round.
template <class T>
struct PairTable {
    std::vector<Buffer<T>> buffers;
    std::vector<T*> counts;

    void shape(int n_counts, int n_columns, long width) {
        if (int(buffers.size()) < n_counts) buffers = std::vector<Buffer<T>>(n_counts);
        counts.resize(n_counts);
        // mirrored tiles of 16 reach past the last row
        for (int c = 0; c < n_counts; ++c) counts[c] = buffers[c].reserve(std::size_t(n_columns + 16) * width + 64);
    }
};

// Trees of depth two and less on one node and its children. A "side" is 1 where a column is 1.
template <class T>
class Tables {
  public:
    Tables(const Frame<T>& frame, const Membership& membership)
        : frame_(frame), objective_(frame.objective), membership_(membership), projector_(frame),
          kernels_(table_kernels_for<T>(choose_isa())) {
        rule_.n_classes = objective_.n_classes;
        rule_.n_counts = objective_.n_counts();
        rule_.adds_classes = !objective_.limits_leaves();
        rule_.least_rows = T(std::min<std::uint64_t>(objective_.min_samples_leaf, std::numeric_limits<T>::max()));
        rule_.infeasible = std::numeric_limits<T>::max();
        two_labels_ = objective_.n_classes == 2 && membership.any_label && !membership.drop_trivial;
        fast_ = two_labels_ && !membership.by_leaves && !membership.n_marks;
    }

    const TableKernels<T>& kernels() const { return kernels_; }
    const Membership& membership() const { return membership_; }

    // Calls visit(label, errors) for every label that a leaf may have.
    template <class Visit>
    void labels(const T* total, Visit visit) const {
        std::int64_t sum = 0;
        int most = 0;
        for (int c = 0; c < objective_.n_classes; ++c) {
            sum += total[c];
            if (total[c] > total[most]) most = c;
        }
        if (!membership_.any_label) return visit(most, sum - std::int64_t(total[most]));
        for (int c = 0; c < objective_.n_classes; ++c) visit(c, sum - std::int64_t(total[c]));
    }

    // The node that is asked about, and its children.
    void open(Node<T>& node) {
        node_ = &node;
        node.make_chunks(frame_);
        of_node_.shape(rule_.n_counts, node.n_columns, node.width);
        kernels_.count_pairs(chunks(node), rule_.n_counts, of_node_.counts.data());
        whole_.set(&of_node_, nullptr, node.counts);
        column_ = -1;
    }
    // The column whose children are asked about.
    void open(int column) {
        if (column == column_) return;
        column_ = column;
        std::int64_t ones = 0, all = 0;
        for (int c = 0; c < objective_.n_classes; ++c) ones += node_->counts.ones[c][column], all += node_->counts.total[c];
        const bool side = 2 * ones <= all;
        projector_.chunks(*node_, column, side, half_);
        of_half_.shape(rule_.n_counts, half_.n_columns, half_.width);
        kernels_.count_pairs(chunks(half_), rule_.n_counts, of_half_.counts.data());
        rest_.shape(rule_.n_counts, node_->width);
        for (int c = 0; c < rule_.n_counts; ++c) {
            kernels_.subtract(node_->counts.ones[c], half_.counts.ones[c], node_->width, rest_.ones[c]);
            rest_.total[c] = T(node_->counts.total[c] - half_.counts.total[c]);
        }
        child_[side].set(&of_half_, nullptr, half_.counts);
        child_[!side].set(&of_half_, &of_node_, rest_);
    }

    // Trees of depth one on a side of a column of the node, by cost from `least` to `most`, in slices.
    const std::uint32_t* count_one(const Variants& variants, int column, int side, Cost least, Cost most, int slot) {
        read(whole_, column);
        return count_side(variants, side, least, most, slot);
    }

    // Trees of depth two on a side of the open column: slices of costs from `least` to `most`.
    template <class C>
    void count_two(const Variants& variants, int side, Cost least, Cost most, C* out) {
        const int length = int(most - least) + 1;
        std::fill_n(out, std::size_t(membership_.n_slices(2)) * length, C(0));
        visit_two(
            variants, side, most, [&](int, Cost cost) { out[cost - least] += 1; },
            [&](int f, Cost a1, Cost a0, const std::uint32_t* yes, const std::uint32_t* no, int n) {
                for (int v = variants.first[f]; v < variants.first[f + 1]; ++v)
                    join_sides(yes, no, n, int(variants.mark[v]), variants.times[v], out + (a1 + a0 - least), length);
                if (membership_.drop_trivial)
                    trivial(most, [&](int, Cost cost) {
                        for (int v = variants.first[f]; v < variants.first[f + 1]; ++v) {
                            const int slice = membership_.join_leaves(int(variants.mark[v]));
                            if (slice >= 0) out[std::size_t(slice) * length + (cost - least)] -= variants.times[v];
                        }
                    });
                return true;
            });
    }

    // The same one by one, in order: leaf(label, cost); then split(column, a1, a0, yes, no, n) with the trees on
    // either side, by cost from a1 and a0 on, n costs, until it returns false.
    template <class Leaf, class Split>
    void visit_two(const Variants& variants, int side, Cost most, Leaf leaf, Split split) {
        visit_leaves(child_[side].total.data(), most, leaf);
        for (int f = 0; f < node_->n_columns; ++f) {
            if (!variants.any(f) || !read(child_[side], f)) continue;
            const Cost a1 = least_[1], a0 = least_[0], slack = most - a1 - a0;
            if (slack < 0) continue;
            const std::uint32_t* yes = count_side(variants, 1, a1, a1 + slack, 1);
            const std::uint32_t* no = count_side(variants, 0, a0, a0 + slack, 0);
            if (!split(f, a1, a0, yes, no, int(slack) + 1)) return;
        }
    }

    // Trees of depth one on a side of the column that was read last: leaf(label, cost), then stump(column, label
    // if true, label if false, cost).
    template <class Leaf, class Stump>
    void visit_one(const Variants& variants, int side, Cost most, Leaf leaf, Stump stump) {
        visit_leaves(side_total_[side].data(), most, leaf);
        const Cost fixed = 2 * objective_.leaf_cost;
        const int n = passing(side, most - fixed);
        for (int k = 0; k < n; ++k) {
            const int j = passing_[k];
            if (!variants.any(j)) continue;
            if (two_labels_) {  // the same, without loops
                const std::int64_t ones[2] = {side_ones_[side][1][j], side_ones_[side][0][j]};  // errors by label
                const std::int64_t zeros[2] = {side_total_[side][1] - ones[0], side_total_[side][0] - ones[1]};
                for (int label1 = 0; label1 < 2; ++label1)
                    for (int label0 = 0; label0 < 2; ++label0) {
                        const Cost cost = fixed + ones[label1] + zeros[label0];
                        if (cost <= most) stump(j, label1, label0, cost);
                    }
                continue;
            }
            read_cells(side, j);
            labels(cell1_.data(), [&](int label1, std::int64_t errors1) {
                labels(cell0_.data(), [&](int label0, std::int64_t errors0) {
                    if (membership_.drop_trivial && label1 == label0) return;
                    const Cost cost = fixed + errors1 + errors0;
                    if (cost <= most) stump(j, label1, label0, cost);
                });
            });
        }
    }
    // Reads the sides of a column of the node; false where one has too few rows.
    bool read_sides(int column) { return read(whole_, column); }
    Cost least_of_side(int side, int depth) const {
        if (depth) return least_[side];
        Cost least = kInfinite;
        visit_side_leaves(side, kInfinite, [&](int, Cost cost) { least = std::min(least, cost); });
        return least;
    }
    const T* side_total(int side) const { return side_total_[side].data(); }
    const T* child_total(int side) const { return child_[side].total.data(); }  // of the open column
    template <class Leaf>
    void visit_side_leaves(int side, Cost most, Leaf leaf) const {
        visit_leaves(side_total_[side].data(), most, leaf);
    }
    // Whether both children of a node have rows enough.
    bool divides(const Node<T>& node, int column) {
        for (const bool side : {true, false}) {
            side_total_[side].resize(rule_.n_counts);
            for (int c = 0; c < rule_.n_counts; ++c) {
                const T ones = node.counts.ones[c][column];
                side_total_[side][c] = side ? ones : T(node.counts.total[c] - ones);
            }
            if (!enough_rows(side_total_[side].data())) return false;
        }
        return true;
    }

    template <class Leaf>
    void visit_leaves(const T* total, Cost most, Leaf leaf) const {
        labels(total, [&](int label, std::int64_t errors) {
            if (errors + objective_.leaf_cost <= most) leaf(label, errors + objective_.leaf_cost);
        });
    }

    // The splits into two leaves of one class, of the column that was read last: found(label, cost).
    template <class Found>
    void trivial(Cost most, Found found) const {
        labels(side_total_[1].data(), [&](int label1, std::int64_t errors1) {
            labels(side_total_[0].data(), [&](int label0, std::int64_t errors0) {
                const Cost cost = 2 * objective_.leaf_cost + errors1 + errors0;
                if (label1 == label0 && cost <= most) found(label1, cost);
            });
        });
    }

    std::int64_t pair_counts = 0;

  private:
    // What is known of the node or a child: its pair counts, as a difference where `whole` is given.
    struct Source {
        const PairTable<T>* table = nullptr;
        const PairTable<T>* whole = nullptr;
        std::vector<const T*> ones;
        std::vector<T> total;

        void set(const PairTable<T>* of, const PairTable<T>* from, const Counts<T>& counts) {
            table = of, whole = from;
            ones.assign(counts.ones.begin(), counts.ones.end());
            total = counts.total;
        }
    };

    Chunks chunks(const Node<T>& rows) {
        ++pair_counts;
        const int total_chunks = 4 * rows.stride();
        return {rows.chunks.data(), rows.n_columns, rows.width, total_chunks, frame_.first_group.data(),
                rows.n_chunks.data(), rows.offset.data(), frame_.weight.data(),
                broadcast_.reserve(std::size_t(total_chunks) * 64 + 64)};
    }

    bool enough_rows(const T* total) const {
        std::int64_t rows = rule_.n_counts > rule_.n_classes ? std::int64_t(total[rule_.n_classes]) : 0;
        if (rule_.adds_classes)
            for (int c = 0; c < rule_.n_classes; ++c) rows += total[c];
        return rows >= std::int64_t(rule_.least_rows);
    }

    // Both sides of a column: counts of every further column, and the errors of two leaves there. False where
    // a side has too few rows.
    bool read(const Source& from, int f) {
        const long width = node_->width;
        const int n_counts = rule_.n_counts;
        const std::size_t row = std::size_t(f) * width;
        for (int side = 0; side < 2; ++side) {
            side_ones_[side].resize(n_counts);
            side_total_[side].resize(n_counts);
            sides_[side].reserve(std::size_t(n_counts) * width + 64);
        }
        for (int c = 0; c < n_counts; ++c) {
            side_total_[1][c] = from.ones[c][f];
            side_total_[0][c] = T(from.total[c] - from.ones[c][f]);
        }
        if (!enough_rows(side_total_[1].data()) || !enough_rows(side_total_[0].data())) return false;
        for (int c = 0; c < n_counts; ++c) {
            const T* here = from.table->counts[c] + row;
            if (from.whole) {
                T* to = sides_[1].data() + c * width;
                kernels_.subtract(from.whole->counts[c] + row, here, width, to);
                here = to;
            }
            side_ones_[1][c] = here;
            T* to = sides_[0].data() + c * width;
            kernels_.subtract(from.ones[c], here, width, to);
            side_ones_[0][c] = to;
        }
        for (int side = 0; side < 2; ++side) {
            const T best = kernels_.cell_errors[objective_.n_classes == 2](
                rule_, node_->n_columns, side_ones_[side].data(), side_total_[side].data(), errors_[side].reserve(width + 64));
            std::int64_t sum = 0, most = 0;
            for (int c = 0; c < objective_.n_classes; ++c) {
                sum += side_total_[side][c];
                most = std::max<std::int64_t>(most, side_total_[side][c]);
            }
            least_[side] = sum - most + objective_.leaf_cost;
            if (best != rule_.infeasible) least_[side] = std::min<Cost>(least_[side], Cost(best) + 2 * objective_.leaf_cost);
        }
        return true;
    }

    // Columns where two leaves err at most `limit` times on the side, into passing_.
    int passing(int side, Cost limit) {
        if (limit < 0) return 0;
        passing_.resize(node_->n_columns + 1);
        const T most = T(std::min<std::uint64_t>(limit, rule_.infeasible - 1));
        return kernels_.at_most(errors_[side].data(), node_->n_columns, most, passing_.data());
    }
    void read_cells(int side, int j) {
        cell1_.resize(objective_.n_classes);
        cell0_.resize(objective_.n_classes);
        for (int c = 0; c < objective_.n_classes; ++c) {
            cell1_[c] = side_ones_[side][c][j];
            cell0_[c] = T(side_total_[side][c] - cell1_[c]);
        }
    }

    // Trees of depth one on a side that was read: slices of costs from `least` to `most`.
    const std::uint32_t* count_side(const Variants& variants, int side, Cost least, Cost most, int slot) {
        const int length = int(most - least) + 1;
        const std::size_t size = std::size_t(membership_.n_slices(1)) * length;
        std::uint32_t* out = by_cost_[slot].reserve(size + 64);
        std::fill_n(out, size, 0u);
        if (fast_) {
            count_side_fast(variants, side, least, length, out);
            return out;
        }
        visit_one(
            variants, side, most, [&](int, Cost cost) { out[cost - least] += 1; },
            [&](int j, int, int, Cost cost) {
                for (int v = variants.first[j]; v < variants.first[j + 1]; ++v) {
                    const int slice = membership_.join_leaves(int(variants.mark[v]));
                    if (slice >= 0) out[std::size_t(slice) * length + (cost - least)] += variants.times[v];
                }
            });
        return out;
    }
    void count_side_fast(const Variants& variants, int side, Cost least, int length, std::uint32_t* out) {
        const T *ones0 = side_ones_[side][0], *ones1 = side_ones_[side][1], *errors = errors_[side].data();
        const std::int64_t all0 = side_total_[side][0], all1 = side_total_[side][1];
        const Cost one = objective_.leaf_cost - least, two = one + objective_.leaf_cost;
        if (one + all0 < length) out[one + all0] += 1;
        if (one + all1 < length) out[one + all1] += 1;
        const int n = passing(side, length - 1 - two);
        for (int k = 0; k < n; ++k) {
            const int j = passing_[k];
            const std::uint32_t times = variants.weight[j];
            const std::int64_t p = ones0[j], q = ones1[j], base = two + errors[j];
            const std::int64_t d1 = p < q ? q - p : p - q, d = (all0 - p) - (all1 - q), d0 = d < 0 ? -d : d;
            out[base] += times;
            if (base + d1 < length) out[base + d1] += times;
            if (base + d0 < length) out[base + d0] += times;
            if (base + d1 + d0 < length) out[base + d1 + d0] += times;
        }
    }

    template <class C>
    void join_sides(const std::uint32_t* yes, const std::uint32_t* no, int n, int mark, std::uint32_t times, C* out, int length) {
        const auto convolve = [&](const std::uint32_t* x, const std::uint32_t* y, C* to) {
            if constexpr (sizeof(C) == 4) kernels_.convolve32.run(x, y, n, C(times), to);
            else kernels_.convolve64.run(x, y, n, C(times), to);
        };
        const int n_slices = membership_.n_slices(1);
        if (n_slices == 1) return convolve(yes, no, out);
        for (int a = 0; a < n_slices; ++a)
            for (int b = 0; b < n_slices; ++b) {
                const int slice = membership_.join(a, b, mark);
                if (slice >= 0) convolve(yes + std::size_t(a) * n, no + std::size_t(b) * n, out + std::size_t(slice) * length);
            }
    }

    const Frame<T>& frame_;
    const Misclassification& objective_;
    const Membership membership_;
    Projector<T> projector_;
    const TableKernels<T> kernels_;
    CellRule<T> rule_;
    bool two_labels_;  // any label of two
    bool fast_;        // the same, and one slice

    Node<T>* node_ = nullptr;
    int column_ = -1;
    Node<T> half_;
    Counts<T> rest_;
    PairTable<T> of_node_, of_half_;
    Source whole_, child_[2];
    Buffer<std::uint16_t> broadcast_;

    // of the column that was read last
    Buffer<T> sides_[2], errors_[2];
    std::vector<const T*> side_ones_[2];
    std::vector<T> side_total_[2];
    Cost least_[2];
    std::vector<T> cell1_, cell0_;
    std::vector<int> passing_;
    Buffer<std::uint32_t> by_cost_[2];
};

}  // namespace treeml
