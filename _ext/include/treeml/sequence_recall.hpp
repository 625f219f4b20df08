// What training says about a text beyond the reach of a tree: the place where it went on as this text does, and which
// tokens come more or less often once a text has used others (Lau, Rosenfeld & Roukos, Trigger-based language models: a
// maximum entropy approach, 1993).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "treeml/sequence_stream.hpp"

namespace treeml {

// Training positions by the tokens before them, the latest of equal ones.
class TrainingPlaces {
  public:
    TrainingPlaces(const Stream& stream, std::span<const std::int32_t> rows)
        : shortest(std::min(kShortest, stream.context())), tokens_(stream.tokens.data()),
          latest_(capacity(rows.size()), -1) {
        for (const std::int32_t row : rows) latest_[slot(tokens_ + row)] = row;
    }

    // A position that agrees in `shortest` tokens with what ends at `end`, -1 where none is known.
    std::int32_t find(const Token* end) const { return latest_[slot(end)]; }
    Token token(std::int32_t at) const { return tokens_[at]; }

    const int shortest;

  private:
    static constexpr int kShortest = 4;

    static std::size_t capacity(std::size_t n) {
        std::size_t out = 1024;
        while (out < 2 * n) out *= 2;
        return out;
    }
    // Where positions after these tokens are kept, or would be.
    std::size_t slot(const Token* end) const {
        std::uint64_t key = 0;
        for (int back = 1; back <= shortest; ++back) key = key << 16 | end[-back];
        const std::size_t mask = latest_.size() - 1;
        std::size_t i = (key * 0x9E3779B97F4A7C15ull) >> 20 & mask;
        while (latest_[i] >= 0 && !std::equal(end - shortest, end, tokens_ + latest_[i] - shortest)) i = (i + 1) & mask;
        return i;
    }

    const Token* tokens_;
    std::vector<std::int32_t> latest_;
};

// For each token, those that come clearly more or less often within kReach tokens of its first use in a text.
class Triggers {
  public:
    struct Effect {
        Token token;
        float log_ratio;
    };

    Triggers(const Stream& stream, std::span<const std::int32_t> rows) : start_(stream.n_tokens() + 1, 0) {
        const int n = stream.n_tokens();
        const Token* const x = stream.tokens.data();
        std::vector<double> share(n, 0);
        for (const std::int32_t row : rows) share[x[row]] += 1.0 / static_cast<double>(rows.size());
        const std::vector<Use> uses = first_uses(x, rows, n);
        std::vector<std::int32_t> count(n, 0);
        std::vector<Found> found;
        for (std::size_t begin = 0, end; begin < uses.size(); begin = end) {
            const Token u = uses[begin].token;
            for (end = begin; end < uses.size() && uses[end].token == u;) ++end;
            if (end - begin >= kTexts) weigh(x, std::span(uses).subspan(begin, end - begin), share, count, found);
            start_[u + 1] = static_cast<std::int64_t>(found.size());
            for (const Found& one : found) effects_.push_back(one.effect);
            found.clear();
        }
        for (int u = 0; u < n; ++u) start_[u + 1] += start_[u];
    }

    std::span<const Effect> of(Token u) const {
        return {effects_.data() + start_[u], static_cast<std::size_t>(start_[u + 1] - start_[u])};
    }

  private:
    struct Use {
        Token token;
        std::int32_t from, to;  // positions that follow it
    };
    struct Found {
        double evidence;
        Effect effect;
    };
    static constexpr double kLeastEvidence = 12, kPrior = 5;
    static constexpr int kReach = 512;
    static constexpr std::size_t kTexts = 5, kMost = 200;

    // By token, then by text.
    static std::vector<Use> first_uses(const Token* x, std::span<const std::int32_t> rows, int n) {
        std::vector<Use> out;
        std::vector<std::int32_t> seen(n, -1);  // where the latest text to use it begins
        for (std::size_t begin = 0, end; begin < rows.size(); begin = end) {
            for (end = begin + 1; end < rows.size() && rows[end] == rows[end - 1] + 1;) ++end;
            for (std::size_t i = begin; i + 1 < end; ++i) {
                std::int32_t& last = seen[x[rows[i]]];
                if (last == rows[begin]) continue;
                last = rows[begin];
                out.push_back({x[rows[i]], rows[i] + 1, std::min(rows[end - 1], rows[i] + kReach) + 1});
            }
        }
        std::stable_sort(out.begin(), out.end(), [](const Use& a, const Use& b) { return a.token < b.token; });
        return out;
    }

