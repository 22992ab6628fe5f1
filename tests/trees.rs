//! Ensembles of trees keep what they are when a model is written.

use std::path::{Path, PathBuf};

use fhe_ml::model::{Model, Op};
use fhe_ml::onnx::{self, Options};

/// The shipped models with trees, in order.
fn models() -> Vec<(PathBuf, Model)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut cases: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|case| case.unwrap().path()).collect();
    cases.sort();
    let models = cases.into_iter().map(|case| {
        let model = onnx::read(&case.join("model.onnx"), &Options::default());
        let model = model.unwrap_or_else(|error| panic!("{}: {error:#}", case.display()));
        (case, model)
    });
    let models: Vec<_> = models.filter(|(_, model)| has_trees(model)).collect();
    assert!(!models.is_empty());
    models
}

fn has_trees(model: &Model) -> bool {
    model.nodes().iter().any(|node| matches!(node.op, Op::Trees(_)))
}

#[test]
fn a_model_is_read_as_it_was_written() {
    for (case, model) in models() {
        let copy: Model = serde_json::from_str(&serde_json::to_string(&model).unwrap()).unwrap();
        assert!(copy == model, "{}", case.display());
    }
}
