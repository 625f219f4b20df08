// A mergeable summary of weighted numbers that answers quantiles and knows its own rank error.
//
// An entry bounds the weight around one value, as in Greenwald and Khanna, "Space-efficient online
// computation of quantile summaries" (SIGMOD 2001), with weights as in Chen and Guestrin, "XGBoost: a
// scalable tree boosting system" (KDD 2016, appendix). Between two neighbouring entries the rank is
// uncertain by their gap; a rank halfway is wrong by half of it. Merging adds gaps at most, and a summary
// whose gaps are at most h is pruned to gaps of at most g by at most total / (g - h) + 2 entries, since any
// entry kept lies more than g - h beyond the last one kept.
//
// The sketch keeps one summary a level, as a binary counter does. Level l allows gaps of
// 2 epsilon total (1 - 1 / (l + 2)), so that each carry has room to prune and the whole stays below
// 2 epsilon total for any sequence of blocks and merges.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace treeml {

// Unsigned integers in the order of the numbers; -0 and 0 are equal.
inline std::uint64_t order_key(double value) {
    const std::uint64_t bits = std::bit_cast<std::uint64_t>(value + 0.0);
    return bits ^ (std::uint64_t(std::int64_t(bits) >> 63) | std::uint64_t(1) << 63);
}

inline double key_value(std::uint64_t key) {
    return std::bit_cast<double>(key ^ (((key >> 63) - 1) | std::uint64_t(1) << 63));
}

// A value to be sorted, with or without a weight; sum is that of the items up to i.
struct PlainItem {
    std::uint64_t key;
    static PlainItem of(double value, double) { return {order_key(value)}; }
    static double sum(double, const PlainItem&, std::size_t i) { return double(i + 1); }
};

struct WeightedItem {
    std::uint64_t key;
    double by;
    static WeightedItem of(double value, double weight) { return {order_key(value), weight}; }
    static double sum(double before, const WeightedItem& item, std::size_t) { return before + item.by; }
};

inline constexpr int kDigitBits = 11, kDigits = (64 + kDigitBits - 1) / kDigitBits;

// Stable passes over the digits first..kDigits-1, those that are the same everywhere skipped.
template <class Item>
void radix_passes(std::vector<Item>& items, std::vector<Item>& scratch, int first) {
    constexpr std::size_t kBuckets = std::size_t(1) << kDigitBits;
    const std::size_t n = items.size();
    std::array<std::array<std::uint32_t, kBuckets>, kDigits> counts{};
    for (const Item& item : items)
        for (int d = first; d < kDigits; ++d) ++counts[d][(item.key >> (d * kDigitBits)) & (kBuckets - 1)];
    scratch.resize(n);
    for (int d = first; d < kDigits; ++d) {
        auto& at = counts[d];
        const int shift = d * kDigitBits;
        if (at[(items[0].key >> shift) & (kBuckets - 1)] == n) continue;
        std::uint32_t start = 0;
        for (std::uint32_t& count : at) start += std::exchange(count, start);
        for (const Item& item : items) scratch[at[(item.key >> shift) & (kBuckets - 1)]++] = item;
        items.swap(scratch);
    }
}

// Sorts by key. The upper half of the bits nearly always decides; a bounded insertion sort puts the rest
// right, and where that is too much, all digits are sorted.
template <class Item>
void sort_items(std::vector<Item>& items, std::vector<Item>& scratch) {
    if (items.size() < 2) return;
    radix_passes(items, scratch, kDigits / 2);
    std::int64_t moves = 2 * std::int64_t(items.size());
    for (std::size_t i = 1; i < items.size(); ++i) {
        if (items[i - 1].key <= items[i].key) continue;
        const Item item = items[i];
        std::size_t j = i;
        for (; j && items[j - 1].key > item.key; --j, --moves) items[j] = items[j - 1];
        items[j] = item;
        if (moves < 0) return radix_passes(items, scratch, 0);
    }
}

// What is known of one value x: least <= weight below x, weight up to x <= greatest, weight <= weight at x.
struct RankEntry {
    double value, least, greatest, weight;
    double after() const { return least + weight; }       // at most the weight up to x
    double before() const { return greatest - weight; }   // at least the weight below x
};

