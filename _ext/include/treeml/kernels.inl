// The vector kernels, compiled once per instruction set: depth_two.hpp includes this file several times
// with another TREEML_TARGET and namespace. No std templates in here: an instance compiled for a newer
// processor must never be shared with the portable path.
//
// Layout: 16 columns side by side. A "chunk" is 16 rows of one column in a 16-bit lane; the chunks of a
// group lie below each other, `width` lanes apart. Counts are lanes of type T (16, 32 or 64 bits).

template <class T>
struct Lanes {
    typedef T Vec __attribute__((vector_size(32)));
    static constexpr int kVecs = sizeof(T) / 2;
    Vec v[kVecs];
};

typedef std::uint16_t Chunk16 __attribute__((vector_size(32)));
typedef std::uint8_t Byte32 __attribute__((vector_size(32)));

#define TREEML_INLINE TREEML_TARGET __attribute__((always_inline)) inline

template <class T>
TREEML_INLINE Lanes<T> load(const T* from) {
    Lanes<T> out;
    __builtin_memcpy(&out, from, sizeof out);
    return out;
}

template <class T>
TREEML_INLINE void store(T* to, const Lanes<T>& x) {
    __builtin_memcpy(to, &x, sizeof x);
}

template <class T>
TREEML_INLINE Lanes<T> fill(T x) {
    Lanes<T> out;
    for (int k = 0; k < Lanes<T>::kVecs; ++k) out.v[k] = x - typename Lanes<T>::Vec{};
    return out;
}

template <class T>
TREEML_INLINE Lanes<T> operator+(const Lanes<T>& a, const Lanes<T>& b) {
    Lanes<T> out;
    for (int k = 0; k < Lanes<T>::kVecs; ++k) out.v[k] = a.v[k] + b.v[k];
    return out;
}

template <class T>
TREEML_INLINE Lanes<T> operator-(const Lanes<T>& a, const Lanes<T>& b) {
    Lanes<T> out;
    for (int k = 0; k < Lanes<T>::kVecs; ++k) out.v[k] = a.v[k] - b.v[k];
    return out;
}

template <class T>
TREEML_INLINE Lanes<T> lesser(const Lanes<T>& a, const Lanes<T>& b) {
    Lanes<T> out;
    for (int k = 0; k < Lanes<T>::kVecs; ++k) out.v[k] = a.v[k] < b.v[k] ? a.v[k] : b.v[k];
    return out;
}

template <class T>
TREEML_INLINE Lanes<T> greater(const Lanes<T>& a, const Lanes<T>& b) {
    Lanes<T> out;
    for (int k = 0; k < Lanes<T>::kVecs; ++k) out.v[k] = a.v[k] < b.v[k] ? b.v[k] : a.v[k];
    return out;
}

// x where rows >= least, else `otherwise`.
template <class T>
TREEML_INLINE Lanes<T> where_enough(const Lanes<T>& rows, const Lanes<T>& least, const Lanes<T>& x,
                                    const Lanes<T>& otherwise) {
    Lanes<T> out;
    for (int k = 0; k < Lanes<T>::kVecs; ++k) out.v[k] = rows.v[k] < least.v[k] ? otherwise.v[k] : x.v[k];
    return out;
}

// The capped cost of a cell with this error and number of rows; no cell may be empty.
template <class T>
TREEML_INLINE Lanes<T> capped(const Lanes<T>& x, const Lanes<T>& rows, const PairProblem<T>& problem) {
    const Lanes<T> from = fill(problem.cap_from), cap = fill(problem.cap), no = fill(problem.no_cell);
    Lanes<T> out = lesser(x, from);
    for (int k = 0; k < Lanes<T>::kVecs; ++k) {
        out.v[k] <<= problem.cap_shift;
        out.v[k] = out.v[k] < cap.v[k] ? out.v[k] : cap.v[k];
        out.v[k] = rows.v[k] == 0 ? no.v[k] : out.v[k];
    }
    return out;
}

