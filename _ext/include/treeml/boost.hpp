// Boosted trees of second order: every round grows a tree on the gradients and hessians of a loss.
//
// Gradients and hessians are rounded to whole numbers whose sums over all rows fill 32 bits each, so that one
// addition of 64 bits counts both, histograms are exact, and the model is the same for any number of threads. With
// few rows they get 52 bits each.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "treeml/grow.hpp"
#include "treeml/logistic.hpp"
#include "treeml/sums.hpp"

namespace treeml {

enum class Loss { squared_error, poisson, logistic, softmax };

struct BoostOptions {
    Loss loss = Loss::squared_error;
    int n_classes = 1;  // softmax
    int rounds = 100;
    double learning_rate = .1, l2 = 1, least_hessian = 1;
    int max_depth = 6;
    std::int64_t max_leaves = 0;
    int patience = 0;  // rounds without a lower loss on the validation rows; 0: none are looked at
};

struct BoostedTree {
    int output;
    std::vector<GrownNode> nodes;
    std::vector<double> values;  // of all nodes, learning rate included
};

struct BoostResult {
    std::vector<double> base;
    std::vector<BoostedTree> trees;
    std::vector<double> train_loss, validation_loss;  // mean, after 0, 1, ... rounds; the last round has no train loss
    std::vector<std::vector<double>> scores;  // of every row, by output, after the last round that was made
    int best_round = 0;
    Stop stop = Stop::none;
};

class Booster {
  public:
    // y: target, or class 0 .. n - 1. weights: null where every row counts 1. validation: rows not to learn from.
    Booster(const CodeColumns& columns, Team& team, const double* y, const double* weights, std::vector<char> validation,
            const BoostOptions& options, std::vector<char> allowed)
        : columns_(columns), team_(team), options_(options), grower_(columns, team, std::move(allowed)), y_(y), weights_(weights) {
        const std::int64_t n = columns.n_rows();
        for (std::int64_t row = 0; row < n; ++row)
            (validation.empty() || !validation[row] ? train_ : validation_).push_back(static_cast<Row>(row));
        grower_.set_rows_ascend(validation_.empty());
        outputs_ = options.loss == Loss::softmax ? options.n_classes : 1;
        padded_ = (n + kBlock - 1) / kBlock * kBlock;
        wide_ = static_cast<std::int64_t>(train_.size()) <= kWideRows;
        mass_.assign(padded_, 0.0);
        for (const Row row : train_) train_mass_ += mass_[row] = weight(row);
        if (options.loss == Loss::logistic) {
            positive_.assign(padded_, 0.0);
            for (const Row row : train_) positive_[row] = mass_[row] * y[row];
        }
        for (const Row row : validation_) validation_mass_ += weight(row);
        a_.resize(padded_);
        if (wide_) b_.resize(padded_);
        sums_.resize(3 * (padded_ / kBlock));
    }

    BoostResult run(Control& control) {
        BoostResult result = rounds(control);
        for (std::vector<double>& scores : scores_) scores.resize(columns_.n_rows());
        result.scores = std::move(scores_);
        return result;
    }

  private:
    BoostResult rounds(Control& control) {
        BoostResult result;
        result.base = base();
        scores_.assign(outputs_, std::vector<double>());
        for (int k = 0; k < outputs_; ++k) scores_[k].assign(padded_, result.base[k]);
        std::vector<Row> rows;
        int since_best = 0;
        double best = validate(result);
        for (int round = 0; round < options_.rounds; ++round) {
            if (options_.loss == Loss::softmax) take_shares();
            for (int k = 0; k < outputs_; ++k) {
                const double loss = set_gradients(k);
                if (k == 0) result.train_loss.push_back(loss / train_mass_);
                rows = train_;
                BoostedTree tree{k, grow(rows, control), {}};
                if (control.reason() != Stop::none) {
                    result.stop = control.reason();
                    result.trees.resize(std::size_t(result.best_round) * outputs_);
                    return result;
                }
                give_values(tree);
                add_to_scores(tree, rows, scores_[k]);
                result.trees.push_back(std::move(tree));
            }
            if (!options_.patience) {
                result.best_round = round + 1;
                continue;
            }
            const double loss = validate(result);
            if (loss < best) {
                best = loss;
                result.best_round = round + 1;
                since_best = 0;
            } else if (++since_best == options_.patience) {
                break;
            }
        }
        result.trees.resize(std::size_t(result.best_round) * outputs_);
        return result;
    }

    static constexpr std::int64_t kBlock = 2048;           // rows whose gradients are made at a time
    static constexpr std::int64_t kWideRows = 1 << 16;     // up to so many, sums get 52 bits
    static constexpr double kLeastHessian = 1e-16, kLeastShare = 1e-12;

    double weight(Row row) const { return weights_ ? weights_[row] : 1.0; }

