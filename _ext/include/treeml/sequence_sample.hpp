// Draws texts from a model of sequences.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "treeml/control.hpp"
#include "treeml/sequence_mixture.hpp"

namespace treeml {

// One token a uniform number: from the tokens that together have the share `top_p`, the likeliest first, by p to the power
// of 1 / temperature (0: the likeliest). Ends behind kEnd, which is kept, or where a limit is reached.
inline void sample_text(SequenceReader& reader, std::span<const double> uniforms, double temperature, double top_p,
                        Control& control, std::vector<Token>& out) {
    const int n = reader.stream.n_tokens();
    std::vector<double> p(n);
    std::vector<std::pair<double, int>> heap(n), kept;
    for (const double uniform : uniforms) {
        if (control.stop(true)) return;
        reader.next(p.data());
        for (int w = 0; w < n; ++w) heap[w] = {p[w], -w};  // of equal ones the first
        kept.clear();
        double share = 0;
        if (temperature == 0) {
            kept.push_back(*std::max_element(heap.begin(), heap.end()));
        } else if (top_p < 1) {
            std::make_heap(heap.begin(), heap.end());
            for (auto end = heap.end(); end != heap.begin() && (kept.empty() || share < top_p); --end) {
                std::pop_heap(heap.begin(), end);
                kept.push_back(*(end - 1));
                share += kept.back().first;
            }
        } else {
            kept = heap;
        }
        double total = 0;
        for (auto& [weight, token] : kept) {
            if (temperature > 0 && temperature != 1) weight = std::pow(weight / kept[0].first, 1 / temperature);
            total += weight;
        }
        double below = uniform * total;
        std::size_t i = 0;
        while (i + 1 < kept.size() && (below -= kept[i].first) >= 0) ++i;
        const Token token = static_cast<Token>(-kept[i].second);
        out.push_back(token);
        if (token == kEnd) return;
        reader.push(token);
    }
}

}  // namespace treeml
