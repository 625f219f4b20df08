// The vector kernels of per-row costs, compiled once per instruction set: cost_kernels.hpp includes this file
// several times with another TREEML_TARGET and namespace. No std templates in here: an instance compiled for a
// newer processor must never be shared with the portable path.

#define TREEML_INLINE TREEML_TARGET __attribute__((always_inline)) inline

inline constexpr int kVectorBytes = TREEML_LEVEL == 2 ? 64 : 32;

template <class V>
struct Vector {
    typedef V Type __attribute__((vector_size(kVectorBytes)));
    static constexpr int kSize = kVectorBytes / sizeof(V);
};

template <class V>
TREEML_INLINE typename Vector<V>::Type load_vector(const V* from) {
    typename Vector<V>::Type out;
    __builtin_memcpy(&out, from, sizeof out);
    return out;
}

template <class V>
TREEML_INLINE void store_vector(V* to, const typename Vector<V>::Type& x) {
    __builtin_memcpy(to, &x, sizeof x);
}

template <class V>
TREEML_INLINE typename Vector<V>::Type less(typename Vector<V>::Type a, typename Vector<V>::Type b) {
#if TREEML_LEVEL == 2
    if constexpr (sizeof(V) == 8) return (typename Vector<V>::Type)_mm512_min_pd((__m512d)a, (__m512d)b);
    else return (typename Vector<V>::Type)_mm512_min_epi32((__m512i)a, (__m512i)b);
#elif TREEML_LEVEL == 1
    if constexpr (sizeof(V) == 8) return (typename Vector<V>::Type)_mm256_min_pd((__m256d)a, (__m256d)b);
    else return (typename Vector<V>::Type)_mm256_min_epi32((__m256i)a, (__m256i)b);
#else
    return a < b ? a : b;
#endif
}

template <class V>
TREEML_INLINE V least_of(const typename Vector<V>::Type& x) {
    V lanes[Vector<V>::kSize];
    store_vector<V>(lanes, x);
    V out = lanes[0];
    for (int k = 1; k < Vector<V>::kSize; ++k) out = lanes[k] < out ? lanes[k] : out;
    return out;
}

// The four cells of a pair of columns: the least difference to action 0 when a leaf stands in each.
template <class V>
struct CostCells {
    using Vec = typename Vector<V>::Type;
    Vec m11 = {}, m10 = {}, m01 = {}, m00 = {};

    // x: sums of the rows in both columns.
    TREEML_INLINE void add(Vec x, Vec i_ones, Vec i_zeros, Vec j_ones) {
        const Vec x01 = j_ones - x;
        m11 = less<V>(m11, x), m10 = less<V>(m10, i_ones - x), m01 = less<V>(m01, x01), m00 = less<V>(m00, i_zeros - x01);
    }
    // Cells with too few rows cannot be leaves.
    TREEML_INLINE void limit(Vec x, Vec i_ones, Vec i_zeros, Vec j_ones, Vec least, Vec no) {
        const Vec x01 = j_ones - x, x10 = i_ones - x, x00 = i_zeros - x01;
        m11 = x < least ? no : m11, m10 = x10 < least ? no : m10;
        m01 = x01 < least ? no : m01, m00 = x00 < least ? no : m00;
    }
    TREEML_INLINE void keep(Vec& best1, Vec& best0, const CostSide<V>& side, int j) const {
        best1 = less<V>(best1, m11 + m10);
        best0 = less<V>(best0, m01 + m00);
        store_vector<V>(side.best1 + j, less<V>(load_vector(side.best1 + j), m11 + m01));
        store_vector<V>(side.best0 + j, less<V>(load_vector(side.best0 + j), m10 + m00));
    }
    TREEML_INLINE void keep_capped(Vec& low1, Vec& low0, const CostSide<V>& side, int j) const {
        low1 = less<V>(low1, m11 + m10);
        low0 = less<V>(low0, m01 + m00);
        store_vector<V>(side.capped1 + j, less<V>(load_vector(side.capped1 + j), m11 + m01));
        store_vector<V>(side.capped0 + j, less<V>(load_vector(side.capped0 + j), m10 + m00));
    }
};

template <class V>
TREEML_INLINE void keep_root(V* to1, V* to0, int i, const typename Vector<V>::Type& best1,
                             const typename Vector<V>::Type& best0) {
    const V b1 = least_of<V>(best1), b0 = least_of<V>(best0);
    if (b1 < to1[i]) to1[i] = b1;
    if (b0 < to0[i]) to0[i] = b0;
}

