// Cards that an enumeration has found, one after the other in flat arrays.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "treeml/control.hpp"

namespace treeml {

struct CardMembers {
    int width = 0;                       // most terms of a card
    std::vector<std::int32_t> terms;     // `width` each: those with points, ascending, then -1
    std::vector<std::int32_t> points;    // 0 beyond the terms
    std::vector<double> loss, slope, intercept;

    std::size_t size() const { return loss.size(); }

    void add(std::span<const int> support, std::span<const int> given, double of_loss, double of_slope, double at, Control& control) {
        const std::int64_t before = bytes();
        const std::size_t begin = terms.size();
        terms.resize(begin + width, -1);
        points.resize(begin + width, 0);
        for (std::size_t t = 0, to = begin; t < support.size(); ++t) {
            if (!given[t]) continue;
            terms[to] = support[t];
            points[to++] = given[t];
        }
        loss.push_back(of_loss);
        slope.push_back(of_slope);
        intercept.push_back(at);
        if (bytes() != before) control.allocated(bytes() - before);
    }

  private:
    std::int64_t bytes() const {
        return std::int64_t(terms.capacity() + points.capacity()) * 4 +
               std::int64_t(loss.capacity() + slope.capacity() + intercept.capacity()) * 8;
    }
};

// What an enumeration found, and how far it can be relied on.
struct CardSetResult {
    CardMembers members;    // in no order; some may be above the final limit
    double best = 0;        // least loss of a member, or of what is known where there is none
    double proven = 0;      // every card below this is a member
    bool complete = false;  // every card up to the limit is
    Stop stop = Stop::none;
};

}  // namespace treeml
