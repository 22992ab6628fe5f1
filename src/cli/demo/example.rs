//! The embedded models.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use fhe_ml::artifact::OutputFile;

/// The file of the model.
pub const MODEL: &str = "model.onnx";
/// The file of the rows to calibrate on.
pub const CALIBRATION: &str = "x_calib.npy";
/// The file of the rows to encrypt.
pub const INPUT: &str = "x_test.npy";
/// The file of their labels.
pub const LABELS: &str = "y_test.npy";

/// A model with its data: rows to calibrate on, and other rows with their labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Example {
    /// Logistic regression
    Linear,
    /// 50 boosted trees of depth 4
    Trees,
    /// A convolutional network
    Networks,
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
            Self::Networks => [
                (MODEL, include_bytes!("../../../models/networks/cnn_digits/model.onnx")),
                (CALIBRATION, include_bytes!("../../../models/networks/cnn_digits/x_calib.npy")),
                (INPUT, include_bytes!("../../../models/networks/cnn_digits/x_test.npy")),
                (LABELS, include_bytes!("../../../models/networks/cnn_digits/y_test.npy")),
            ],
        }
    }

    /// Writes its files into a folder.
    ///
    /// # Errors
    /// If one exists or cannot be written.
    pub fn write(self, folder: &Path) -> Result<()> {
        for (name, content) in self.files() {
            let mut file = OutputFile::create(&folder.join(name))?;
            file.write_all(content)?;
            file.finish()?;
        }
        Ok(())
    }

    /// Of the rows to encrypt, those that take a moment.
    pub fn rows(self) -> usize {
        match self {
            Self::Linear | Self::Trees => usize::MAX,
            Self::Networks => 8,
        }
    }

    /// What happens.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Linear => {
                "A hospital's rows, somebody else's server: logistic regression on breast cancer data, encrypted."
            }
            Self::Trees => {
                "A hospital's rows, somebody else's server: 50 boosted trees on breast cancer data, encrypted."
            }
            Self::Networks => {
                "Somebody's handwriting, somebody else's server: a convolutional network on images of digits, \
                 encrypted."
            }
        }
    }

    /// What is compared besides the label.
    pub fn number(self) -> &'static str {
        match self {
            Self::Linear | Self::Trees => "probability",
            Self::Networks => "score",
        }
    }

    /// What a label stands for.
    pub fn name(self, label: f64) -> String {
        match self {
            Self::Linear | Self::Trees if label == 0.0 => "malignant".to_owned(),
            Self::Linear | Self::Trees => "benign".to_owned(),
            Self::Networks => label.to_string(),
        }
    }
}