template <class T>
TREEML_INLINE Lanes<T> magnitude(const Lanes<T>& x) {
    Lanes<T> out;
    for (int k = 0; k < Lanes<T>::kVecs; ++k) {
#if TREEML_LEVEL >= 1
        if constexpr (sizeof(T) == 2) out.v[k] = (typename Lanes<T>::Vec)_mm256_abs_epi16((__m256i)x.v[k]);
        else if constexpr (sizeof(T) == 4) out.v[k] = (typename Lanes<T>::Vec)_mm256_abs_epi32((__m256i)x.v[k]);
        else
#endif
            out.v[k] = x.v[k] < 0 ? -x.v[k] : x.v[k];
    }
    return out;
}

template <class T>
TREEML_INLINE T least_lane(const Lanes<T>& x) {
#if TREEML_LEVEL >= 1
    if constexpr (sizeof(T) == 2) {
        constexpr bool is_signed = T(-1) < T(0);
        const __m256i all = (__m256i)x.v[0];
        const __m128i low = _mm256_castsi256_si128(all), high = _mm256_extracti128_si256(all, 1);
        const __m128i turn = _mm_set1_epi16(is_signed ? (short)0x8000 : 0);
        const __m128i half = is_signed ? _mm_min_epi16(low, high) : _mm_min_epu16(low, high);
        return T(_mm_cvtsi128_si32(_mm_minpos_epu16(_mm_xor_si128(half, turn))) ^ (is_signed ? 0x8000 : 0));
    }
#endif
    T lanes[16];
    store(lanes, x);
    T out = lanes[0];
    for (int k = 1; k < 16; ++k) out = lanes[k] < out ? lanes[k] : out;
    return out;
}

template <class T>
TREEML_INLINE T greatest_lane(const Lanes<T>& x) {
    Lanes<T> turned;  // -1 - x: the other way round, without overflow
    for (int k = 0; k < Lanes<T>::kVecs; ++k) turned.v[k] = ~x.v[k];
    return T(~least_lane(turned));
}

// Number of ones of every 16-bit lane, summed over the chunks of `a & from`, for ROWS interleaved `a` at once.
// At most 4095 chunks.
template <int ROWS>
TREEML_INLINE void count_blocks(const std::uint16_t* from, const Chunk16* a, int n_chunks, long width, Chunk16* total) {
    for (int r = 0; r < ROWS; ++r) total[r] = Chunk16{};
#if TREEML_LEVEL == 2
    for (int k = 0; k < n_chunks; ++k, from += width, a += ROWS) {
        Chunk16 x;
        __builtin_memcpy(&x, from, sizeof x);
        for (int r = 0; r < ROWS; ++r) total[r] += (Chunk16)_mm256_popcnt_epi16((__m256i)(x & a[r]));
    }
#elif TREEML_LEVEL == 1
    const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2,
                                           2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i nibble = _mm256_set1_epi8(15), one = _mm256_set1_epi8(1);
    for (int k = 0; k < n_chunks;) {
        const int end = n_chunks < k + 31 ? n_chunks : k + 31;  // 31 x 8 ones fit a byte
        __m256i bytes[ROWS] = {};
        for (; k < end; ++k, from += width, a += ROWS) {
            Chunk16 x;
            __builtin_memcpy(&x, from, sizeof x);
            for (int r = 0; r < ROWS; ++r) {
                const __m256i y = (__m256i)(x & a[r]);
                const __m256i low = _mm256_shuffle_epi8(table, _mm256_and_si256(y, nibble));
                const __m256i high = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(y, 4), nibble));
                bytes[r] = _mm256_add_epi8(bytes[r], _mm256_add_epi8(low, high));
            }
        }
        for (int r = 0; r < ROWS; ++r) total[r] += (Chunk16)_mm256_maddubs_epi16(bytes[r], one);
    }
#else
    for (int k = 0; k < n_chunks; ++k, from += width, a += ROWS) {
        Chunk16 y;
        __builtin_memcpy(&y, from, sizeof y);
        for (int r = 0; r < ROWS; ++r) {
            Chunk16 x = y & a[r];
            x -= (x >> 1) & 0x5555;
            x = (x & 0x3333) + ((x >> 2) & 0x3333);
            x = (x + (x >> 4)) & 0x0f0f;
            total[r] += (x + (x >> 8)) & 0x1f;
        }
    }
