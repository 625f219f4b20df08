// Fits on a few terms: rows collapse to their distinct patterns, then Newton's method within a box.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "treeml/card_problem.hpp"
#include "treeml/cholesky.hpp"

namespace treeml {

// The distinct values of the terms of a support, with the weight of the rows that have them.
class Patterns {
  public:
    Block block;

    Patterns(const CardProblem& problem, const std::vector<int>& support) {
        const CardRows& rows = problem.rows;
        const int n_terms = static_cast<int>(support.size());
        const bool bytes = n_terms <= 12 && std::all_of(support.begin(), support.end(), [&](int j) { return rows.columns[j].zero_one; });
        const std::vector<int> first = bytes ? by_code(rows, support) : by_hash(rows, support);
        block.kernels = problem.block.kernels;
        block.n_rows = static_cast<int>(first.size());
        block.n_padded = (block.n_rows + kRowLanes - 1) / kRowLanes * kRowLanes;
        positive_.resize(block.n_padded);
        weight_.resize(block.n_padded);
        block.positive = positive_.data();
        block.weight = weight_.data();
        std::size_t n_bytes = 0, n_values = 0;
        for (int j : support) (rows.columns[j].zero_one ? n_bytes : n_values) += block.n_padded;
        bytes_.assign(n_bytes, 0);
        values_.assign(n_values, 0);
        n_bytes = n_values = 0;
        for (int t = 0; t < n_terms; ++t) {
            const CardColumn& column = rows.columns[support[t]];
            if (column.zero_one) {
                std::uint8_t* to = bytes_.data() + n_bytes;
                for (int i = 0; i < block.n_rows; ++i) to[i] = bytes ? first[i] >> t & 1 : column.bytes[first[i]];
                block.columns.push_back({to, nullptr});
                n_bytes += block.n_padded;
            } else {
                double* to = values_.data() + n_values;
                for (int i = 0; i < block.n_rows; ++i) to[i] = column.values[first[i]];
                block.columns.push_back({nullptr, to});
                n_values += block.n_padded;
            }
        }
    }

  private:
    // Terms of zeros and ones: a pattern is the number that its values spell.
    std::vector<int> by_code(const CardRows& rows, const std::vector<int>& support) {
        static thread_local std::vector<std::uint16_t> codes;
        static thread_local std::vector<double> sums;
        codes.assign(rows.n_padded, 0);
        for (std::size_t t = 0; t < support.size(); ++t) {
            const std::uint8_t* column = rows.columns[support[t]].bytes.data();
            std::uint16_t* code = codes.data();
            for (int i = 0; i < rows.n_padded; ++i) code[i] |= static_cast<std::uint16_t>(column[i] << t);
        }
        // Positives and weight as one pair; rows take turns between two tables, so that a pattern that comes twice
        // in a row does not wait for itself.
        typedef double Pair __attribute__((vector_size(16)));
        const int n_codes = 1 << support.size();
        sums.assign(4 * n_codes, 0);
        double *even = sums.data(), *odd = even + 2 * n_codes;
        const std::uint16_t* code = codes.data();
        const double *positive = rows.positive.data(), *weight = rows.weight.data();
        const auto count = [&](double* table, int i) {
            Pair sum;
            std::memcpy(&sum, table + 2 * code[i], sizeof sum);
            sum += Pair{positive[i], weight[i]};
            std::memcpy(table + 2 * code[i], &sum, sizeof sum);
        };
        for (int i = 0; i < rows.n_padded; i += 2) {
            count(even, i);
            count(odd, i + 1);
        }
        for (int s = 0; s < 2 * n_codes; ++s) sums[s] += sums[2 * n_codes + s];
        std::vector<int> present;
        for (int code = 0; code < n_codes; ++code)
            if (sums[2 * code + 1] > 0) {
                present.push_back(code);
                positive_.push_back(sums[2 * code]);
                weight_.push_back(sums[2 * code + 1]);
            }
        return present;
    }