    std::vector<double> base() const {
        std::vector<double> sums(outputs_, 0.0);
        for (const Row row : train_) {
            if (options_.loss == Loss::softmax) sums[static_cast<int>(y_[row])] += weight(row);
            else sums[0] += weight(row) * y_[row];
        }
        for (double& sum : sums) {
            const double mean = sum / train_mass_;
            if (options_.loss == Loss::squared_error) sum = mean;
            else if (options_.loss == Loss::logistic) sum = std::log(std::max(mean, kLeastShare) / std::max(1 - mean, kLeastShare));
            else sum = std::log(std::max(mean, kLeastShare));
        }
        return sums;
    }

    // Whole numbers for the gradients of one output; the loss where it comes with them.
    double set_gradients(int k) {
        double loss = 0;
        for (int attempt = 0; attempt < 2; ++attempt) {
            const double most = wide_ ? 0x1p52 : 0x1p31 - double(train_.size()) - 2;
            scale_a_ = bound_a_ > 0 ? most / bound_a_ : 0;
            scale_b_ = bound_b_ > 0 ? most / bound_b_ : 0;
            team_.split(padded_ / kBlock, [&](std::int64_t first, std::int64_t last, int) {
                std::vector<double> a(kBlock), b(kBlock);
                for (std::int64_t block = first; block < last; ++block) make_block(k, block, a.data(), b.data());
            });
            double sum_a = 0, sum_b = 0;
            loss = 0;
            for (std::size_t block = 0; block < sums_.size(); block += 3) {
                sum_a += sums_[block];
                sum_b += sums_[block + 1];
                loss += sums_[block + 2];
            }
            // The grid of the last round serves again where it is neither too fine nor much too coarse.
            const bool fits = sum_a <= bound_a_ && sum_b <= bound_b_;
            if (fits && sum_a > .4 * bound_a_ && sum_b > .4 * bound_b_) break;
            if (fits && attempt) break;
            bound_a_ = 1.2 * sum_a;
            bound_b_ = 1.2 * sum_b;
        }
        return loss;
    }

    void make_block(int k, std::int64_t block, double* a, double* b) {
        const std::int64_t begin = block * kBlock, n = std::min(kBlock, columns_.n_rows() - begin);
        double loss = 0;
        if (options_.loss == Loss::logistic) {
            const LogisticSums sums = logistic_kernels().derivatives(
                kBlock, scores_[0].data() + begin, positive_.data() + begin, mass_.data() + begin, a, b);
            loss = sums.loss;
            for (std::int64_t i = 0; i < n; ++i) a[i] = -a[i];
        } else {
            for (std::int64_t i = 0; i < n; ++i) loss += derivatives(k, static_cast<Row>(begin + i), a[i], b[i]);
        }
        double sum_a = 0, sum_b = 0;
        for (std::int64_t i = 0; i < n; ++i) {
            sum_a += std::abs(a[i]);
            sum_b += b[i];
        }
        double* sums = sums_.data() + 3 * block;
        sums[0] = sum_a;
        sums[1] = sum_b;
        sums[2] = loss;
        constexpr double kRound = 0x1.8p52;  // adding and taking it off rounds to a whole number
        if (wide_) {
            for (std::int64_t i = 0; i < n; ++i) {
                a_[begin + i] = static_cast<std::int64_t>(std::rint(a[i] * scale_a_));
                b_[begin + i] = static_cast<std::int64_t>(std::rint(b[i] * scale_b_));
            }
            return;
        }
        for (std::int64_t i = 0; i < n; ++i) {
            const double first = a[i] * scale_a_ + kRound, second = b[i] * scale_b_ + kRound;
            const auto high = __builtin_bit_cast(std::uint64_t, first) - __builtin_bit_cast(std::uint64_t, kRound);
            const auto low = __builtin_bit_cast(std::uint64_t, second) - __builtin_bit_cast(std::uint64_t, kRound);
            a_[begin + i] = static_cast<std::int64_t>((high << 32) + low);
        }
    }

    // Minus the gradient, and the hessian; returns the row's loss.
    double derivatives(int k, Row row, double& a, double& b) const {
        const double w = mass_[row], s = scores_[k][row];
        a = b = 0;
        if (w == 0) return 0;
        if (options_.loss == Loss::squared_error) {
            a = w * (y_[row] - s);
            b = w;
            return a * (y_[row] - s);
        }
        if (options_.loss == Loss::poisson) {
            const double mean = std::exp(s);
            a = w * (y_[row] - mean);
            b = std::max(w * mean, kLeastHessian);
            return w * (mean - y_[row] * s);
        }
        const double p = shares_[std::size_t(k) * padded_ + row], mine = y_[row] == k;
        a = w * (mine - p);
        b = std::max(w * 2 * p * (1 - p), kLeastHessian);
        return k == 0 ? -w * std::log(std::max(shares_[std::size_t(y_[row]) * padded_ + row], 1e-300)) : 0;
    }

