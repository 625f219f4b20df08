// Every support of a size by its conflict bound, where the nets of all smaller sets of columns fit into memory.
//
// The nets of the 2^s cells of a support S follow by inclusion and exclusion from the nets N(T) of the rows that have
// all columns of T, for the subsets T of S. Only N(S) itself is new at size s: one popcount over the few rows that have
// the first s - 2 columns. All else is read from tables of the sizes before, side by side for all last columns.
// Columns that most rows have are taken as their complements.
#pragma once

#include <memory>

#include "treeml/slim_layer.hpp"

namespace treeml {

template <class T>
class SlimTables {
  public:
    static constexpr int kMostTerms = 6;

    SlimTables(SlimState& state, const std::vector<int>& terms, const SlimKernels<T>& kernels)
        : state_(state), problem_(state.problem), kernels_(kernels) {
        root_.fill(problem_, terms, kernels, true);
        d_ = root_.n_columns;
        for (int r = 0; r <= kMostTerms; ++r) {
            auto& sums = sums_[r];
            sums.assign(d_ + 1, 0);
            if (choose_real(d_, r) > kMostSets) break;  // larger sets are not asked for
            for (int x = 0; x < d_; ++x) sums[x + 1] = sums[x] + choose(d_ - 1 - x, r);
        }
        tables_.resize(1);
        tables_[0].assign(1, root_.whole[0]);
        std::vector<T>& singles = tables_.emplace_back(d_ + 8);
        for (int c = 0; c < d_; ++c) singles[c] = root_.singles[std::size_t(c) * root_.n_lanes];
        state_.control.allocated(root_.bytes() + std::int64_t(d_) * 8 * (kMostTerms + 2));
    }

    // Bytes of the tables that supports of n terms need.
    static double bytes(int n_columns, int n) {
        double out = 0;
        for (int m = 2; m < n; ++m) out += choose_real(n_columns, m) * sizeof(T);
        return out;
    }

    // Supports of n = 2, 3, ... in turn: calls `take(support)` where the bound is below the cutoff. keep: n + 1 will be
    // asked too. False where stopped.
    template <class Take>
    bool run(int n, bool keep, Take&& take) {
        n_ = n;
        keep_ = keep;
        while (int(layers_.size()) < n) layers_.push_back(std::make_unique<SlimLayer<T>>());
        if (keep) {
            tables_.emplace_back(static_cast<std::size_t>(choose_real(d_, n)) + 8);
            state_.control.allocated(std::int64_t(tables_.back().size() * sizeof(T)));
        }
        fresh_.reserve(d_ + 8);
        conflicts_.reserve(d_ + 8);
        places_.clear();
        return descend(root_, take);
    }

  private:
    static constexpr double kMostSets = 1e12;

    static double choose_real(int n, int k) {
        if (k < 0 || k > n) return 0;
        double out = 1;
        for (int i = 1; i <= k; ++i) out = out * (n - k + i) / i;
        return out;
    }
    static std::int64_t choose(int n, int k) { return static_cast<std::int64_t>(choose_real(n, k) + .5); }

    // The rank of a set in lexicographic order is, over its elements in turn, the number of sets that begin as it
    // does and have a smaller element next. Tables differ in the size of their sets, so a row's rank is kept for
    // the size that is one larger.
    std::int64_t row_start(const int* set, int size) const {
        std::int64_t out = 0;
        for (int i = 0, last = -1; i < size; last = set[i++]) out += sums_[size - i][set[i]] - sums_[size - i][last + 1];
        return out;
    }
    // Entry g is at [g], for columns g after the last of the set.
    const T* row(const int* set, int size) const {
        const int last = size ? set[size - 1] : -1;
        return tables_[size + 1].data() + row_start(set, size) - (last + 1);
    }

