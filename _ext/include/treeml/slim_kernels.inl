// Counts of row sets for SLIM, compiled once per instruction set (see kernels.inl for why nothing of std is in
// here). A count is a sum of weight x popcount over segments: words whose rows share cell and weight.

#define TREEML_INLINE TREEML_TARGET __attribute__((always_inline)) inline

template <class T>
struct Lanes {
    typedef T Vector __attribute__((vector_size(8 * sizeof(T))));
};

template <class T>
TREEML_INLINE typename Lanes<T>::Vector load_lanes(const T* from) {
    typename Lanes<T>::Vector out;
    __builtin_memcpy(&out, from, sizeof out);
    return out;
}

template <class V>
TREEML_INLINE V negative_part(V x) {
    return x & (x < 0);
}

TREEML_INLINE std::int64_t count_both(const Word* a, const Word* b, int begin, int end) {
    std::int64_t out = 0;
    for (int w = begin; w < end; ++w) out += __builtin_popcountll(a[w] & b[w]);
    return out;
}

// Net weight in each cell of the rows that have both.
template <class T>
TREEML_TARGET void pair_nets(const SlimSegment* segments, int n_segments, const Word* a, const Word* b, T* nets,
                             int n_lanes) {
    for (int c = 0; c < n_lanes; ++c) nets[c] = 0;
    for (int s = 0; s < n_segments; ++s)
        nets[segments[s].cell] += T(segments[s].weight) * T(count_both(a, b, segments[s].begin, segments[s].end));
}

// out[g]: sum of the negative parts of the nets of all cells that columns f and g cut the layer's cells into.
template <class T>
TREEML_TARGET void scan_pairs(const SlimSegment* segments, int n_segments, const Word* columns, long stride, int f,
                              int begin, int end, const T* whole, const T* singles, int n_lanes, T* nets, T* out) {
    typedef typename Lanes<T>::Vector Vector;
    const Word* first = columns + f * stride;
    const T* of_f = singles + long(f) * n_lanes;
    for (int g = begin; g < end; ++g) {
        pair_nets<T>(segments, n_segments, first, columns + g * stride, nets, n_lanes);
        const T* of_g = singles + long(g) * n_lanes;
        Vector sum = {};
        for (int c = 0; c < n_lanes; c += 8) {
            const Vector both = load_lanes(nets + c), a = load_lanes(of_f + c), b = load_lanes(of_g + c);
            sum += negative_part(both) + negative_part(a - both) + negative_part(b - both) +
                   negative_part(load_lanes(whole + c) - a - b + both);
        }
        T total = 0;
        for (int k = 0; k < 8; ++k) total += sum[k];
        out[g] = total;
    }
}

// fresh[g]: net weight of the rows that have columns f and g, for g from begin to end - 1.
template <class T>
TREEML_TARGET void row_nets(const SlimSegment* segments, int n_segments, const Word* columns, long stride, int f,
                            int begin, int end, T* fresh) {
    const Word* first = columns + f * stride;
    for (int g = begin; g < end; ++g) {
        const Word* second = columns + g * stride;
        std::int64_t net = 0;
        for (int s = 0; s < n_segments; ++s)
            net += segments[s].weight * count_both(first, second, segments[s].begin, segments[s].end);
        fresh[g] = T(net);
    }
}

// common[a][g]: net of the rows that have all n questions of the set a, and g; cells[a]: of those that answer yes to
// a alone, whatever g. conflicts[g]: sum of the negative parts of the nets of the 2^(n + 1) cells, by inclusion and
// exclusion, for g from begin to end - 1 (and up to 7 more, which mean nothing).
template <class T, int n>
TREEML_TARGET void cells_of_row(const T* const* common, const T* cells, int begin, int end, T* conflicts) {
    typedef typename Lanes<T>::Vector Vector;
    Vector nets[1 << n];
    for (int g = begin; g < end; g += 8) {
        for (int a = 0; a < 1 << n; ++a) nets[a] = load_lanes(common[a] + g);
#pragma GCC unroll 8
        for (int bit = 1; bit < 1 << n; bit *= 2)
#pragma GCC unroll 64
            for (int a = 0; a < 1 << n; ++a)
                if (!(a & bit)) nets[a] -= nets[a | bit];
        Vector sum = {};
        for (int a = 0; a < 1 << n; ++a) sum += negative_part(nets[a]) + negative_part(cells[a] - nets[a]);
        __builtin_memcpy(conflicts + g, &sum, sizeof sum);
    }
}

// counts[a]: net weight of the rows that have all columns of the set a.
template <class T>
TREEML_TARGET void common_nets(const SlimSegment* segments, int n_segments, const Word* const* columns, int n_columns,
                               const Word* rows, T* counts) {
    const int n = 1 << n_columns;
    for (int a = 0; a < n; ++a) counts[a] = 0;
    Word sets[64];
    std::int64_t found[64];
    for (int s = 0; s < n_segments; ++s) {
        for (int a = 0; a < n; ++a) found[a] = 0;
        for (int w = segments[s].begin; w < segments[s].end; ++w) {
            sets[0] = rows[w];
            for (int j = 0; j < n_columns; ++j) {
                const Word column = columns[j][w];
                for (int a = 0; a < 1 << j; ++a) sets[a + (1 << j)] = sets[a] & column;
            }
            for (int a = 0; a < n; ++a) found[a] += __builtin_popcountll(sets[a]);
        }
        for (int a = 0; a < n; ++a) counts[a] += T(segments[s].weight) * T(found[a]);
    }
}

TREEML_INLINE Word gather_bits(Word from, Word mask) {
#if TREEML_LEVEL
    return _pext_u64(from, mask);
#else
    Word out = 0;
    for (int to = 0; mask; mask &= mask - 1, ++to) out |= (from >> __builtin_ctzll(mask) & 1) << to;
    return out;
#endif
}

// The bits of `from` where `mask` has ones, one after the other from word `to` on.
TREEML_TARGET void gather_words(const Word* from, const Word* mask, Word flip, const Word* rows, int begin, int end,
                                Word* to) {
    Word word = 0;
    int filled = 0;
    for (int w = begin; w < end; ++w) {
        const Word where = (mask[w] ^ flip) & rows[w];
        if (!where) continue;
        const Word bits = gather_bits(from[w], where);
        const int n = __builtin_popcountll(where);
        word |= bits << filled;
        if (filled + n >= 64) {
            *to++ = word;
            word = filled ? bits >> (64 - filled) : 0;
        }
        filled = (filled + n) & 63;
    }
    if (filled) *to = word;
}

template <class T>
SlimKernels<T> slim_kernels() {
    return {pair_nets<T>, scan_pairs<T>, common_nets<T>, gather_words, row_nets<T>,
            {nullptr, cells_of_row<T, 1>, cells_of_row<T, 2>, cells_of_row<T, 3>, cells_of_row<T, 4>, cells_of_row<T, 5>}};
}

#undef TREEML_INLINE
