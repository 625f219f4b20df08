// Several experts at once: the product of their probabilities to the power of weights, normalised over all tokens, with a
// factor for tokens that the text has used before, and for those that training recalls. Weights depend on what is known beforehand: the leaf of the first
// tree, how long the text repeats itself, the token before.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

#include "treeml/lanes.hpp"
#include "treeml/sequence_document.hpp"
#include "treeml/sequence_ngram.hpp"
#include "treeml/sequence_recall.hpp"

namespace treeml {

inline constexpr int kLeafGates = kSizes * kAgreements, kRepeatGates = 8, kTokenGates = 32;
inline constexpr int kGates = 1 + kLeafGates + kRepeatGates + kTokenGates;
inline constexpr int kBoosts = DocumentWords::kClasses + RecalledText::kBoosts;

struct MixtureWeights {
    int n_experts = 0;
    std::vector<float> weight;  // kGates x n_experts
    std::vector<float> boost = std::vector<float>(kBoosts, 0);
};

// Experts in the order of their weights: trees, the text so far, the n-gram, how frequent tokens are.
struct Experts {
    std::vector<const SequenceModel*> trees;
    bool document = false;
    PathWeights document_weights;  // its buckets are read
    const KneserNey* ngram = nullptr;
    const Recall* recall = nullptr;  // only with `document`
    std::vector<float> frequency;  // of tokens, for mixtures; sums to 1
    std::vector<std::uint16_t> ranks;  // order of tokens, for gates
    bool mixed = false;

    int size() const { return static_cast<int>(trees.size()) + document + (ngram != nullptr) + 1; }
};

// Reads texts token by token and says what comes next. One a thread.
class SequenceReader {
  public:
    SequenceReader(const Experts& experts, const MixtureWeights& weights, const std::uint8_t* traits, int n_tokens,
                   int context)
        : stream(traits, n_tokens, context), experts_(experts), weights_(weights), n_tokens_(n_tokens),
          width_(lanes::padded(n_tokens_)), paths_(experts.trees.size()), recalled_(experts.recall, n_tokens) {
        if (!experts.mixed) return;
        logs_.assign(static_cast<std::size_t>(experts.size()) * width_, 0);
        p_.assign(width_, 0);
        score_.assign(width_, 0);
        float* const log = expert_log(experts.size() - 1);
        std::vector<std::uint8_t> bands(n_tokens_);
        for (int w = 0; w < width_; ++w) log[w] = w < n_tokens_ ? std::log(experts.frequency[w]) : 0;
        for (int w = 0; w < n_tokens_; ++w) {
            const float f = experts.frequency[w];
            bands[w] = f > .01f ? 0 : f > .001f ? 1 : f > .0002f ? 2 : 3;
        }
        words_.set_bands(std::move(bands));
    }

    void begin() {
        stream.begin();
        if (!experts_.document) return;
        repeated_.begin();
        words_.begin();
        recalled_.begin();
    }

    void push(Token token) {
        if (experts_.document) {
            repeated_.push(stream.tokens.data() + stream.tokens.size(), token);
            words_.push(token);
        }
        stream.push(token);
        if (experts_.document) recalled_.push(stream.tokens.data() + stream.tokens.size());
    }

    // Natural logarithm of the probability that `token` is next.
    double log_probability(Token token) {
        if (experts_.mixed) {
            mix();
            return std::log(static_cast<double>(p_[token])) - std::log(total_);
        }
        look();
        const SequenceModel& tree = *experts_.trees[0];
        return std::log(probability(tree, tree.weights, paths_[0], token, 1.0 / n_tokens_));
    }

    // Probabilities of all tokens.
    void next(double* out) {
        if (experts_.mixed) {
            mix();
            for (int w = 0; w < n_tokens_; ++w) out[w] = p_[w] / total_;
            return;
        }
        look();
        const SequenceModel& tree = *experts_.trees[0];
        std::fill(out, out + n_tokens_, 0.0);
        const double rest = add_distribution(tree, tree.weights, paths_[0], out) / n_tokens_;
        for (int w = 0; w < n_tokens_; ++w) out[w] += rest;
    }