    // Tokens whose number differs from what their share leads to expect, by the likelihood ratio of Poisson counts.
    static void weigh(const Token* x, std::span<const Use> uses, const std::vector<double>& share,
                      std::vector<std::int32_t>& count, std::vector<Found>& found) {
        double total = 0;
        std::vector<Token> touched;
        for (const Use& use : uses) {
            total += use.to - use.from;
            for (std::int32_t row = use.from; row < use.to; ++row)
                if (count[x[row]]++ == 0) touched.push_back(x[row]);
        }
        for (const Token w : touched) {
            const double c = count[w], expected = total * share[w];
            count[w] = 0;
            if (w == uses[0].token || w == kEnd) continue;
            const double evidence = 2 * (c * std::log(c / expected) - (c - expected));
            const float ratio = static_cast<float>(std::log((c + kPrior) / (expected + kPrior)));
            if (evidence > kLeastEvidence) found.push_back({evidence, {w, ratio}});
        }
        const auto better = [](const Found& a, const Found& b) {
            return a.evidence != b.evidence ? a.evidence > b.evidence : a.effect.token < b.effect.token;
        };
        std::sort(found.begin(), found.end(), better);
        if (found.size() > kMost) found.resize(kMost);
    }

    std::vector<std::int64_t> start_;
    std::vector<Effect> effects_;
};

struct Recall {
    Recall(const Stream& stream, std::span<const std::int32_t> rows) : places(stream, rows), triggers(stream, rows) {}

    TrainingPlaces places;
    Triggers triggers;
};

// A text beside training, token by token. Boosts: one for each length of agreement, of the token that training has
// next; behind them one for each band of the sum of log ratios, of tokens that others in the text go with.
class RecalledText {
  public:
    static constexpr int kLengths = 12, kBands = 16, kBoosts = kLengths + kBands;

    RecalledText(const Recall* recall, int n_tokens) : recall_(recall), sum_(recall ? n_tokens : 0), known_(sum_.size()) {}

    void begin() {
        at_ = -1;
        for (const Token w : touched_) sum_[w] = 0;
        for (const Token u : used_) known_[u] = false;
        touched_.clear();
        used_.clear();
    }

    // `end` lies behind the token just read.
    void push(const Token* end) {
        if (!recall_) return;
        const Token token = end[-1];
        const TrainingPlaces& places = recall_->places;
        if (at_ >= 0 && places.token(at_) == token) {
            ++at_;
            ++agree_;
        } else {
            at_ = places.find(end);
            agree_ = places.shortest;
        }
        if (known_[token]) return;
        known_[token] = true;
        used_.push_back(token);
        for (const auto& [w, ratio] : recall_->triggers.of(token)) {
            if (sum_[w] == 0) touched_.push_back(w);
            sum_[w] += ratio == 0 ? kNone : ratio;
            if (sum_[w] == 0) sum_[w] = kNone;  // not 0: it has been touched
        }
    }

    // visit(token, number of its boost)
    template <class Visit>
    void each(const Visit& visit) const {
        if (at_ >= 0) visit(recall_->places.token(at_), length());
        for (const Token w : touched_) visit(w, kLengths + band(w));
    }

    bool goes_on_with(Token token) const { return at_ >= 0 && recall_->places.token(at_) == token; }
    bool touches(Token token) const { return recall_ && sum_[token] != 0; }
    int agree() const { return agree_; }
    int length() const { return std::min(agree_ - recall_->places.shortest, kLengths - 1); }
    int band(Token w) const {
        return std::clamp(static_cast<int>(std::floor(2 * sum_[w])) + kBands / 2, 0, kBands - 1);
    }
    // Tokens of the text that `token` goes with.
    std::vector<Triggers::Effect> effects_on(Token token) const {
        std::vector<Triggers::Effect> out;
        for (const Token u : used_)
            for (const auto& [w, ratio] : recall_->triggers.of(u))
                if (w == token) out.push_back({u, ratio});
        return out;
    }

  private:
    static constexpr float kNone = 1e-9f;

    const Recall* recall_;
    std::int32_t at_ = -1;  // in training, -1: nowhere
    int agree_ = 0;
    std::vector<float> sum_;
    std::vector<char> known_;
    std::vector<Token> used_, touched_;  // each once
};

}  // namespace treeml
