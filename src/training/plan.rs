//! What owner, parties and server agree on.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::{Features, Packing, Program, Settings, TrainingParameters, Variances};

/// Settings and the parameters that fit them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    settings: Settings,
    parameters: TrainingParameters,
}

/// The client's half of a plan: what parties and the owner of the secret key need.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientPlan {
    /// What the server knows too.
    pub plan: Plan,
    /// How rows are standardised.
    pub features: Features,
}

impl Plan {
    /// The plan of these settings, with the fastest parameters that are good enough.
    ///
    /// # Errors
    /// If no parameters are.
    pub fn new(settings: Settings) -> Result<Self> {
        let parameters = TrainingParameters::fastest(&Program::new(settings.clone()))?;
        Ok(Self { settings, parameters })
    }

    /// What is trained and how.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What keys and ciphertexts are made with.
    pub fn parameters(&self) -> &TrainingParameters {
        &self.parameters
    }

    /// The integer program.
    pub fn program(&self) -> Program {
        Program::new(self.settings.clone())
    }

    /// How rows are packed.
    pub fn packing(&self) -> Packing {
        Packing::of(&self.program(), &self.parameters)
    }

    /// The predicted noise.
    pub fn variances(&self) -> Variances {
        Variances::of(&self.program(), &self.parameters)
    }

    /// The standard deviation of a weight after a descent over so many rows, a weight of 1 being 1.
    pub fn weight_noise(&self, rows: u64) -> f64 {
        let program = self.program();
        self.variances().of_weights(&program, rows).sqrt() / program.weight_unit()
    }

    /// The most rows of all parties after whose epochs the noise of weights is still small.
    pub fn fitting_rows(&self) -> u64 {
        let epochs = f64::from(self.settings.literal().epochs);
        (self.program().noise_budget() / self.variances().of_row() / epochs) as u64
    }

    /// The standard deviation of w·x + b as it is read.
    pub fn reading_noise(&self) -> f64 {
        self.variances().reading.sqrt() * self.program().span()
    }
}

impl ClientPlan {
    /// Refuses features that do not fit the settings.
    ///
    /// # Errors
    /// If there are more or fewer.
    pub fn check(&self) -> Result<()> {
        let (own, due) = (self.features.scales().len(), self.plan.settings.literal().features);
        ensure!(own == due, "bounds of {own} features, where the plan has {due}");
        Ok(())
    }
}
