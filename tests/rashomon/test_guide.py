"""The figures of the guide are what comes out."""

from pathlib import Path

import pytest

from treeml import RashomonTreesClassifier
from treeml._core.validation import as_table
from treeml.datasets import load_german_credit
from treeml.rashomon import (
    accuracy_range,
    discrepancy,
    fairness_range,
    importance_cloud,
    importance_distribution,
    importance_extent,
    least_discriminatory,
    probability_discrepancy,
    probability_range,
    reliance_range,
    row_agreement,
    select,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def trees():
    X, y = load_german_credit()
    return RashomonTreesClassifier(max_depth=4, regularization=0.01, epsilon=0.05).fit(X, y).set_


def test_the_guide_shows_what_comes_out(trees):
    page = (ROOT / "docs" / "rashomon.md").read_text()
    assert f"{trees.count:,} members" in page
    assert f"least objective is {trees.objective:g}; members have up to {trees.bound:g}" in page
    for name, number in trees.by_feature().items():
        assert f"| `{name}` | {number:,} |" in page
    without = trees.filter(must_not_use=["age_in_years", "personal_status_and_sex"])
    assert f"{without.count:,} members use neither" in page
    assert without.objective_of(0) == trees.objective
    left = trees.filter(must_not_use=["status_of_existing_checking_account"])
    assert f"{left.count} members are left, the best with {left.objective_of(0):g}" in page


def test_the_guide_says_whose_decision_depends_on_the_pick(trees):
    page = " ".join((ROOT / "docs" / "rashomon.md").read_text().split())
    rows = row_agreement(trees, load_german_credit()[0])
    contested = rows.contested
    assert f"For {contested.sum()} of the 1,000 applicants" in page
    assert f"an ambiguity of {100 * rows.ambiguity:.1f} %" in page
    assert f"in {100 * rows.consistency[contested].mean():.1f} % of the cases" in page
    worst = rows.most_contested(1)[0]
    assert f"On applicant {worst} they agree in {100 * rows.consistency[worst]:.1f} %" in page
    best = [n for n, (objective, _) in trees.simplest().items() if objective == trees.objective]
    assert best[0] == 4
    assert "four leaves suffice for the optimum" in page


def test_the_guide_shows_the_ranges(trees):
    page = " ".join((ROOT / "docs" / "rashomon.md").read_text().split())
    X, y = load_german_credit()
    women = X["personal_status_and_sex"].str.startswith("female")
    women = women.map({True: "women", False: "men"})
    right = accuracy_range(trees, X, y)
    apart = discrepancy(trees, X).share
    assert f"right on {100 * right.low} to {100 * float(right.high):g} % of these" in page
    assert f"contradicts it on {100 * float(apart):g} %" in page
    gap = fairness_range(trees, X, y, women)
    gaps = [100 * float(end) for end in (gap.low, gap.high)]
    assert f'"good" differs by {gaps[0]:.1f} to {gaps[1]:.1f} points' in page
    assert least_discriminatory(trees, X, y, women).tree.n_leaves == 1
    that_ask = trees.filter(must_use=["status_of_existing_checking_account"])
    fairest = least_discriminatory(that_ask, X, y, women)
    assert fairest.is_least
    assert fairest.gap == 0
    assert f"of the {that_ask.count:,} members that ask" in page
    good = fairest.tree.predict(as_table(X, like=fairest.tree.columns)) == "good"
    shares = {float(good[(women == name).to_numpy()].mean()) for name in ("women", "men")}
    assert len(shares) == 1
    assert f"a tree of {fairest.tree.n_leaves} leaves" in page
    assert f'"good" to {100 * shares.pop():.0f} % of both' in page
    relied = reliance_range(trees, X, y, "duration_in_month")
    assert relied.all_pairs
    ends = [100 * float(end) for end in (relied.low, relied.high)]
    assert f"ranges from {ends[0]:.1f} to {ends[1]:.1f} points" in page


def test_the_guide_shows_the_probabilities(trees):
    page = " ".join((ROOT / "docs" / "rashomon.md").read_text().split())
    X, _ = load_german_credit()
    chances = probability_range(trees, X)
    low, high, best = (100 * end[322, 1] for end in (chances.low, chances.high, chances.best))
    assert f"{best:.0f} % in the best tree, and of {low:.0f} to {high:.0f} % in others" in page
    assert f"For {100 * chances.ambiguity(0.2):.1f} % of the applicants some member" in page
    share = probability_discrepancy(trees, X, delta=0.2).share
    assert f"does it for {100 * float(share):.1f} % of them" in page
    capacity = chances.capacity
    assert f"is {capacity.mean():.2f} on average and at most {capacity.max():.2f}" in page


def test_the_guide_shows_what_members_rely_on(trees):
    page = " ".join((ROOT / "docs" / "rashomon.md").read_text().split())
    X, y = load_german_credit()
    names = ["savings_account_and_bonds", "credit_history"]
    cloud = importance_cloud(trees, X, y, columns=names)
    assert f"correlate by {cloud.correlation[0, 1]:.2f}" in page
    extent = importance_extent(trees, X, y, {names[0]: 1, names[1]: -1})
    ends = [100 * float(end) for end in (extent.low, extent.high)]
    assert f"is from {ends[0]:.1f} to {ends[1]:.1f} points" in page
    shallow = RashomonTreesClassifier(max_depth=3, regularization=0.01, epsilon=0.05)
    found = importance_distribution(
        shallow, X, y, n_bootstraps=10, columns=["duration_in_month", "personal_status_and_sex"]
    )
    for name in found.values:
        assert f"{100 * found.positive(name):.1f} %" in page
    assert f"have {min(found.counts)} to {max(found.counts):,} members" in page
    assert f"{sum(found.exact)} of them was measured whole" in page


def test_the_guide_shows_what_simplicity_costs(trees):
    page = " ".join((ROOT / "docs" / "rashomon.md").read_text().split())
    X, y = load_german_credit()
    women = X["personal_status_and_sex"].str.startswith("female")
    women = women.map({True: "women", False: "men"})
    simple = select(trees, X, y, women, reference=trees.best, max_group_drop=0.02)
    assert simple.is_simplest
    assert (simple.tree.n_leaves, trees.best.n_leaves) == (3, 4)
    costs = [100 * float(simple.groups[name].drop) for name in ("men", "women")]
    assert f"it costs men {costs[0]:.1f} points of accuracy and women {costs[1]:.1f}." in page


def test_the_readme_shows_what_comes_out(trees):
    page = (ROOT / "README.md").read_text()
    assert f"# {trees.count:,} trees within 5 % of the optimum" in page
