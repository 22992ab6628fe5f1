//! Gaussian noise that a party adds to its update, for differential privacy.

use anyhow::{Result, anyhow};

/// A standard deviation, and noise drawn ahead.
pub(super) struct Gaussian {
    std: f64,
    drawn: Vec<f64>,
}

/// The bytes of randomness that are asked for at once.
const BYTES: usize = 1 << 13;

impl Gaussian {
    /// Noise of this standard deviation.
    pub(super) fn new(std: f64) -> Self {
        Self { std, drawn: Vec::new() }
    }

    /// A fresh independent value.
    ///
    /// # Errors
    /// If the operating system has no randomness to give.
    pub(super) fn draw(&mut self) -> Result<f64> {
        if self.drawn.is_empty() {
            self.refill()?;
        }
        Ok(self.drawn.pop().unwrap_or_default() * self.std)
    }

    /// Pairs of standard normal values from pairs of uniform ones (Box and Muller, 1958).
    fn refill(&mut self) -> Result<()> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes).map_err(|error| anyhow!("no randomness from the system: {error}"))?;
        let (words, _) = bytes.as_chunks();
        let uniforms: Vec<f64> = words.iter().map(|word| above_zero(u64::from_le_bytes(*word))).collect();
        for pair in uniforms.chunks_exact(2) {
            // Chunks of two.
            let (radius, angle) = ((-2.0 * pair[0].ln()).sqrt(), std::f64::consts::TAU * pair[1]);
            self.drawn.extend([radius * angle.cos(), radius * angle.sin()]);
        }
        Ok(())
    }
}

/// A uniform number above 0 and at most 1, from 53 of these bits.
fn above_zero(bits: u64) -> f64 {
    ((bits >> 11) + 1) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 200,000 values the mean has a standard deviation of 0.0022, the variance one of 0.0032: the tolerances
    /// are more than six of them.
    #[test]
    fn noise_has_the_variance_asked_for() {
        let mut noise = Gaussian::new(3.0);
        let values: Vec<f64> = (0..200_000).map(|_| noise.draw().unwrap() / 3.0).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|value| value * value).sum::<f64>() / values.len() as f64;
        assert!(mean.abs() < 0.015 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
        assert_ne!(values[0], Gaussian::new(1.0).draw().unwrap());
    }
}
