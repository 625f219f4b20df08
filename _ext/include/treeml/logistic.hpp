// Logistic loss over rows, vectorised: sum of weight x log(1 + exp z) - positive x z, its derivatives, and the
// value of the dual point that they are.
//
// With sigma_i the sigmoid of z_i and r_i = weight_i sigma_i - positive_i, convexity gives for all logits z':
//     loss(z') >= sum of weight_i h(sigma_i) + sum of r_i z'_i,   h the binary entropy in nats,
// whatever the point z. `dual` is the first sum: all its terms are positive, so it suffers no cancellation,
// and an error of sigma only enters by its square (h is where log(1 + exp z) - sigma z is least).
#pragma once

#include <cstdint>
#include <vector>

#include "treeml/bitset.hpp"
#include "treeml/card_rows.hpp"

namespace treeml {

struct LogisticSums {
    double loss, dual;
    double residual;  // sum of residuals
    double mass;      // sum of weight of negatives x sigmoid + positives x (1 - sigmoid), above all |residuals|
    double widest;    // largest |z|
};

struct LineSums {
    double loss, dual, g0, g1, h0, h1, h2, mass, widest;
};

struct LogisticKernels {
    LogisticSums (*derivatives)(int, const double*, const double*, const double*, double*, double*);
    double (*loss)(int, const double*, const double*, const double*);
    LineSums (*line)(int, const double*, double, double, const double*, const double*);
    double (*dot_bytes)(int, const std::uint8_t*, const double*);
    double (*dot_values)(int, const double*, const double*);
    void (*add_bytes)(int, const std::uint8_t*, double, double*);
    void (*add_values)(int, const double*, double, double*);
    double (*weigh_bytes)(int, const std::uint8_t*, const float*, float*);
    double (*weigh_values)(int, const double*, const float*, float*);
    double (*dot_bytes_floats)(int, const std::uint8_t*, const float*);
    double (*dot_values_floats)(int, const double*, const float*);
    void (*four_two_dots_bytes)(int, const std::uint8_t* const*, const float*, const float*, double*);
    void (*four_dots_bytes)(int, const std::uint8_t* const*, const double*, double*);
    void (*four_dots_bytes_floats)(int, const std::uint8_t* const*, const float*, double*);
    void (*add_four_bytes)(int, const std::uint8_t* const*, const double*, double*);
};

namespace logistic_portable {
#define TREEML_TARGET
#define TREEML_LEVEL 0
#include "treeml/logistic.inl"
#undef TREEML_TARGET
#undef TREEML_LEVEL
}  // namespace logistic_portable

#if defined(__x86_64__)
namespace logistic_avx2 {
#define TREEML_TARGET __attribute__((target("avx2,fma")))
#define TREEML_LEVEL 1
#include "treeml/logistic.inl"
#undef TREEML_TARGET
#undef TREEML_LEVEL
}  // namespace logistic_avx2
#endif

inline const LogisticKernels& logistic_kernels() {
#if defined(__x86_64__)
    if (choose_isa() != Isa::portable && __builtin_cpu_supports("fma")) return logistic_avx2::kernels();
#endif
    return logistic_portable::kernels();
}

// One column of a block, as bytes or as doubles.
struct ColumnView {
    const std::uint8_t* bytes = nullptr;
    const double* values = nullptr;

    double at(int row) const { return bytes ? double(bytes[row]) : values[row]; }
};

// Rows for a fit: all rows of a problem, or the distinct patterns of a few of its terms.
struct Block {
    const LogisticKernels* kernels = nullptr;
    int n_rows = 0, n_padded = 0;
    const double* positive = nullptr;
    const double* weight = nullptr;
    std::vector<ColumnView> columns;

    int n_columns() const { return static_cast<int>(columns.size()); }
    double dot(int j, const double* r) const {
        return columns[j].bytes ? kernels->dot_bytes(n_padded, columns[j].bytes, r)
                                : kernels->dot_values(n_padded, columns[j].values, r);
    }
    double dot(int j, const float* t) const {
        return columns[j].bytes ? kernels->dot_bytes_floats(n_padded, columns[j].bytes, t)
                                : kernels->dot_values_floats(n_padded, columns[j].values, t);
    }
    void add(int j, double factor, double* z) const {
        if (columns[j].bytes) kernels->add_bytes(n_padded, columns[j].bytes, factor, z);
        else kernels->add_values(n_padded, columns[j].values, factor, z);
    }
    // z += sum over a of factors[a] x column which[a].
    void add(const std::vector<int>& which, const std::vector<double>& factors, double* z) const {
        const std::uint8_t* four[4];
        double by[4];
        int waiting = 0;
        for (std::size_t a = 0; a < which.size(); ++a) {
            if (factors[a] == 0) continue;
            if (!columns[which[a]].bytes) {
                add(which[a], factors[a], z);
                continue;
            }
            four[waiting] = columns[which[a]].bytes;
            by[waiting++] = factors[a];
            if (waiting == 4) kernels->add_four_bytes(n_padded, four, by, z), waiting = 0;
        }
        for (int b = 0; b < waiting; ++b) kernels->add_bytes(n_padded, four[b], by[b], z);
    }
    double weigh(int j, const float* v, float* t) const {
        return columns[j].bytes ? kernels->weigh_bytes(n_padded, columns[j].bytes, v, t)
                                : kernels->weigh_values(n_padded, columns[j].values, v, t);
    }
    // out[a] = dot of column which[a] with r.
    template <class T>
    void dots(const std::vector<int>& which, const T* r, double* out) const {
        const std::uint8_t* four[4];
        int place[4], waiting = 0;
        for (int a = 0; a < static_cast<int>(which.size()); ++a) {
            if (!columns[which[a]].bytes) {
                out[a] = dot(which[a], r);
                continue;
            }
            four[waiting] = columns[which[a]].bytes;
            place[waiting++] = a;
            if (waiting < 4) continue;
            double sums[4];
            if constexpr (sizeof(T) == sizeof(double)) kernels->four_dots_bytes(n_padded, four, r, sums);
            else kernels->four_dots_bytes_floats(n_padded, four, r, sums);
            for (int b = 0; b < 4; ++b) out[place[b]] = sums[b];
            waiting = 0;
        }
        for (int b = 0; b < waiting; ++b) out[place[b]] = dot(which[place[b]], r);
    }

    // The bound on what summing in floating point changes: times the sum of absolute terms. Every lane adds
    // n / 4 terms one after another, each with an error of a unit of the last place; 64 units cover the terms.
    double rounding() const { return (n_padded / 4 + 64) * 0x1p-53; }
};

}  // namespace treeml
