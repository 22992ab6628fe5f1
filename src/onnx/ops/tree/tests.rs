//! Small ensembles as files tell them.

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{ModelProto, NodeProto, TensorProto};

use super::ML;
use crate::model::Op;
use crate::onnx::trial::{Given, apply, assert_near, evaluate, floats, model, node, read, refusal, with};

/// A stump on x[0] with tree and node ids out of order; its leaves vote `low` and `high`.
fn stump(node: NodeProto, side: &str, mode: &str, votes: &[(i64, i64, f32)]) -> NodeProto {
    let node = with(node, "nodes_treeids", Given::Ints(&[7, 7, 7]));
    let node = with(node, "nodes_nodeids", Given::Ints(&[40, 10, 90]));
    let node = with(node, "nodes_modes", Given::Texts(&["LEAF", mode, "LEAF"]));
    let node = with(node, "nodes_featureids", Given::Ints(&[0, 0, 0]));
    let node = with(node, "nodes_values", Given::Floats(&[0.0, 2.0, 0.0]));
    let node = with(node, "nodes_truenodeids", Given::Ints(&[0, 90, 0]));
    let node = with(node, "nodes_falsenodeids", Given::Ints(&[0, 40, 0]));
    let list = |pick: fn(&(i64, i64, f32)) -> i64| votes.iter().map(pick).collect::<Vec<i64>>();
    let node = with(node, &format!("{side}_treeids"), Given::Ints(&vec![7; votes.len()]));
    let node = with(node, &format!("{side}_nodeids"), Given::Ints(&list(|vote| vote.0)));
    let node = with(node, &format!("{side}_ids"), Given::Ints(&list(|vote| vote.1)));
    let weights: Vec<f32> = votes.iter().map(|vote| vote.2).collect();
    with(node, &format!("{side}_weights"), Given::Floats(&weights))
}

/// 1 if the test passes, else 0.
fn regressor(mode: &str) -> NodeProto {
    let regressor = node(ML, "TreeEnsembleRegressor", &["x"], &["y"]);
    with(stump(regressor, "target", mode, &[(90, 0, 1.0), (40, 0, 0.0)]), "n_targets", Given::Int(1))
}

fn classifier(votes: &[(i64, i64, f32)], transform: &str, classes: usize) -> NodeProto {
    let classifier = node(ML, "TreeEnsembleClassifier", &["x"], &["label", "scores"]);
    let classifier = stump(classifier, "class", "BRANCH_LEQ", votes);
    let labels = ["a", "b", "c"];
    let classifier = with(classifier, "classlabels_strings", Given::Texts(&labels[..classes]));
    with(classifier, "post_transform", Given::Text(transform))
}

/// The label and the scores for one x.
fn classified(node: NodeProto, x: f64) -> (String, Vec<f64>) {
    let results = evaluate(&model(&[0, 1], vec![node], vec![]), &[x]);
    let scores = results[1].as_numbers().unwrap().iter().copied().collect();
    (results[0].as_text().unwrap()[[0]].clone(), scores)
}

#[track_caller]
fn assert_class(node: NodeProto, x: f64, label: &str, scores: &[f64]) {
    let (found, found_scores) = classified(node, x);
    assert_eq!(found, label);
    assert_near(&found_scores, scores);
}

fn single(node: NodeProto) -> ModelProto {
    model(&[0, 1], vec![node], vec![])
}

#[test]
fn every_mode_at_its_threshold_and_on_nan() {
    for (mode, expected) in [
        ("BRANCH_LEQ", [1.0, 1.0, 0.0, 0.0]),
        ("BRANCH_LT", [1.0, 0.0, 0.0, 0.0]),
        ("BRANCH_GTE", [0.0, 1.0, 1.0, 0.0]),
        ("BRANCH_GT", [0.0, 0.0, 1.0, 0.0]),
        ("BRANCH_EQ", [0.0, 1.0, 0.0, 0.0]),
        ("BRANCH_NEQ", [1.0, 0.0, 1.0, 1.0]),
    ] {
        for (x, expected) in [1.0, 2.0, 3.0, f64::NAN].into_iter().zip(expected) {
            assert_eq!(apply(regressor(mode), vec![], &[x])[0], [expected], "{mode} {x}");
        }
        let missing = with(regressor(mode), "nodes_missing_value_tracks_true", Given::Ints(&[0, 1, 0]));
        assert_eq!(apply(missing, vec![], &[f64::NAN])[0], [1.0], "{mode}");
    }
}

