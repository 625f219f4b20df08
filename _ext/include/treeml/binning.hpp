// Columns of numbers to codes: every distinct value its own code where there are few, else quantile bins.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <exception>
#include <limits>
#include <mutex>
#include <numeric>
#include <queue>
#include <system_error>
#include <thread>
#include <vector>

#include "treeml/quantile_sketch.hpp"

namespace treeml {

// What a column of numbers looks like; missing values are NaN and count nowhere else.
struct NumberProfile {
    std::int64_t n_missing = 0;
    double least = std::numeric_limits<double>::infinity(), greatest = -least;
    bool zero_one = true;
    bool whole = true;     // whole numbers below 2^52 in size
    bool numbered = true;  // rising, falling, or whole over a range as long as the column
};

// A column and what becomes of it: codes, and the smallest and largest value of each.
struct NumberColumn {
    const double* values = nullptr;
    void* codes = nullptr;  // uint16_t where wide, uint8_t otherwise
    bool wide = true;
    NumberProfile profile;
    std::vector<double> lower, upper;
};

// Codes of other rows: the number of cuts below a value, `beyond` where it is missing.
struct NumberCuts {
    const double* values = nullptr;
    const double* cuts = nullptr;
    int n_cuts = 0, beyond = 0;
    void* codes = nullptr;
    bool wide = true;
};

inline NumberProfile profile_numbers(const double* values, std::int64_t n) {
    constexpr std::int64_t kChunk = 2048;
    constexpr int kLanes = 4;
    NumberProfile out;
    double least[kLanes], greatest[kLanes];
    std::fill(least, least + kLanes, out.least);
    std::fill(greatest, greatest + kLanes, out.greatest);
    bool rising = true, falling = true;
    for (std::int64_t start = 0; start < n; start += kChunk) {
        const double* v = values + start;
        const int size = int(std::min(kChunk, n - start));
        int missing = 0, i = 0;
        const auto see = [&](int lane, double x) {
            least[lane] = x < least[lane] ? x : least[lane];
            greatest[lane] = x > greatest[lane] ? x : greatest[lane];
        };
        for (; i + kLanes <= size; i += kLanes)
            for (int lane = 0; lane < kLanes; ++lane) see(lane, v[i + lane]);
        for (; i < size; ++i) see(0, v[i]);
        for (i = 0; i < size; ++i) missing += v[i] != v[i];
        out.n_missing += missing;
        for (i = 0; i < size && out.zero_one; ++i) out.zero_one = v[i] == 0 || v[i] == 1 || v[i] != v[i];
        for (i = 0; i < size && out.whole; ++i)
            out.whole = std::fabs(v[i]) + 0x1p52 - 0x1p52 == std::fabs(v[i]) || v[i] != v[i];
        for (i = start > 0 ? 0 : 1; i < size && rising; ++i) rising = v[i - 1] < v[i];
        for (i = start > 0 ? 0 : 1; i < size && falling; ++i) falling = v[i - 1] > v[i];
    }
    out.least = *std::min_element(least, least + kLanes);
    out.greatest = *std::max_element(greatest, greatest + kLanes);
    out.whole = out.whole && std::max(-out.least, out.greatest) < 0x1p52;
    out.numbered = rising || falling || (out.whole && out.greatest - out.least == double(n - 1));
    return out;
}

// Codes by value, and the distinct values in order; none, and codes of no use, where there are more than
// `most` of them. Values get numbers in a hash table first, so that only the distinct ones are sorted.
template <class Code>
std::vector<double> exact_codes(const double* from, std::int64_t n, int most, Code* codes) {
    const std::uint64_t empty = std::bit_cast<std::uint64_t>(std::numeric_limits<double>::quiet_NaN());
    int bits = 10;
    std::vector<std::uint64_t> keys(std::size_t(1) << bits, empty);
    std::vector<std::uint16_t> ids(keys.size());
    std::vector<double> values;  // in the order of their first rows
    const auto slot_of = [&](std::uint64_t key) {
        std::size_t slot = (key * 0x9E3779B97F4A7C15ull) >> (64 - bits);
        while (keys[slot] != key && keys[slot] != empty) slot = (slot + 1) & (keys.size() - 1);
        return slot;
    };
    bool missing = false;
    for (std::int64_t r = 0; r < n; ++r) {
        const double value = from[r] + 0.0;
        if (value != value) {
            missing = true;
            continue;
        }
        const std::uint64_t key = std::bit_cast<std::uint64_t>(value);
        std::size_t slot = slot_of(key);
        if (keys[slot] == empty) {
            if (int(values.size()) == most) return {};
            if (2 * values.size() == keys.size()) {
                keys.assign(std::size_t(1) << ++bits, empty);
                ids.resize(keys.size());
                for (std::size_t id = 0; id < values.size(); ++id) {
                    const std::uint64_t old = std::bit_cast<std::uint64_t>(values[id]);
                    const std::size_t at = slot_of(old);
                    keys[at] = old;
                    ids[at] = std::uint16_t(id);
                }
                slot = slot_of(key);
            }
            keys[slot] = key;
            ids[slot] = std::uint16_t(values.size());
            values.push_back(value);
        }
        codes[r] = Code(ids[slot]);
    }
    std::vector<std::uint32_t> order(values.size());
    std::iota(order.begin(), order.end(), 0u);
    std::sort(order.begin(), order.end(), [&](auto a, auto b) { return values[a] < values[b]; });
    std::vector<double> sorted(values.size());
    std::vector<Code> rank(values.size());
    for (std::size_t k = 0; k < order.size(); ++k) {
        sorted[k] = values[order[k]];
        rank[order[k]] = Code(k);
    }
    for (std::int64_t r = 0; r < n; ++r)
        codes[r] = missing && from[r] != from[r] ? Code(sorted.size()) : rank[codes[r]];
    return sorted;
}

// A summary with a rank error of an eighth of a bin; complete says that nothing is missing. Values as heavy
// as a bin are counted exactly where they have most of the weight, so that the bins of the others are as
// fine as if they were alone.
inline QuantileSummary bin_summary(const double* values, const double* weights, std::int64_t n, int bins,
                                   bool complete) {
    QuantileSketch sketch(1.0 / (8.0 * bins));
    std::vector<double> known, by;
    if (complete) sketch.add(values, weights, n);
    for (std::int64_t r = complete ? n : 0; r < n;) {
        known.clear();
        by.clear();
        for (; r < n && known.size() < 4096; ++r)
            if (values[r] == values[r]) {
                known.push_back(values[r]);
                if (weights) by.push_back(weights[r]);
            }
        sketch.add(known.data(), weights ? by.data() : nullptr, std::int64_t(known.size()));
    }
    QuantileSummary all = sketch.summary(), heavy;
    for (const RankEntry& entry : all.entries)
        if (entry.weight >= all.total / bins) {
            heavy.entries.push_back({entry.value, 0, 0, 0});
            heavy.total += entry.weight;
        }
    if (heavy.total <= all.total / 2 || all.gap() == 0) return all;
    known.clear();
    by.clear();
    auto& found = heavy.entries;
    for (std::int64_t r = 0; r < n; ++r) {
        if (values[r] != values[r]) continue;
        const auto below = [](const RankEntry& entry, double value) { return entry.value < value; };
        const auto at = std::lower_bound(found.begin(), found.end(), values[r], below);
        const double weight = weights ? weights[r] : 1;
        if (at != found.end() && at->value == values[r]) {
            at->weight += weight;
        } else {
            known.push_back(values[r]);
            if (weights) by.push_back(weight);
        }
    }
    heavy.total = 0;
    for (RankEntry& entry : found) {
        entry.least = heavy.total;
        entry.greatest = heavy.total += entry.weight;
    }
    const double* others_by = weights ? by.data() : nullptr;
    const std::int64_t n_others = std::int64_t(known.size());
    return QuantileSummary::merged(heavy, bin_summary(known.data(), others_by, n_others, bins, true));
}

// Positions in the summary of the largest value of each bin but the last, chosen as
// `cuts.quantile_boundaries` does: nearest to equal weights, then the heaviest bins halved.
inline std::vector<int> bin_ends(const QuantileSummary& summary, int bins) {
    const int n = int(summary.entries.size());
    std::vector<double> below(std::size_t(n) + 1);  // weight before entry i
    for (int i = 0; i < n; ++i) below[i + 1] = summary.rank(i);
    const auto nearest = [&](double target, int start, int stop) {  // a boundary in start..stop-1
        const int at = int(std::lower_bound(below.begin() + start + 1, below.begin() + stop + 1, target) -
                           below.begin()) - 1;
        return at == stop || (at > start && target - below[at] <= below[at + 1] - target) ? at - 1 : at;
    };
    if (n < 2) return {};
    std::vector<int> ends;
    for (int k = 1; k < bins; ++k) {
        const double target = below[n] * k / bins;
        const int start = ends.empty() ? 0 : ends.back();
        int stop = std::min(start + 1, n - 1);
        for (int step = 1; stop < n - 1 && below[stop] < target; step *= 2)
            stop = int(std::min<std::int64_t>(std::int64_t(stop) + step, n - 1));
        const int end = nearest(target, start, stop);
        if (ends.empty() || ends.back() != end) ends.push_back(end);
    }
    struct Span {
        double weight;
        int first, last;
        bool operator<(const Span& other) const {
            return weight != other.weight ? weight < other.weight : first > other.first;
        }
    };
    std::priority_queue<Span> open;
    const auto offer = [&](int first, int last) {
        if (last > first) open.push({below[last + 1] - below[first], first, last});
    };
    int first = 0;
    for (const int end : ends) {
        offer(first, end);
        first = end + 1;
    }
    offer(first, n - 1);
    while (int(ends.size()) < bins - 1 && !open.empty()) {
        const Span span = open.top();
        open.pop();
        const int end = nearest((below[span.first] + below[span.last + 1]) / 2, span.first, span.last);
        ends.push_back(end);
        offer(span.first, end);
        offer(end + 1, span.last);
    }
    std::sort(ends.begin(), ends.end());
    return ends;
}

// The number of cuts below each value, `beyond` for NaN; calls seen(code, value) on the way.
template <class Code, class Seen>
void search_cuts(const double* values, std::int64_t n, const double* cuts, int n_cuts, int beyond,
                 Code* codes, Seen seen) {
    constexpr int kSide = 8;
    const int size = int(std::bit_ceil(unsigned(n_cuts) + 1));
    std::vector<double> padded(std::size_t(size), std::numeric_limits<double>::infinity());
    std::copy(cuts, cuts + n_cuts, padded.begin());
    for (std::int64_t r = 0; r < n; r += kSide) {
        const int rows = int(std::min<std::int64_t>(kSide, n - r));
        double v[kSide];
        std::uint32_t at[kSide] = {};
        for (int k = 0; k < kSide; ++k) v[k] = values[r + (k < rows ? k : 0)];
        for (std::uint32_t step = std::uint32_t(size) / 2; step; step /= 2) {
            const double* cut = padded.data() + step - 1;
            for (int k = 0; k < kSide; ++k) at[k] += step & -std::uint32_t(cut[at[k]] < v[k]);
        }
        for (int k = 0; k < rows; ++k) {
            codes[r + k] = Code(v[k] != v[k] ? std::uint32_t(beyond) : at[k]);
            seen(at[k], v[k]);
        }
    }
}

template <class Code>
void bin_numbers(NumberColumn& column, const double* weights, std::int64_t n, int most) {
    NumberProfile& profile = column.profile = profile_numbers(column.values, n);
    if (profile.n_missing == n) return;
    Code* codes = static_cast<Code*>(column.codes);
    if (most == 256 && profile.n_missing) most = 255;  // with the missing code a byte is enough
    column.lower = column.upper = exact_codes(column.values, n, most, codes);
    if (!column.lower.empty()) return;
    const int bins = most - (most == 256);
    const QuantileSummary summary = bin_summary(column.values, weights, n, bins, !profile.n_missing);
    for (const int end : bin_ends(summary, bins)) column.upper.push_back(summary.entries[end].value);
    const int n_cuts = int(column.upper.size());
    std::vector<double>& lower = column.lower;
    lower.assign(std::size_t(n_cuts) + 1, std::numeric_limits<double>::infinity());
    const auto see = [&](std::uint32_t code, double value) {
        if (value < lower[code]) lower[code] = value;
    };
    search_cuts(column.values, n, column.upper.data(), n_cuts, n_cuts + 1, codes, see);
    column.upper.push_back(profile.greatest + 0.0);  // no negative zeros
    for (double& least : lower) least += 0.0;
}

// Calls work(k) for k < n from several threads; the first exception is thrown again.
template <class Work>
void share_columns(int n, int threads, Work work) {
    std::atomic<int> next{0};
    std::exception_ptr error;
    std::mutex lock;
    const auto run = [&] {
        try {
            for (int k = next++; k < n; k = next++) work(k);
        } catch (...) {
            const std::lock_guard<std::mutex> hold(lock);
            if (!error) error = std::current_exception();
        }
    };
    std::vector<std::thread> others;
    try {
        for (int t = 1; t < std::min(threads, n); ++t) others.emplace_back(run);
    } catch (const std::system_error&) {  // no more threads to be had: those that run do the work
    }
    run();
    for (std::thread& other : others) other.join();
    if (error) std::rethrow_exception(error);
}

// Codes, profiles and bins of columns of n rows, at most `most` codes each (and one for missing).
inline void bin_columns(std::vector<NumberColumn>& columns, const double* weights, std::int64_t n, int most,
                        int threads) {
    share_columns(int(columns.size()), threads, [&](int k) {
        if (columns[k].wide)
            bin_numbers<std::uint16_t>(columns[k], weights, n, most);
        else
            bin_numbers<std::uint8_t>(columns[k], weights, n, most);
    });
}

inline void encode_columns(const std::vector<NumberCuts>& columns, std::int64_t n, int threads) {
    share_columns(int(columns.size()), threads, [&](int k) {
        const NumberCuts& c = columns[k];
        const auto search = [&](auto* codes) {
            search_cuts(c.values, n, c.cuts, c.n_cuts, c.beyond, codes, [](std::uint32_t, double) {});
        };
        if (c.wide)
            search(static_cast<std::uint16_t*>(c.codes));
        else
            search(static_cast<std::uint8_t*>(c.codes));
    });
}

}  // namespace treeml