#endif
}

template <class T>
TREEML_INLINE Lanes<T> widen(const Chunk16& x) {
    Lanes<T> out;
    if constexpr (sizeof(T) == 2) {
        out.v[0] = (typename Lanes<T>::Vec)x;
    } else {
        std::uint16_t narrow[16];
        T wide[16];
        __builtin_memcpy(narrow, &x, sizeof x);
        for (int k = 0; k < 16; ++k) wide[k] = narrow[k];
        out = load(wide);
    }
    return out;
}

// Weighted counts of the rows of class c that have column i and each of 16 columns from `chunks` on, for ROWS
// columns i at once, whose chunks are broadcast in `a` side by side.
template <class T, int ROWS>
TREEML_INLINE void count_rows(const Chunks& in, int c, const std::uint16_t* chunks, const Chunk16* a, Lanes<T>* out) {
    for (int r = 0; r < ROWS; ++r) out[r] = fill<T>(0);
    for (int g = in.first_group[c]; g < in.first_group[c + 1]; ++g) {
        for (int start = 0; start < in.n_chunks[g]; start += 4095) {
            const int n = in.n_chunks[g] - start < 4095 ? in.n_chunks[g] - start : 4095;
            const long at = 4L * in.offset[g] + start;
            Chunk16 sum[ROWS];
            count_blocks<ROWS>(chunks + at * in.width, a + ROWS * at, n, in.width, sum);
            for (int r = 0; r < ROWS; ++r) {
                Lanes<T> x = widen<T>(sum[r]);
                if (in.weight[g] != 1)
                    for (int k = 0; k < Lanes<T>::kVecs; ++k) x.v[k] *= T(in.weight[g]);
                out[r] = out[r] + x;
            }
        }
    }
}

// The four cells of the pair (i, j): least errors when a leaf stands in each. K = 2: the lesser class
// count; otherwise the total less the greatest class count.
template <class T, int K, int MODE>
struct Cells {
    Lanes<T> e11, e10, e01, e00;  // K = 2: the errors; else the greatest class counts until finish()
    Lanes<T> t11, t10, t01, t00;

    TREEML_INLINE void add(int c, const Lanes<T>& x, const Lanes<T>& i_ones, const Lanes<T>& i_zeros,
                           const Lanes<T>& j_ones) {
        const Lanes<T> x10 = i_ones - x, x01 = j_ones - x, x00 = i_zeros - x01;
        if (c == 0) {
            e11 = t11 = x, e10 = t10 = x10, e01 = t01 = x01, e00 = t00 = x00;
            return;
        }
        if constexpr (K == 2) {
            e11 = lesser(e11, x), e10 = lesser(e10, x10), e01 = lesser(e01, x01), e00 = lesser(e00, x00);
        } else {
            e11 = greater(e11, x), e10 = greater(e10, x10), e01 = greater(e01, x01), e00 = greater(e00, x00);
        }
        if constexpr (K != 2 || MODE == kCapped) t11 = t11 + x, t10 = t10 + x10, t01 = t01 + x01, t00 = t00 + x00;
    }
    TREEML_INLINE void finish() {
        if constexpr (K != 2) e11 = t11 - e11, e10 = t10 - e10, e01 = t01 - e01, e00 = t00 - e00;
    }
    // Cells with too few rows cannot be leaves.
    TREEML_INLINE void limit(const Lanes<T>& x, const Lanes<T>& i_ones, const Lanes<T>& i_zeros,
                             const Lanes<T>& j_ones, T least_rows, T infeasible) {
        const Lanes<T> x10 = i_ones - x, x01 = j_ones - x, x00 = i_zeros - x01;
        const Lanes<T> least = fill(least_rows), no = fill(infeasible);
        e11 = where_enough(x, least, e11, no), e10 = where_enough(x10, least, e10, no);
        e01 = where_enough(x01, least, e01, no), e00 = where_enough(x00, least, e00, no);
    }
};

