// Every support of a size, by its conflict bound: two terms at a time below each prefix.
//
// Rows that agree on all terms of a support get one prediction, so a card on it errs at least by the sum over cells
// of the lighter class (the conflict bound). For 0/1 terms the cells below a prefix are counted once, and a pair of
// further columns needs one popcount of their intersection: what it has not, the margins give.
#pragma once

#include <memory>

#include "treeml/slim_layer.hpp"

namespace treeml {

template <class T>
class SlimScan {
  public:
    SlimScan(SlimState& state, const SlimLayer<T>& root, const SlimKernels<T>& kernels)
        : state_(state), problem_(state.problem), root_(root), kernels_(kernels) {}

    // Calls `take(support)` for the supports of n 0/1 terms whose bound is below the cutoff. False where stopped.
    template <class Take>
    bool run(int n, Take&& take) {
        while (int(layers_.size()) < n) layers_.push_back(std::make_unique<SlimLayer<T>>());
        n_ = n;
        support_.clear();
        std::vector<Use> use(problem_.n_terms, Use::open);
        for (int j = 0; j < problem_.n_terms; ++j)
            if (!problem_.columns[j].zero_one) use[j] = Use::out;
        return descend(root_, 0, use, take);
    }

  private:
    template <class Take>
    bool descend(const SlimLayer<T>& layer, int depth, std::vector<Use> use, Take&& take) {
        const bool constrained = problem_.constraints.on_supports();
        if (constrained && !problem_.constraints.propagate(use)) return true;
        if (depth + 2 >= n_) return pairs(layer, use, take);
        for (int c = 0; c + (n_ - depth) <= layer.n_columns; ++c) {
            const int j = layer.names[c];
            if (use[j] != Use::out && problem_.constraints.usable(j)) {
                if (state_.stop()) return false;
                SlimLayer<T>& next = *layers_[depth];
                const std::int64_t before = next.bytes();
                next.split(layer, c, kernels_);
                state_.control.allocated(next.bytes() - before);
                support_.push_back(j);
                std::vector<Use> inside = use;
                inside[j] = Use::in;
                const bool ended = descend(next, depth + 1, std::move(inside), take);
                support_.pop_back();
                if (!ended) return false;
            }
            if (use[j] == Use::in) break;  // what must be used cannot be skipped
            use[j] = Use::out;
        }
        return true;
    }

    template <class Take>
    bool pairs(const SlimLayer<T>& layer, std::vector<Use>& use, Take&& take) {
        nets_.reserve(layer.n_lanes);
        conflicts_.reserve(layer.n_columns);
        Cost most = state_.most_errors(n_);
        for (int f = 0; f + 1 < layer.n_columns; ++f) {
            const int a = layer.names[f];
            if (use[a] != Use::out && problem_.constraints.usable(a)) {
                if (state_.stop()) return false;
                kernels_.scan_pairs(layer.segments.data(), int(layer.segments.size()), layer.columns.data(),
                                    layer.n_words, f, f + 1, layer.n_columns, layer.whole.data(), layer.singles.data(),
                                    layer.n_lanes, nets_.data(), conflicts_.data());
                state_.counters.supports += layer.n_columns - f - 1;
                for (int g = f + 1; g < layer.n_columns; ++g) {
                    if (problem_.all_positive + conflicts_[g] > most) continue;
                    const int b = layer.names[g];
                    if (use[b] == Use::out || !problem_.constraints.usable(b)) continue;
                    support_.push_back(a);
                    support_.push_back(b);
                    const bool ended = take(std::span<const int>(support_));
                    support_.resize(support_.size() - 2);
                    if (!ended) return false;
                    most = state_.most_errors(n_);
                }
            }
            if (use[a] == Use::in) break;
            use[a] = Use::out;
        }
        return true;
    }

    SlimState& state_;
    const SlimProblem& problem_;
    const SlimLayer<T>& root_;
    const SlimKernels<T>& kernels_;
    int n_ = 0;
    std::vector<std::unique_ptr<SlimLayer<T>>> layers_;
    std::vector<int> support_;
    Buffer<T> nets_, conflicts_;
};

}  // namespace treeml