#[test]
fn double_numbers_are_compared_in_double_precision() {
    let mut node = regressor("BRANCH_LEQ");
    node.attribute.retain(|attribute| attribute.name != "nodes_values");
    let threshold = 2.0 - 1e-12;
    let node = with(node, "nodes_values_as_tensor", Given::Tensor(&doubles(&[0.0, threshold, 0.0])));
    assert_eq!(apply(node.clone(), vec![], &[2.0])[0], [0.0]);
    let both = with(node, "nodes_values", Given::Floats(&[0.0; 3]));
    assert!(refusal(&single(both)).contains("both 'nodes_values' and 'nodes_values_as_tensor'"));
}

/// Values of onnxruntime 1.32.
#[test]
fn votes_on_the_first_of_two_classes_are_the_score_of_the_second() {
    let positive = [(90, 0, 0.3), (40, 0, 0.7)];
    assert_class(classifier(&positive, "NONE", 2), 0.0, "a", &[0.7, 0.3]);
    assert_class(classifier(&positive, "SOFTMAX", 2), 3.0, "b", &[0.3, 0.7]);
    assert_class(classifier(&positive, "LOGISTIC", 2), 0.0, "a", &[0.425_557_5, 0.574_442_5]);
    let mixed = [(90, 0, -0.3), (40, 0, 0.7)];
    assert_class(classifier(&mixed, "NONE", 2), 0.0, "a", &[0.3, -0.3]);
    assert_class(classifier(&mixed, "LOGISTIC", 2), 3.0, "b", &[0.331_812_24, 0.668_187_8]);
    let based = with(classifier(&mixed, "NONE", 2), "base_values", Given::Floats(&[0.4]));
    assert_class(based.clone(), 0.0, "b", &[-0.1, 0.1]);
    let twice = with(classifier(&mixed, "NONE", 2), "base_values", Given::Floats(&[0.4, 0.4]));
    assert!(refusal(&single(twice)).contains("2 base values for one score are not supported"));
}

/// Values of onnxruntime 1.32.
#[test]
fn votes_on_both_of_two_classes_are_decided_by_the_second() {
    let both = [(90, 0, 0.8), (90, 1, -0.2), (40, 0, 0.9), (40, 1, 0.7)];
    assert_class(classifier(&both, "NONE", 2), 0.0, "a", &[0.8, -0.2]);
    assert_class(classifier(&both, "SOFTMAX", 2), 3.0, "b", &[0.549_834, 0.450_166]);
    let second = [(90, 1, 0.3), (40, 1, 0.7)];
    assert_class(classifier(&second, "NONE", 2), 0.0, "a", &[0.0, 0.3]);
    assert_class(classifier(&second, "NONE", 2), 3.0, "b", &[0.0, 0.7]);
    let sometimes = refusal(&single(classifier(&[(90, 0, 0.3), (40, 1, 0.7)], "NONE", 2)));
    assert!(sometimes.contains("which of its two classes get votes depends on the row"), "{sometimes}");
    let mut integers = classifier(&both, "NONE", 2);
    integers.attribute.retain(|attribute| attribute.name != "classlabels_strings");
    let integers = with(integers, "classlabels_int64s", Given::Ints(&[5, 7]));
    assert!(refusal(&single(integers)).contains("the labels 0 and 1"));
}

#[test]
fn of_more_classes_the_largest_score_wins_among_those_with_votes() {
    let votes = [(90, 0, -0.3), (90, 1, -0.2), (40, 2, -0.5)];
    assert_class(classifier(&votes, "NONE", 3), 0.0, "b", &[-0.3, -0.2, 0.0]);
    assert_class(classifier(&votes, "NONE", 3), 3.0, "c", &[0.0, 0.0, -0.5]);
    let based = with(classifier(&votes, "NONE", 3), "base_values", Given::Floats(&[0.0; 3]));
    assert_class(based, 3.0, "a", &[0.0, 0.0, -0.5]);
    assert!(refusal(&single(classifier(&votes, "PROBIT", 3))).contains("'PROBIT' of trees is not supported"));
    assert!(refusal(&single(classifier(&votes, "NONE", 2))).contains("vote on class 2, there are 2"));
}

/// An attribute replaced in a regressor, and what is said of it.
#[track_caller]
fn refused(name: &str, value: Given, message: &str) {
    let mut node = regressor("BRANCH_LEQ");
    node.attribute.retain(|attribute| attribute.name != name);
    let text = refusal(&single(with(node, name, value)));
    assert!(text.contains(message), "{text}");
}