template <class T>
struct Best {  // of root i, in registers
    Lanes<T> below1, below0, capped1, capped0;
};

template <class T, int K, int MODE>
TREEML_INLINE void score_pair(Cells<T, K, MODE>& cell, const PairProblem<T>& problem, Best<T>& best, const Side<T>& side, int j) {
    best.below1 = lesser(best.below1, cell.e11 + cell.e10);
    best.below0 = lesser(best.below0, cell.e01 + cell.e00);
    store(side.below1 + j, lesser(load(side.below1 + j), cell.e11 + cell.e01));
    store(side.below0 + j, lesser(load(side.below0 + j), cell.e10 + cell.e00));
    if constexpr (MODE == kCapped) {
        cell.e11 = capped(cell.e11, cell.t11, problem), cell.e10 = capped(cell.e10, cell.t10, problem);
        cell.e01 = capped(cell.e01, cell.t01, problem), cell.e00 = capped(cell.e00, cell.t00, problem);
        best.capped1 = lesser(best.capped1, cell.e11 + cell.e10);
        best.capped0 = lesser(best.capped0, cell.e01 + cell.e00);
        store(side.capped1 + j, lesser(load(side.capped1 + j), cell.e11 + cell.e01));
        store(side.capped0 + j, lesser(load(side.capped0 + j), cell.e10 + cell.e00));
    }
}

template <class T, int MODE>
TREEML_INLINE void keep_best(const Best<T>& best, const Side<T>& side, int i) {
    const T b1 = least_lane(best.below1), b0 = least_lane(best.below0);
    if (b1 < side.below1[i]) side.below1[i] = b1;
    if (b0 < side.below0[i]) side.below0[i] = b0;
    if constexpr (MODE == kCapped) {
        const T c1 = least_lane(best.capped1), c0 = least_lane(best.capped0);
        if (c1 < side.capped1[i]) side.capped1[i] = c1;
        if (c0 < side.capped0[i]) side.capped0[i] = c0;
    }
}

// For every root column i, the least errors of two leaves on either side of it. Counts the pairs of the
// rows in `in`. SIBLING: those are the rows of one child; `other` is the sibling, whose counts are those
// of the parent (`pairs`) less these. Otherwise the counts are kept in `pairs`.
template <class T, int K, bool SIBLING, int MODE>
TREEML_TARGET void score_pairs(const Chunks& in, const PairProblem<T>& problem, T* const* pairs,
                               const Side<T>& side, const Side<T>& other) {
    constexpr bool LIMIT = MODE == kLeafLimit;
    const int p = in.n_columns, n_classes = K == 2 ? 2 : problem.n_classes;
    const long width = in.width;
    Chunk16* a = (Chunk16*)in.broadcast;
    for (int i = 0; i + 1 < p; ++i) {
        const std::uint16_t* column = in.chunks + i;
        for (int k = 0; k < in.total_chunks; ++k) a[k] = column[k * width] - Chunk16{};
        const Lanes<T> none = fill(problem.infeasible);
        Best<T> best = {none, none, none, none};
        Best<T> best_other = best;
        for (int j = i + 1; j < p; j += 16) {
            Cells<T, K, MODE> cell = {}, cell_other = {};
            for (int c = 0; c < n_classes + LIMIT; ++c) {
                Lanes<T> x;
                count_rows<T, 1>(in, c, in.chunks + j, a, &x);
                T* at = pairs[c] + i * width + j;
                const T ones = side.ones[c][i];
                const Lanes<T> i_ones = fill(ones), i_zeros = fill(T(side.total[c] - ones));
                const Lanes<T> j_ones = load(side.ones[c] + j);
                if (LIMIT && c == n_classes) {
                    cell.finish();
                    cell.limit(x, i_ones, i_zeros, j_ones, problem.least_rows, problem.infeasible);
                } else {
                    cell.add(c, x, i_ones, i_zeros, j_ones);
                }
                if constexpr (SIBLING) {
                    const Lanes<T> y = load(at) - x;
                    const T others = other.ones[c][i];
                    const Lanes<T> o_ones = fill(others), o_zeros = fill(T(other.total[c] - others));
                    const Lanes<T> oj_ones = load(other.ones[c] + j);
                    if (LIMIT && c == n_classes) {
                        cell_other.finish();
                        cell_other.limit(y, o_ones, o_zeros, oj_ones, problem.least_rows, problem.infeasible);
                    } else {
                        cell_other.add(c, y, o_ones, o_zeros, oj_ones);
                    }
                } else {
                    store(at, x);
                }
            }
            if constexpr (!LIMIT) {
                cell.finish();
                if constexpr (SIBLING) cell_other.finish();
            }
            score_pair<T, K, MODE>(cell, problem, best, side, j);
            if constexpr (SIBLING) score_pair<T, K, MODE>(cell_other, problem, best_other, other, j);
        }
        keep_best<T, MODE>(best, side, i);
        if constexpr (SIBLING) keep_best<T, MODE>(best_other, other, i);
    }
}

