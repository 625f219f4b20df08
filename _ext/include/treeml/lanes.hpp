// Loops over single-precision arrays whose length is a multiple of kLanes: logarithm, exponential, sums. Eight values at a
// time in the compiler's vectors, which become what the processor has at compile time; errors below 1e-6 relative.
#pragma once

#include <cstdint>
#include <cstring>

namespace treeml::lanes {

inline constexpr int kLanes = 8;
typedef float Floats __attribute__((vector_size(32)));
typedef std::int32_t Ints __attribute__((vector_size(32)));

inline int padded(int n) { return (n + kLanes - 1) / kLanes * kLanes; }

inline Floats load(const float* from) {
    Floats out;
    std::memcpy(&out, from, sizeof out);
    return out;
}
inline void store(float* to, Floats x) { std::memcpy(to, &x, sizeof x); }
inline Floats fill(float x) { return Floats{x, x, x, x, x, x, x, x}; }
inline double sum(Floats x) {
    return ((double(x[0]) + x[4]) + (double(x[1]) + x[5])) + ((double(x[2]) + x[6]) + (double(x[3]) + x[7]));
}

// x > 0 and normal: x = 2^e m with m in [sqrt 1/2, sqrt 2), log m by the series of atanh((m - 1) / (m + 1)).
inline Floats log(Floats x) {
    const Ints bits = (Ints)x;
    const Ints e = (bits - 0x3f3504f3) >> 23;
    const Floats m = (Floats)(bits - (e << 23));
    const Floats s = (m - 1.0f) / (m + 1.0f), z = s * s;
    const Floats series = 2.0f * s * (1.0f + z * (1.0f / 3 + z * (1.0f / 5 + z * (1.0f / 7 + z * (1.0f / 9)))));
    return __builtin_convertvector(e, Floats) * 0.693147181f + series;
}

// x <= 0; below -87 as at -87. x = k log 2 + r, Taylor polynomial of degree 6.
inline Floats exp(Floats x) {
    const Ints tiny = x < -87.0f;
    const Floats bounded = (Floats)(((Ints)x & ~tiny) | ((Ints)fill(-87.0f) & tiny));
    const Ints k = __builtin_convertvector(bounded * 1.44269504f - 0.5f, Ints);
    const Floats whole = __builtin_convertvector(k, Floats);
    const Floats r = (bounded - whole * 0.693359375f) + whole * 2.12194440e-4f;
    const Floats p = 1.0f + r * (1.0f + r * (1.0f / 2 + r * (1.0f / 6 + r * (1.0f / 24 + r * (1.0f / 120 + r * (1.0f / 720))))));
    const Floats scale = (Floats)((k + 127) << 23);
    return p * scale;
}

}  // namespace treeml::lanes
