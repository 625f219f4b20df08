// What the text so far has taught: the tokens that followed its own contexts of one to seven tokens, and how often and
// how lately each token came.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "treeml/sequence_paths.hpp"

namespace treeml {

class DocumentCounts {
  public:
    static constexpr int kLongest = 7;
    struct Context {
        std::int32_t total = 0, types = 0, first = -1;  // first of its list of entries
    };
    struct Entry {
        Token token;
        std::int32_t count, next;
    };

    void begin() {
        contexts_.assign(1, {});
        entries_.clear();
        slots_.assign(kFewSlots, {});
        length_ = 0;
    }

    // Contexts of the text's last 1, 2, ... tokens that came before.
    void match(const Token* end, std::vector<std::int32_t>& found) const {
        found.clear();
        std::int32_t at = 0;
        for (int back = 1; back <= std::min(kLongest, length_); ++back) {
            if ((at = child(at, end[-back])) < 0 || contexts_[at].total == 0) return;
            found.push_back(at);
        }
    }

    // `token` follows what ends at `end`.
    void push(const Token* end, Token token) {
        std::int32_t at = 0;
        for (int back = 1; back <= std::min(kLongest, length_); ++back) {
            at = child_or_new(at, end[-back]);
            count(at, token);
        }
        ++length_;
    }

    const Context& context(std::int32_t at) const { return contexts_[at]; }
    const Entry& entry(std::int32_t at) const { return entries_[at]; }

    std::int32_t count_of(std::int32_t at, Token token) const {
        for (std::int32_t i = contexts_[at].first; i >= 0; i = entries_[i].next)
            if (entries_[i].token == token) return entries_[i].count;
        return 0;
    }

    int bucket(std::int32_t at, int length) const {
        const Context& context = contexts_[at];
        const int size = std::min(3, static_cast<int>(std::bit_width(static_cast<std::uint32_t>(context.total))) - 1);
        return kTreeBuckets + std::min(length, kLongest) * 8 + size * 2 + (context.types == 1);
    }

    // p after the contexts found, shortest first.
    double probability(const std::vector<std::int32_t>& found, const PathWeights& weights, Token token,
                       double p) const {
        int length = 0;
        for (const std::int32_t at : found) {
            const int b = bucket(at, ++length);
            const Context& context = contexts_[at];
            const std::int32_t c = count_of(at, token);
            p = step_down(p, c, c > 0, context.total, context.types, context.types, weights.discount[b],
                          weights.pull[b]);
        }
        return p;
    }

    void add_terms(const std::vector<std::int32_t>& found, Token token, PathTerms& out) const {
        int length = 0;
        for (const std::int32_t at : found) {
            const int b = bucket(at, ++length);
            const Context& context = contexts_[at];
            const std::int32_t c = count_of(at, token);
            const float types = static_cast<float>(context.types);
            out.terms.push_back({static_cast<float>(c), c > 0 ? 1.0f : 0.0f, static_cast<float>(context.total), types,
                                 types, b});
        }
    }

    // `out` becomes what these contexts make of it.
    template <class Real>
    void continue_distribution(const std::vector<std::int32_t>& found, const PathWeights& weights, int n_tokens,
                               Real* out) const {
        double left = 1;
        later_.clear();
        for (int i = static_cast<int>(found.size()) - 1; i >= 0; --i) {
            const Context& context = contexts_[found[i]];
            const int b = bucket(found[i], i + 1);
            const double d = weights.discount[b], pull = weights.pull[b] * context.types;
            const double here = left / (context.total + pull);
            for (std::int32_t e = context.first; e >= 0; e = entries_[e].next)
                later_.push_back({entries_[e].token, here * (entries_[e].count - d)});
            left = here * (d * context.types + pull);
        }
        const Real scale = static_cast<Real>(left);
        for (int w = 0; w < n_tokens; ++w) out[w] *= scale;
        for (const auto& [token, p] : later_) out[token] += static_cast<Real>(p);
    }

  private:
    struct Slot {
        std::uint64_t key = 0;  // 0: free
        std::int32_t value = 0;
    };
    static constexpr std::size_t kFewSlots = 1024;

    static std::uint64_t key_of(std::int32_t at, Token token) {
        return ((static_cast<std::uint64_t>(at) << 16 | token) << 1) | 1;
    }
    std::size_t slot_of(std::uint64_t key) const {
        const std::size_t mask = slots_.size() - 1;
        std::size_t i = (key * 0x9E3779B97F4A7C15ull) >> 20 & mask;
        while (slots_[i].key && slots_[i].key != key) i = (i + 1) & mask;
        return i;
    }
    std::int32_t child(std::int32_t at, Token token) const {
        const Slot& slot = slots_[slot_of(key_of(at, token))];
        return slot.key ? slot.value : -1;
    }
    std::int32_t child_or_new(std::int32_t at, Token token) {
        const std::uint64_t key = key_of(at, token);
        std::size_t i = slot_of(key);
        if (slots_[i].key) return slots_[i].value;
        if (2 * contexts_.size() >= slots_.size()) {
            std::vector<Slot> old(2 * slots_.size());
            old.swap(slots_);
            for (const Slot& slot : old)
                if (slot.key) slots_[slot_of(slot.key)] = slot;
            i = slot_of(key);
        }
        slots_[i] = {key, static_cast<std::int32_t>(contexts_.size())};
        contexts_.push_back({});
        return slots_[i].value;
    }
    void count(std::int32_t at, Token token) {
        Context& context = contexts_[at];
        ++context.total;
        for (std::int32_t i = context.first; i >= 0; i = entries_[i].next)
            if (entries_[i].token == token) {
                ++entries_[i].count;
                return;
            }
        entries_.push_back({token, 1, context.first});
        context.first = static_cast<std::int32_t>(entries_.size()) - 1;
        ++context.types;
    }

    std::vector<Context> contexts_;
    std::vector<Entry> entries_;
    std::vector<Slot> slots_;
    mutable std::vector<std::pair<Token, double>> later_;
    int length_ = 0;
};

// How often a token came in the text so far and how long ago, as one of 24 classes; 0: not yet.
class DocumentWords {
  public:
    static constexpr int kClasses = 25;

    // `bands`: 0 to 3, how rare a token is in training.
    void set_bands(std::vector<std::uint8_t> bands) {
        bands_ = std::move(bands);
        counts_.assign(bands_.size(), 0);
        last_.assign(bands_.size(), 0);
    }
    void begin() {
        for (const Token token : seen) counts_[token] = 0;
        seen.clear();
        length_ = 0;
    }
    void push(Token token) {
        if (counts_[token]++ == 0) seen.push_back(token);
        last_[token] = length_++;
    }
    int of(Token token) const {
        if (!counts_[token]) return 0;
        const bool lately = length_ - last_[token] < kLately;
        return 1 + ((std::min(counts_[token], 3) - 1) * 4 + bands_[token]) * 2 + lately;
    }

    std::vector<Token> seen;

  private:
    static constexpr int kLately = 25;
    std::vector<std::uint8_t> bands_;
    std::vector<std::int32_t> counts_, last_;
    std::int32_t length_ = 0;
};

}  // namespace treeml