// Two classes with errors to minimise only need differences. With D = (weight of class 0) - (weight of class
// 1) of a cell and W its weight, its error is (W - |D|) / 2, so that of two cells is least where |D| + |D'| is
// greatest, and as D + D' is known, |D| + |D'| = max(|D + D'|, |D - D'|): one number a cell, no minimum of
// classes. For D of the cell where i and j are 1, the four sums are
//     i = 1: |2 D - D_i|           i = 0: |2 (D_j - D) - (D_all - D_i)|
//     j = 1: |2 D - D_j|           j = 0: |(2 D - D_j) - (2 D_i - D_all)|
template <class T>
struct Extremes {  // of root i, in registers
    Lanes<T> most1, least1, most0, least0;
};

template <class T>
TREEML_INLINE void keep_extremes(const Extremes<T>& at, const DifferenceSide<T>& side, int i) {
    const std::int64_t here = side.difference[i], rest = std::int64_t(side.all) - here;
    std::int64_t best1 = side.best1[i], best0 = side.best0[i];
    const std::int64_t found[4] = {2 * std::int64_t(greatest_lane(at.most1)) - here,
                                   here - 2 * std::int64_t(least_lane(at.least1)),
                                   2 * std::int64_t(greatest_lane(at.most0)) - rest,
                                   rest - 2 * std::int64_t(least_lane(at.least0))};
    best1 = best1 < found[0] ? found[0] : best1;
    best1 = best1 < found[1] ? found[1] : best1;
    best0 = best0 < found[2] ? found[2] : best0;
    best0 = best0 < found[3] ? found[3] : best0;
    side.best1[i] = T(best1);
    side.best0[i] = T(best0);
}

