// The vector kernels of tables.hpp and histogram.hpp, compiled once per instruction set as kernels.inl is,
// whose lanes and counts they use. No std templates in here.

#define TREEML_INLINE TREEML_TARGET __attribute__((always_inline)) inline

// pairs[c][i][j]: weight in count c of the rows that have the columns i and j. The upper triangle is
// counted, the rest mirrored in tiles.
template <class T, int ROWS>
TREEML_INLINE void count_rows_of_pairs(const Chunks& in, int n_counts, T* const* pairs, int i) {
    Chunk16* a = (Chunk16*)in.broadcast;
    for (int k = 0; k < in.total_chunks; ++k)
        for (int r = 0; r < ROWS; ++r) a[k * ROWS + r] = in.chunks[i + r + k * in.width] - Chunk16{};
    for (int j = i / 16 * 16; j < in.n_columns; j += 16)
        for (int c = 0; c < n_counts; ++c) {
            Lanes<T> x[ROWS];
            count_rows<T, ROWS>(in, c, in.chunks + j, a, x);
            for (int r = 0; r < ROWS; ++r) store(pairs[c] + (i + r) * in.width + j, x[r]);
        }
}

template <class T>
TREEML_TARGET void count_pairs(const Chunks& in, int n_counts, T* const* pairs) {
    constexpr int kRows = TREEML_LEVEL == 2 ? 4 : TREEML_LEVEL == 1 ? 2 : 1;  // as many as there are registers for
    const int n = in.n_columns;
    int i = 0;
    for (; i + kRows <= n; i += kRows) count_rows_of_pairs<T, kRows>(in, n_counts, pairs, i);
    for (; i < n; ++i) count_rows_of_pairs<T, 1>(in, n_counts, pairs, i);
    for (int c = 0; c < n_counts; ++c)
        for (int top = 16; top < n; top += 16)
            for (int left = 0; left < top; left += 16)
                for (int row = top; row < n && row < top + 16; ++row) {
                    T* to = pairs[c] + row * in.width + left;
                    const T* from = pairs[c] + left * in.width + row;
                    for (int k = 0; k < 16; ++k) to[k] = from[k * in.width];
                }
}

// Errors of two leaves, each with its best label, where one side of a split (`ones` of every column, `total`)
// is divided by every further column; `infeasible` where a cell has too few rows. Returns the least.
template <class T, int K>
TREEML_TARGET T cell_errors(const CellRule<T>& rule, int n_columns, const T* const* ones, const T* total, T* errors) {
    const int n_classes = K ? K : rule.n_classes;
    const Lanes<T> least = fill(rule.least_rows), no = fill(rule.infeasible);
    Lanes<T> best = no;
    for (int j = 0; j < n_columns; j += 16) {
        Lanes<T> e1, e0, sum1 = fill(T(0)), sum0 = sum1;
        for (int c = 0; c < n_classes; ++c) {
            const Lanes<T> x1 = load(ones[c] + j), x0 = fill(total[c]) - x1;
            sum1 = sum1 + x1, sum0 = sum0 + x0;
            if (c == 0) {
                e1 = x1, e0 = x0;
            } else if constexpr (K == 2) {
                e1 = lesser(e1, x1), e0 = lesser(e0, x0);
            } else {
                e1 = greater(e1, x1), e0 = greater(e0, x0);
            }
        }
        if constexpr (K != 2) e1 = sum1 - e1, e0 = sum0 - e0;
        if (rule.n_counts > n_classes) {
            const Lanes<T> x1 = load(ones[n_classes] + j), x0 = fill(total[n_classes]) - x1;
            sum1 = rule.adds_classes ? sum1 + x1 : x1;
            sum0 = rule.adds_classes ? sum0 + x0 : x0;
        }
        const Lanes<T> e = where_enough(sum1, least, where_enough(sum0, least, e1 + e0, no), no);
        store(errors + j, e);
        best = lesser(best, e);
    }
    return least_lane(best);
}

template <class T>
TREEML_TARGET void subtract(const T* a, const T* b, long n, T* out) {
    for (long j = 0; j < n; j += 16) store(out + j, load(a + j) - load(b + j));
}

// The columns whose errors are at most `limit`; returns how many.
template <class T>
TREEML_TARGET int at_most(const T* errors, int n_columns, T limit, int* out) {
    int found = 0;
    for (int j = 0; j < n_columns; ++j) {
        out[found] = j;
        found += errors[j] <= limit;
    }
    return found;
}

// out[i + k] += times x[i] y[k] for i + k < n.
template <class C>
TREEML_TARGET void convolve(const std::uint32_t* x, const std::uint32_t* y, int n, C times, C* out) {
    for (int i = 0; i < n; ++i) {
        if (!x[i]) continue;
        const C by = C(times * x[i]);
        C* to = out + i;
        for (int k = 0; k < n - i; ++k) to[k] += C(by * C(y[k]));
    }
}

// The same in 64 bits; with `narrow` the numbers y have 32, as do those times x.
TREEML_TARGET inline void convolve_wide(const std::uint64_t* x, const std::uint64_t* y, int n, std::uint64_t times,
                                        bool narrow, std::uint64_t* out) {
    for (int i = 0; i < n; ++i) {
        if (!x[i]) continue;
        const std::uint64_t by = times * x[i];
        std::uint64_t* to = out + i;
        if (narrow && by >> 32 == 0) {
            for (int k = 0; k < n - i; ++k) to[k] += (std::uint64_t)(std::uint32_t)by * (std::uint32_t)y[k];
        } else {
            for (int k = 0; k < n - i; ++k) to[k] += by * y[k];
        }
    }
}

// to += by * x
TREEML_TARGET inline void multiply_add(const std::uint64_t* x, std::uint64_t by, int n, std::uint64_t* to) {
    for (int k = 0; k < n; ++k) to[k] += by * x[k];
}

// to += x where the mask is set
TREEML_TARGET inline void add_masked(const std::uint64_t* mask, std::uint64_t x, int n, std::uint64_t* to) {
    for (int k = 0; k < n; ++k) to[k] += mask[k] & x;
}

template <class T>
TableKernels<T> table_kernels() {
    return {count_pairs<T>, {cell_errors<T, 0>, cell_errors<T, 2>}, subtract<T>, at_most<T>,
            {convolve<std::uint32_t>}, {convolve<std::uint64_t>}, convolve_wide, multiply_add, add_masked};
}

#undef TREEML_INLINE
