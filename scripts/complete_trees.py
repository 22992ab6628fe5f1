"""Regressors of complete trees, written as ONNX by hand.

Branches and leaves are arrays with a row for each tree; the children of the branch at place p are at 2p + 1
and 2p + 2, where places after the last branch are those of the leaves.
"""

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper

MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]
MEMBER = 6  # the number of the mode in TreeEnsemble, after those above


@dataclass
class Trees:
    features: np.ndarray  # of each branch
    modes: np.ndarray  # places in MODES, or MEMBER
    values: np.ndarray  # thresholds; sets where the mode is MEMBER
    missing_pass: np.ndarray  # whether a missing value passes the test
    leaves: np.ndarray

    def children(self):
        """The places of the children of every branch of a tree: after a passed and after a failed test."""
        places = np.arange(self.features.shape[1])
        return 2 * places + 1, 2 * places + 2


def listed(trees):
    """As TreeEnsembleRegressor: nodes, leaves among them, numbered in every tree."""
    count, branches = trees.features.shape
    leaves = trees.leaves.shape[1]
    nodes = branches + leaves
    passed, failed = trees.children()

    def of_nodes(values, of_leaf):
        return [value for row in values for value in [*row, *[of_leaf] * leaves]]

    return helper.make_node(
        "TreeEnsembleRegressor",
        ["x"],
        ["y"],
        domain="ai.onnx.ml",
        n_targets=1,
        nodes_treeids=np.repeat(np.arange(count), nodes).tolist(),
        nodes_nodeids=list(range(nodes)) * count,
        nodes_featureids=of_nodes(trees.features.tolist(), 0),
        nodes_modes=of_nodes([[MODES[mode] for mode in row] for row in trees.modes], "LEAF"),
        nodes_values=of_nodes(trees.values.tolist(), 0.0),
        nodes_missing_value_tracks_true=of_nodes(trees.missing_pass.tolist(), 0),
        nodes_truenodeids=of_nodes([passed.tolist()] * count, 0),
        nodes_falsenodeids=of_nodes([failed.tolist()] * count, 0),
        target_treeids=np.repeat(np.arange(count), leaves).tolist(),
        target_nodeids=list(range(branches, nodes)) * count,
        target_ids=[0] * (count * leaves),
        target_weights=trees.leaves.ravel().tolist(),
    )


def split(trees, targets=1, **attributes):
    """As TreeEnsemble: branches and leaves in lists of their own, each numbered through all trees.

    Trees vote on the targets in turn.
    """
    count, branches = trees.features.shape
    leaves = trees.leaves.shape[1]
    first_branch = branches * np.arange(count)[:, None]
    first_leaf = leaves * np.arange(count)[:, None]

    def places(children):
        is_leaf = np.broadcast_to(children >= branches, (count, branches))
        return np.where(is_leaf, children - branches + first_leaf, children + first_branch).ravel(), is_leaf.ravel()

    (passed, passed_are_leaves), (failed, failed_are_leaves) = map(places, trees.children())
    is_member = trees.modes.ravel() == MEMBER
    values = trees.values.ravel()
    sets = [number for value in values[is_member] for number in [*value, np.nan]]
    splits = [0.0 if member else value for value, member in zip(values, is_member)]
    return helper.make_node(
        "TreeEnsemble",
        ["x"],
        ["y"],
        domain="ai.onnx.ml",
        n_targets=targets,
        tree_roots=first_branch.ravel().tolist(),
        nodes_featureids=trees.features.ravel().tolist(),
        nodes_modes=tensor(TensorProto.UINT8, trees.modes.ravel().tolist()),
        nodes_splits=tensor(TensorProto.FLOAT, splits),
        membership_values=tensor(TensorProto.FLOAT, sets),
        nodes_missing_value_tracks_true=trees.missing_pass.ravel().tolist(),
        nodes_truenodeids=passed.tolist(),
        nodes_trueleafs=passed_are_leaves.astype(int).tolist(),
        nodes_falsenodeids=failed.tolist(),
        nodes_falseleafs=failed_are_leaves.astype(int).tolist(),
        leaf_targetids=np.repeat(np.arange(count) % targets, leaves).tolist(),
        leaf_weights=tensor(TensorProto.FLOAT, trees.leaves.ravel().tolist()),
        **attributes,
    )


def tensor(kind, values):
    return helper.make_tensor("", kind, [len(values)], values)


def model(node, features, ml_version, targets=1):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, features])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, targets])
    opsets = [helper.make_opsetid("ai.onnx.ml", ml_version), helper.make_opsetid("", 17)]
    made = helper.make_model(helper.make_graph([node], "trees", [x], [y]), opset_imports=opsets, ir_version=8)
    onnx.checker.check_model(made)
    return made