    // What expert `e` says alone; after next() or log_probability() of a mixture.
    double log_of_expert(int e, Token token) const { return logs_[static_cast<std::size_t>(e) * width_ + token]; }
    // Logarithm of the factor of a token that the text has used before.
    double boost_of_use(Token token) const { return experts_.document ? weights_.boost[words_.of(token)] : 0; }
    // Of the token that training has next, and of those that others in the text go with.
    double boost_of_place(Token token) const {
        return recalled_.goes_on_with(token) ? weights_.boost[DocumentWords::kClasses + recalled_.length()] : 0;
    }
    double boost_of_triggers(Token token) const {
        const int first = DocumentWords::kClasses + RecalledText::kLengths;
        return recalled_.touches(token) ? weights_.boost[first + recalled_.band(token)] : 0;
    }
    double log_total() const { return std::log(total_) + greatest_; }
    const std::vector<float>& expert_weights() const { return mixed_weights_; }
    const std::vector<PathStep>& path(int tree) const { return paths_[tree]; }
    const std::vector<std::int32_t>& repeats() const { return found_; }
    const DocumentCounts& document() const { return repeated_; }
    const RecalledText& recalled() const { return recalled_; }

    // Gradient of log p(token) after mix(), for MixtureLearner.
    friend class MixtureLearner;

    Stream stream;

  private:
    float* expert_log(int e) { return logs_.data() + static_cast<std::size_t>(e) * width_; }

    void look() {
        const std::int32_t at = stream.position();
        for (std::size_t t = 0; t < paths_.size(); ++t) find_path(*experts_.trees[t], stream, at, paths_[t]);
        found_.clear();
        if (experts_.document) repeated_.match(stream.tokens.data() + at, found_);
    }

    void log_to(const float* p, float* out) const {
        for (int w = 0; w < width_; w += lanes::kLanes) lanes::store(out + w, lanes::log(lanes::load(p + w)));
    }

    void mix() {
        look();
        const std::int32_t at = stream.position();
        int e = 0;
        for (std::size_t t = 0; t < paths_.size(); ++t) {
            const SequenceModel& tree = *experts_.trees[t];
            std::fill(p_.begin(), p_.end(), 0.0f);
            add_uniform(add_distribution(tree, tree.weights, paths_[t], p_.data()));
            log_to(p_.data(), expert_log(e++));
            if (t == 0 && experts_.document) first_ = p_;
        }
        if (experts_.document) {
            repeated_.continue_distribution(found_, experts_.document_weights, n_tokens_, first_.data());
            for (int w = n_tokens_; w < width_; ++w) first_[w] = 1;
            log_to(first_.data(), expert_log(e++));
        }
        if (experts_.ngram) {
            experts_.ngram->distribution(stream, at, p_.data());
            for (int w = n_tokens_; w < width_; ++w) p_[w] = 1;
            log_to(p_.data(), expert_log(e++));
        }
        choose_gates(at);
        combine();
    }

    void add_uniform(double left) {
        const float rest = static_cast<float>(left / n_tokens_);
        for (int w = 0; w < width_; ++w) p_[w] = std::max(p_[w] + rest, 1e-30f);
    }

    void choose_gates(std::int32_t at) {
        const PathStep leaf = paths_[0].back();
        const int state = leaf.bucket % kAgreements, size = leaf.bucket / kAgreements / kRatios;
        gates_[0] = 0;
        gates_[1] = 1 + size * kAgreements + state;
        gates_[2] = 1 + kLeafGates + std::min(static_cast<int>(found_.size()), kRepeatGates - 1);
        gates_[3] = 1 + kLeafGates + kRepeatGates + experts_.ranks[stream.tokens[at - 1]] * kTokenGates / n_tokens_;
        const int n = experts_.size();
        mixed_weights_.assign(n, 0);
        for (const int gate : gates_)
            for (int e = 0; e < n; ++e) mixed_weights_[e] += weights_.weight[gate * n + e];
    }