    std::vector<int> by_hash(const CardRows& rows, const std::vector<int>& support) {
        static thread_local std::vector<std::uint64_t> hashes;
        static thread_local std::vector<int> table;
        const int n = rows.n_rows;
        hashes.assign(n, 0x9E3779B97F4A7C15ull);
        for (int j : support) {
            const CardColumn& column = rows.columns[j];
            for (int i = 0; i < n; ++i) {
                const double value = column.at(i) + 0.0;
                std::uint64_t bits;
                std::memcpy(&bits, &value, sizeof bits);
                std::uint64_t h = (hashes[i] ^ bits) * 0xFF51AFD7ED558CCDull;
                hashes[i] = h ^ h >> 29;
            }
        }
        std::size_t slots = 16;
        while (slots < 2 * std::size_t(n)) slots *= 2;
        table.assign(slots, -1);
        std::vector<int> first;
        for (int i = 0; i < n; ++i) {
            std::size_t at = hashes[i] & (slots - 1);
            for (; table[at] >= 0; at = (at + 1) & (slots - 1)) {
                const int other = first[table[at]];
                if (hashes[other] == hashes[i] && std::all_of(support.begin(), support.end(), [&](int j) {
                        return rows.columns[j].at(i) == rows.columns[j].at(other);
                    }))
                    break;
            }
            if (table[at] < 0) {
                table[at] = static_cast<int>(first.size());
                first.push_back(i);
                positive_.push_back(0);
                weight_.push_back(0);
            }
            positive_[table[at]] += rows.positive[i];
            weight_[table[at]] += rows.weight[i];
        }
        return first;
    }

    std::vector<double> positive_, weight_, values_;
    std::vector<std::uint8_t> bytes_;
};

// Coefficients of a support, the intercept last, and the loss there.
struct SupportFit {
    std::vector<double> beta;
    double loss = kInfinity;
    double decrement = kInfinity;       // g' H^-1 g over the free coordinates: twice what is left to gain
    std::vector<double> gradient, hessian;  // of all coordinates; the Hessian in single precision

    double& intercept() { return beta.back(); }
    double intercept() const { return beta.back(); }
};

// Newton's method on a block with coefficients in [lower, upper] and a free intercept: the free coordinates
// take the step, then all are put back into the box, and the step is halved until the loss falls.
class NewtonFit {
  public:
    NewtonFit(const Block& block, const std::vector<double>& lower, const std::vector<double>& upper)
        : block_(block), lower_(lower), upper_(upper), n_(block.n_columns() + 1) {
        for (auto* rows : {&z_, &trial_z_, &r_, &v_}) rows->resize(block.n_padded);
        v32_.resize(block.n_padded);
        t32_.resize(block.n_padded);
        for (int j = 0; j + 1 < n_; ++j) all_.push_back(j);
        total_ = 0;
        for (int i = 0; i < block.n_rows; ++i) total_ += block.weight[i];
    }

    // Goes on from fit.beta until the decrement is below `tolerance` or the loss is all but 0.
    void run(SupportFit& fit, double tolerance, int max_steps, double ridge = 0) {
        fit.beta.resize(n_, 0.0);
        for (int j = 0; j + 1 < n_; ++j) fit.beta[j] = std::clamp(fit.beta[j], lower_[j], upper_[j]);
        logits(fit.beta, z_);
        for (int step = 0;; ++step) {
            derivatives(fit, ridge);
            if (step == max_steps || fit.loss < 1e-12 * total_) return;
            std::vector<int> moving;
            for (int j = 0; j < n_; ++j)
                if (j + 1 == n_ || !stuck(fit, j)) moving.push_back(j);
            const double before = fit.decrement;
            const std::vector<double> move = newton_step(fit, moving);
            if (fit.decrement < tolerance) return;
            if (fit.decrement < 1e-8 * fit.loss && step > 0) {  // the loss is flat in floating point, the gradient is not
                if (!(fit.decrement < .5 * before)) return;  // along a direction without minimum it falls by e
                for (int j = 0; j < n_; ++j)
                    fit.beta[j] = j + 1 < n_ ? std::clamp(fit.beta[j] - move[j], lower_[j], upper_[j]) : fit.beta[j] - move[j];
                logits(fit.beta, z_);
            } else if (!line_search(fit, move, ridge)) {
                return;
            }
        }
    }

