// Loops over rows of the logistic loss and its derivatives, compiled once per instruction set (see
// kernels.inl for why nothing of std is in here). Row counts are multiples of kRowLanes.

#define TREEML_INLINE TREEML_TARGET __attribute__((always_inline)) inline

typedef double Four __attribute__((vector_size(32)));
typedef std::int64_t FourInts __attribute__((vector_size(32)));
typedef float Eight __attribute__((vector_size(32)));

TREEML_INLINE Four load4(const double* from) {
    Four out;
    __builtin_memcpy(&out, from, sizeof out);
    return out;
}

TREEML_INLINE Four load4(const std::uint8_t* from) {
#if TREEML_LEVEL
    int four;
    __builtin_memcpy(&four, from, sizeof four);
    return (Four)_mm256_cvtepi32_pd(_mm_cvtepu8_epi32(_mm_cvtsi32_si128(four)));
#else
    return Four{double(from[0]), double(from[1]), double(from[2]), double(from[3])};
#endif
}

TREEML_INLINE Eight load8(const float* from) {
    Eight out;
    __builtin_memcpy(&out, from, sizeof out);
    return out;
}

TREEML_INLINE Eight load8(const std::uint8_t* from) {
#if TREEML_LEVEL
    long long eight;
    __builtin_memcpy(&eight, from, sizeof eight);
    return (Eight)_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(eight)));
#else
    Eight out;
    for (int k = 0; k < 8; ++k) out[k] = from[k];
    return out;
#endif
}

TREEML_INLINE Eight load8(const double* from) {
    Eight out;
    for (int k = 0; k < 8; ++k) out[k] = static_cast<float>(from[k]);
    return out;
}

TREEML_INLINE void store4(double* to, Four x) { __builtin_memcpy(to, &x, sizeof x); }

TREEML_INLINE Four fill4(double x) { return Four{x, x, x, x}; }
TREEML_INLINE double sum4(Four x) { return (x[0] + x[2]) + (x[1] + x[3]); }
TREEML_INLINE double sum8(Eight x) {
    return (double(x[0]) + double(x[4])) + (double(x[1]) + double(x[5])) +
           ((double(x[2]) + double(x[6])) + (double(x[3]) + double(x[7])));
}

// exp(x) for x <= 0: x = k log 2 + r, Taylor polynomial of degree 13 in r, relative error below 4 units of
// the last place. Below -708 the result is that of -708.
TREEML_INLINE Four exp_negative(Four x) {
    x = x < -708.0 ? fill4(-708.0) : x;
    const Four shifted = x * 1.4426950408889634 + 0x1.8p52;
    const Four k = shifted - 0x1.8p52;
    Four r = x - k * 0x1.62e42fefa0000p-1;
    r = r - k * 0x1.cf79abc9e3b3ap-40;
    Four y = fill4(1.0 / 6227020800.0);
    y = y * r + 1.0 / 479001600.0;
    y = y * r + 1.0 / 39916800.0;
    y = y * r + 1.0 / 3628800.0;
    y = y * r + 1.0 / 362880.0;
    y = y * r + 1.0 / 40320.0;
    y = y * r + 1.0 / 5040.0;
    y = y * r + 1.0 / 720.0;
    y = y * r + 1.0 / 120.0;
    y = y * r + 1.0 / 24.0;
    y = y * r + 1.0 / 6.0;
    y = y * r + 0.5;
    y = y * r + 1.0;
    y = y * r + 1.0;
    return (Four)((FourInts)y + ((FourInts)shifted << 52));
}

// log(1 + e) for 0 <= e <= 1 as 2 artanh(s), after halving 1 + e where e > .41.
TREEML_INLINE Four log1p_unit(Four e) {
    const Four large = (Four)(e > 0.41421356);
    const Four one = (Four)((FourInts)large & (FourInts)fill4(1.0));
    const Four s = (e - one) / (e + 2.0 + one);
    const Four q = s * s;
    Four y = fill4(2.0 / 21);
    y = y * q + 2.0 / 19;
    y = y * q + 2.0 / 17;
    y = y * q + 2.0 / 15;
    y = y * q + 2.0 / 13;
    y = y * q + 2.0 / 11;
    y = y * q + 2.0 / 9;
    y = y * q + 2.0 / 7;
    y = y * q + 2.0 / 5;
    y = y * q + 2.0 / 3;
    y = y * q + 2.0;
    return y * s + (Four)((FourInts)large & (FourInts)fill4(0.6931471805599453));
}

TREEML_INLINE Four absolute(Four x) { return x < 0.0 ? -x : x; }