// Differences of the four cells become costs with a cap. w, first: weight and cost of action 0 where both are 1.
template <class V>
TREEML_INLINE void cap_cells(CostCells<V>& cell, typename Vector<V>::Type w, typename Vector<V>::Type first,
                             const CostPairs<V>& in, const CostSide<V>& side, int i, int j) {
    using Vec = typename Vector<V>::Type;
    const int a = in.n_differences;
    const Vec zero = {}, cap = zero + in.cap, no = zero + in.infeasible;
    const V *weight = side.ones + a * in.width, *cost = weight + in.width;
    const Vec w01 = load_vector(weight + j) - w, f01 = load_vector(cost + j) - first;
    const Vec w10 = weight[i] - w, f10 = cost[i] - first;
    const Vec w00 = (side.total[a] - weight[i]) - w01, f00 = (side.total[a + 1] - cost[i]) - f01;
    cell.m11 = w <= zero ? no : less<V>(cell.m11 + first, cap), cell.m10 = w10 <= zero ? no : less<V>(cell.m10 + f10, cap);
    cell.m01 = w01 <= zero ? no : less<V>(cell.m01 + f01, cap), cell.m00 = w00 <= zero ? no : less<V>(cell.m00 + f00, cap);
}

// Root i against all later columns: `planes[lane * plane_stride + j]` are the sums of the pairs.
template <class V, bool SIBLING, int MODE>
TREEML_INLINE void score_root(const CostPairs<V>& in, int i, const V* planes, long plane_stride,
                              const CostSide<V>& side, const CostSide<V>& other) {
    using Vec = typename Vector<V>::Type;
    const long width = in.width;
    const Vec zero = {}, no = zero + in.infeasible, least = zero + in.least_rows;
    const V* whole = in.pairs + (long)i * width;
    Vec best1 = no, best0 = no, other1 = no, other0 = no;
    Vec low1 = no, low0 = no, other_low1 = no, other_low0 = no;
    for (int j = i + 1; j < in.n_columns; j += Vector<V>::kSize) {
        CostCells<V> cell, rest;
        for (int a = 0; a < in.n_differences; ++a) {
            const Vec x = load_vector(planes + a * plane_stride + j), j_ones = load_vector(side.ones + a * width + j);
            const V ones = side.ones[a * width + i];
            cell.add(x, zero + ones, zero + (side.total[a] - ones), j_ones);
            if constexpr (SIBLING) {
                const Vec y = load_vector(whole + a * in.pair_stride + j) - x;
                const V others = other.ones[a * width + i];
                rest.add(y, zero + others, zero + (other.total[a] - others), load_vector(other.ones + a * width + j));
            }
        }
        if constexpr (MODE == kLimitedLeaves) {
            const int a = in.n_differences;
            const Vec x = load_vector(planes + a * plane_stride + j), j_ones = load_vector(side.ones + a * width + j);
            const V ones = side.ones[a * width + i];
            cell.limit(x, zero + ones, zero + (side.total[a] - ones), j_ones, least, no);
            if constexpr (SIBLING) {
                const Vec y = load_vector(whole + a * in.pair_stride + j) - x;
                const V others = other.ones[a * width + i];
                rest.limit(y, zero + others, zero + (other.total[a] - others), load_vector(other.ones + a * width + j), least, no);
            }
        }
        cell.keep(best1, best0, side, j);
        if constexpr (SIBLING) rest.keep(other1, other0, other, j);
        if constexpr (MODE == kCappedCosts) {
            const int a = in.n_differences;
            const Vec w = load_vector(planes + a * plane_stride + j), first = load_vector(planes + (a + 1) * plane_stride + j);
            cap_cells<V>(cell, w, first, in, side, i, j);
            cell.keep_capped(low1, low0, side, j);
            if constexpr (SIBLING) {
                const V* all = whole + a * in.pair_stride + j;
                cap_cells<V>(rest, load_vector(all) - w, load_vector(all + in.pair_stride) - first, in, other, i, j);
                rest.keep_capped(other_low1, other_low0, other, j);
            }
        }
    }
    keep_root<V>(side.best1, side.best0, i, best1, best0);
    if constexpr (SIBLING) keep_root<V>(other.best1, other.best0, i, other1, other0);
    if constexpr (MODE == kCappedCosts) {
        keep_root<V>(side.capped1, side.capped0, i, low1, low0);
        if constexpr (SIBLING) keep_root<V>(other.capped1, other.capped0, i, other_low1, other_low0);
    }
}

