// Small dense linear algebra for Newton steps: Cholesky factors that leave out dependent columns.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

namespace treeml {

// Lower factor of a symmetric matrix (row after row); a column whose pivot is below `relative` times its
// diagonal depends on those before it and is left out: its entry in a solution is 0.
class Cholesky {
  public:
    void factor(int n, std::vector<double> matrix, double relative) {
        n_ = n;
        a_ = std::move(matrix);
        left_out_.assign(n, 0);
        diagonal_.resize(n);
        column_.resize(n);
        for (int j = 0; j < n; ++j) diagonal_[j] = a_[j * n + j];
        for (int j = 0; j < n; ++j) {
            const double pivot = a_[j * n + j];
            if (!(pivot > relative * diagonal_[j] && pivot > 1e-280)) {
                left_out_[j] = 1;
                for (int i = j; i < n; ++i) a_[i * n + j] = 0;
                continue;
            }
            const double root = std::sqrt(pivot);
            a_[j * n + j] = root;
            for (int i = j + 1; i < n; ++i) column_[i] = a_[i * n + j] /= root;
            for (int i = j + 1; i < n; ++i) {  // what column j explains of the rest, row by row
                const double factor = column_[i];
                double* row = a_.data() + std::size_t(i) * n;
                for (int l = j + 1; l <= i; ++l) row[l] -= factor * column_[l];
            }
        }
    }

    bool left_out(int j) const { return left_out_[j]; }
    double at(int i, int j) const { return a_[i * n_ + j]; }

    // Solves L y = x in place.
    void forward(double* x) const {
        for (int i = 0; i < n_; ++i) {
            if (left_out_[i]) {
                x[i] = 0;
                continue;
            }
            double sum = x[i];
            for (int l = 0; l < i; ++l) sum -= a_[i * n_ + l] * x[l];
            x[i] = sum / a_[i * n_ + i];
        }
    }

    void solve(double* x) const {
        forward(x);
        for (int i = n_ - 1; i >= 0; --i) {
            if (left_out_[i]) continue;
            double sum = x[i];
            for (int l = i + 1; l < n_; ++l) sum -= a_[l * n_ + i] * x[l];
            x[i] = sum / a_[i * n_ + i];
        }
    }

  private:
    int n_ = 0;
    std::vector<double> a_, diagonal_, column_;
    std::vector<char> left_out_;
};

}  // namespace treeml