  private:
    bool stuck(const SupportFit& fit, int j) const {
        return (fit.beta[j] <= lower_[j] && fit.gradient[j] >= 0) || (fit.beta[j] >= upper_[j] && fit.gradient[j] <= 0);
    }

    void logits(const std::vector<double>& beta, std::vector<double>& z) const {
        std::fill(z.begin(), z.end(), beta.back());
        for (int j = 0; j + 1 < n_; ++j)
            if (beta[j] != 0) block_.add(j, beta[j], z.data());
    }

    double penalty(const std::vector<double>& beta, double ridge) const {
        double sum = 0;
        for (int j = 0; ridge > 0 && j + 1 < n_; ++j) sum += beta[j] * beta[j];
        return .5 * ridge * sum;
    }

    void derivatives(SupportFit& fit, double ridge) {
        const LogisticSums sums = block_.kernels->derivatives(block_.n_padded, z_.data(), block_.positive, block_.weight,
                                                              r_.data(), v_.data());
        fit.loss = sums.loss + penalty(fit.beta, ridge);
        fit.gradient.resize(n_);
        fit.hessian.resize(n_ * n_);
        block_.dots(all_, r_.data(), fit.gradient.data());
        fit.gradient[n_ - 1] = sums.residual;
        double total = 0;
        for (int i = 0; i < block_.n_padded; ++i) {
            v32_[i] = static_cast<float>(v_[i]);
            total += v_[i];
        }
        std::vector<int> until;
        for (int j = 0; j + 1 < n_; ++j) {
            const double sum = block_.weigh(j, v32_.data(), t32_.data());
            until.push_back(j);
            block_.dots(until, t32_.data(), &fit.hessian[j * n_]);
            fit.hessian[(n_ - 1) * n_ + j] = sum;
            fit.gradient[j] += ridge * fit.beta[j];
            fit.hessian[j * n_ + j] += ridge;
        }
        fit.hessian[n_ * n_ - 1] = total;
        for (int j = 0; j < n_; ++j)
            for (int l = j + 1; l < n_; ++l) fit.hessian[j * n_ + l] = fit.hessian[l * n_ + j];
    }

    std::vector<double> newton_step(SupportFit& fit, const std::vector<int>& moving) {
        const int k = static_cast<int>(moving.size());
        std::vector<double> matrix(k * k), step(k), move(n_, 0.0);
        for (int a = 0; a < k; ++a) {
            for (int b = 0; b < k; ++b) matrix[a * k + b] = fit.hessian[moving[a] * n_ + moving[b]];
            step[a] = fit.gradient[moving[a]];
        }
        cholesky_.factor(k, std::move(matrix), 1e-6);
        cholesky_.solve(step.data());
        fit.decrement = 0;
        for (int a = 0; a < k; ++a) {
            fit.decrement += step[a] * fit.gradient[moving[a]];
            move[moving[a]] = step[a];
        }
        return move;
    }

    bool line_search(SupportFit& fit, const std::vector<double>& move, double ridge) {
        std::vector<double> trial(n_);
        double length = 1;
        for (int halving = 0; halving < 30; ++halving, length *= .5) {
            double fall = 0;
            for (int j = 0; j < n_; ++j) {
                trial[j] = fit.beta[j] - length * move[j];
                if (j + 1 < n_) trial[j] = std::clamp(trial[j], lower_[j], upper_[j]);
                fall += fit.gradient[j] * (fit.beta[j] - trial[j]);
            }
            logits(trial, trial_z_);
            const double loss = block_.kernels->loss(block_.n_padded, trial_z_.data(), block_.positive, block_.weight) +
                                penalty(trial, ridge);
            if (loss <= fit.loss - 1e-4 * fall && (fall > 0 || loss < fit.loss)) {
                fit.beta = trial;
                z_.swap(trial_z_);
                return true;
            }
        }
        return false;
    }

    const Block& block_;
    std::vector<double> lower_, upper_;
    int n_;
    double total_;
    std::vector<int> all_;
    std::vector<double> z_, trial_z_, r_, v_;
    std::vector<float> v32_, t32_;
    Cholesky cholesky_;
};

}  // namespace treeml
