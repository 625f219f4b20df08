// Packed matrices of moments, and the cost of a leaf with a linear map read off their Cholesky factor.
//
// A row is z = (x_1 .. x_d, 1, y_1 .. y_T) times the root of its weight. The lower triangle of the sum of z z' over
// the rows of a leaf, with the ridge penalties on the diagonal of the inputs, has as its last pivot
//     min over w of sum of weight (y - w'(x, 1))^2 + sum of penalty w^2,
// one for each target: a leaf costs one factorisation and no back substitution. Moments add up over rows, so those
// of any cell of a grid come from prefix sums. An input whose pivot is a rounding error of its diagonal depends on
// those before it and gets the coefficient 0.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "treeml/bitset.hpp"

namespace treeml {

inline constexpr int kMomentLanes = 8;  // cells that are factored side by side

struct MomentKernels {
    void (*products)(const double*, const double*, long, int, int, const int*, int, int, double*);
    void (*scatter)(const double*, const int*, int, int, double*);
    void (*accumulate)(const double*, double, long, double*);
    void (*costs)(const double*, long, const double*, int, int, double*, double*);
    void (*quadrants)(const double*, long, const double*, const double*, const double*, int, double*);
};

namespace moments_portable {
#define TREEML_TARGET
#include "treeml/moments.inl"
#undef TREEML_TARGET
}  // namespace moments_portable

#if defined(__x86_64__)
namespace moments_avx2 {
#define TREEML_TARGET __attribute__((target("avx2,fma")))
#include "treeml/moments.inl"
#undef TREEML_TARGET
}  // namespace moments_avx2
namespace moments_avx512 {
#define TREEML_TARGET __attribute__((target("avx512f,avx2,fma,prefer-vector-width=512")))
#include "treeml/moments.inl"
#undef TREEML_TARGET
}  // namespace moments_avx512
#endif

inline MomentKernels moment_kernels() {
#if defined(__x86_64__)
    const Isa isa = choose_isa();
    if (isa == Isa::avx512 && __builtin_cpu_supports("avx512f")) return moments_avx512::kernels();
    if (isa != Isa::portable && __builtin_cpu_supports("fma")) return moments_avx2::kernels();
#endif
    return moments_portable::kernels();
}

// Where the entries of a packed matrix are: the triangle of the inputs (x and the constant), then inputs + 1 numbers
// for each target, then the number of rows and their weight in the limits on leaves; filled up to whole vectors.
struct MomentShape {
    int inputs, targets;

    int size() const { return inputs * (inputs + 1) / 2 + targets * (inputs + 1) + 2; }
    int stride() const { return (size() + kMomentLanes - 1) / kMomentLanes * kMomentLanes; }
    int count_at() const { return size() - 2; }
    int mass_at() const { return size() - 1; }
};

// The rows of a problem, and the costs of sets of them.
class LeafMoments {
  public:
    // design: n x (inputs - 1); target: n x targets; weight and mass: n, or empty for 1 each. `weight` is that of a
    // squared error, `mass` what limits on leaves count. `ridge` is the penalty of the coefficients,
    // `ridge_constant` that of the constant.
    LeafMoments(std::span<const double> design, std::span<const double> target, std::span<const double> weight,
                std::span<const double> mass, int n_rows, MomentShape shape, double ridge, double ridge_constant)
        : kernels_(moment_kernels()), shape_(shape), n_rows_(n_rows), width_(shape.inputs + shape.targets),
          z_(std::size_t(n_rows) * width_), mass_(mass.begin(), mass.end()), ridge_(shape.inputs, ridge) {
        if (mass.empty()) mass_.assign(n_rows, 1.0);
        ridge_.back() = ridge_constant;
        const int d = shape.inputs - 1;
        for (std::size_t i = 0; i < std::size_t(n_rows); ++i) {
            const double root = weight.empty() ? 1.0 : std::sqrt(weight[i]);
            double* row = z_.data() + i * width_;
            for (int j = 0; j < d; ++j) row[j] = root * design[i * d + j];
            row[d] = root;
            for (int t = 0; t < shape.targets; ++t) row[d + 1 + t] = root * target[i * shape.targets + t];
        }
        const std::size_t triangle = std::size_t(shape.inputs) * (shape.inputs + 1) / 2;
        factor_.reserve((triangle + 2 * shape.inputs) * kMomentLanes);
        lanes_.reserve(std::size_t(shape.size()) * kMomentLanes);
    }

    const MomentShape& shape() const { return shape_; }
    const MomentKernels& kernels() const { return kernels_; }
    int stride() const { return shape_.stride(); }
    int n_rows() const { return n_rows_; }
    std::int64_t bytes() const { return std::int64_t(z_.size()) * 8; }

    // Packed products of each of these rows, one after another.
    void products(const int* rows, int count, double* out) const {
        kernels_.products(z_.data(), mass_.data(), width_, shape_.inputs, shape_.targets, rows, count, stride(), out);
    }

    // Adds the moments of rows to `to`.
    void add(std::span<const int> rows, double* to) {
        double* const block = block_.reserve(std::size_t(kBlock) * stride());
        const int zero[kBlock] = {};
        for (std::size_t at = 0; at < rows.size(); at += kBlock) {
            const int count = int(std::min<std::size_t>(kBlock, rows.size() - at));
            products(rows.data() + at, count, block);
            kernels_.scatter(block, zero, count, stride(), to);
        }
    }

    // Costs of eight cells whose entry p lies at lanes[p * step].
    void costs(const double* lanes, long step, double* out) {
        kernels_.costs(lanes, step, ridge_.data(), shape_.inputs, shape_.targets, factor_.data(), out);
    }

    // Cost of one cell.
    double cost(const double* moments) {
        double* const lanes = lanes_.data();
        for (int p = 0; p < shape_.size(); ++p) std::fill_n(lanes + p * kMomentLanes, kMomentLanes, moments[p]);
        double out[kMomentLanes];
        costs(lanes, kMomentLanes, out);
        return out[0];
    }

    double cost(std::span<const int> rows) {
        if (rows.empty()) return 0;
        std::vector<double> moments(stride());
        add(rows, moments.data());
        return cost(moments.data());
    }

    static constexpr int kBlock = 64;  // rows whose products are made at once

  private:
    MomentKernels kernels_;
    MomentShape shape_;
    int n_rows_, width_;
    std::vector<double> z_, mass_, ridge_;
    Buffer<double> factor_, lanes_, block_;
};

}  // namespace treeml