#[test]
fn what_is_no_ensemble_is_refused_in_one_sentence() {
    refused(
        "nodes_truenodeids",
        Given::Ints(&[0, 91, 0]),
        "node 10 of tree 7 leads to node 91, which does not exist",
    );
    refused("nodes_truenodeids", Given::Ints(&[0, 10, 0]), "the node at [0] is in no tree");
    refused("nodes_truenodeids", Given::Ints(&[0, 40, 0]), "nothing leads to nodes 10 and 90 of tree 7");
    refused("nodes_falsenodeids", Given::Ints(&[0, 40]), "has 3 entries and 'nodes_falsenodeids' has 2");
    refused("nodes_featureids", Given::Ints(&[0, 1, 0]), "tests feature 1, there are 1");
    refused("nodes_featureids", Given::Ints(&[0, -1, 0]), "node 10 of tree 7 tests feature -1");
    refused("nodes_nodeids", Given::Ints(&[40, 10, 40]), "node 40 of tree 7 comes twice");
    refused("nodes_modes", Given::Texts(&["LEAF", "BRANCH_ODD", "LEAF"]), "its mode is 'BRANCH_ODD'");
    refused("nodes_values", Given::Floats(&[0.0, f32::NAN, 0.0]), "compares with NaN");
    refused("target_ids", Given::Ints(&[0, 1]), "votes on target 1, there are 1");
    refused("target_nodeids", Given::Ints(&[90, 41]), "node 41 of tree 7 votes but does not exist");
    refused("target_weights", Given::Floats(&[f32::INFINITY, 0.0]), "a weight is inf");
    refused("n_targets", Given::Int(1 << 40), "1099511627776 targets");
    refused("base_values", Given::Floats(&[1.0, 2.0]), "2 base values and 1 targets");
    refused("aggregate_function", Given::Text("MEDIAN"), "'MEDIAN', which is not known");
}

/// Two trees: x[0] in {1, 3} else x[1] > 5; and a single leaf of 10.
fn ensemble() -> NodeProto {
    let node = node(ML, "TreeEnsemble", &["x"], &["y"]);
    let node = with(node, "n_targets", Given::Int(2));
    let node = with(node, "tree_roots", Given::Ints(&[0, 2]));
    let node = with(node, "nodes_modes", Given::Tensor(&bytes(&[6, 3, 0])));
    let node = with(node, "nodes_featureids", Given::Ints(&[0, 1, 0]));
    let node = with(node, "nodes_splits", Given::Tensor(&floats("", &[3], &[0.0, 5.0, 0.0])));
    let node = with(node, "membership_values", Given::Tensor(&floats("", &[3], &[1.0, 3.0, f32::NAN])));
    let node = with(node, "nodes_truenodeids", Given::Ints(&[0, 1, 3]));
    let node = with(node, "nodes_trueleafs", Given::Ints(&[1, 1, 1]));
    let node = with(node, "nodes_falsenodeids", Given::Ints(&[1, 2, 3]));
    let node = with(node, "nodes_falseleafs", Given::Ints(&[0, 1, 1]));
    let node = with(node, "leaf_targetids", Given::Ints(&[0, 0, 1, 0]));
    with(node, "leaf_weights", Given::Tensor(&floats("", &[4], &[1.0, 2.0, 3.0, 10.0])))
}

#[test]
fn branches_and_leaves_apart() {
    for (row, expected) in [([3.0, 9.0], [11.0, 0.0]), ([2.0, 9.0], [12.0, 0.0]), ([2.0, 5.0], [10.0, 3.0])] {
        assert_eq!(apply(ensemble(), vec![], &row)[0], expected);
    }
    let average = with(ensemble(), "aggregate_function", Given::Int(0));
    assert_eq!(apply(average, vec![], &[2.0, 5.0])[0], [5.0, 1.5]);
    let missing = with(ensemble(), "nodes_missing_value_tracks_true", Given::Ints(&[1, 0, 0]));
    assert_eq!(apply(missing, vec![], &[f64::NAN, 9.0])[0], [11.0, 0.0]);
}

