//! The embedded models.

use clap::ValueEnum;

/// The file of the model.
pub const MODEL: &str = "model.onnx";
/// The file of the rows to calibrate on.
pub const CALIBRATION: &str = "x_calib.npy";
/// The file of the rows to encrypt.
pub const INPUT: &str = "x_test.npy";
/// The file of their labels.
pub const LABELS: &str = "y_test.npy";

/// A model with its data: rows to calibrate on, and other rows with their labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Example {
    /// Logistic regression
    Linear,
    /// 50 boosted trees of depth 4
    Trees,
}

impl Example {
    /// The names and contents of its files.
    pub fn files(self) -> [(&'static str, &'static [u8]); 4] {
        match self {
            Self::Linear => [
                (MODEL, include_bytes!("../../../models/logreg_breast_cancer/model.onnx")),
                (CALIBRATION, include_bytes!("../../../models/logreg_breast_cancer/x_calib.npy")),
                (INPUT, include_bytes!("../../../models/logreg_breast_cancer/x_test.npy")),
                (LABELS, include_bytes!("../../../models/logreg_breast_cancer/y_test.npy")),
            ],
            Self::Trees => [
                (MODEL, include_bytes!("../../../models/xgb_breast_cancer/model.onnx")),
                (CALIBRATION, include_bytes!("../../../models/xgb_breast_cancer/x_calib.npy")),
                (INPUT, include_bytes!("../../../models/xgb_breast_cancer/x_test.npy")),
                (LABELS, include_bytes!("../../../models/xgb_breast_cancer/y_test.npy")),
            ],
        }
    }

    /// What it is.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Linear => "logistic regression",
            Self::Trees => "50 boosted trees",
        }
    }
}