    // visit(token, number of a boost it gets)
    template <class Visit>
    void each_boost(const Visit& visit) const {
        if (!experts_.document) return;
        for (const Token token : words_.seen) visit(token, words_.of(token));
        recalled_.each([&](Token token, int boost) { visit(token, DocumentWords::kClasses + boost); });
    }

    // p_ and total_: unnormalised probabilities and their sum.
    void combine() {
        using namespace lanes;
        const int n = experts_.size();
        for (int w = 0; w < width_; w += kLanes) {
            Floats sum = fill(0);
            for (int e = 0; e < n; ++e) sum += mixed_weights_[e] * load(expert_log(e) + w);
            store(&score_[w], sum);
        }
        each_boost([&](Token token, int boost) { score_[token] += weights_.boost[boost]; });
        greatest_ = *std::max_element(score_.begin(), score_.begin() + n_tokens_);
        for (int w = n_tokens_; w < width_; ++w) score_[w] = -1e30f;
        total_ = 0;
        const Floats greatest = fill(greatest_);
        for (int w = 0; w < width_; w += kLanes) {
            const Floats p = lanes::exp(load(&score_[w]) - greatest);
            store(&p_[w], p);
            total_ += sum(p);
        }
    }

    const Experts& experts_;
    const MixtureWeights& weights_;
    int n_tokens_, width_;
    std::vector<std::vector<PathStep>> paths_;
    std::vector<std::int32_t> found_;
    DocumentCounts repeated_;
    DocumentWords words_;
    RecalledText recalled_;
    std::vector<float> logs_, p_, first_, score_;
    std::vector<float> mixed_weights_;
    int gates_[4] = {0, 0, 0, 0};
    float greatest_ = 0;
    double total_ = 1;
};

// Fits the weights of a mixture in one pass over texts, in their order: Adagrad (Duchi, Hazan & Singer 2011).
class MixtureLearner {
  public:
    explicit MixtureLearner(const Experts& experts) {
        const int n = experts.size(), strong = n - 1 - (experts.ngram != nullptr);
        weights.n_experts = n;
        weights.weight.assign(static_cast<std::size_t>(kGates) * n, 0);
        std::fill_n(weights.weight.begin(), strong, 1.0f / static_cast<float>(strong));
        squares_.assign(weights.weight.size(), kStart);
        boost_squares_.assign(weights.boost.size(), 1);
    }

    // One step; `done` is the part of the pass that lies behind. Returns log p.
    double learn(SequenceReader& reader, Token token, double done) {
        const double log_p = reader.log_probability(token);
        const float rate = static_cast<float>(kRate * (1 - .8 * done));
        const int n = weights.n_experts;
        for (int e = 0; e < n; ++e) {
            const float* const log = reader.expert_log(e);
            lanes::Floats sum = lanes::fill(0);
            for (int w = 0; w < reader.width_; w += lanes::kLanes)
                sum += lanes::load(&reader.p_[w]) * lanes::load(log + w);
            const float expected = static_cast<float>(lanes::sum(sum) / reader.total_);
            const float slope = std::clamp(expected - log[token], -5.0f, 5.0f);
            for (const int gate : reader.gates_) {
                float& square = squares_[gate * n + e];
                square += slope * slope;
                weights.weight[gate * n + e] -= rate * slope / std::sqrt(square);
            }
        }
        if (reader.experts_.document) learn_boosts(reader, token, kBoostRate * rate);
        return log_p;
    }

    MixtureWeights weights;

  private:
    static constexpr double kRate = .1;
    static constexpr float kStart = 10, kBoostRate = 5;

    void learn_boosts(const SequenceReader& reader, Token token, float rate) {
        float slope[kBoosts] = {};
        reader.each_boost([&](Token boosted, int boost) {
            slope[boost] += static_cast<float>(reader.p_[boosted] / reader.total_) - (boosted == token);
        });
        for (int b = 1; b < kBoosts; ++b) {
            if (slope[b] == 0) continue;
            boost_squares_[b] += slope[b] * slope[b];
            weights.boost[b] -= rate * slope[b] / std::sqrt(boost_squares_[b]);
        }
    }

    std::vector<float> squares_, boost_squares_;
};

}  // namespace treeml
