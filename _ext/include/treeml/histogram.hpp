// Numbers of trees by cost: dense histograms of unsigned integers of as many 64-bit limbs as they need.
#pragma once

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <vector>

namespace treeml {

using Limb = std::uint64_t;
__extension__ typedef unsigned __int128 DoubleLimb;

// A natural number of any size; limbs from the lowest on, none of them a leading zero.
class Number {
  public:
    Number() = default;
    explicit Number(Limb x) : limbs_(x ? 1 : 0, x) {}
    Number(const Limb* limbs, int n) : limbs_(limbs, limbs + n) { trim(); }

    const std::vector<Limb>& limbs() const { return limbs_; }
    bool is_zero() const { return limbs_.empty(); }

    bool operator<(const Number& other) const {
        if (limbs_.size() != other.limbs_.size()) return limbs_.size() < other.limbs_.size();
        return std::lexicographical_compare(limbs_.rbegin(), limbs_.rend(), other.limbs_.rbegin(), other.limbs_.rend());
    }
    Number& operator+=(const Number& other) {
        limbs_.resize(std::max(limbs_.size(), other.limbs_.size()) + 1, 0);
        DoubleLimb carry = 0;
        for (std::size_t k = 0; k < limbs_.size(); ++k) {
            carry += DoubleLimb(limbs_[k]) + (k < other.limbs_.size() ? other.limbs_[k] : 0);
            limbs_[k] = Limb(carry);
            carry >>= 64;
        }
        return trim();
    }
    Number& operator-=(const Number& other) {  // other <= *this
        Limb borrow = 0;
        for (std::size_t k = 0; k < limbs_.size(); ++k) {
            const DoubleLimb less = DoubleLimb(k < other.limbs_.size() ? other.limbs_[k] : 0) + borrow;
            borrow = limbs_[k] < less;
            limbs_[k] = Limb(limbs_[k] - less);
        }
        if (borrow) throw std::logic_error("a number of trees is negative");
        return trim();
    }
    friend Number operator*(const Number& a, const Number& b) {
        Number out;
        out.limbs_.assign(a.limbs_.size() + b.limbs_.size(), 0);
        for (std::size_t i = 0; i < a.limbs_.size(); ++i) {
            DoubleLimb carry = 0;
            for (std::size_t k = 0; k < b.limbs_.size() || carry; ++k) {
                carry += DoubleLimb(a.limbs_[i]) * (k < b.limbs_.size() ? b.limbs_[k] : 0) + out.limbs_[i + k];
                out.limbs_[i + k] = Limb(carry);
                carry >>= 64;
            }
        }
        return out.trim();
    }
    // Quotient; *this becomes the remainder. Bit by bit: it is a step of choosing one tree, not of counting.
    Number divide(const Number& by) {
        if (by.is_zero()) throw std::logic_error("division of a number of trees by zero");
        Number quotient, rest;
        if (limbs_.size() <= 1 && by.limbs_.size() <= 1) {
            const Limb x = limbs_.empty() ? 0 : limbs_[0];
            quotient = Number(x / by.limbs_[0]);
            *this = Number(x % by.limbs_[0]);
            return quotient;
        }
        quotient.limbs_.assign(limbs_.size(), 0);
        for (int bit = int(limbs_.size()) * 64 - 1; bit >= 0; --bit) {
            rest += Number(rest);
            if (limbs_[bit / 64] >> (bit % 64) & 1) rest += Number(1);
            if (rest < by) continue;
            rest -= by;
            quotient.limbs_[bit / 64] |= Limb(1) << (bit % 64);
        }
        *this = std::move(rest);
        quotient.trim();
        return quotient;
    }

  private:
    Number& trim() {
        while (!limbs_.empty() && !limbs_.back()) limbs_.pop_back();
        return *this;
    }
    std::vector<Limb> limbs_;
};

// Rows ("slices") of numbers of trees, one per cost from a first one on. All numbers have the same limbs.
struct HistogramView {
    const Limb* data = nullptr;
    int length = 0;       // costs of a slice
    int limbs = 1;
    bool narrow = false;  // all numbers have 32 bits
    int start = 0;        // the first cost that is asked about

