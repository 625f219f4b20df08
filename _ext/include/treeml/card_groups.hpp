// Terms that ask about the same thing: columns of zeros and ones any two of which exclude, contain or cover each
// other in all rows, as the levels of a category and the thresholds of a number do.
//
// A search that leaves out one such term gains next to nothing, since its kin stand in for it; one that leaves
// out all of them does. So nodes first decide which groups are used. Any partition of the terms is right; this
// one is found from the columns, greedily, neighbours first.
#pragma once

#include <algorithm>
#include <vector>

#include "treeml/card_problem.hpp"

namespace treeml {

class TermGroups {
  public:
    std::vector<std::vector<int>> members;
    std::vector<int> of;  // group of every term

    void find(const CardProblem& problem) {
        const CardRows& rows = problem.rows;
        const int d = rows.n_terms, m = rows.n_padded;
        std::vector<double> column(m), both(d);
        std::vector<std::vector<double>> counts(d);  // with those before, then its own
        std::vector<int> until;
        for (int j = 0; j < d; ++j) {
            until.push_back(j);
            if (!rows.columns[j].zero_one) continue;
            std::fill(column.begin(), column.end(), 0.0);
            problem.block.add(j, 1, column.data());
            counts[j].resize(j + 1);
            problem.block.dots(until, column.data(), counts[j].data());
        }
        for (int j = 0; j < d; ++j) {
            int home = -1;
            for (int g = static_cast<int>(members.size()) - 1; g >= 0 && home < 0 && rows.columns[j].zero_one; --g) {
                const bool kin = std::all_of(members[g].begin(), members[g].end(), [&](int l) {
                    if (!rows.columns[l].zero_one) return false;
                    const double a = counts[l][l], b = counts[j][j], shared = counts[j][l];
                    return shared == 0 || shared == std::min(a, b) || a + b - shared == rows.n_rows;
                });
                if (kin) home = g;
            }
            if (home < 0) {
                home = static_cast<int>(members.size());
                members.emplace_back();
            }
            members[home].push_back(j);
            of.push_back(home);
        }
    }

    int size() const { return static_cast<int>(members.size()); }
};

}  // namespace treeml