// Sums of pairs for the columns of one family, and the roots in it. A row stands in one cell for each of its
// deepest columns; a column holds what the columns inside it hold, so the cells are added up from the inside out,
// over the family of i first and over that of j then.
template <class V, int LANES, bool SIBLING, int MODE>
TREEML_INLINE void score_family(const CostPairs<V>& in, int family, const CostSide<V>& side, const CostSide<V>& other) {
    typedef V Record __attribute__((vector_size(LANES * sizeof(V)), aligned(sizeof(V)), may_alias));
    const int first = in.family[family], end = in.family[family + 1], p = in.n_columns;
    const int n_vecs = in.lanes / LANES;  // 1 but for many actions
    const long span = p - first + 1;      // cell 0 takes what no column is around
    Record* cells = (Record*)in.cells;
    __builtin_memset(cells, 0, (end - first) * span * in.lanes * sizeof(V));
    for (std::uint32_t k = in.first_item[family]; k < in.first_item[family + 1]; ++k) {
        const CostItem item = in.items[k];
        const Record* record = (const Record*)(in.records + (long)item.row * in.lanes);
        const std::uint16_t *entry = in.entries + item.entry, *last = in.entries + in.start[item.row + 1];
        Record* to = cells + ((*entry - first) * span + 1 - first) * n_vecs;
        if (LANES < 8 || n_vecs == 1) {
            const Record x = *record;
            for (; entry < last; ++entry) to[*entry] += x;
        } else {
            for (; entry < last; ++entry)
                for (int v = 0; v < n_vecs; ++v) to[(long)*entry * n_vecs + v] += record[v];
        }
    }
    const int n_planes = SIBLING && MODE == kPlainCosts ? in.n_differences : in.n_values;
    for (int i = end - 1; i >= first; --i) {
        Record* row = cells + (i - first) * span * n_vecs;
        if (in.parent[i] >= 0) {
            Record* up = cells + (in.parent[i] - first) * span * n_vecs;
            for (long k = 0; k < span * n_vecs; ++k) up[k] += row[k];
        }
        V* planes = SIBLING ? in.planes : in.pairs + (long)i * in.width;
        const long stride = SIBLING ? in.width : in.pair_stride;
        for (int v = 0; v < n_vecs; ++v) {
            Record carry = {};
            const int lanes = n_planes - v * LANES < LANES ? n_planes - v * LANES : LANES;
            for (int j = p - 1; j > i; --j) {
                const Record x = row[(j - first + 1) * n_vecs + v] + carry;
                const int up = in.parent[j];
                if (up == j - 1) {
                    carry = x;
                } else {
                    carry = Record{};
                    row[(up < 0 ? 0 : up - first + 1) * n_vecs + v] += x;
                }
                for (int l = 0; l < lanes; ++l) planes[(v * LANES + l) * stride + j] = x[l];
            }
        }
        score_root<V, SIBLING, MODE>(in, i, planes, stride, side, other);
    }
}

// For every root column, the least differences of two leaves on either side of it. SIBLING: the rows are those of
// one child; `other` is the sibling, whose sums are those of the parent (`pairs`) less these. Otherwise the sums
// are kept in `pairs`.
template <class V, int LANES, bool SIBLING, int MODE>
TREEML_TARGET void score_costs(const CostPairs<V>& in, const CostSide<V>& side, const CostSide<V>& other) {
    for (int family = 0; family < in.n_families; ++family)
        score_family<V, LANES, SIBLING, MODE>(in, family, side, other);
}

// ones[lane * width + j]: sums of the rows in every column.
template <class V, int LANES>
TREEML_TARGET void add_columns(const CostPairs<V>& in, V* ones) {
    typedef V Record __attribute__((vector_size(LANES * sizeof(V)), aligned(sizeof(V)), may_alias));
    const int p = in.n_columns, n_vecs = in.lanes / LANES;
    Record* cells = (Record*)in.cells;
    __builtin_memset(cells, 0, (long)(p + 1) * in.lanes * sizeof(V));
    for (std::uint32_t k = 0; k < in.first_item[in.n_families]; ++k) {
        const CostItem item = in.items[k];
        Record* to = cells + (long)(in.entries[item.entry] + 1) * n_vecs;
        const Record* record = (const Record*)(in.records + (long)item.row * in.lanes);
        for (int v = 0; v < n_vecs; ++v) to[v] += record[v];
    }
    for (int j = p - 1; j >= 0; --j) {
        const Record* from = cells + (long)(j + 1) * n_vecs;
        Record* up = cells + (long)(in.parent[j] + 1) * n_vecs;
        for (int v = 0; v < n_vecs; ++v) up[v] += from[v];
        for (int l = 0; l < in.n_values; ++l) ones[l * in.width + j] = from[l / LANES][l % LANES];
    }
}

template <class V>
CostKernels<V> cost_kernels() {
    CostKernels<V> out;
#define TREEML_SCORES(at, lanes)                                                                     \
    out.add_columns[at] = add_columns<V, lanes>;                                                     \
    out.score[at][0][kPlainCosts] = score_costs<V, lanes, false, kPlainCosts>;                       \
    out.score[at][0][kLimitedLeaves] = score_costs<V, lanes, false, kLimitedLeaves>;                 \
    out.score[at][0][kCappedCosts] = score_costs<V, lanes, false, kCappedCosts>;                     \
    out.score[at][1][kPlainCosts] = score_costs<V, lanes, true, kPlainCosts>;                        \
    out.score[at][1][kLimitedLeaves] = score_costs<V, lanes, true, kLimitedLeaves>;                  \
    out.score[at][1][kCappedCosts] = score_costs<V, lanes, true, kCappedCosts>
    TREEML_SCORES(0, 2);
    TREEML_SCORES(1, 4);
    TREEML_SCORES(2, 8);
#undef TREEML_SCORES
    return out;
}

#undef TREEML_INLINE
