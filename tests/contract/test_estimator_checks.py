"""Every estimator and transformer passes scikit-learn's checks, with no failure expected."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from treeml import (
    Binarizer,
    BoostedTreesClassifier,
    BoostedTreesRegressor,
    GreedyTreeClassifier,
    GreedyTreeRegressor,
    LinearTreeClassifier,
    LinearTreeRegressor,
    OptimalTreeClassifier,
    OptimalTreeEnsembleClassifier,
    PolicyTreeClassifier,
    RashomonScorecardsClassifier,
    RashomonTreesClassifier,
    RiskScoreClassifier,
    SLIMClassifier,
    SMOSEClassifier,
    SMOSERegressor,
)


@parametrize_with_checks(
    [
        OptimalTreeClassifier(),
        OptimalTreeClassifier(max_depth=None, regularization=0.02, class_weight="balanced"),
        OptimalTreeClassifier(max_depth=2, binarizer=Binarizer(method="midpoints")),
        # errors on the class of weight .0001 fit into the budget
        OptimalTreeClassifier(criterion="size", error_budget=1),
        OptimalTreeEnsembleClassifier(time_limit=0.5),
        OptimalTreeEnsembleClassifier(n_estimators=1, binarizer=Binarizer(max_bins=4)),
        # one check has class weights of 1000 and .0001: counted sets need a grid
        RashomonTreesClassifier(max_depth=2, resolution=1),
        RashomonTreesClassifier(
            max_depth=2, epsilon=0.5, predict_by="vote", labels="majority", resolution=1
        ),
        RashomonScorecardsClassifier(max_features=2, epsilon=0.0, max_logit=20),
        RashomonScorecardsClassifier(
            criterion="misclassification", max_features=2, epsilon=0.0, regularization=0.001
        ),
        RiskScoreClassifier(),
        # with more terms a card finds corners that hold only the class of weight .0001
        RiskScoreClassifier(max_features=3, binarizer=Binarizer(max_bins=4)),
        # a steeper curve through separable rows is so flat that weights and repeats differ by 1e-5
        RiskScoreClassifier(gap_tol=1, max_logit=20),
        SLIMClassifier(max_features=2, regularization=0.001, time_limit=10),
        SLIMClassifier(
            max_features=3, regularization=0.001, time_limit=10, binarizer=Binarizer(max_bins=4)
        ),
        PolicyTreeClassifier(),
        PolicyTreeClassifier(max_depth=2, rewards=True, regularization=0.01),
        Binarizer(),
        Binarizer(method="midpoints"),
        Binarizer(method="entropy"),
        Binarizer(method="guess"),
        GreedyTreeClassifier(),
        GreedyTreeClassifier(max_leaf_nodes=4, class_weight="balanced", criterion="entropy"),
        GreedyTreeRegressor(),
        GreedyTreeRegressor(criterion="absolute_error", max_depth=3),
        BoostedTreesClassifier(n_estimators=10),
        BoostedTreesRegressor(n_estimators=20),
        LinearTreeRegressor(),
        LinearTreeRegressor(solver="exact", max_leaf_nodes=4, l2=1.0),
        LinearTreeClassifier(max_leaf_nodes=2, l2=0.25),
        SMOSERegressor(n_experts=2, expert_l2=1.0, n_restarts=0),
        SMOSEClassifier(n_experts=2, expert_l2=0.25, n_restarts=0),
    ]
)
def test_estimator_check(estimator, check):
    check(estimator)