// Residuals weight x sigmoid(z) - positive and curvatures weight x sigmoid x (1 - sigmoid).
TREEML_TARGET static LogisticSums derivatives(int n, const double* z, const double* positive, const double* weight,
                                              double* residual, double* curvature) {
    Four loss = fill4(0), dual = fill4(0), first = fill4(0), mass = fill4(0), widest = fill4(0);
    for (int i = 0; i < n; i += 4) {
        const Four x = load4(z + i), w = load4(weight + i), p = load4(positive + i);
        const Four size = absolute(x);
        const Four e = exp_negative(-size);
        const Four inverse = 1.0 / (1.0 + e);
        const Four small = e * inverse;
        const Four up = (w - p) * (x < 0.0 ? small : inverse), down = p * (x < 0.0 ? inverse : small);
        const Four logarithm = log1p_unit(e);
        const Four r = up - down;  // weight x sigmoid - positive without cancellation
        loss += w * logarithm + (x > 0.0 ? (w - p) * x : -p * x);
        dual += w * (logarithm + size * small);
        first += r;
        mass += up + down;
        widest = size > widest ? size : widest;
        store4(residual + i, r);
        store4(curvature + i, w * small * inverse);
    }
    LogisticSums out;
    out.loss = sum4(loss);
    out.dual = sum4(dual);
    out.residual = sum4(first);
    out.mass = sum4(mass);
    out.widest = 0;
    for (int k = 0; k < 4; ++k) out.widest = widest[k] > out.widest ? widest[k] : out.widest;
    return out;
}

TREEML_TARGET static double loss_of(int n, const double* z, const double* positive, const double* weight) {
    Four loss = fill4(0);
    for (int i = 0; i < n; i += 4) {
        const Four x = load4(z + i), w = load4(weight + i), p = load4(positive + i);
        loss += w * log1p_unit(exp_negative(-absolute(x))) + (x > 0.0 ? (w - p) * x : -p * x);
    }
    return sum4(loss);
}

// The sums that a fit of slope and intercept to scores s needs, at z = slope x s + intercept.
TREEML_TARGET static LineSums line_sums(int n, const double* s, double slope, double intercept, const double* positive,
                                        const double* weight) {
    Four loss = fill4(0), dual = fill4(0), g0 = fill4(0), g1 = fill4(0), h0 = fill4(0), h1 = fill4(0), h2 = fill4(0);
    Four mass = fill4(0), widest = fill4(0);
    for (int i = 0; i < n; i += 4) {
        const Four score = load4(s + i), w = load4(weight + i), p = load4(positive + i);
        const Four x = slope * score + intercept;
        const Four size = absolute(x);
        const Four e = exp_negative(-size);
        const Four inverse = 1.0 / (1.0 + e);
        const Four small = e * inverse;
        const Four logarithm = log1p_unit(e);
        const Four up = (w - p) * (x < 0.0 ? small : inverse), down = p * (x < 0.0 ? inverse : small);
        const Four r = up - down, v = w * small * inverse, t = v * score;
        loss += w * logarithm + (x > 0.0 ? (w - p) * x : -p * x);
        dual += w * (logarithm + size * small);
        mass += up + down;
        widest = size > widest ? size : widest;
        g0 += r;
        g1 += r * score;
        h0 += v;
        h1 += t;
        h2 += t * score;
    }
    double width = 0;
    for (int k = 0; k < 4; ++k) width = widest[k] > width ? widest[k] : width;
    return {sum4(loss), sum4(dual), sum4(g0), sum4(g1), sum4(h0), sum4(h1), sum4(h2), sum4(mass), width};
}

template <class T>
TREEML_INLINE double dot_of(int n, const T* column, const double* r) {
    Four a = fill4(0), b = fill4(0);
    for (int i = 0; i < n; i += 8) {
        a += load4(column + i) * load4(r + i);
        b += load4(column + i + 4) * load4(r + i + 4);
    }
    return sum4(a + b);
}

TREEML_TARGET static double dot_bytes(int n, const std::uint8_t* column, const double* r) { return dot_of(n, column, r); }
TREEML_TARGET static double dot_values(int n, const double* column, const double* r) { return dot_of(n, column, r); }

template <class T>
TREEML_INLINE void add_of(int n, const T* column, double factor, double* z) {
    for (int i = 0; i < n; i += 4) store4(z + i, load4(z + i) + factor * load4(column + i));
}

TREEML_TARGET static void add_bytes(int n, const std::uint8_t* column, double factor, double* z) {
    add_of(n, column, factor, z);
}
TREEML_TARGET static void add_values(int n, const double* column, double factor, double* z) {
    add_of(n, column, factor, z);
}