    const Limb* at(int slice, int cost) const { return data + (std::size_t(slice) * length + start + cost) * limbs; }
    Number number(int slice, int cost) const { return Number(at(slice, cost), limbs); }
    double rounded(int slice, int cost) const {
        const Limb* x = at(slice, cost);
        double out = 0;
        for (int k = limbs - 1; k >= 0; --k) out = out * 0x1p64 + double(x[k]);
        return out;
    }
    int count_nonzero(int slice, int n) const {
        int out = 0;
        for (int i = 0; i < n; ++i) {
            const Limb* x = at(slice, i);
            Limb any = 0;
            for (int k = 0; k < limbs; ++k) any |= x[k];
            out += any != 0;
        }
        return out;
    }
};

// A histogram under construction. Its numbers get more limbs before a sum could outgrow them.
class Histogram {
  public:
    void start(int slices, int length) {
        slices_ = slices, length_ = length, limbs_ = 1;
        data_.assign(std::size_t(slices) * length, 0);
        bound_.assign(slices, 0.0);
    }

    void add(int slice, int cost, Limb times) {
        make_room(slice, double(times));
        DoubleLimb carry = times;
        for (Limb* at = number(slice, cost); carry; ++at) {
            carry += *at;
            *at = Limb(carry);
            carry >>= 64;
        }
    }
    void subtract(int slice, int cost, Limb times) {  // what was added
        for (Limb* at = number(slice, cost); times; ++at) {
            const Limb before = *at;
            *at -= times;
            times = before < times;
        }
    }

    // Adds times x * y to a slice from `cost` on, over the first n costs of both.
    template <class Convolve>
    void add_product(int slice, int cost, HistogramView x, int x_slice, HistogramView y, int y_slice, int n, Limb times,
                     std::vector<double>& sums, Convolve convolve) {
        if (x.count_nonzero(x_slice, n) > y.count_nonzero(y_slice, n)) {
            std::swap(x, y);
            std::swap(x_slice, y_slice);
        }
        sums.resize(n);
        double sum = 0, added = 0;
        for (int i = 0; i < n; ++i) sums[i] = sum += y.rounded(y_slice, i);
        for (int i = 0; i < n; ++i) added += x.rounded(x_slice, i) * sums[n - 1 - i];
        if (added == 0) return;
        make_room(slice, added * double(times));
        if (limbs_ == 1) {
            convolve(x.at(x_slice, 0), y.at(y_slice, 0), n, times, y.narrow, number(slice, cost));
            return;
        }
        for (int i = 0; i < n; ++i) {
            const Limb* of_x = x.at(x_slice, i);
            for (int a = 0; a < x.limbs; ++a) {
                if (!of_x[a]) continue;
                const DoubleLimb by = DoubleLimb(of_x[a]) * times;  // `times` is a number of columns
                for (int part = 0; part < 2; ++part) {
                    const Limb factor = part ? Limb(by >> 64) : Limb(by);
                    if (!factor) continue;
                    for (int k = 0; k < n - i; ++k)
                        add_multiple(number(slice, cost + i + k) + a + part, limbs_ - a - part, factor, y.at(y_slice, k), y.limbs);
                }
            }
        }
    }

    HistogramView view() const { return {data_.data(), length_, limbs_, narrow_, 0}; }
    std::size_t bytes() const { return data_.capacity() * sizeof(Limb); }
    void finish() {
        narrow_ = limbs_ == 1 && std::all_of(data_.begin(), data_.end(), [](Limb x) { return !(x >> 32); });
    }

  private:
    static constexpr double kLess = 1 - 0x1p-20;  // the sums are rounded

    Limb* number(int slice, int cost) { return data_.data() + (std::size_t(slice) * length_ + cost) * limbs_; }

    // to += factor * y, whose limbs past `room` are 0.
    static void add_multiple(Limb* to, int room, Limb factor, const Limb* y, int n) {
        DoubleLimb carry = 0;
        for (int k = 0; k < room && (k < n || carry); ++k) {
            carry += DoubleLimb(factor) * (k < n ? y[k] : 0) + to[k];
            to[k] = Limb(carry);
            carry >>= 64;
        }
    }

    // Every number of a slice is at most the sum of all that was added to it.
    void make_room(int slice, double added) {
        bound_[slice] += added;
        int need = limbs_;
        for (double room = power(need); bound_[slice] > room; room = power(need)) ++need;
        if (need == limbs_) return;
        if (need > 15) throw std::overflow_error("the number of trees has more than 900 bits");
        std::vector<Limb> wide(std::size_t(slices_) * length_ * need, 0);
        for (std::size_t i = 0; i < std::size_t(slices_) * length_; ++i)
            std::copy_n(data_.data() + i * limbs_, limbs_, wide.data() + i * need);
        data_ = std::move(wide);
        limbs_ = need;
    }
    static double power(int limbs) {
        double out = kLess;
        for (int k = 0; k < limbs; ++k) out *= 0x1p64;
        return out;
    }

    int slices_ = 0, length_ = 0, limbs_ = 1;
    bool narrow_ = false;
    std::vector<Limb> data_;
    std::vector<double> bound_;
};

}  // namespace treeml
