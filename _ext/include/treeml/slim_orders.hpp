// The ways in which points can order the answers to a few yes/no questions, once for all supports.
//
// With points of sizes w_1..w_t the 2^t answers have scores sum of w_j over the questions answered "yes"
// (a negative w_j swaps yes and no and shifts all scores). Which cuts a card has depends on the weak order of
// these scores alone: far fewer orders than points. Orders of t questions refine those of the first t-1, so
// they are the nodes of a tree that a search goes down, one question at a level. Compare the enumeration of
// threshold functions in S. Muroga, Threshold Logic and Its Applications (1971).
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <numeric>
#include <vector>

#include "treeml/control.hpp"

namespace treeml {

struct SlimOrders {
    static constexpr int kMostTerms = 6;
    static constexpr std::int64_t kMostVectors = 20000;

    struct Node {
        int sum;                           // least sum of sizes of its vectors
        int first_child = 0, n_children = 0;
        std::vector<std::uint8_t> order;   // answers by rising score, bit t - 1 - j for question j
        std::vector<std::uint8_t> ends;    // 1 where a group of equal scores ends
        std::vector<std::vector<std::uint8_t>> vectors;  // sizes with this order, by their sum
    };
    std::vector<std::vector<Node>> levels;  // levels[t]: orders of t questions

    static bool fits(int n_terms, int largest) {
        if (n_terms > kMostTerms) return false;
        std::int64_t vectors = 1;
        for (int t = 0; t < n_terms; ++t)
            if ((vectors *= largest) > kMostVectors) return false;
        return true;
    }

    SlimOrders(int n_terms, int largest, Control& control) {
        levels.resize(n_terms + 1);
        Node root;
        root.sum = 0;
        root.order = {0};
        root.ends = {1};
        root.vectors = {{}};
        levels[0].push_back(std::move(root));
        std::int64_t bytes = 0;
        for (int t = 1; t <= n_terms; ++t)
            for (Node& parent : levels[t - 1]) {
                parent.first_child = static_cast<int>(levels[t].size());
                extend(parent, t, largest);
                parent.n_children = static_cast<int>(levels[t].size()) - parent.first_child;
                bytes += sizeof(Node) + 2 * (2 << t) + std::int64_t(parent.vectors.size()) * (24 + t);
            }
        control.allocated(bytes);
    }

  private:
    void extend(const Node& parent, int t, int largest) {
        using Key = std::vector<std::uint16_t>;
        std::map<Key, int> known;
        const int n = 1 << t;
        std::vector<int> score(n), by(n);
        for (const auto& vector : parent.vectors)
            for (int size = 1; size <= largest; ++size) {
                for (int a = 0; a < n; ++a) {
                    score[a] = a & 1 ? size : 0;
                    for (int j = 0; j < t - 1; ++j)
                        if (a >> (t - 1 - j) & 1) score[a] += vector[j];
                }
                std::iota(by.begin(), by.end(), 0);
                std::stable_sort(by.begin(), by.end(), [&](int a, int b) { return score[a] < score[b]; });
                Node node;
                for (int i = 0; i < n; ++i) {
                    node.order.push_back(static_cast<std::uint8_t>(by[i]));
                    node.ends.push_back(i + 1 == n || score[by[i]] < score[by[i + 1]]);
                }
                Key key(node.order.begin(), node.order.end());
                key.insert(key.end(), node.ends.begin(), node.ends.end());
                const auto [at, is_new] = known.try_emplace(key, static_cast<int>(levels[t].size()));
                if (is_new) levels[t].push_back(std::move(node));
                levels[t][at->second].vectors.push_back(vector);
                levels[t][at->second].vectors.back().push_back(static_cast<std::uint8_t>(size));
            }
        for (const auto& [key, at] : known) {
            auto& vectors = levels[t][at].vectors;
            const auto sum = [](const auto& v) { return std::accumulate(v.begin(), v.end(), 0); };
            std::stable_sort(vectors.begin(), vectors.end(), [&](const auto& a, const auto& b) { return sum(a) < sum(b); });
            levels[t][at].sum = sum(vectors[0]);
        }
    }
};

}  // namespace treeml