// Scores ROWS roots from i on against all later columns. `pairs` holds differences; without a sibling they
// are written, and the weights of the pairs to `sums`. (Where j is one of the roots, its pair with itself says
// what its leaf does.)
template <class T, bool SIBLING, int ROWS>
TREEML_INLINE void score_roots(const Chunks& in, std::make_unsigned_t<T>* sums, T* pairs,
                               const DifferenceSide<T>* sides, int i) {
    using U = std::make_unsigned_t<T>;
    const int p = in.n_columns;
    const long width = in.width;
    Chunk16* a = (Chunk16*)in.broadcast;
    for (int k = 0; k < in.total_chunks; ++k)
        for (int r = 0; r < ROWS; ++r) a[k * ROWS + r] = in.chunks[i + r + k * width] - Chunk16{};
    constexpr int kSides = SIBLING ? 2 : 1;
    const Lanes<T> zero = fill(T(0));
    Extremes<T> best[kSides][ROWS];
    Lanes<T> tilt[kSides][ROWS];
    for (int s = 0; s < kSides; ++s)
        for (int r = 0; r < ROWS; ++r) {
            best[s][r] = {zero, zero, zero, zero};
            tilt[s][r] = fill(T(2 * sides[s].difference[i + r] - sides[s].all));
        }
    for (int j = i + 1; j < p; j += 16) {
        Lanes<U> x0[ROWS], x1[ROWS];
        count_rows<U, ROWS>(in, 0, in.chunks + j, a, x0);
        count_rows<U, ROWS>(in, 1, in.chunks + j, a, x1);
        Lanes<T> d[kSides][ROWS];
        for (int r = 0; r < ROWS; ++r) {
            T* at = pairs + (i + r) * width + j;
            for (int k = 0; k < Lanes<T>::kVecs; ++k)
                d[0][r].v[k] = (typename Lanes<T>::Vec)(x0[r].v[k] - x1[r].v[k]);
            if constexpr (SIBLING) {
                d[1][r] = load(at) - d[0][r];
            } else {
                store(at, d[0][r]);
                store(sums + (i + r) * width + j, x0[r] + x1[r]);
            }
        }
        for (int s = 0; s < kSides; ++s) {
            const DifferenceSide<T>& side = sides[s];
            const Lanes<T> of_j = load(side.difference + j);
            Lanes<T> best1 = load(side.best1 + j), best0 = load(side.best0 + j);
            for (int r = 0; r < ROWS; ++r) {
                const Lanes<T> rest = of_j - d[s][r], turn = d[s][r] - rest;
                Extremes<T>& at = best[s][r];
                at.most1 = greater(at.most1, d[s][r]), at.least1 = lesser(at.least1, d[s][r]);
                at.most0 = greater(at.most0, rest), at.least0 = lesser(at.least0, rest);
                best1 = greater(best1, magnitude(turn));
                best0 = greater(best0, magnitude(turn - tilt[s][r]));
            }
            store(side.best1 + j, best1);
            store(side.best0 + j, best0);
        }
    }
    for (int s = 0; s < kSides; ++s)
        for (int r = 0; r < ROWS; ++r) keep_extremes(best[s][r], sides[s], i + r);
}

// score_pairs for two classes.
template <class T, bool SIBLING>
TREEML_TARGET void score_differences(const Chunks& in, std::make_unsigned_t<T>* sums, T* pairs,
                                     const DifferenceSide<T>& side, const DifferenceSide<T>& other) {
    constexpr int kRows = TREEML_LEVEL == 2 ? 2 : 1;  // as many as there are registers for
    const DifferenceSide<T> sides[2] = {side, other};
    int i = 0;
    for (; i + kRows < in.n_columns; i += kRows) score_roots<T, SIBLING, kRows>(in, sums, pairs, sides, i);
    for (; i + 1 < in.n_columns; ++i) score_roots<T, SIBLING, 1>(in, sums, pairs, sides, i);
}

// The bits of x at the ones of the mask, moved together to the low end.
TREEML_INLINE Word extract(Word x, const Piece& piece, const Moves* moves) {
#if TREEML_LEVEL >= 1
    (void)moves;
    return _pext_u64(x, piece.mask);
#else
    x &= piece.mask;
    for (int step = 0; step < 6; ++step) {
        const Word moved = x & moves->step[step];
        x = (x ^ moved) | (moved >> (1 << step));
    }
    return x;
#endif
}

// The pieces of one group of rows where a column is `value`: see add_group. Returns their number.
TREEML_TARGET inline int cut_group(const Word* column, int first_word, std::int64_t n_rows, bool value, int group,
                                   int base, Piece* out, std::int64_t* at) {
    int n = 0;
    std::int64_t place = *at;
    for (std::int64_t from = 0; from < n_rows; from += kWordBits) {
        const int w = first_word + int(from / kWordBits);
        const Word valid = n_rows - from >= kWordBits ? ~Word(0) : (Word(1) << (n_rows - from)) - 1;
        const Word mask = (value ? column[w] : ~column[w]) & valid;
        if (!mask) continue;
        const int ones = __builtin_popcountll(mask), shift = int(place % kWordBits);
        out[n++] = {mask, w, base + int(place / kWordBits), shift, shift + ones > kWordBits, group};
        place += ones;
    }
    *at = place;
    return n;
}