struct QuantileSummary {
    std::vector<RankEntry> entries;  // ascending; the smallest and the largest value are always there
    double total = 0;

    // The largest uncertainty of a rank between two neighbouring entries.
    double gap() const {
        double most = 0;
        for (std::size_t i = 1; i < entries.size(); ++i)
            most = std::max(most, entries[i].before() - entries[i - 1].after());
        return most;
    }

    // Leaves out entries as long as no gap exceeds the allowed one (or, where it did, the present one).
    void prune_to(double allowed) {
        if (entries.size() < 3) return;
        std::size_t kept = 0;
        for (std::size_t i = 1; i + 1 < entries.size(); ++i)
            if (entries[i + 1].before() - entries[kept].after() > allowed) entries[++kept] = entries[i];
        entries[++kept] = entries.back();
        entries.resize(kept + 1);
    }

    // At most `most` entries (3 or more); gaps grow by total / (most - 2).
    void prune(std::size_t most) {
        if (entries.size() > most) prune_to(gap() + total / double(most - 2));
    }

    // The weight up to entry i, halfway between its bounds.
    double rank(std::size_t i) const {
        return i + 1 == entries.size() ? total : (entries[i].after() + entries[i + 1].before()) / 2;
    }

    // The value whose ranks are nearest to a rank; not for empty summaries.
    double quantile(double asked) const {
        std::size_t low = 0, high = entries.size() - 1;
        while (low < high) {
            const std::size_t middle = (low + high) / 2;
            if (rank(middle) < asked)
                low = middle + 1;
            else
                high = middle;
        }
        return entries[low].value;
    }

    static QuantileSummary merged(const QuantileSummary& a, const QuantileSummary& b) {
        QuantileSummary out;
        out.entries.reserve(a.entries.size() + b.entries.size());
        out.total = a.total + b.total;
        auto x = a.entries.begin(), y = b.entries.begin();
        double after_x = 0, after_y = 0;
        while (x != a.entries.end() || y != b.entries.end()) {
            const bool from_x = y == b.entries.end() || (x != a.entries.end() && x->value <= y->value);
            const bool from_y = x == a.entries.end() || (y != b.entries.end() && y->value <= x->value);
            RankEntry entry{from_x ? x->value : y->value, after_y, b.total, 0};
            if (from_x && from_y)
                entry = {x->value, x->least + y->least, x->greatest + y->greatest, x->weight + y->weight};
            else if (from_x)
                entry = {x->value, x->least + after_y,
                         x->greatest + (y == b.entries.end() ? b.total : y->before()), x->weight};
            else
                entry = {y->value, y->least + after_x,
                         y->greatest + (x == a.entries.end() ? a.total : x->before()), y->weight};
            if (from_x) after_x = (x++)->after();
            if (from_y) after_y = (y++)->after();
            out.entries.push_back(entry);
        }
        return out;
    }

    // The summary of sorted items, pruned to gaps of at most `allowed` of their total.
    template <class Item>
    static QuantileSummary of_sorted(const std::vector<Item>& items, double allowed) {
        QuantileSummary out;
        const std::size_t n = items.size();
        for (std::size_t i = 0; i < n; ++i) out.total = Item::sum(out.total, items[i], i);
        allowed *= out.total;
        out.entries.reserve(allowed > 0 ? std::min(n, std::size_t(out.total / allowed) + 2) : n);
        double start = 0, sum = 0, limit = -1;  // of the equal items that end at i
        for (std::size_t i = 0; i < n; ++i) {
            sum = Item::sum(sum, items[i], i);
            if (i + 1 < n && items[i + 1].key == items[i].key) continue;
            if (sum > limit || i + 1 == n) {  // else the next value is near enough to the last entry
                out.entries.push_back({key_value(items[i].key), start, sum, sum - start});
                limit = sum + allowed;
            }
            start = sum;
        }
        return out;
    }
};

// Sorts a block of values and sums them up; its space is used again.
template <class Item>
struct BlockSorter {
    std::vector<Item> items, scratch;

    QuantileSummary operator()(const std::vector<double>& values, const std::vector<double>& weights,
                               double allowed) {
        items.resize(values.size());
        for (std::size_t i = 0; i < items.size(); ++i)
            items[i] = Item::of(values[i], weights.empty() ? 1 : weights[i]);
        sort_items(items, scratch);
        return QuantileSummary::of_sorted(items, allowed);
    }
};