    template <class Take>
    bool descend(const SlimLayer<T>& layer, Take&& take) {
        const int depth = static_cast<int>(places_.size());
        if (depth == n_ - 2) return rows(layer, take);
        const int offset = d_ - layer.n_columns;
        for (int c = 0; c + (n_ - depth) <= layer.n_columns; ++c) {
            if (state_.stop()) return false;
            SlimLayer<T>& next = *layers_[depth];
            const std::int64_t before = next.bytes();
            next.split(layer, c, kernels_, true);
            state_.control.allocated(next.bytes() - before);
            places_.push_back(offset + c);
            const bool ended = descend(next, take);
            places_.pop_back();
            if (!ended) return false;
        }
        return true;
    }

    // All supports that begin with places_.
    template <class Take>
    bool rows(const SlimLayer<T>& layer, Take&& take) {
        const int n_first = n_ - 2, n_sets = 1 << n_first, offset = d_ - layer.n_columns;
        for (int a = 0; a < n_sets; ++a) {
            int size = 0;
            for (int i = 0; i < n_first; ++i)
                if (a >> i & 1) sets_[a][size++] = places_[i];
            sizes_[a] = size;
            common_[a] = row(sets_[a], size);
            nets_[a] = size ? row(sets_[a], size - 1)[sets_[a][size - 1]] : tables_[0][0];
        }
        Cost most = state_.most_errors(n_);
        for (int f = offset; f + 1 < d_; ++f) {
            if ((f & 15) == 0 && state_.stop()) return false;
            set_row(f, layer, offset);
            kernels_.cells_of_row[n_ - 1](common_, cells_, f + 1, d_, conflicts_.data());
            state_.counters.supports += d_ - f - 1;
            if (keep_) std::copy(fresh_.data() + f + 1, fresh_.data() + d_, keep_at(f) + f + 1);
            for (int g = f + 1; g < d_; ++g) {
                if (problem_.all_positive + conflicts_[g] > most) continue;
                support_.clear();
                for (int place : places_) support_.push_back(root_.names[place]);
                support_.push_back(root_.names[f]);
                support_.push_back(root_.names[g]);
                if (!take(std::span<const int>(support_))) return false;
                most = state_.most_errors(n_);
            }
        }
        return true;
    }

    // What is common to places_ and f: rows of the tables, the new row, and the cells whatever the last column.
    void set_row(int f, const SlimLayer<T>& layer, int offset) {
        const int n_sets = 1 << (n_ - 2);
        for (int a = 0; a < n_sets; ++a) {
            nets_[n_sets + a] = common_[a][f];
            if (a + 1 == n_sets) break;
            sets_[a][sizes_[a]] = f;
            common_[n_sets + a] = row(sets_[a], sizes_[a] + 1);
        }
        common_[2 * n_sets - 1] = fresh_.data();
        kernels_.row_nets(layer.segments.data(), int(layer.segments.size()), layer.columns.data(), layer.n_words,
                          f - offset, f + 1 - offset, layer.n_columns, fresh_.data() + offset);
        std::copy_n(nets_, 2 * n_sets, cells_);
        for (int bit = 1; bit < 2 * n_sets; bit *= 2)
            for (int a = 0; a < 2 * n_sets; ++a)
                if (!(a & bit)) cells_[a] -= cells_[a | bit];
    }
    T* keep_at(int f) {
        int* set = sets_[(1 << (n_ - 2)) - 1];
        set[n_ - 2] = f;
        return tables_[n_].data() + row_start(set, n_ - 1) - (f + 1);
    }

    SlimState& state_;
    const SlimProblem& problem_;
    const SlimKernels<T>& kernels_;
    SlimLayer<T> root_;
    int d_ = 0, n_ = 0;
    bool keep_ = false;
    std::vector<std::int64_t> sums_[kMostTerms + 1];
    std::vector<std::vector<T>> tables_;  // nets of all sets of a size, in lexicographic order
    std::vector<std::unique_ptr<SlimLayer<T>>> layers_;
    std::vector<int> places_, support_;
    int sets_[1 << (kMostTerms - 2)][kMostTerms], sizes_[1 << (kMostTerms - 2)];
    const T* common_[1 << (kMostTerms - 1)];
    T nets_[1 << (kMostTerms - 1)], cells_[1 << (kMostTerms - 1)];
    Buffer<T> fresh_, conflicts_;
};

}  // namespace treeml
