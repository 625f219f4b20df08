// The best points for a few 0/1 terms: a walk down the orders of their 2^s answers.
//
// With the nets d_a of the answers a (ones minus zeros), a card that predicts 0 for a set Z of answers makes
// all_positive + sum of d_a over Z errors. Once the order of the answers to the first t questions is fixed, any card
// cuts, within each of the 2^(s-t) cells of answers to the rest, this order at one place, and whatever it does
// between cells, each cell costs at least its least prefix sum. Their sum bounds all cards of the node; it is the
// conflict bound at t = 0 and exact at t = s.
#pragma once

#include <optional>

#include "treeml/slim_layer.hpp"
#include "treeml/slim_orders.hpp"

namespace treeml {

template <class T>
class SlimPatterns {
  public:
    SlimPatterns(SlimState& state, const SlimLayer<T>& root, const SlimKernels<T>& kernels, const SlimOrders* orders)
        : state_(state), problem_(state.problem), root_(root), kernels_(kernels), orders_(orders),
          place_(problem_.n_terms, -1) {
        for (int c = 0; c < root.n_columns; ++c) place_[root.names[c]] = c;
    }

    // Whether it can search this support.
    bool takes(std::span<const int> support) const {
        return orders_ && int(support.size()) < int(orders_->levels.size()) &&
               std::all_of(support.begin(), support.end(), [&](int j) { return place_[j] >= 0; });
    }

    // A card that uses exactly these terms and costs less than `cutoff`, if there is one; no card on them that
    // costs less than min(cutoff, its cost) costs less than `lower`.
    SlimCard solve(std::span<const int> support, Cost cutoff, Cost& lower) {
        n_ = static_cast<int>(support.size());
        support_.assign(support.begin(), support.end());
        cutoff_ = cutoff;
        best_ = SlimCard();
        ++state_.counters.searched;
        count_answers();
        rest_ = 0;
        for (int j : support_) rest_ += problem_.least_size(j);
        Cost conflicts = problem_.all_positive;
        for (int a = 0; a < 1 << n_; ++a) conflicts += std::min<Cost>(0, nets_[a]);
        lower = problem_.cost(conflicts, n_, rest_);
        stopped_ = false;
        if (lower < cutoff_ && choose_signs()) {
            if (problem_.limited()) count_rows();
            descend(0, 0, 0);
        }
        if (!stopped_) lower = std::max(lower, cutoff_);
        return best_;
    }

    // Cheaper: only what the signs of single questions cost.
    Cost bound(std::span<const int> support, Cost cutoff) {
        n_ = static_cast<int>(support.size());
        support_.assign(support.begin(), support.end());
        cutoff_ = cutoff;
        count_answers();
        rest_ = 0;
        for (int j : support_) rest_ += problem_.least_size(j);
        least_ = kInfinite;
        return choose_signs() ? least_ : cutoff;
    }

  private:
    static constexpr int kMost = 1 << SlimOrders::kMostTerms;

    // nets_: of every answer, question j of support_ at bit n_ - 1 - j.
    void count_answers() {
        const Word* columns[SlimOrders::kMostTerms];
        for (int j = 0; j < n_; ++j) columns[n_ - 1 - j] = root_.column(place_[support_[j]]);
        kernels_.common_nets(root_.segments.data(), int(root_.segments.size()), columns, n_, root_.rows.data(), nets_);
        for (int bit = 1; bit < 1 << n_; bit *= 2)
            for (int a = 0; a < 1 << n_; ++a)
                if (!(a & bit)) nets_[a] -= nets_[a | bit];
    }

