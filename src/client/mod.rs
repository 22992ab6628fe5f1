//! The client's side: rows to ciphertexts and results to rows. The only user of the secret key.

pub mod decrypt;
mod decryptor;
pub mod encrypt;
mod encryptor;
pub mod keys;

pub use decryptor::Decryptor;
pub use encryptor::Encryptor;

use anyhow::{Result, bail};

use crate::circuit::Encoding;
use crate::crypto::Secret;

/// Refuses a key that was made for other parameters than the encoding's.
fn check_parameters(key: &Secret, encoding: &Encoding) -> Result<()> {
    let (own, needed) = (key.parameters(), encoding.secret());
    if own != needed {
        bail!(
            "the secret key is for {}, the circuit for {}\nhint: run `fhe-ml keygen` with this client file, or \
             compile with --same-parameters-as the client file of the key",
            own.name(),
            needed.name()
        );
    }
    Ok(())
}
