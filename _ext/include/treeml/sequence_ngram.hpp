// Interpolated modified Kneser-Ney of order five or less (Chen & Goodman, An empirical study of smoothing techniques for
// language modeling, 1999, section 3): the baseline, and an expert of a mixture.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "treeml/sequence_stream.hpp"

namespace treeml {

class KneserNey {
  public:
    static constexpr int kHighest = 5;

    KneserNey(const Stream& stream, std::span<const std::int32_t> rows, int order)
        : n_tokens_(stream.n_tokens()), orders_(order) {
        std::vector<Gram> grams;
        grams.reserve(rows.size());
        for (const std::int32_t row : rows) {
            std::uint64_t key = 0;
            for (int back = 1; back < order; ++back) key = key << 16 | stream.tokens[row - back];
            grams.push_back({key, stream.tokens[row], 1});
        }
        for (int k = order; k >= 1; --k) {
            merge(grams);
            build(orders_[k - 1], grams);
            for (Gram& gram : grams) gram = {gram.key >> 16, gram.token, 1};  // a distinct longer one each
        }
    }

    std::int64_t n_grams() const {
        std::int64_t n = 0;
        for (const Order& order : orders_) n += static_cast<std::int64_t>(order.token.size());
        return n;
    }

    double probability(const Stream& stream, std::int32_t position, Token token) const {
        double p = 1.0 / n_tokens_;
        for (int k = 1; k <= static_cast<int>(orders_.size()); ++k) {
            const Order& order = orders_[k - 1];
            const std::int64_t at = order.find(key_of(stream, position, k));
            if (at < 0) break;
            const Token* const low = order.token.data() + order.start[at];
            const Token* const high = order.token.data() + order.start[at + 1];
            const Token* const found = std::lower_bound(low, high, token);
            double here = 0;
            if (found != high && *found == token) here = order.kept(found - order.token.data());
            p = here / order.total[at] + order.left[at] * p;
        }
        return p;
    }

    // All tokens; `out` is written.
    template <class Real>
    void distribution(const Stream& stream, std::int32_t position, Real* out) const {
        std::array<std::int64_t, kHighest> found;
        int n = 0;
        while (n < static_cast<int>(orders_.size())) {
            const std::int64_t at = orders_[n].find(key_of(stream, position, n + 1));
            if (at < 0) break;
            found[n++] = at;
        }
        double left = 1;
        std::fill(out, out + n_tokens_, Real(0));
        for (int k = n - 1; k >= 0; --k) {
            const Order& order = orders_[k];
            const std::int64_t at = found[k];
            const double scale = left / order.total[at];
            for (std::int64_t i = order.start[at]; i < order.start[at + 1]; ++i)
                out[order.token[i]] += static_cast<Real>(scale * order.kept(i));
            left *= order.left[at];
        }
        const Real rest = static_cast<Real>(left / n_tokens_);
        for (int w = 0; w < n_tokens_; ++w) out[w] += rest;
    }

  private:
    struct Gram {
        std::uint64_t key;  // the token before in the highest place
        Token token;
        std::int32_t count;
    };
    struct Order {
        std::vector<std::uint64_t> context;
        std::vector<std::int64_t> start{0};
        std::vector<Token> token;
        std::vector<std::int32_t> count;
        std::vector<double> total, left;  // of a context; left: share of the shorter context
        std::array<double, 4> discount{};

        std::int64_t find(std::uint64_t key) const {
            const auto found = std::lower_bound(context.begin(), context.end(), key);
            return found == context.end() || *found != key ? -1 : found - context.begin();
        }
        double kept(std::int64_t i) const { return std::max(count[i] - discount[std::min(count[i], 3)], 0.0); }
    };

    static std::uint64_t key_of(const Stream& stream, std::int32_t position, int k) {
        std::uint64_t key = 0;
        for (int back = 1; back < k; ++back) key = key << 16 | stream.tokens[position - back];
        return key;
    }

    static void merge(std::vector<Gram>& grams) {
        std::sort(grams.begin(), grams.end(), [](const Gram& a, const Gram& b) {
            return a.key != b.key ? a.key < b.key : a.token < b.token;
        });
        std::size_t n = 0;
        for (const Gram& gram : grams) {
            if (n && grams[n - 1].key == gram.key && grams[n - 1].token == gram.token) grams[n - 1].count += gram.count;
            else grams[n++] = gram;
        }
        grams.resize(n);
    }

    static void build(Order& order, const std::vector<Gram>& grams) {
        std::array<double, 5> seen{};
        for (const Gram& gram : grams)
            if (gram.count < 5) ++seen[gram.count];
        const double y = seen[1] / (seen[1] + 2 * seen[2] + 1e-9);
        for (int j = 1; j <= 3; ++j)
            order.discount[j] = std::clamp(j - (j + 1) * y * seen[j + 1] / std::max(seen[j], 1.0), .05, double(j));
        for (std::size_t i = 0; i < grams.size();) {
            double total = 0, off = 0;
            std::size_t j = i;
            for (; j < grams.size() && grams[j].key == grams[i].key; ++j) {
                total += grams[j].count;
                off += std::min(order.discount[std::min(grams[j].count, 3)], double(grams[j].count));
                order.token.push_back(grams[j].token);
                order.count.push_back(grams[j].count);
            }
            order.context.push_back(grams[i].key);
            order.start.push_back(static_cast<std::int64_t>(order.token.size()));
            order.total.push_back(total);
            order.left.push_back(off / total);
            i = j;
        }
    }

    int n_tokens_;
    std::vector<Order> orders_;
};

}  // namespace treeml