    // The bound of t = 1 for either sign of every question: a sign that is too dear is ruled out, and the question
    // whose signs are dearest comes first. False where some question has no sign left.
    bool choose_signs() {
        struct Choice {
            int question;
            bool sign[2];
            Cost dearness;
        };
        Choice choices[SlimOrders::kMostTerms];
        Cost dearest = 0;
        for (int j = 0; j < n_; ++j) {
            const int bit = 1 << (n_ - 1 - j);
            Cost errors[2] = {problem_.all_positive, problem_.all_positive};
            for (int a = 0; a < 1 << n_; ++a) {
                if (a & bit) continue;
                const Cost no = nets_[a], yes = nets_[a | bit];
                errors[0] += std::min<Cost>({0, no, no + yes});
                errors[1] += std::min<Cost>({0, yes, no + yes});
            }
            const int term = support_[j];
            choices[j].question = j;
            choices[j].sign[0] = problem_.constraints.high[term] > 0 && problem_.cost(errors[0], n_, rest_) < cutoff_;
            choices[j].sign[1] = problem_.constraints.low[term] < 0 && problem_.cost(errors[1], n_, rest_) < cutoff_;
            if (!choices[j].sign[0] && !choices[j].sign[1]) return false;
            const Cost cheap = !choices[j].sign[0] ? errors[1] : !choices[j].sign[1] ? errors[0] : std::min(errors[0], errors[1]);
            dearest = std::max(dearest, cheap);
            choices[j].dearness = cheap + (choices[j].sign[0] && choices[j].sign[1] ? 0 : problem_.net_size);
        }
        least_ = problem_.cost(dearest, n_, rest_);
        std::stable_sort(choices, choices + n_, [](const Choice& a, const Choice& b) { return a.dearness > b.dearness; });
        arrange(choices);
        return true;
    }

    template <class Choices>
    void arrange(const Choices& choices) {
        T old[kMost];
        std::copy_n(nets_, 1 << n_, old);
        int from[kMost];
        for (int a = 0; a < 1 << n_; ++a) {
            from[a] = 0;
            for (int j = 0; j < n_; ++j)
                if (a >> (n_ - 1 - j) & 1) from[a] |= 1 << (n_ - 1 - choices[j].question);
            nets_[a] = old[from[a]];
        }
        const std::vector<int> support = support_;
        for (int j = 0; j < n_; ++j) {
            support_[j] = support[choices[j].question];
            sign_[j][0] = choices[j].sign[0];
            sign_[j][1] = choices[j].sign[1];
        }
    }

    // For limits on rates: weights of both classes of every answer.
    void count_rows() {
        positive_.assign(1 << n_, 0);
        negative_.assign(1 << n_, 0);
        for (int r = 0; r < problem_.n_rows; ++r) {
            int a = 0;
            for (int j : support_) a = 2 * a + problem_.rows.columns[j].bytes[r];
            positive_[a] += problem_.positive[r];
            negative_[a] += problem_.negative[r];
        }
    }

    template <int lanes>
    Cost prefixes(const SlimOrders::Node& node, int flip, int t) const {
        typedef T Vector __attribute__((vector_size(lanes * sizeof(T))));
        Vector sum = {}, least = {};
        for (int i = 0; i < 1 << t; ++i) {
            Vector net;
            __builtin_memcpy(&net, nets_ + std::size_t(node.order[i] ^ flip) * lanes, sizeof net);
            sum += net;
            if (node.ends[i]) least = sum < least ? sum : least;
        }
        Cost out = problem_.all_positive;
        for (int k = 0; k < lanes; ++k) out += least[k];
        return out;
    }
    Cost prefixes_one(const SlimOrders::Node& node, int flip) const {
        T sum = 0, least = 0;
        for (int i = 0; i < 1 << n_; ++i) {
            sum += nets_[node.order[i] ^ flip];
            if (node.ends[i]) least = std::min(least, sum);
        }
        return problem_.all_positive + least;
    }
    Cost bound(const SlimOrders::Node& node, int flip, int t) const {
        switch (n_ - t) {
            case 0: return prefixes_one(node, flip);
            case 1: return prefixes<2>(node, flip, t);
            case 2: return prefixes<4>(node, flip, t);
            case 3: return prefixes<8>(node, flip, t);
            case 4: return prefixes<16>(node, flip, t);
            default: return prefixes<32>(node, flip, t);
        }
    }