// Keeps the rows of the pieces: `to` has n_columns columns of to_stride words, cleared beforehand.
TREEML_TARGET inline void project_words(const Word* from, int n_columns, int stride, const Piece* pieces,
                                        const Moves* moves, int n_pieces, Word* to, int to_stride) {
    for (int j = 0; j < n_columns; ++j) {
        const Word* source = from + (long)j * stride;
        Word* target = to + (long)j * to_stride;
        for (int k = 0; k < n_pieces; ++k) {
            const Piece& piece = pieces[k];
            const Word x = extract(source[piece.source], piece, moves + k);
            target[piece.target] |= x << piece.shift;
            if (piece.spills) target[piece.target + 1] |= x >> (kWordBits - piece.shift);
        }
    }
}

// The same, word by word across columns: `to` has to_stride rows of `width` words, cleared beforehand.
// Adds each column's weighted ones to ones[class].
template <class T>
TREEML_TARGET void project_across(const Word* from, int n_columns, int stride, const Piece* pieces,
                                  const Moves* moves, int n_pieces, Word* to, long width, const int* group_of,
                                  const std::int64_t* group_weight, T* const* ones) {
    for (int k = 0; k < n_pieces; ++k) {
        const Piece piece = pieces[k];
        const Word* source = from + piece.source;
        Word* target = to + piece.target * width;
        T* sum = ones[group_of[piece.group]];
        const T weight = T(group_weight[piece.group]);
        if (!piece.spills) {
            for (int j = 0; j < n_columns; ++j) {
                const Word x = extract(source[(long)j * stride], piece, moves + k);
                sum[j] += T(T(__builtin_popcountll(x)) * weight);
                target[j] |= x << piece.shift;
            }
        } else {
            Word* next = target + width;
            for (int j = 0; j < n_columns; ++j) {
                const Word x = extract(source[(long)j * stride], piece, moves + k);
                sum[j] += T(T(__builtin_popcountll(x)) * weight);
                target[j] |= x << piece.shift;
                next[j] = x >> (kWordBits - piece.shift);
            }
        }
    }
}

// See SiblingBounds. overlap[f]: weight of the rows where both columns are 1, ones[f] of those where f is.
template <class T>
TREEML_TARGET void learn_siblings(int n, const SiblingNews& news, const T* overlap, const std::int64_t* ones,
                                  std::int64_t* lower1, std::int64_t* lower0) {
    const std::int64_t cost1 = news.cost1, cost0 = news.cost0, of_g = news.ones, total = news.total;
    const int shift = news.unit_shift;
    if (news.adds_up) {
        for (int f = 0; f < n; ++f) {
            const std::int64_t both = overlap[f], only_f = ones[f] - both, only_g = of_g - both;
            const std::int64_t neither = total - ones[f] - only_g;
            std::int64_t a1 = cost1 - (only_g << shift), b1 = cost0 - (neither << shift);  // for f = 1
            std::int64_t a0 = cost1 - (both << shift), b0 = cost0 - (only_f << shift);     // for f = 0
            a1 = a1 < 0 ? 0 : a1, b1 = b1 < 0 ? 0 : b1, a0 = a0 < 0 ? 0 : a0, b0 = b0 < 0 ? 0 : b0;
            lower1[f] = lower1[f] < a1 + b1 ? a1 + b1 : lower1[f];
            lower0[f] = lower0[f] < a0 + b0 ? a0 + b0 : lower0[f];
        }
        return;
    }
    for (int f = 0; f < n; ++f) {
        const std::int64_t both = overlap[f], only_f = ones[f] - both, only_g = of_g - both;
        const std::int64_t neither = total - ones[f] - only_g;
        const std::int64_t a1 = cost1 - (only_g << shift), b1 = cost0 - (neither << shift);
        const std::int64_t a0 = cost1 - (both << shift), b0 = cost0 - (only_f << shift);
        const std::int64_t to1 = a1 < b1 ? b1 : a1, to0 = a0 < b0 ? b0 : a0;
        lower1[f] = lower1[f] < to1 ? to1 : lower1[f];
        lower0[f] = lower0[f] < to0 ? to0 : lower0[f];
    }
}