#[test]
fn the_least_or_largest_vote_may_be_the_score() {
    let on_one = |node| with(node, "leaf_targetids", Given::Ints(&[0, 0, 0, 0]));
    let without = |name: &str| {
        let mut node = ensemble();
        node.attribute.retain(|attribute| attribute.name != name);
        node
    };
    for (function, row, expected) in
        [(2, [3.0, 9.0], 1.0), (2, [2.0, 5.0], 3.0), (3, [3.0, 9.0], 10.0), (3, [2.0, 5.0], 10.0)]
    {
        let node = with(on_one(without("leaf_targetids")), "aggregate_function", Given::Int(function));
        assert_eq!(apply(node, vec![], &row)[0], [expected, 0.0]);
    }
    let sometimes = with(ensemble(), "aggregate_function", Given::Int(2));
    let text = refusal(&model(&[0, 2], vec![sometimes], vec![]));
    assert!(text.contains("whether tree 0 votes on target 0 depends on the row"), "{text}");
}

#[test]
fn what_is_no_ensemble_of_the_new_kind_is_refused_too() {
    let refused = |name: &str, value: Given, message: &str| {
        let mut node = ensemble();
        node.attribute.retain(|attribute| attribute.name != name);
        let text = refusal(&model(&[0, 2], vec![with(node, name, value)], vec![]));
        assert!(text.contains(message), "{text}");
    };
    refused("tree_roots", Given::Ints(&[0, 3]), "a tree starts at node 3, there are 3");
    refused("tree_roots", Given::Ints(&[0]), "the node at [2] is in no tree");
    refused("tree_roots", Given::Ints(&[0, 1, 2]), "the node at [1] is reached in two ways");
    refused("tree_roots", Given::Ints(&[]), "there are no trees");
    refused("nodes_truenodeids", Given::Ints(&[4, 1, 3]), "the node at [0] leads to leaf 4, there are 4");
    refused("nodes_falsenodeids", Given::Ints(&[0, 2, 3]), "the node at [0] is reached in two ways");
    refused(
        "membership_values",
        Given::Tensor(&floats("", &[0], &[])),
        "its 'membership_values' are missing",
    );
    refused("nodes_modes", Given::Tensor(&bytes(&[6, 3, 7])), "its mode is 7");
    refused("leaf_targetids", Given::Ints(&[0, 0, 2, 0]), "votes on target 2, there are 2");
    refused(
        "leaf_targetids",
        Given::Ints(&[0, 0, 1]),
        "'leaf_targetids' has 3 entries and 'leaf_weights' has 4",
    );
    refused("post_transform", Given::Int(1), "softmax to one runtime and logistic to another");
    refused("post_transform", Given::Int(4), "'PROBIT' of trees is not supported");
}

#[test]
fn chains_of_categories_become_sets() {
    let regressor = node(ML, "TreeEnsembleRegressor", &["x"], &["y"]);
    let regressor = with(regressor, "nodes_treeids", Given::Ints(&[0; 4]));
    let regressor = with(regressor, "nodes_nodeids", Given::Ints(&[0, 1, 2, 3]));
    let regressor = with(regressor, "nodes_modes", Given::Texts(&["BRANCH_EQ", "LEAF", "BRANCH_EQ", "LEAF"]));
    let regressor = with(regressor, "nodes_featureids", Given::Ints(&[0; 4]));
    let regressor = with(regressor, "nodes_values", Given::Floats(&[1.0, 0.0, 4.0, 0.0]));
    let regressor = with(regressor, "nodes_truenodeids", Given::Ints(&[1, 0, 1, 0]));
    let regressor = with(regressor, "nodes_falsenodeids", Given::Ints(&[2, 0, 3, 0]));
    let regressor = with(regressor, "target_treeids", Given::Ints(&[0, 0]));
    let regressor = with(regressor, "target_nodeids", Given::Ints(&[1, 3]));
    let regressor = with(regressor, "target_ids", Given::Ints(&[0, 0]));
    let regressor = with(regressor, "target_weights", Given::Floats(&[1.0, -1.0]));
    for (x, expected) in [(1.0, 1.0), (4.0, 1.0), (2.0, -1.0)] {
        assert_eq!(apply(regressor.clone(), vec![], &[x])[0], [expected]);
    }
    let read = read(&single(regressor)).unwrap();
    let Op::Trees(trees) = &read.nodes()[1].op else { panic!("{:?}", read.nodes()[1].op) };
    assert_eq!(trees.parts().nodes.len(), 3);
}

fn bytes(values: &[i32]) -> TensorProto {
    TensorProto {
        dims: vec![values.len() as i64],
        data_type: DataType::Uint8 as i32,
        int32_data: values.to_vec(),
        ..TensorProto::default()
    }
}

fn doubles(values: &[f64]) -> TensorProto {
    TensorProto {
        dims: vec![values.len() as i64],
        data_type: DataType::Double as i32,
        double_data: values.to_vec(),
        ..TensorProto::default()
    }
}
