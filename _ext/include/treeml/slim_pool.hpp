// Supports that a scan could not rule out, with their bounds: searched by rising bound.
#pragma once

#include <numeric>

#include "treeml/slim_problem.hpp"

namespace treeml {

class SlimPool {
  public:
    explicit SlimPool(Control& control) : control_(control) {}

    bool empty() const { return bounds_.empty(); }
    std::size_t size() const { return bounds_.size(); }
    std::int64_t bytes() const {
        return std::int64_t(bounds_.capacity()) * 12 + std::int64_t(sizes_.capacity()) * 9 +
               std::int64_t(terms_.capacity()) * 2;
    }
    void add(Cost bound, std::span<const int> support) {
        const std::int64_t before = bytes();
        bounds_.push_back(bound);
        starts_.push_back(terms_.size());
        sizes_.push_back(static_cast<std::uint8_t>(support.size()));
        for (int j : support) terms_.push_back(static_cast<std::uint16_t>(j));
        if (bytes() != before) control_.allocated(bytes() - before);
    }

    // Calls `search(bound, support)` by rising bound, for the first `most` of them, while the bound is below
    // `cutoff()`; what is dearer is dropped. Returns the least bound that is left, or kInfinite.
    template <class Search, class Cutoff>
    Cost drain(std::size_t most, const Search& search, const Cutoff& cutoff) {
        std::vector<std::uint32_t> order(bounds_.size());
        std::iota(order.begin(), order.end(), 0u);
        std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return bounds_[a] < bounds_[b]; });
        std::vector<int> support;
        std::size_t i = 0;
        for (; i < order.size() && i < most && bounds_[order[i]] < cutoff(); ++i) {
            const std::size_t at = order[i];
            support.assign(terms_.begin() + starts_[at], terms_.begin() + starts_[at] + sizes_[at]);
            if (!search(bounds_[at], support)) break;
        }
        SlimPool rest(control_);
        for (; i < order.size() && bounds_[order[i]] < cutoff(); ++i) {
            const std::size_t at = order[i];
            support.assign(terms_.begin() + starts_[at], terms_.begin() + starts_[at] + sizes_[at]);
            rest.add(bounds_[at], support);
        }
        control_.allocated(-bytes());
        bounds_.swap(rest.bounds_);
        starts_.swap(rest.starts_);
        sizes_.swap(rest.sizes_);
        terms_.swap(rest.terms_);
        return bounds_.empty() ? kInfinite : bounds_[0];
    }

  private:
    Control& control_;
    std::vector<Cost> bounds_;
    std::vector<std::size_t> starts_;
    std::vector<std::uint8_t> sizes_;
    std::vector<std::uint16_t> terms_;
};

}  // namespace treeml