// z += factors x four columns of bytes.
TREEML_TARGET static void add_four_bytes(int n, const std::uint8_t* const* columns, const double* factors, double* z) {
    const Four a = fill4(factors[0]), b = fill4(factors[1]), c = fill4(factors[2]), d = fill4(factors[3]);
    for (int i = 0; i < n; i += 4)
        store4(z + i, load4(z + i) + ((a * load4(columns[0] + i) + b * load4(columns[1] + i)) +
                                      (c * load4(columns[2] + i) + d * load4(columns[3] + i))));
}

// t = column x v as floats, and its sum: one row of a Gram matrix is dots with t. Precision does not matter
// there: a Hessian only gives directions and metrics, never a bound.
template <class T>
TREEML_INLINE double weigh_of(int n, const T* column, const float* v, float* t) {
    Eight sum = {};
    for (int i = 0; i < n; i += 8) {
        const Eight product = load8(column + i) * load8(v + i);
        sum += product;
        __builtin_memcpy(t + i, &product, sizeof product);
    }
    return sum8(sum);
}

TREEML_TARGET static double weigh_bytes(int n, const std::uint8_t* column, const float* v, float* t) {
    return weigh_of(n, column, v, t);
}
TREEML_TARGET static double weigh_values(int n, const double* column, const float* v, float* t) {
    return weigh_of(n, column, v, t);
}

TREEML_TARGET static double dot_bytes_floats(int n, const std::uint8_t* column, const float* t) {
    Eight a = {}, b = {};
    int i = 0;
    for (; i + 16 <= n; i += 16) {
        a += load8(column + i) * load8(t + i);
        b += load8(column + i + 8) * load8(t + i + 8);
    }
    if (i < n) a += load8(column + i) * load8(t + i);
    return sum8(a + b);
}

TREEML_TARGET static double dot_values_floats(int n, const double* column, const float* t) {
    Eight a = {};
    for (int i = 0; i < n; i += 8) a += load8(column + i) * load8(t + i);
    return sum8(a);
}

// Dots of four columns with two vectors at once: out has those with r, then those with v.
TREEML_TARGET static void four_two_dots_bytes(int n, const std::uint8_t* const* columns, const float* r, const float* v,
                                              double* out) {
    Eight a[4] = {}, b[4] = {};
    for (int i = 0; i < n; i += 8) {
        const Eight x = load8(r + i), y = load8(v + i);
        for (int c = 0; c < 4; ++c) {
            const Eight column = load8(columns[c] + i);
            a[c] += column * x;
            b[c] += column * y;
        }
    }
    for (int c = 0; c < 4; ++c) {
        out[c] = sum8(a[c]);
        out[4 + c] = sum8(b[c]);
    }
}

// Dots of four columns of bytes with one vector.
TREEML_TARGET static void four_dots_bytes(int n, const std::uint8_t* const* columns, const double* r, double* out) {
    Four a = fill4(0), b = fill4(0), c = fill4(0), d = fill4(0);
    for (int i = 0; i < n; i += 4) {
        const Four x = load4(r + i);
        a += load4(columns[0] + i) * x;
        b += load4(columns[1] + i) * x;
        c += load4(columns[2] + i) * x;
        d += load4(columns[3] + i) * x;
    }
    out[0] = sum4(a);
    out[1] = sum4(b);
    out[2] = sum4(c);
    out[3] = sum4(d);
}

TREEML_TARGET static void four_dots_bytes_floats(int n, const std::uint8_t* const* columns, const float* t, double* out) {
    Eight a = {}, b = {}, c = {}, d = {};
    for (int i = 0; i < n; i += 8) {
        const Eight x = load8(t + i);
        a += load8(columns[0] + i) * x;
        b += load8(columns[1] + i) * x;
        c += load8(columns[2] + i) * x;
        d += load8(columns[3] + i) * x;
    }
    out[0] = sum8(a);
    out[1] = sum8(b);
    out[2] = sum8(c);
    out[3] = sum8(d);
}

static const LogisticKernels& kernels() {
    static const LogisticKernels all{derivatives, loss_of,      line_sums,        dot_bytes,         dot_values,
                                     add_bytes,   add_values,   weigh_bytes,      weigh_values,      dot_bytes_floats,
                                     dot_values_floats, four_two_dots_bytes, four_dots_bytes, four_dots_bytes_floats,
                                     add_four_bytes};
    return all;
}

#undef TREEML_INLINE