class QuantileSketch {
  public:
    explicit QuantileSketch(double epsilon = 0.01)
        : epsilon_(epsilon), block_(std::int64_t(std::clamp(8 / epsilon, 0x1p16, 0x1p24))) {}

    // Adds values that are not NaN; weights are finite and not negative, nullptr stands for ones.
    void add(const double* values, const double* weights, std::int64_t n) {
        for (std::int64_t i = 0; i < n;) {
            const std::int64_t end = std::min(n, i + block_ - std::int64_t(values_.size()));
            if (!weights && weights_.empty()) {
                values_.insert(values_.end(), values + i, values + end);
                n_values_ += end - i;
                i = end;
            }
            for (; i < end; ++i) append(values[i], weights ? weights[i] : 1);
            if (std::int64_t(values_.size()) == block_) flush();
        }
    }

    void merge(const QuantileSketch& other) {
        const auto levels = other.levels_;  // copies, since it may be this one
        const auto values = other.values_, weights = other.weights_;
        n_values_ += other.n_values_ - std::int64_t(values.size());
        whole_ = whole_ && other.whole_;
        for (std::size_t level = 0; level < levels.size(); ++level)
            if (!levels[level].entries.empty()) carry(levels[level], level);
        add(values.data(), weights.empty() ? nullptr : weights.data(), std::int64_t(values.size()));
    }

    // All that was added, as one summary.
    QuantileSummary summary() const {
        QuantileSummary out;
        if (!values_.empty())
            out = weights_.empty() ? BlockSorter<PlainItem>()(values_, weights_, 0)
                                   : BlockSorter<WeightedItem>()(values_, weights_, 0);
        for (const QuantileSummary& level : levels_)
            if (!level.entries.empty())
                out = out.entries.empty() ? level : QuantileSummary::merged(out, level);
        return out;
    }

    // Bounds |true rank - reported rank| of the summary, the rounding of sums of weights included.
    double rank_error(const QuantileSummary& of) const {
        const bool exact = whole_ && of.total < 0x1p53;
        return of.gap() / 2 + (exact ? 0 : double(n_values_ + 64) * 0x1p-52 * of.total);
    }

    double epsilon() const { return epsilon_; }
    std::vector<QuantileSummary>& levels() { return levels_; }
    std::vector<double>& values() { return values_; }
    std::vector<double>& weights() { return weights_; }
    std::int64_t& n_values() { return n_values_; }
    bool& whole() { return whole_; }

  private:
    void append(double value, double weight) {
        if (!(weight > 0)) return;
        if (weights_.empty() && weight != 1) weights_.assign(values_.size(), 1);
        if (weight != 1 || !weights_.empty()) {
            weights_.push_back(weight);
            whole_ = whole_ && weight == std::floor(weight);
        }
        values_.push_back(value);
        ++n_values_;
    }

    void flush() {
        const double share = allowed(0);
        carry(weights_.empty() ? plain_(values_, weights_, share) : weighted_(values_, weights_, share), 0);
        values_.clear();
        weights_.clear();
    }

    double allowed(std::size_t level) const { return 2 * epsilon_ * (1 - 1 / double(level + 2)); }

    void carry(QuantileSummary summary, std::size_t level) {
        for (; level < levels_.size() && !levels_[level].entries.empty(); ++level) {
            summary = QuantileSummary::merged(levels_[level], summary);
            levels_[level] = {};
            summary.prune_to(allowed(level + 1) * summary.total);
        }
        if (level >= levels_.size()) levels_.resize(level + 1);
        levels_[level] = std::move(summary);
    }

    double epsilon_;
    std::int64_t block_;  // so many values that a block has more of them than it keeps
    std::vector<QuantileSummary> levels_;   // an empty one where the counter has a 0
    std::vector<double> values_, weights_;  // of the block that is not full; no weights while all are 1
    std::int64_t n_values_ = 0;
    bool whole_ = true;  // all weights are whole, so that their sums are exact
    BlockSorter<PlainItem> plain_;
    BlockSorter<WeightedItem> weighted_;
};

}  // namespace treeml
