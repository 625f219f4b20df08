// How large coefficients can be in cards better than the best one known: the box of the search.
//
// Each side is bounded by CardRelaxation::reach. Where columns depend on each other (X n = constant, as for all
// levels of a category), single coefficients have no bound at all, since moving along n changes no logit. But
// then every card has a twin with the same logits, a support within its own, and a 0 among the terms of n; so it
// is enough that boxes hold for the twins: the largest bound over the terms of n that may be the 0.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "treeml/card_relaxation.hpp"

namespace treeml {

// Integer vectors n with X n constant over all rows, exactly; no two share a term.
class NullVectors {
  public:
    struct Vector {
        std::vector<int> terms;
        std::vector<double> weights;  // of the terms, whole numbers
        double constant = 0;          // what X n is
    };
    std::vector<Vector> vectors;
    std::vector<int> of_term;  // which vector a term is in; -1: none

    explicit NullVectors(const CardProblem& problem) : of_term(problem.rows.n_terms, -1) {
        if (!problem.free_slope()) return;
        const int d = problem.rows.n_terms, n = d + 1;
        const std::vector<double> gram = gram_matrix(problem);
        Cholesky factor;
        factor.factor(n, gram, 1e-9);
        for (int j = 1; j < n; ++j) {
            if (!factor.left_out(j)) continue;
            // Column j from those before it: the leading block has the same factor.
            std::vector<double> before(j * j), x(j);
            for (int a = 0; a < j; ++a) {
                for (int b = 0; b < j; ++b) before[a * j + b] = gram[a * n + b];
                x[a] = gram[j * n + a];
            }
            Cholesky leading;
            leading.factor(j, std::move(before), 1e-9);
            leading.solve(x.data());
            add(problem, j - 1, x);
        }
    }

  private:
    static constexpr double kDenominator = 840;  // coefficients are multiples of 1 / 840, or not taken

    // Of the intercept (first) and all columns, every merged row counting once.
    static std::vector<double> gram_matrix(const CardProblem& problem) {
        const Block& block = problem.block;
        const int d = problem.rows.n_terms, n = d + 1, m = block.n_padded;
        std::vector<double> out(n * n, 0.0), column(m), row(d);
        std::vector<int> until;
        out[0] = block.n_rows;
        for (int j = 0; j < d; ++j) {
            std::fill(column.begin(), column.end(), 0.0);
            block.add(j, 1, column.data());
            until.push_back(j);
            block.dots(until, column.data(), row.data());
            double sum = 0;
            for (int i = 0; i < block.n_rows; ++i) sum += column[i];
            out[(j + 1) * n] = out[j + 1] = sum;
            for (int l = 0; l <= j; ++l) out[(j + 1) * n + l + 1] = out[(l + 1) * n + j + 1] = row[l];
        }
        return out;
    }

    void add(const CardProblem& problem, int j, const std::vector<double>& x) {
        Vector made;
        const auto take = [&](int term, double weight) {
            made.terms.push_back(term);
            made.weights.push_back(weight);
        };
        for (int l = 0; l < j; ++l) {
            const double weight = -std::round(x[l + 1] * kDenominator);
            if (std::abs(-weight - x[l + 1] * kDenominator) > 1e-3) return;
            if (weight != 0) take(l, weight);
        }
        take(j, kDenominator);
        if (made.terms.size() == 1) return;  // a constant column
        for (int term : made.terms) {
            const bool two_sided = problem.lower[term] < 0 && problem.upper[term] > 0;
            if (of_term[term] >= 0 || !two_sided || !problem.rows.columns[term].whole) return;
        }
        for (int i = 0; i < problem.rows.n_rows; ++i) {  // whole numbers: exact
            double sum = 0;
            for (std::size_t t = 0; t < made.terms.size(); ++t) sum += made.weights[t] * problem.rows.columns[made.terms[t]].at(i);
            if (i == 0) made.constant = sum;
            if (sum != made.constant) return;
        }
        for (int term : made.terms) of_term[term] = static_cast<int>(vectors.size());
        vectors.push_back(std::move(made));
    }
};

class CardBoxes {
  public:
    CardBoxes(const CardProblem& problem, CardRelaxation& relaxation, Control& control)
        : problem_(problem), relaxation_(relaxation), control_(control), nulls_(problem) {
        // A twin is moved along n by what one of its coefficients may be.
        for (const NullVectors::Vector& n : nulls_.vectors) {
            double shift = 0;
            for (std::size_t t = 0; t < n.terms.size(); ++t)
                shift = std::max(shift, problem.upper[n.terms[t]] / std::abs(n.weights[t]));
            for (std::size_t t = 0; t < n.terms.size(); ++t) {
                relaxation.upper[n.terms[t]] += shift * std::abs(n.weights[t]);
                relaxation.lower[n.terms[t]] -= shift * std::abs(n.weights[t]);
            }
        }
        relaxation.box_changed();
    }

