//! The operators of ONNX mean what the tests of the ONNX project say.
//!
//! `scripts/make_op_suite.py` collects them; every one is read and evaluated in the clear.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use fhe_ml::onnx::{self, Options};
use fhe_ml::tensor::{DType, Tensor};

/// Tests that are not passed: the beginnings of their names, and why.
const NOT_PASSED: &[(&str, &str)] = &[
    ("dropout_default_mask", "the mask of a Dropout is not given: it means nothing in inference"),
    ("training_dropout", "training mode is refused"),
    ("maxpool_with_argmax_2d", "places of the largest elements are not given"),
    ("resize_tf_crop_and_resize", "crops of images are refused"),
    ("resize_downsample_scales_cubic_antialias", "'antialias' is refused"),
    ("resize_downsample_scales_linear_antialias", "'antialias' is refused"),
    ("resize_downsample_sizes_cubic_antialias", "'antialias' is refused"),
    ("resize_downsample_sizes_linear_antialias", "'antialias' is refused"),
    (
        "resize_downsample_scales_linear_align_corners",
        "expects corners aligned to a length that is not rounded; onnxruntime gives what we give",
    ),
    ("resize_downsample_scales_cubic_align_corners", "the same"),
    (
        "averagepool_2d_ceil_last_window_starts_on_pad",
        "expects numbers of four digits; onnxruntime gives what we give",
    ),
];

/// How often each model is damaged.
const DAMAGES: usize = 8;

/// How far a number may be off, relative to itself and at least to 1.
fn tolerance(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => 2e-3,
        DType::F32 => 1e-5,
        DType::F64 => 1e-7,
        DType::Bool | DType::U8 | DType::I8 | DType::U16 | DType::I16 => 0.0,
        DType::U32 | DType::I32 | DType::U64 | DType::I64 | DType::Text => 0.0,
    }
}

#[test]
fn operators_mean_what_onnx_says() {
    let tests = tests();
    assert!(tests.len() > 700, "only {} tests", tests.len());
    let is_known = |name: &str| NOT_PASSED.iter().any(|(start, _)| name.starts_with(start));
    let results: Vec<(&String, Result<(), String>)> =
        tests.iter().map(|(name, test)| (name, test.check())).collect();
    let failed: Vec<String> = results
        .iter()
        .filter(|(name, _)| !is_known(name))
        .filter_map(|(name, result)| result.as_ref().err().map(|reason| format!("{name}: {reason}")))
        .collect();
    assert!(failed.is_empty(), "{} of {} failed:\n{}", failed.len(), tests.len(), failed.join("\n"));
    for (start, _) in NOT_PASSED {
        let stale = results.iter().any(|(name, result)| name.starts_with(start) && result.is_ok());
        assert!(!stale, "a test that begins with '{start}' passes now");
    }
}

/// Damaged models give errors, never a panic; what can still be read can be evaluated, or gives an error.
#[test]
fn damaged_operators_are_refused_in_order() {
    for test in tests().into_values() {
        let mut generator = test.model.len();
        for _ in 0..DAMAGES {
            generator =
                generator.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (place, bit) = ((generator >> 33) % test.model.len(), (generator >> 20) % 8);
            let mut damaged = test.model.clone();
            damaged[place] ^= 1 << bit;
            let _ = OpTest { model: damaged, values: test.values.clone() }.check();
        }
    }
}

/// One test: a model for one row, and the row with what is expected.
#[derive(Default)]
struct OpTest {
    model: Vec<u8>,
    values: Vec<u8>,
}

impl OpTest {
    fn check(&self) -> Result<(), String> {
        let text = |error: anyhow::Error| format!("{error:#}");
        let values = onnx::read_bytes(&self.values, None, &Options::default()).map_err(text)?;
        let stored = values.evaluate(&[]).map_err(text)?;
        let stored: BTreeMap<&str, Tensor> =
            values.outputs().iter().map(|output| output.field.name.as_str()).zip(stored).collect();
        let model = onnx::read_bytes(&self.model, None, &Options::default()).map_err(text)?;
        let value = |name: String| stored.get(name.as_str()).ok_or(format!("there is no '{name}'"));
        let row = model.inputs().iter().map(|field| value(format!("in:{}", field.name)).cloned());
        let row: Vec<Tensor> = row.collect::<Result<_, _>>()?;
        let found = model.evaluate(&row).map_err(text)?;
        for (output, found) in model.outputs().iter().zip(&found) {
            let name = &output.field.name;
            compare(found, value(format!("out:{name}"))?)
                .map_err(|reason| format!("output '{name}': {reason}"))?;
        }
        Ok(())
    }
}

fn compare(found: &Tensor, expected: &Tensor) -> Result<(), String> {
    if (found.dtype(), found.shape()) != (expected.dtype(), expected.shape()) {
        let [found, expected] =
            [found, expected].map(|value| format!("{} {:?}", value.dtype(), value.shape()));
        return Err(format!("expected {expected}, found {found}"));
    }
    if expected.dtype() == DType::Text {
        return if found == expected { Ok(()) } else { Err("another text".to_owned()) };
    }
    let tolerance = tolerance(expected.dtype());
    let near = |(found, expected): &(&f64, &f64)| {
        found == expected
            || (found.is_nan() && expected.is_nan())
            || (**found - **expected).abs() <= tolerance * expected.abs().max(1.0)
    };
    let mut pairs = found.as_numbers().unwrap().iter().zip(expected.as_numbers().unwrap());
    match pairs.find(|pair| !near(pair)) {
        Some((found, expected)) => Err(format!("expected {expected}, found {found}")),
        None => Ok(()),
    }
}

fn tests() -> BTreeMap<String, OpTest> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/ops/onnx_tests.zip");
    let mut archive = zip::ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
    let mut tests: BTreeMap<String, OpTest> = BTreeMap::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).unwrap();
        let (name, file) = entry.name().rsplit_once('/').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        let test = tests.entry(name).or_default();
        let bytes = if file == "model.onnx" { &mut test.model } else { &mut test.values };
        entry.read_to_end(bytes).unwrap();
    }
    tests
}