    // Softmax of the scores, which all outputs of a round share.
    void take_shares() {
        shares_.resize(std::size_t(outputs_) * padded_);
        team_.split(columns_.n_rows(), [&](std::int64_t first, std::int64_t last, int) {
            for (std::int64_t row = first; row < last; ++row) {
                double most = scores_[0][row], sum = 0;
                for (int k = 1; k < outputs_; ++k) most = std::max(most, scores_[k][row]);
                for (int k = 0; k < outputs_; ++k) sum += shares_[std::size_t(k) * padded_ + row] = std::exp(scores_[k][row] - most);
                for (int k = 0; k < outputs_; ++k) shares_[std::size_t(k) * padded_ + row] /= sum;
            }
        });
    }

    std::vector<GrownNode> grow(std::vector<Row>& rows, Control& control) {
        GrowthLimits limits;
        limits.max_depth = options_.max_depth;
        limits.max_leaves = options_.max_leaves;
        limits.leaf = {0, options_.least_hessian};
        limits.must_gain = true;
        limits.middle = true;
        limits.least_gain = 1e-6;
        const Units units = this->units();
        const QuadraticScore score{options_.l2};
        if (wide_)
            return grower_.grow(SumAccumulator(WeightedCells{a_.data(), b_.data()}, score, units, limits.leaf, true), rows, limits, control);
        return grower_.grow(SumAccumulator(PackedCells{a_.data()}, score, units, limits.leaf, true), rows, limits, control);
    }

    // All gradients may be 0.
    Units units() const { return {scale_a_ > 0 ? 1 / scale_a_ : 0, scale_b_ > 0 ? 1 / scale_b_ : 0, 0}; }

    void give_values(BoostedTree& tree) const {
        const Units units = this->units();
        for (const GrownNode& node : tree.nodes) {
            const Sum sum = wide_ ? WeightedCells::sum(node.total.data()) : PackedCells::sum(node.total.data());
            const double value = QuadraticScore{options_.l2}.value(units.first(sum), units.second(sum));
            tree.values.push_back(options_.learning_rate * node.bounds.clip(value));
        }
    }

    void add_to_scores(const BoostedTree& tree, const std::vector<Row>& rows, std::vector<double>& scores) {
        std::vector<int> leaves;
        for (std::size_t i = 0; i < tree.nodes.size(); ++i)
            if (tree.nodes[i].column < 0) leaves.push_back(static_cast<int>(i));
        const auto add = [&](int leaf, int) {
            const GrownNode& node = tree.nodes[leaves[leaf]];
            const double value = tree.values[leaves[leaf]];
            for (std::int64_t i = node.begin; i < node.end; ++i) scores[rows[i]] += value;
        };
        if (rows.size() > 10000) team_.each(static_cast<int>(leaves.size()), add);
        else
            for (std::size_t leaf = 0; leaf < leaves.size(); ++leaf) add(static_cast<int>(leaf), 0);
        team_.split(static_cast<std::int64_t>(validation_.size()), [&](std::int64_t first, std::int64_t last, int) {
            for (std::int64_t i = first; i < last; ++i) {
                const Row row = validation_[i];
                int at = 0;
                while (tree.nodes[at].column >= 0) {
                    const GrownNode& node = tree.nodes[at];
                    at = grower_.goes_left(node, grower_.code(node, row)) ? node.left : node.right;
                }
                scores[row] += tree.values[at];
            }
        });
    }

    // The mean loss of the validation rows, which is also kept.
    double validate(BoostResult& result) {
        if (!options_.patience || validation_.empty()) return std::numeric_limits<double>::infinity();
        double sum = 0;
        for (const Row row : validation_) {
            const double s = scores_[0][row], y = y_[row];
            double loss = 0;
            if (options_.loss == Loss::squared_error) loss = (y - s) * (y - s);
            else if (options_.loss == Loss::poisson) loss = std::exp(s) - y * s;
            else if (options_.loss == Loss::logistic) loss = std::max(s, 0.0) - y * s + std::log1p(std::exp(-std::abs(s)));
            else {
                double most = s, total = 0;
                for (int k = 1; k < outputs_; ++k) most = std::max(most, scores_[k][row]);
                for (int k = 0; k < outputs_; ++k) total += std::exp(scores_[k][row] - most);
                loss = most + std::log(total) - scores_[static_cast<int>(y)][row];
            }
            sum += weight(row) * loss;
        }
        result.validation_loss.push_back(sum / validation_mass_);
        return result.validation_loss.back();
    }

    const CodeColumns& columns_;
    Team& team_;
    BoostOptions options_;
    Grower grower_;
    const double *y_, *weights_;
    std::vector<Row> train_, validation_;
    int outputs_ = 1;
    bool wide_ = false;
    std::int64_t padded_ = 0;
    double train_mass_ = 0, validation_mass_ = 0;
    double bound_a_ = 0, bound_b_ = 0, scale_a_ = 1, scale_b_ = 1;
    std::vector<std::vector<double>> scores_;
    std::vector<double> positive_, mass_, shares_, sums_;
    std::vector<std::int64_t> a_, b_;
};

}  // namespace treeml
