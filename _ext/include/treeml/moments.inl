// Loops over packed moments, compiled once per instruction set (see kernels.inl for why nothing of std is in here).
// The order of the entries is that of MomentShape in moments.hpp.

#define TREEML_INLINE TREEML_TARGET __attribute__((always_inline)) inline

typedef double Eight __attribute__((vector_size(64)));
typedef double EightAnywhere __attribute__((vector_size(64), aligned(8)));

// Packed products of rows: for each of `count` rows of z (width entries, their place at rows[i]) the lower triangle
// of the first `inputs` entries, then for each target its products with the inputs and its square, then 1 and the
// row's weight in the limits on leaves.
TREEML_TARGET static void products(const double* z, const double* mass, long width, int inputs, int targets,
                                   const int* rows, int count, int stride, double* out) {
    for (int i = 0; i < count; ++i) {
        const double* row = z + long(rows[i]) * width;
        double* to = out + long(i) * stride;
        for (int r = 0; r < inputs; ++r) {
            const double factor = row[r];
            for (int c = 0; c <= r; ++c) to[c] = factor * row[c];
            to += r + 1;
        }
        for (int t = 0; t < targets; ++t) {
            const double factor = row[inputs + t];
            for (int c = 0; c < inputs; ++c) to[c] = factor * row[c];
            to[inputs] = factor * factor;
            to += inputs + 1;
        }
        *to++ = 1;
        *to++ = mass[rows[i]];
        for (double* const end = out + long(i + 1) * stride; to < end; ++to) *to = 0;
    }
}

TREEML_INLINE void add_one(const double* from, double* to, int stride) {
    for (int p = 0; p < stride; p += 8) {
        Eight a, b;
        __builtin_memcpy(&a, from + p, sizeof a);
        __builtin_memcpy(&b, to + p, sizeof b);
        b += a;
        __builtin_memcpy(to + p, &b, sizeof b);
    }
}

// cells[place[i]] += items[i].
TREEML_TARGET static void scatter(const double* items, const int* place, int count, int stride, double* cells) {
    for (int i = 0; i < count; ++i) add_one(items + long(i) * stride, cells + long(place[i]) * stride, stride);
}

// to += sign x from, over a multiple of 8 entries.
TREEML_TARGET static void accumulate(const double* from, double sign, long size, double* to) {
    for (long p = 0; p < size; p += 8) {
        Eight a, b;
        __builtin_memcpy(&a, from + p, sizeof a);
        __builtin_memcpy(&b, to + p, sizeof b);
        b += sign * a;
        __builtin_memcpy(to + p, &b, sizeof b);
    }
}

TREEML_INLINE Eight inverse_roots(Eight pivot, Eight whole) {
    Eight out;
    for (int k = 0; k < 8; ++k) {
        const double left = pivot[k];
        out[k] = left > 1e-11 * whole[k] && left > 1e-290 ? 1 / __builtin_sqrt(left) : 0.0;
    }
    return out;
}

// Costs of eight cells, entry p of cell k at lanes[p * step + k]: what is left of the squares of the targets after
// a ridge fit, penalty included. `factor` has room for inputs (inputs + 1) / 2 + 2 inputs vectors of eight.
TREEML_TARGET static void costs(const double* lanes, long step, const double* ridge, int inputs, int targets,
                                double* factor, double* out) {
    Eight* const L = reinterpret_cast<Eight*>(factor);
    Eight* const inverse = L + inputs * (inputs + 1) / 2;
    const double* entry = lanes;
    for (int r = 0; r < inputs; ++r) {
        Eight* row = L + r * (r + 1) / 2;
        const Eight* column = L;
        for (int c = 0; c < r; ++c) {
            Eight sum = *reinterpret_cast<const EightAnywhere*>(entry);
            for (int k = 0; k < c; ++k) sum -= row[k] * column[k];
            row[c] = sum * inverse[c];
            column += c + 1;
            entry += step;
        }
        const Eight whole = *reinterpret_cast<const EightAnywhere*>(entry) + ridge[r];
        Eight pivot = whole;
        for (int k = 0; k < r; ++k) pivot -= row[k] * row[k];
        inverse[r] = inverse_roots(pivot, whole);
        row[r] = pivot * inverse[r];
        entry += step;
    }
    Eight total = {};
    for (int t = 0; t < targets; ++t) {
        Eight* const solved = inverse + inputs;
        const Eight* column = L;
        Eight rest = *reinterpret_cast<const EightAnywhere*>(entry + long(inputs) * step);
        for (int c = 0; c < inputs; ++c) {
            Eight sum = *reinterpret_cast<const EightAnywhere*>(entry);
            for (int k = 0; k < c; ++k) sum -= solved[k] * column[k];
            solved[c] = sum * inverse[c];
            rest -= solved[c] * solved[c];
            column += c + 1;
            entry += step;
        }
        entry += step;
        for (int k = 0; k < 8; ++k) total[k] += rest[k] > 0 ? rest[k] : 0.0;
    }
    __builtin_memcpy(out, &total, sizeof total);
}

// Four quadrants of eight cuts: a = both below, b = first above, c = second above, d = both above, from a,
// what is below in either, and all.
TREEML_TARGET static void quadrants(const double* both, long step, const double* first, const double* second,
                                    const double* all, int size, double* out) {
    const long quarter = long(size) * 8;
    for (int p = 0; p < size; ++p) {
        const Eight a = *reinterpret_cast<const EightAnywhere*>(both + p * step);
        const Eight s = *reinterpret_cast<const EightAnywhere*>(second + p * step);
        const Eight f = first[p] - a, g = s - a;
        const Eight rest = all[p] - first[p] - g;
        double* to = out + long(p) * 8;
        __builtin_memcpy(to, &a, sizeof a);
        __builtin_memcpy(to + quarter, &f, sizeof f);
        __builtin_memcpy(to + 2 * quarter, &g, sizeof g);
        __builtin_memcpy(to + 3 * quarter, &rest, sizeof rest);
    }
}

static MomentKernels kernels() { return {products, scatter, accumulate, costs, quadrants}; }

#undef TREEML_INLINE