    // Every side once, from the solution without penalty; stops at `deadline` with the sides done so far.
    void shrink(const CardNode& node, const Relaxed& root, double cutoff, double deadline) {
        const int d = problem_.rows.n_terms;
        std::vector<double> lower = relaxation_.lower, upper = relaxation_.upper;
        inverse_.assign(d + 1, {});
        for (int j = 0; j < d; ++j) {
            if (node.use[j] == Use::out || !(relaxation_.lower[j] < relaxation_.upper[j])) continue;
            double up = 0, down = 0;
            for (int zero : candidates(j)) {
                if (control_.elapsed() > deadline || control_.stop(true)) {
                    finish(lower, upper);
                    return;
                }
                CardNode twin = node;
                Relaxed near = root;
                if (zero >= 0) {
                    twin.use[zero] = Use::out;
                    move_along(near, zero);
                }
                const double inverse = inverse_curvature(j, zero);
                up = std::max(up, relaxation_.reach(twin, j, 1, near, relaxation_.upper[j], cutoff, inverse, 2));
                down = std::max(down, relaxation_.reach(twin, j, -1, near, -relaxation_.lower[j], cutoff, inverse, 2));
            }
            upper[j] = std::min(upper[j], up);
            lower[j] = std::max(lower[j], -down);
        }
        finish(lower, upper);
    }

    // Every side once more around a penalised solution, which the box so far makes strong.
    void shrink_again(const CardNode& node, const Relaxed& at, double cutoff, double deadline) {
        for (int j = 0; j < problem_.rows.n_terms; ++j) {
            if (node.use[j] == Use::out || !(relaxation_.lower[j] < relaxation_.upper[j])) continue;
            if (control_.elapsed() > deadline || control_.stop(true)) break;
            const double inverse = 1 / std::max(.5 * relaxation_.curvature(j), 1e-9);
            const double up = relaxation_.reach(node, j, 1, at, relaxation_.upper[j], cutoff, inverse, 2);
            relaxation_.upper[j] = std::max(std::min(relaxation_.upper[j], up), problem_.upper[j] > 0 ? 1e-9 : 0.0);
            const double down = relaxation_.reach(node, j, -1, at, -relaxation_.lower[j], cutoff, inverse, 2);
            relaxation_.lower[j] = std::min(std::max(relaxation_.lower[j], -down), problem_.lower[j] < 0 ? -1e-9 : 0.0);
        }
        relaxation_.box_changed();
    }

  private:
    // Terms of which one may be taken to be 0; -1: none.
    std::vector<int> candidates(int j) const {
        if (nulls_.of_term[j] < 0) return {-1};
        std::vector<int> out;
        for (int term : nulls_.vectors[nulls_.of_term[j]].terms)
            if (term != j) out.push_back(term);
        return out;
    }

    // The same logits with a 0 at a term.
    void move_along(Relaxed& at, int zero) const {
        const NullVectors::Vector& n = nulls_.vectors[nulls_.of_term[zero]];
        const std::size_t where = std::find(n.terms.begin(), n.terms.end(), zero) - n.terms.begin();
        const double by = at.beta[zero] / n.weights[where];
        for (std::size_t t = 0; t < n.terms.size(); ++t) at.beta[n.terms[t]] -= by * n.weights[t];
        at.beta[zero] = 0;
        at.intercept += by * n.constant;
    }

    // Entry j of the diagonal of the inverse Hessian with `zero` left out: how flat the loss is along j.
    double inverse_curvature(int j, int zero) {
        const int d = problem_.rows.n_terms;
        std::vector<double>& diagonal = inverse_[zero < 0 ? d : zero];
        if (diagonal.empty()) {
            std::vector<int> which;
            for (int l = 0; l <= d; ++l)
                if (l != zero) which.push_back(l);
            const int k = static_cast<int>(which.size());
            std::vector<double> matrix(k * k), unit(k);
            for (int a = 0; a < k; ++a) {
                for (int b = 0; b < k; ++b) matrix[a * k + b] = relaxation_.entry(which[a], which[b]);
                matrix[a * k + a] += 1e-6 * relaxation_.entry(d, d);
            }
            Cholesky factor;
            factor.factor(k, std::move(matrix), 1e-9);
            diagonal.assign(d + 1, 0.0);
            for (int a = 0; a < k; ++a) {
                std::fill(unit.begin(), unit.end(), 0.0);
                unit[a] = 1;
                factor.solve(unit.data());
                diagonal[which[a]] = unit[a];
            }
        }
        return diagonal[j];
    }

    void finish(const std::vector<double>& lower, const std::vector<double>& upper) {
        for (int j = 0; j < problem_.rows.n_terms; ++j) {
            relaxation_.upper[j] = std::max(upper[j], problem_.upper[j] > 0 ? 1e-9 : 0.0);
            relaxation_.lower[j] = std::min(lower[j], problem_.lower[j] < 0 ? -1e-9 : 0.0);
        }
        relaxation_.box_changed();
    }

    const CardProblem& problem_;
    CardRelaxation& relaxation_;
    Control& control_;
    NullVectors nulls_;
    std::vector<std::vector<double>> inverse_;
};

}  // namespace treeml