// Rows of words to chunks: word w of column j becomes the chunks 4 w .. 4 w + 3.
TREEML_TARGET inline void to_chunks(const Word* from, int n_words, long width, std::uint16_t* to) {
    for (int w = 0; w < n_words; ++w) {
        const Word* source = from + w * width;
        std::uint16_t* target = to + 4 * w * width;
        for (long j = 0; j < width; ++j) {
            const Word x = source[j];
            target[j] = (std::uint16_t)x;
            target[j + width] = (std::uint16_t)(x >> 16);
            target[j + 2 * width] = (std::uint16_t)(x >> 32);
            target[j + 3 * width] = (std::uint16_t)(x >> 48);
        }
    }
}

// Of every column: its ones in each group, and a hash that it shares with its complement (`valid` marks the
// bits in use, `first` a word whose lowest bit is one of them).
TREEML_TARGET inline void digest(const Word* words, int n_columns, int stride, const int* offset, int n_groups,
                                 const Word* valid, int first, Word* hashes, std::uint32_t* ones) {
    for (int j = 0; j < n_columns; ++j) {
        const Word* at = words + (long)j * stride;
        const Word flip = at[first] & 1 ? ~Word(0) : 0;
        Word h = 7;
        for (int g = 0; g < n_groups; ++g) {
            std::uint32_t sum = 0;
            for (int w = offset[g]; w < offset[g + 1]; ++w) {
                sum += (std::uint32_t)__builtin_popcountll(at[w]);
                h = (h ^ ((at[w] ^ flip) & valid[w])) * 0x9E3779B97F4A7C15ull;
                h ^= h >> 29;
            }
            ones[(long)j * n_groups + g] = sum;
        }
        hashes[j] = h;
    }
}

// Where a[k] >= least_a and b[k] >= least_b, latest first; returns how many.
TREEML_TARGET inline int reaching(const std::int64_t* a, const std::int64_t* b, int n, std::int64_t least_a,
                                  std::int64_t least_b, int* out) {
    constexpr int kBlock = 16;
    int found = 0;
    for (int end = n; end > 0; end -= kBlock) {
        const int from = end < kBlock ? 0 : end - kBlock;
        std::int64_t any = 0;
        for (int k = from; k < end; ++k) any |= (std::int64_t)(a[k] >= least_a) & (std::int64_t)(b[k] >= least_b);
        if (!any) continue;
        for (int k = end - 1; k >= from; --k) {
            out[found] = k;
            found += (a[k] >= least_a) & (b[k] >= least_b);
        }
    }
    return found;
}

// Bits of a that are not in s; any number above `enough` where there are more.
TREEML_TARGET inline std::int64_t count_difference(const Word* a, const Word* s, int n, std::int64_t enough) {
    std::int64_t sum = 0;
    for (int w = 0; w < n;) {
        const int end = n < w + 16 ? n : w + 16;
        for (; w < end; ++w) sum += __builtin_popcountll(a[w] & ~s[w]);
        if (sum > enough) break;
    }
    return sum;
}

template <class T>
Kernels<T> kernels() {
    return {{{{score_pairs<T, 0, false, kPlain>, score_pairs<T, 0, false, kLeafLimit>, score_pairs<T, 0, false, kCapped>},
              {score_pairs<T, 0, true, kPlain>, score_pairs<T, 0, true, kLeafLimit>, score_pairs<T, 0, true, kCapped>}},
             {{score_pairs<T, 2, false, kPlain>, score_pairs<T, 2, false, kLeafLimit>, score_pairs<T, 2, false, kCapped>},
              {score_pairs<T, 2, true, kPlain>, score_pairs<T, 2, true, kLeafLimit>, score_pairs<T, 2, true, kCapped>}}},
            {score_differences<std::make_signed_t<T>, false>, score_differences<std::make_signed_t<T>, true>},
            project_words,
            project_across<T>,
            to_chunks,
            digest,
            cut_group,
            learn_siblings<T>,
            reaching,
            count_difference,
            TREEML_LEVEL == 0};
}

#undef TREEML_INLINE