    // Goes on from an order of the first t questions; flip: those of negative points, at bits t - 1 - j.
    void descend(int t, int at, int flip) {
        if (t == n_) return accept(orders_->levels[t][at], flip);
        const SlimOrders::Node& parent = orders_->levels[t][at];
        if (++visits_ % 256 == 0 && state_.stop()) stopped_ = true;
        for (int negative = 0; negative < 2; ++negative) {
            if (!sign_[t][negative]) continue;
            for (int k = 0; k < parent.n_children && !stopped_; ++k) {
                const SlimOrders::Node& node = orders_->levels[t + 1][parent.first_child + k];
                const int sum = std::max<int>(node.sum + n_ - t - 1, rest_);
                ++state_.counters.orders;
                if (problem_.cost(bound(node, 2 * flip + negative, t + 1), n_, sum) < cutoff_)
                    descend(t + 1, parent.first_child + k, 2 * flip + negative);
            }
        }
    }

    void accept(const SlimOrders::Node& node, int flip) {
        std::vector<int> points(n_);
        for (const auto& sizes : node.vectors) {
            int sum = 0;
            for (int j = 0; j < n_; ++j) {
                points[j] = flip >> (n_ - 1 - j) & 1 ? -sizes[j] : sizes[j];
                sum += sizes[j];
            }
            if (state_.collect) {
                if (problem_.cost(bound(node, flip, n_), n_, sum) >= cutoff_) return;
                collect(points);
                continue;
            }
            const bool is_limited = problem_.limited();
            const Cost errors = is_limited ? limited(points, node, flip) : bound(node, flip, n_);
            if (errors == kInfinite || problem_.cost(errors, n_, sum) >= cutoff_) {
                if (!is_limited) return;  // others with this order are no better
                continue;
            }
            if (!problem_.admits_points(support_, points)) continue;
            best_ = problem_.exact(support_, points);
            cutoff_ = best_.cost;
            if (!is_limited) return;
        }
    }

    void collect(const std::vector<int>& points) {
        if (!problem_.admits_points(support_, points) || !problem_.constraints.smallest(support_, points)) return;
        state_.collect(support_, points);
        cutoff_ = state_.cutoff();
    }

    // Least errors of a cut that is admitted.
    Cost limited(const std::vector<int>& points, const SlimOrders::Node& node, int flip) const {
        SlimCut cut(problem_, support_, points);
        Cost net = 0;
        std::int64_t p = 0, q = 0;
        for (int i = 0; i < 1 << n_; ++i) {
            const int a = node.order[i] ^ flip;
            net += nets_[a];
            p += positive_[a];
            q += negative_[a];
            if (!node.ends[i]) continue;
            std::int64_t score = 0;
            for (int j = 0; j < n_; ++j) score += a >> (n_ - 1 - j) & 1 ? points[j] * problem_.weights.one : 0;
            cut.group(score, net, p, q);
            net = 0;
            p = q = 0;
        }
        cut.end();
        return cut.best;
    }

    SlimState& state_;
    const SlimProblem& problem_;
    const SlimLayer<T>& root_;
    const SlimKernels<T>& kernels_;
    const SlimOrders* orders_;
    std::vector<int> place_;  // of every term, its column at the root
    int n_ = 0, visits_ = 0;
    std::int64_t rest_ = 0;  // least sum of sizes of the support
    bool stopped_ = false;
    Cost cutoff_ = 0, least_ = 0;
    std::vector<int> support_;
    bool sign_[SlimOrders::kMostTerms][2];
    alignas(64) T nets_[kMost];
    std::vector<std::int64_t> positive_, negative_;
    SlimCard best_;
};

}  // namespace treeml
