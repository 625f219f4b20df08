// Sums in the semiring of maximum and plus, as loops that compilers vectorize: once per instruction set.
#pragma once

#include "treeml/bitset.hpp"
#include "treeml/pair_sums.hpp"

namespace treeml {

inline constexpr Score kNoScore = -(Score(1) << 62);  // plus any sum of scores it is below kLeastScore
inline constexpr Score kLeastScore = -(Score(1) << 60);
inline bool is_score(Score x) { return x > kLeastScore; }

// to[i] = max(to[i], x + y[i]); to[i + k] = max(..., x[i] + y[k]) for i + k < n.
[[gnu::always_inline]] inline void raise_by(Score x, const Score* y, int n, Score* __restrict to) {
    for (int i = 0; i < n; ++i) {
        const Score sum = x + y[i];
        to[i] = to[i] < sum ? sum : to[i];
    }
}
[[gnu::always_inline]] inline void max_plus_loop(const Score* x, const Score* y, int n, Score* to) {
    for (int i = 0; i < n; ++i)
        if (is_score(x[i])) raise_by(x[i], y, n - i, to + i);
}
using MaxPlus = void (*)(const Score*, const Score*, int, Score*);
inline void max_plus_portable(const Score* x, const Score* y, int n, Score* to) { max_plus_loop(x, y, n, to); }
#if defined(__x86_64__)
[[gnu::target("avx2")]] inline void max_plus_avx2(const Score* x, const Score* y, int n, Score* to) {
    max_plus_loop(x, y, n, to);
}
[[gnu::target("avx512f,avx512vl")]] inline void max_plus_avx512(const Score* x, const Score* y, int n, Score* to) {
    max_plus_loop(x, y, n, to);
}
#endif
inline MaxPlus max_plus_for(Isa isa) {
#if defined(__x86_64__)
    if (isa == Isa::avx512) return max_plus_avx512;
    if (isa == Isa::avx2) return max_plus_avx2;
#else
    (void)isa;
#endif
    return max_plus_portable;
}

}  // namespace treeml
