//! The keys of an aggregation.

use std::path::Path;

use anyhow::{Result, bail};

use super::files::{open_client, summary};
use crate::client::keys::KeySet;
use crate::crypto::{PublicKey, Secret, SharedSecret};

/// Fresh keys for the client file of an aggregation: a secret one, and a public one for the parties.
///
/// # Errors
/// If the file is not that, or `public` says that no public key is wanted.
pub fn key_set(client: &Path, public: bool) -> Result<KeySet> {
    let plan = open_client(client)?.value;
    if !public {
        bail!("the parties of '{}' encrypt with a public key\nhint: add --public", client.display());
    }
    let secret = SharedSecret::generate(*plan.round().packing().parameters());
    let public = Some(PublicKey::generate(secret.keys())?);
    Ok(KeySet {
        parameters: summary(plan.round().packing()),
        secret: Secret::Shared(secret),
        evaluation: None,
        public,
    })
}
